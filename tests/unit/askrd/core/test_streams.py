"""Holds streams: items and credit in both directions, what a command waits for meanwhile, and every end."""

from typing import Any

import pytest

from askrd.wire.frames import FLAG_MORE, FLAG_SEALED, FLAG_SILENT, FLAG_UP, Coding, Frame, Kind
from askrd.wire.limits import STREAM_BYTES, STREAM_CREDIT_MAX, STREAM_ITEMS, Limits
from tests.unit.askrd.core.desk import MS, SECOND, Desk, Mate, body, json

END = Kind.END
ITEM = Kind.ITEM


def room(limits: Limits | None = None, **spec: Any) -> tuple[Desk, Mate, Mate]:
    """Returns the desk, an instance with a command that streams both ways, and a caller."""
    desk = Desk() if limits is None else Desk(limits=limits)
    told = {"name": "fetch", "reply": "stream", "upload": True} | spec
    return desk, desk.offer("agent", told), desk.join(streams=True)


def begun(limits: Limits | None = None, **spec: Any) -> tuple[Desk, Mate, Mate]:
    """Returns the same, with a command under way: 7 for the caller, 1 for the instance."""
    desk, agent, me = room(limits, **spec)
    me.want(7, reply="stream", upload="items", fields={"ttl_ms": 5_000})
    (call,) = agent.calls()
    assert call.options == b'{"upload":"items"}'
    return desk, agent, me


def told(mate: Mate) -> list[tuple[Kind, int, bytes]]:
    return [(Kind(frame.kind), frame.id, frame.payload) for frame in mate.heard()]


# --- items ---------------------------------------------------------------------------------------


def test_items_come_under_the_callers_id_in_order_and_then_the_outcome() -> None:
    desk, agent, me = begun()
    agent.say(
        Frame(kind=ITEM, id=1, payload=b"a", coding=Coding.BYTES),
        Frame(kind=ITEM, id=1, payload=b"2", coding=Coding.JSON),
        Frame(kind=ITEM, id=1, payload=b"s", flags=FLAG_SEALED, head=b'{"x":"y"}'),
        Frame(kind=END, id=1),
        json(Kind.REPLY, None, id=1),
    )
    heard = me.heard()
    assert [(f.kind, f.id, f.payload) for f in heard] == [
        (ITEM, 7, b"a"), (ITEM, 7, b"2"), (ITEM, 7, b"s"), (END, 7, b""), (Kind.REPLY, 7, b"null"),
    ]  # fmt: skip
    assert [f.coding for f in heard[:3]] == [Coding.BYTES, Coding.JSON, Coding.NONE]
    assert heard[2].head == b'{"x":"y"}'
    assert {f.stamp for f in heard} == {b"agent@i0"}
    desk.assert_nothing_is_left()


def test_items_of_the_caller_come_under_the_instances_id() -> None:
    desk, agent, me = begun()
    me.item(7, b"a", FLAG_UP)
    me.item(7, b"b", FLAG_UP)
    me.say(Frame(kind=END, id=7, flags=FLAG_UP))
    heard = agent.heard()
    assert [(f.kind, f.id, f.payload) for f in heard] == [
        (ITEM, 1, b"a"), (ITEM, 1, b"b"), (END, 1, b""),
    ]  # fmt: skip
    assert all(f.flags & FLAG_UP and not f.stamp for f in heard)
    me.item(7, b"late", FLAG_UP)
    assert agent.heard() == [], "nothing comes after the end"
    agent.reply(1)
    assert me.kinds() == [Kind.REPLY]
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("flags", [0, FLAG_UP])
def test_a_reset_passes_with_its_error(flags: int) -> None:
    _desk, agent, me = begun()
    sender, id_, receiver, other = (me, 7, agent, 1) if flags else (agent, 1, me, 7)
    sender.say(json(Kind.RESET, {"code": "broken", "message": "m"}, id=id_, flags=flags))
    (reset,) = receiver.heard()
    assert (reset.kind, reset.id, reset.flags) == (Kind.RESET, other, flags)
    assert body(reset) == {"code": "broken", "message": "m"}
    agent.fail(1, "broken")
    assert me.fails() == {7: "broken"}


def test_frames_after_the_outcome_are_dropped_silently() -> None:
    desk, agent, me = begun()
    agent.reply(1)
    me.heard()
    me.item(7, b"late", FLAG_UP)
    me.credit(7, 1, 1)
    me.say(Frame(kind=END, id=7, flags=FLAG_UP))
    agent.item(1, b"late")
    agent.credit(1, 1, 1, FLAG_UP)
    agent.say(Frame(kind=END, id=1))
    assert (me.heard(), agent.heard()) == ([], [])
    desk.assert_nothing_is_left()


