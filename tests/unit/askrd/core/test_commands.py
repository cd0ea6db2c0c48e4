"""Holds the rules of commands: dispatch, outcomes, cancel, expiry and loss."""

import pytest

from askrd.core import departure
from askrd.wire.codec import encode
from askrd.wire.frames import FLAG_MORE, HEADER, Coding, Frame, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import MS, SECOND, Desk, body, json

both = pytest.mark.parametrize("is_fast", [True, False])


def fail(id_: int, code: str = "of_its_own") -> Frame:
    return json(Kind.FAIL, {"code": code}, id=id_)


# --- outcomes ------------------------------------------------------------------------------------


@both
def test_a_command_reaches_the_instance_under_its_own_id_and_name(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    me.call(7, "fetch", payload=b"{}", coding=Coding.JSON, ttl_ms=500, hops=2)
    (call,) = agent.heard()
    assert (call.kind, call.id, call.name) == (Kind.CALL, 1, b"agent.fetch")
    assert (call.ttl_ms, call.hops, call.payload) == (500, 2, b"{}")
    assert call.stamp == b"me@i1"


@both
def test_a_reply_comes_back_under_the_callers_id_with_its_sender(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    me.call(7)
    agent.reply(1, b"42")
    (reply,) = me.heard()
    assert (reply.kind, reply.id, reply.payload, reply.stamp) == (Kind.REPLY, 7, b"42", b"agent@i0")
    assert departure.in_flight(desk.router.board) == 0


@both
def test_a_second_reply_is_dropped_and_counted(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    me.call(7)
    agent.reply(1)
    agent.reply(1)
    assert me.kinds() == [Kind.REPLY]
    assert agent.errors() == []
    assert desk.router.board.totals.late_replies == 1


@both
def test_a_reply_nobody_asked_for_is_refused_and_counted(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me, thief = desk.serve(), desk.join(), desk.serve("thief")
    me.call(7)
    thief.reply(1)
    assert me.heard() == []
    assert thief.errors() == [(1, "bad_request")]
    assert desk.router.board.totals.forged_replies == 1
    agent.reply(1)
    assert me.kinds() == [Kind.REPLY]


def test_a_fail_is_relayed_as_it_is() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(7)
    agent.say(fail(1))
    (outcome,) = me.heard()
    assert (outcome.kind, outcome.id, outcome.stamp) == (Kind.FAIL, 7, b"agent@i0")
    assert body(outcome) == {"code": "of_its_own"}


def test_a_fail_without_a_json_body_is_refused_and_the_command_goes_on() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(7)
    agent.say(Frame(kind=Kind.FAIL, id=1, payload=b"no"), Frame(kind=Kind.REPLY, id=1, name=b"x"))
    assert agent.heard()[1:] != []
    assert me.heard() == []
    agent.reply(1)
    assert me.kinds() == [Kind.REPLY]


def test_progress_reaches_the_caller_before_the_outcome_and_not_after() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(7)
    agent.say(Frame(kind=Kind.PROGRESS, id=1, payload=b"half"))
    agent.reply(1)
    agent.say(Frame(kind=Kind.PROGRESS, id=1, payload=b"late"))
    assert [(f.kind, f.id, f.payload) for f in me.heard()] == [
        (Kind.PROGRESS, 7, b"half"),
        (Kind.REPLY, 7, b"1"),
    ]


def test_progress_is_held_to_the_same_rules_as_a_reply() -> None:
    desk = Desk(limits=Limits(payload_bytes_max=100))
    agent, me = desk.serve(), desk.join()
    me.call(7)
    for odd in (
        Frame(kind=Kind.PROGRESS, id=1, name=b"x"),
        Frame(kind=Kind.PROGRESS, id=1, flags=FLAG_MORE),
        Frame(kind=Kind.PROGRESS, id=1, payload=b"x" * 101),
        Frame(kind=Kind.PROGRESS, id=9),
    ):
        agent.say(odd)
    codes = ["bad_request", "bad_request", "payload_too_large", "bad_request"]
    assert [code for _, code in agent.errors()[-4:]] == codes
    assert me.heard() == []
    agent.reply(1)
    me.heard()
    me.call(8)
    me.cancel(8)
    agent.say(Frame(kind=Kind.PROGRESS, id=2))
    assert [frame.kind for frame in me.heard()] == [Kind.FAIL]


@both
@pytest.mark.parametrize("size", [1_001, 80_000])
def test_a_reply_above_the_limit_ends_the_command(is_fast: bool, size: int) -> None:
    desk = Desk(limits=Limits(payload_bytes_max=1_000), is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    agent.heard()
    me.call(7)
    agent.heard()
    agent.reply(1, b"x" * size)
    (outcome,) = me.heard()
    assert (outcome.kind, outcome.id) == (Kind.FAIL, 7)
    assert (body(outcome)["code"], body(outcome)["at"]) == ("payload_too_large", "response")
    assert agent.errors() == [(1, "payload_too_large")]
    agent.reply(1)
    assert me.heard() == []


def test_an_oversize_reply_ends_the_command_before_it_has_arrived() -> None:
    desk = Desk(limits=Limits(payload_bytes_max=100))
    agent, me = desk.serve(), desk.join()
    me.call(7)
    agent.feed(HEADER.pack(90_000, Kind.REPLY, 0, 0, 1, 0, 1))
    assert me.fails() == {7: "payload_too_large"}
    agent.feed(bytes(90_000 - 20) + encode(Frame(kind=Kind.PING, id=3)))
    assert agent.kinds()[-1] == Kind.PONG


# --- ids and limits ------------------------------------------------------------------------------


@both
def test_a_second_use_of_an_id_is_refused_and_the_first_goes_on(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    me.call(7)
    me.call(7)
    me.call(7, hops=9)
    me.say(Frame(kind=Kind.CALL, id=7, name=b"agent.fetch", stamp=b"x"))
    me.feed(HEADER.pack(20, Kind.CALL, 0, 0, 7, 0, 0x0200))
    me.say(Frame(kind=Kind.PUT, id=7, name=b"k", flags=FLAG_MORE))
    me.say(Frame(kind=Kind.CALL, id=7, payload=bytes(2 << 20)))
    assert [(f.kind, f.id) for f in me.heard()] == [(Kind.ERROR, 7)] * 6
    agent.reply(1)
    assert me.kinds() == [Kind.REPLY]


@both
def test_the_id_of_a_subscription_or_a_watch_is_in_use(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    me.call(1)
    me.sub(5, "a")
    me.say(Frame(kind=Kind.WATCH, id=6))
    me.heard()
    agent.heard()
    me.call(5)
    me.call(6)
    assert me.errors() == [(5, "bad_request"), (6, "bad_request")]
    assert agent.heard() == []


@both
def test_an_id_is_free_again_after_the_outcome(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    for rid in (1, 2, 3):
        me.call(7)
        agent.reply(rid)
    assert me.kinds() == [Kind.REPLY] * 3


@both
def test_the_limit_of_commands_in_flight_is_kept(is_fast: bool) -> None:
    desk = Desk(limits=Limits(commands_in_flight_max=2), is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    for id_ in (1, 2, 3):
        me.call(id_)
    assert me.fails() == {3: "limit_exceeded"}
    agent.reply(1)
    me.call(3)
    assert me.fails() == {}


@both
def test_what_no_command_may_have_is_refused(is_fast: bool) -> None:
    desk = Desk(limits=Limits(payload_bytes_max=100), is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    me.call(0)
    me.call(1, hops=8)
    me.call(2, flags=FLAG_MORE)
    me.call(3, coding=4)
    me.call(4, payload=b"x" * 101)
    me.call(5, options=b'{"unknown":1}')
    heard = me.heard()
    assert (heard[0].kind, heard[0].id) == (Kind.ERROR, 0)
    assert {f.id: body(f)["code"] for f in heard[1:]} == {
        1: "bad_request", 2: "bad_request", 3: "bad_request", 4: "payload_too_large",
        5: "bad_request",
    }  # fmt: skip
    assert agent.heard() == []


def test_the_ignored_last_byte_of_the_header_is_not_relayed() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(1)
    agent.heard()
    me.feed(HEADER.pack(31, Kind.CALL, 0, 11, 2, 0, 0x0100_0000) + b"agent.fetch")
    assert bytes(agent.session.outbox.urgent[0])[23] == 0


# --- deadlines and cancel ------------------------------------------------------------------------


@both
def test_a_passed_deadline_fails_the_command_and_stops_the_handler(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    me.call(7, ttl_ms=300)
    desk.after(299 * MS)
    assert me.heard() == []
    desk.after(132 * MS)
    assert me.fails() == {7: "deadline_exceeded"}
    cancel = agent.heard()[-1]
    assert (cancel.kind, cancel.id, body(cancel)) == (Kind.CANCEL, 1, {"reason": "deadline"})
    assert list(agent.session.asked) == [1], "it counts as running until the instance answers"
    agent.reply(1)
    assert not agent.session.asked
    assert me.heard() == []


def test_the_deadline_is_the_commands_own_when_the_caller_names_none() -> None:
    desk = Desk()
    agent = desk.join("agent")
    specs = [{"name": "a", "timeout_ms": 200}, {"name": "b"}]
    agent.say(json(Kind.PROVIDE, {"service": "agent", "commands": specs}, id=1))
    me = desk.join()
    me.call(1, "agent.a")
    me.call(2, "agent.b")
    assert [f.ttl_ms for f in agent.heard() if f.kind == Kind.CALL] == [200, 30_000]
    desk.after(SECOND)
    assert me.fails() == {1: "deadline_exceeded"}


@both
def test_a_later_command_with_an_earlier_deadline_is_noticed_in_time(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    _agent, me = desk.serve(), desk.join()
    me.call(1, ttl_ms=5_000)
    me.call(2, ttl_ms=100)
    desk.after(300 * MS)
    assert me.fails() == {2: "deadline_exceeded"}
    desk.after(5 * SECOND)
    assert me.fails() == {1: "deadline_exceeded"}


def test_a_far_deadline_leaves_nothing_in_the_wheel_when_its_session_is_gone() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(1, ttl_ms=2**32 - 1)
    for _ in range(30):
        desk.after(5 * SECOND)
        me.say(Frame(kind=Kind.PONG))
        agent.say(Frame(kind=Kind.PONG))
    me.lose()
    agent.lose()
    desk.after(20 * SECOND)
    assert len(desk.router.board.wheel) == 0


def test_a_reply_after_weeks_is_still_a_reply() -> None:
    desk = Desk(limits=Limits(gone_after_ms=2**40, unresponsive_after_ms=2**39))
    agent, me = desk.serve(), desk.join()
    me.call(1, ttl_ms=2**32 - 1)
    desk.now_us += (2**32 - 2) * MS
    agent.reply(1)
    assert me.kinds() == [Kind.REPLY]


def test_cancel_ends_the_command_at_once_and_reaches_the_instance() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(7)
    me.cancel(7)
    (outcome,) = me.heard()
    assert body(outcome)["code"] == "cancelled"
    assert body(outcome)["details"] == {"delivered": "unknown"}
    assert [f.kind for f in agent.heard()] == [Kind.CALL, Kind.CANCEL]
    me.cancel(7)
    me.cancel(8)
    assert me.heard() == agent.heard() == []


# --- loss ----------------------------------------------------------------------------------------


def test_a_lost_instance_fails_what_it_was_executing_at_once() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(7)
    me.call(8)
    me.cancel(8)
    me.heard()
    agent.heard()  # From here on they are written.
    agent.lose()
    (outcome,) = me.heard()
    assert body(outcome)["code"] == "instance_lost"
    assert body(outcome)["details"] == {"delivered": "unknown", "instance": "agent@i0"}


def test_a_lost_caller_cancels_what_it_had_asked() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(7)
    me.lose()
    call, cancel = agent.heard()
    assert (call.kind, cancel.kind, body(cancel)) == (
        Kind.CALL, Kind.CANCEL, {"reason": "caller_lost"},
    )  # fmt: skip
    agent.reply(1)
    assert agent.heard() == []
    assert not agent.session.asked


def test_a_cancelled_command_is_forgotten_when_its_instance_leaves() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(7)
    me.cancel(7)
    agent.lose()
    assert not agent.session.asked
    assert me.fails() == {7: "cancelled"}


def test_a_peer_may_call_itself_and_leave() -> None:
    desk = Desk()
    agent = desk.serve()
    agent.call(5)
    assert agent.heard()[0].stamp == b"agent@i0"
    agent.reply(1)
    assert agent.kinds() == [Kind.REPLY]
    agent.call(6)
    agent.lose()
    assert departure.in_flight(desk.router.board) == 0
