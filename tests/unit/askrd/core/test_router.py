"""Holds the router's edges: bytes cut anywhere, garbage, parts, full outboxes, draining."""

import pytest

from askrd.core import departure
from askrd.core.session import Phase
from askrd.wire.codec import encode
from askrd.wire.errors import BadRequest, PayloadTooLarge
from askrd.wire.frames import FLAG_HEAD, FLAG_MORE, FLAG_OPTIONS, HEADER, Frame, Kind
from askrd.wire.limits import SKIP_BYTES_MAX, Limits
from tests.unit.askrd.core.desk import Desk, Mate, body, json

both = pytest.mark.parametrize("is_fast", [True, False])
PING = Frame(kind=Kind.PING, id=3)


def parts(frame: Frame, *sizes: int, id_: int = 8) -> list[Frame]:
    data = encode(frame)
    pieces = []
    for size in sizes:
        pieces.append(Frame(kind=Kind.PART, id=id_, payload=data[:size], flags=FLAG_MORE))
        data = data[size:]
    return [*pieces, Frame(kind=Kind.PART, id=id_, payload=data)]


# --- bytes ---------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("size", [1, 7, 23, 24, 25, 1000])
def test_frames_may_be_cut_anywhere(is_fast: bool, size: int) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    data = b"".join(
        encode(Frame(kind=Kind.CALL, id=id_, name=b"agent.fetch", payload=b"x" * id_))
        for id_ in range(1, 20)
    )
    for at in range(0, len(data), size):
        me.feed(data[at : at + size])
    assert [(f.id, len(f.payload)) for f in agent.heard()] == [(n, n) for n in range(1, 20)]


@pytest.mark.parametrize("cut", [0, 30])
def test_lengths_that_contradict_each_other_close(cut: int) -> None:
    desk = Desk()
    me = desk.join()
    data = encode(PING) + HEADER.pack(25, Kind.CALL, 0, 9, 1, 0, 0) + b"x" * 99 + encode(PING)
    me.feed(data[:cut])
    me.feed(data[cut:])
    assert me.kinds() == [Kind.PONG, Kind.ERROR]
    assert desk.closes == [(me, 4500)]


@pytest.mark.parametrize("flags", [FLAG_HEAD, FLAG_OPTIONS])
def test_a_section_longer_than_its_frame_never_reaches_anybody(flags: int) -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(1)
    agent.heard()
    for id_ in (2, 3):
        me.feed(HEADER.pack(31, Kind.CALL, 0, 11, id_, 0, flags << 8) + b"agent.fetch")
    assert me.fails() == {2: "bad_request", 3: "bad_request"}
    assert agent.heard() == []


@pytest.mark.parametrize("is_whole", [True, False])
def test_an_oversize_frame_is_answered_to_its_id_and_counted_away(is_whole: bool) -> None:
    desk = Desk(limits=Limits(payload_bytes_max=100))
    me = desk.join()
    me.sub(9, "a")
    me.heard()
    data = b"".join(
        encode(Frame(kind=kind, id=id_, payload=bytes(80_000)))
        for kind, id_ in ((Kind.CALL, 1), (Kind.EMIT, 0), (Kind.CALL, 9), (Kind.PONG, 4))
    )
    step = len(data) if is_whole else 9_000
    for at in range(0, len(data), step):
        me.feed(data[at : at + step])
    me.say(PING)
    assert [(f.kind, f.id) for f in me.heard()] == [
        (Kind.FAIL, 1), (Kind.ERROR, 0), (Kind.ERROR, 9), (Kind.ERROR, 4), (Kind.PONG, 3),
    ]  # fmt: skip


def test_a_frame_far_above_the_limit_closes() -> None:
    desk = Desk()
    me = desk.join()
    me.feed(HEADER.pack(SKIP_BYTES_MAX, Kind.CALL, 0, 0, 1, 0, 0))
    assert me.fails() == {1: "payload_too_large"}
    assert desk.closes == [(me, 1009)]


def test_an_unknown_kind_keeps_the_connection() -> None:
    me = Desk().join()
    for kind in (Kind.HELLO, Kind.WELCOME, Kind.EVENT, Kind.GAP, 0x7F, 0):
        me.say(Frame(kind=kind, id=6))
    me.feed(HEADER.pack(20, 0x7F, 0, 0, 2**53, 0, 0))
    me.say(PING)
    heard = me.heard()
    assert [body(f)["code"] for f in heard[:-1]] == ["unknown_kind"] * 6 + ["bad_request"]
    assert (heard[0].id, heard[6].id, heard[7].kind) == (6, 0, Kind.PONG)