def test_frames_of_streams_that_nobody_has_are_refused_or_dropped() -> None:
    _desk, agent, me = room()
    me.call(7, "agent.fetch")
    agent.heard()
    agent.item(1)
    assert agent.errors() == [(1, "bad_request")], "the caller wants one value"
    agent.item(9)
    agent.credit(9, 1, 1, FLAG_UP)
    agent.say(Frame(kind=END, id=9))
    assert agent.errors() == [(9, "bad_request")] * 3, "it was never asked"
    me.item(7, b"x", FLAG_UP)
    me.credit(7, 1, 1)
    me.say(Frame(kind=END, id=7, flags=FLAG_UP))
    assert (me.heard(), agent.heard()) == ([], [])


@pytest.mark.parametrize(
    "frame",
    [
        Frame(kind=ITEM, id=1, name=b"x"),
        Frame(kind=ITEM, id=1, flags=FLAG_SILENT),
        Frame(kind=ITEM, id=1, coding=9),
        Frame(kind=END, id=1, flags=FLAG_MORE),
        Frame(kind=END, id=1, name=b"x"),
        Frame(kind=Kind.RESET, id=1, payload=b"x", coding=Coding.BYTES),
        Frame(kind=Kind.CREDIT, id=1, payload=b"{}", coding=Coding.JSON, flags=FLAG_UP),
        Frame(kind=Kind.CREDIT, id=1, payload=b"[1]", coding=Coding.JSON, flags=FLAG_UP),
        json(Kind.CREDIT, {"items": -1, "bytes": 0}, id=1, flags=FLAG_UP),
        json(Kind.CREDIT, {"items": 0, "bytes": -1}, id=1, flags=FLAG_UP),
        json(Kind.CREDIT, {"items": 1.5, "bytes": 0}, id=1, flags=FLAG_UP),
        json(Kind.CREDIT, {"items": 2**31, "bytes": 0}, id=1, flags=FLAG_UP),
        json(Kind.CREDIT, {"items": 0, "bytes": 2**70}, id=1, flags=FLAG_UP),
    ],
)
def test_odd_frames_of_a_stream_are_refused_and_the_command_goes_on(frame: Frame) -> None:
    _desk, agent, me = begun()
    agent.say(frame)
    assert agent.errors() == [(1, "bad_request")]
    assert me.heard() == []
    agent.item(1, b"still")
    assert told(me) == [(ITEM, 7, b"still")]


# --- credit --------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [0, FLAG_UP])
def test_a_sender_has_so_many_items_and_ends_the_command_with_one_more(flags: int) -> None:
    desk, agent, me = begun()
    sender, id_, receiver = (me, 7, agent) if flags else (agent, 1, me)
    for _ in range(STREAM_ITEMS):
        sender.item(id_, b"x", flags)
    assert [f.kind for f in receiver.heard()] == [ITEM] * STREAM_ITEMS
    sender.item(id_, b"x", flags)
    assert me.fails() == {7: "limit_exceeded"}
    assert agent.heard()[-1].kind == Kind.CANCEL
    sender.item(id_, b"x", flags)
    agent.fail(1)
    assert me.heard() == []
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("flags", [0, FLAG_UP])
def test_bytes_count_too_and_the_last_item_may_go_beyond(flags: int) -> None:
    _desk, agent, me = begun()
    sender, id_, receiver = (me, 7, agent) if flags else (agent, 1, me)
    sender.item(id_, b"x" * (STREAM_BYTES - 1), flags)
    sender.item(id_, b"x" * 1_000, flags)
    assert [f.kind for f in receiver.heard()] == [ITEM, ITEM]
    sender.item(id_, b"", flags)
    assert me.fails() == {7: "limit_exceeded"}


@pytest.mark.parametrize("flags", [0, FLAG_UP])
def test_granted_credit_reaches_the_sender_and_is_spent(flags: int) -> None:
    _desk, agent, me = begun()
    sender, id_, receiver, other = (me, 7, agent, 1) if flags else (agent, 1, me, 7)
    for _ in range(STREAM_ITEMS):
        sender.item(id_, b"x", flags)
    receiver.heard()
    receiver.credit(other, 2, 100, flags)
    (credit,) = sender.heard()
    assert (credit.kind, credit.id, credit.flags) == (Kind.CREDIT, id_, flags)
    assert body(credit) == {"items": 2, "bytes": 100}
    for _ in range(2):
        sender.item(id_, b"x", flags)
    assert [f.kind for f in receiver.heard()] == [ITEM, ITEM]
    sender.item(id_, b"x", flags)
    assert me.fails() == {7: "limit_exceeded"}


def test_credit_beyond_any_bound_is_refused_and_counts_nothing() -> None:
    _desk, agent, me = begun()
    me.credit(7, STREAM_CREDIT_MAX, 0)
    assert me.errors() == [(7, "bad_request")]
    assert agent.heard() == []
    for _ in range(STREAM_ITEMS + 1):
        agent.item(1, b"")
    assert me.heard()[-1].kind == Kind.FAIL


def test_both_directions_have_credit_of_their_own() -> None:
    _desk, agent, me = begun()
    for _ in range(STREAM_ITEMS):
        agent.item(1, b"x")
        me.item(7, b"x", FLAG_UP)
    assert (len(me.heard()), len(agent.heard())) == (STREAM_ITEMS, STREAM_ITEMS)


@pytest.mark.parametrize("flags", [0, FLAG_UP])
def test_an_item_above_the_limit_ends_the_command(flags: int) -> None:
    desk, agent, me = begun(Limits(payload_bytes_max=100))
    sender, id_ = (me, 7) if flags else (agent, 1)
    sender.item(id_, b"x" * 101, flags)
    heard = me.heard()
    assert [body(f)["code"] for f in heard if f.kind == Kind.FAIL] == ["payload_too_large"]
    agent.reply(1)
    desk.assert_nothing_is_left()


# --- deadlines -----------------------------------------------------------------------------------

IDLE = Limits(stream_idle_ms=2_000)


def test_without_an_item_the_deadline_counts() -> None:
    desk, _agent, me = begun(IDLE)
    desk.after(4_500 * MS)
    assert me.heard() == []
    desk.after(SECOND)
    assert me.fails() == {7: "deadline_exceeded"}


@pytest.mark.parametrize("who", ["items", "uploads", "progress"])
def test_a_stream_that_goes_on_outlives_the_deadline_until_it_is_silent(who: str) -> None:
    desk, agent, me = begun(IDLE)
    agent.item(1)
    for _ in range(8):
        desk.after(SECOND)
        if who == "items":
            agent.item(1)
        elif who == "uploads":
            me.item(7, b"x", FLAG_UP)
        else:
            agent.say(Frame(kind=Kind.PROGRESS, id=1))
        me.say(Frame(kind=Kind.PONG))
        agent.say(Frame(kind=Kind.PONG))
    assert me.fails() == {}
    desk.after(3 * SECOND)
    (fail,) = [frame for frame in me.heard() if frame.kind == Kind.FAIL]
    assert body(fail)["code"] == "deadline_exceeded"
    assert "silent" in body(fail)["message"]
    assert agent.heard()[-1].kind == Kind.CANCEL
    agent.reply(1)
    desk.assert_nothing_is_left()


def test_the_idle_limit_is_noticed_before_a_far_deadline() -> None:
    desk, agent, me = room(IDLE)
    me.want(7, reply="stream", fields={"ttl_ms": 60_000})
    agent.item(1)
    me.heard()
    desk.after(3 * SECOND)
    assert me.fails() == {7: "deadline_exceeded"}


def test_a_payload_in_pieces_leaves_the_handler_its_whole_deadline() -> None:
    desk, agent, me = room(IDLE, reply="value")
    me.want(7, upload="payload", fields={"ttl_ms": 9_000})
    me.item(7, b"x", FLAG_UP)
    me.say(Frame(kind=END, id=7, flags=FLAG_UP))
    agent.heard()
    desk.after(8 * SECOND)
    assert me.heard() == []
    desk.after(2 * SECOND)
    (fail,) = me.heard()
    assert body(fail)["code"] == "deadline_exceeded"
    assert "within 9000 ms" in body(fail)["message"]


def test_a_silent_stream_says_nothing_of_its_instance() -> None:
    desk, agent, me = room(IDLE)
    desk.offer("agent", {"name": "fetch", "reply": "stream", "upload": True})
    for id_ in range(1, 8):
        me.want(id_, "agent@i0.fetch", reply="stream")
        agent.item(id_)
    desk.after(3 * SECOND)
    assert len(me.fails()) == 7
    assert {row["state"] for row in me.ask("$askr.services")} == {"active"}