# --- parts ---------------------------------------------------------------------------------------


def test_a_frame_may_come_in_parts_between_others() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    first, second, third = parts(
        Frame(kind=Kind.CALL, id=1, name=b"agent.fetch", payload=b"abc"), 10, 20
    )
    me.say(first, PING, second, *parts(Frame(kind=Kind.EMIT, name=b"a"), 5, id_=9), third)
    (call,) = agent.heard()
    assert (call.name, call.payload) == (b"agent.fetch", b"abc")
    assert me.kinds() == [Kind.PONG]


def test_what_is_wrong_inside_parts_is_said() -> None:
    desk = Desk()
    me = desk.join()
    me.say(*parts(Frame(kind=Kind.PART, id=1), 5))
    me.say(*parts(Frame(kind=Kind.CALL, id=2, stamp=b"me"), 5))
    me.say(Frame(kind=Kind.PART, id=3, payload=b"short"))
    heard = me.heard()
    assert [(f.kind, f.id) for f in heard] == [(Kind.ERROR, 8), (Kind.FAIL, 2), (Kind.ERROR, 3)]
    assert not desk.closes


def test_too_many_groups_close() -> None:
    desk = Desk()
    me = desk.join()
    for id_ in range(1, 6):
        me.say(Frame(kind=Kind.PART, id=id_, payload=b"x", flags=FLAG_MORE))
    assert me.errors() == [(0, "bad_request")]
    assert desk.closes == [(me, 4500)]


# --- full outboxes -------------------------------------------------------------------------------


def answers_pile_up(me: Mate, times: int) -> None:
    for id_ in range(1, times + 1):
        me.call(id_, "$askr.ping")


def test_a_session_that_lets_answers_pile_up_is_closed() -> None:
    desk = Desk(limits=Limits(outbox_frames_max=5))
    me, other = desk.join(), desk.join("other")
    me.pause()
    answers_pile_up(me, 20)
    assert desk.closes == [(me, 4001)]
    assert me.session.phase is Phase.CLOSING
    assert len(me.session.outbox.urgent) == 7, "what fitted, one more, and the word about it"
    answers_pile_up(other, 20)
    assert len(other.heard()) == 20, "who reads is not affected"
    me.resume()
    assert me.errors() == [(0, "slow_consumer")]


@both
def test_a_session_that_is_closed_by_its_own_reply_is_read_no_further(is_fast: bool) -> None:
    desk = Desk(limits=Limits(outbox_frames_max=2), is_fast=is_fast)
    agent = desk.serve()
    for id_ in range(1, 6):
        agent.call(id_)
    agent.pause()
    agent.say(*(Frame(kind=Kind.REPLY, id=rid) for rid in range(1, 6)))
    assert desk.closes == [(agent, 4001)]
    assert len(agent.session.asked) == 2


def test_a_watcher_with_too_many_keys_unread_is_closed() -> None:
    desk = Desk(limits=Limits(outbox_frames_max=5))
    me, writer = desk.join(), desk.join("writer")
    me.say(Frame(kind=Kind.WATCH, id=1))
    me.pause()
    for id_ in range(1, 50):
        writer.put(id_, f"k{id_}", 1)
        writer.say(Frame(kind=Kind.DEL, id=id_, name=f"k{id_}".encode()))
    assert desk.closes == [(me, 4001)]
    assert len(me.session.outbox.events) == 6


# --- the door's word -----------------------------------------------------------------------------


@pytest.mark.parametrize("id_", [5, 0, -1, 2**60, "x", None, True])
def test_what_a_door_could_not_read_is_said(id_: object) -> None:
    desk = Desk()
    me = desk.join()
    desk.router.refuse(me.session, BadRequest("no JSON", details={"id": id_}), desk.now_us)
    ((said, code),) = me.errors()
    assert code == "bad_request"
    assert said == (id_ if id_ in (5, True) else 0)


def test_before_the_hello_it_closes_and_afterwards_nothing_is_said() -> None:
    desk = Desk()
    me = desk.connect()
    for _ in range(2):
        desk.router.refuse(me.session, PayloadTooLarge(), desk.now_us)
    desk.settle()
    assert len(me.errors()) == 1
    assert desk.closes == [(me, 4500)]


# --- draining ------------------------------------------------------------------------------------


@both
def test_a_draining_daemon_takes_no_new_commands_and_finishes_the_old(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me, other, late = desk.serve(), desk.join(), desk.serve("other"), desk.connect()
    other.pause()
    me.call(1)
    me.call(2, "other.fetch")
    desk.router.drain(20_000, desk.now_us)
    said, asked = me.heard()
    assert (said.kind, body(said)["grace_ms"]) == (Kind.DRAIN, 20_000)
    assert (asked.kind, departure.uninformed(desk.router.board)) == (Kind.PING, 2)
    me.say(Frame(kind=Kind.PONG))
    assert departure.uninformed(desk.router.board) == 1, "who answers has read it"
    other.resume()
    assert other.kinds() == [Kind.DRAIN, Kind.PING, Kind.CALL], "what waited was taken before"
    for id_, address in ((3, "agent.fetch"), (4, "other.fetch"), (5, "$askr.ping")):
        me.call(id_, address)
    assert me.fails() == dict.fromkeys((3, 4, 5), "draining")
    agent.reply(1)
    assert me.kinds() == [Kind.REPLY]
    late.hello()
    assert late.errors() == [(0, "draining")]
    assert desk.closes == [(late, 4000)]


def test_everybody_is_told_goodbye() -> None:
    desk = Desk()
    me, unborn, gone = desk.join(), desk.connect(), desk.join()
    gone.say(Frame(kind=Kind.BYE))
    desk.router.close_all("it stops")
    desk.settle()
    assert [(f.kind, body(f)) for f in me.heard()] == [(Kind.BYE, {"reason": "it stops"})]
    assert unborn.kinds() == [Kind.BYE]
    assert [code for _, code in desk.closes] == [1000, 4000, 4000]


def test_an_idle_router_waits_for_heartbeats_only() -> None:
    desk = Desk()
    assert desk.router.next_due_us == 2**62
    me = desk.join()
    assert desk.router.next_due_us < desk.now_us + 6_000_000
    me.say(json(Kind.PONG, None))
    me.lose()
    desk.after(20_000_000)
    assert desk.router.next_due_us == 2**62


# --- numbers at their ends -----------------------------------------------------------------------


@both
@pytest.mark.parametrize("ttl_ms", [1, 4_294_968, 0xFFFF_FFFF])
def test_the_longest_deadline_is_as_long_as_it_says(is_fast: bool, ttl_ms: int) -> None:
    desk = Desk(is_fast=is_fast)
    desk.serve()
    me = desk.join()
    me.call(1, "agent.fetch")  # The route is remembered from here on.
    me.call(2, "agent.fetch", ttl_ms=ttl_ms)
    deadline_us = me.session.asking[2][6]
    assert deadline_us == desk.now_us + ttl_ms * 1000


@both
@pytest.mark.parametrize("id_", [2**53, 2**63, 2**64 - 1])
def test_an_id_beyond_its_range_is_no_command(is_fast: bool, id_: int) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    me.call(1, "agent.fetch")
    agent.heard()
    me.feed(HEADER.pack(31, Kind.CALL, 0, 11, id_, 0, 0) + b"agent.fetch")
    assert me.errors() == [(0, "bad_request")]
    assert agent.heard() == []


@both
def test_a_burst_keeps_its_order_among_other_frames(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    agent.sub(1, "news.**")
    agent.heard()
    event, other = (Frame(kind=Kind.EMIT, name=name) for name in (b"news.a", b"news.b"))
    calls = [encode(Frame(kind=Kind.CALL, id=id_, name=b"agent.fetch")) for id_ in (1, 2, 3)]
    me.feed(calls[2] + encode(event) + encode(other))  # Remembered from here on.
    agent.heard()
    burst = encode(event) * 2 + encode(other)
    me.feed(burst + calls[0] + burst + encode(PING) + burst + calls[1])
    heard = [(frame.kind, frame.name) for frame in agent.heard()]
    news = [(Kind.EVENT, b"news.a")] * 2 + [(Kind.EVENT, b"news.b")]
    fetch = (Kind.CALL, b"agent.fetch")
    assert heard == [*news, fetch, *news, *news, fetch]
