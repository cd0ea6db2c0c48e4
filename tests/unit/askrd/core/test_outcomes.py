"""Holds what becomes of a command in each reply mode: tells, acks, later failures, values."""

from typing import Any

import pytest

from askrd.wire.frames import FLAG_MORE, Coding, Frame, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import MS, SECOND, Desk, Mate, body

FAILED = "$askr.command.failed"


def room(**spec: Any) -> tuple[Desk, Mate, Mate, Mate]:
    """Returns the desk, the instance, the caller, and one who hears of failures."""
    desk = Desk()
    agent = desk.offer("agent", {"name": "fetch"} | spec)
    me, ear = desk.join(), desk.join("ear")
    ear.sub(1, FAILED)
    ear.heard()
    return desk, agent, me, ear


# --- tells ---------------------------------------------------------------------------------------


def test_who_tells_hears_at_once_who_took_it() -> None:
    desk, agent, me, _ = room()
    me.tell(7, payload=b"p")
    (reply,) = me.heard()
    assert (reply.kind, reply.id, reply.payload, reply.stamp) == (Kind.REPLY, 7, b"", b"agent@i0")
    assert reply.flags == 0
    (call,) = agent.calls()
    assert (call.id, call.payload, call.stamp) == (0, b"p", b"me@i1")
    desk.assert_nothing_is_left()


def test_nothing_may_be_answered_to_a_tell() -> None:
    _desk, agent, me, _ = room()
    me.tell(7)
    me.heard()
    agent.heard()
    agent.reply(0)
    assert [code for _, code in agent.errors()] == ["bad_request"]
    assert me.heard() == []


def test_a_tell_that_nobody_can_take_fails_like_any_command() -> None:
    _desk, _agent, me, _ = room()
    me.tell(1, "nobody.fetch")
    me.tell(2, "agent.nothing")
    assert me.fails() == {1: "service_unknown", 2: "command_unknown"}


def test_a_tell_waits_for_an_instance_that_reads() -> None:
    desk, agent, me, _ = room()
    agent.pause()
    me.tell(7)
    assert me.heard() == []
    agent.resume()
    assert [call.id for call in agent.calls()] == [0]
    assert me.kinds() == [Kind.REPLY]
    desk.assert_nothing_is_left()


def test_a_tell_that_waits_too_long_is_never_sent() -> None:
    desk, agent, me, _ = room()
    agent.pause()
    me.tell(7, ttl_ms=100)
    desk.after(300 * MS)
    assert me.fails() == {7: "deadline_exceeded"}
    agent.resume()
    assert agent.calls() == []
    desk.assert_nothing_is_left()


def test_tells_stay_in_the_outbox_of_an_instance_that_may_come_back() -> None:
    _desk, agent, me, _ = room()
    for id_ in (1, 2, 3):
        me.tell(id_)
    assert agent.session.outbox.recall() == {}
    assert [call.id for call in agent.calls()] == [0, 0, 0]


# --- acks ----------------------------------------------------------------------------------------


def test_an_ack_ends_the_command_for_its_caller_and_the_work_goes_on() -> None:
    desk, agent, me, ear = room(reply="ack", concurrency=1)
    me.call(7, ttl_ms=500)
    agent.accept(1)
    (reply,) = me.heard()
    assert (reply.kind, reply.id, reply.flags, reply.payload) == (Kind.REPLY, 7, 0, b"")
    assert reply.stamp == b"agent@i0"
    me.call(8)
    desk.after(SECOND)
    me.cancel(7)
    assert [frame.kind for frame in agent.heard()] == [Kind.CALL], "no deadline, no cancel"
    agent.reply(1, b"dropped")
    assert [call.id for call in agent.calls()] == [2], "it counted as running until then"
    agent.accept(2)
    assert me.kinds() == [Kind.REPLY]
    agent.reply(2)
    assert (me.heard(), ear.heard()) == ([], [])
    assert desk.router.board.totals.late_replies == 0
    desk.assert_nothing_is_left()


def test_a_failure_after_the_ack_is_an_event() -> None:
    desk, agent, me, ear = room(reply="ack")
    me.call(7)
    agent.accept(1)
    me.heard()
    agent.fail(1, "full", message="no room", details={"left": 0}, retryable=True)
    assert me.heard() == []
    (event,) = ear.heard()
    assert event.name == FAILED.encode()
    assert body(event) == {
        "service": "agent",
        "instance": "i0",
        "command": "fetch",
        "id": 7,
        "caller": "me@i1",
        "error": {
            "code": "full",
            "message": "no room",
            "details": {"left": 0},
            "retryable": True,
            "at": "handler",
        },
    }
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("is_there", [True, False])
def test_an_instance_that_is_lost_after_its_ack_is_an_event(is_there: bool) -> None:
    desk, agent, me, ear = room(reply="ack")
    me.call(7)
    agent.heard()
    agent.accept(1)
    me.heard()
    if not is_there:
        me.lose()
    agent.lose()
    (event,) = ear.heard()
    assert body(event)["error"]["code"] == "instance_lost"
    assert body(event)["error"]["details"]["delivered"] == "yes"
    assert me.heard() == []
    desk.assert_nothing_is_left()


def test_an_accepted_command_outlives_its_caller() -> None:
    desk, agent, me, ear = room(reply="ack")
    me.call(7)
    agent.accept(1)
    me.lose()
    assert agent.kinds() == [Kind.CALL]
    agent.reply(1)
    assert ear.heard() == []
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("code", ["", "no_way"])
def test_a_plain_answer_to_an_ack_command_is_the_ack(code: str) -> None:
    desk, agent, me, ear = room(reply="ack")
    me.call(7)
    if code:
        agent.fail(1, code)
    else:
        agent.reply(1, b"payload that nobody asked for")
    (outcome,) = me.heard()
    assert outcome.kind == (Kind.FAIL if code else Kind.REPLY)
    assert outcome.payload == (b'{"code":"no_way"}' if code else b"")
    assert outcome.coding == (Coding.JSON if code else Coding.NONE)
    assert ear.heard() == []
    desk.assert_nothing_is_left()


def test_a_second_ack_changes_nothing() -> None:
    _desk, agent, me, _ = room(reply="ack")
    me.call(7)
    agent.accept(1)
    agent.accept(1)
    assert me.kinds() == [Kind.REPLY]
    assert agent.errors() == []


def test_before_the_ack_deadline_cancel_and_loss_are_those_of_any_command() -> None:
    desk, agent, me, ear = room(reply="ack")
    me.call(1, ttl_ms=100)
    me.call(2)
    me.call(3)
    desk.after(300 * MS)
    me.cancel(2)
    agent.heard()
    agent.accept(1)
    agent.accept(2)
    agent.lose()
    assert me.fails() == {1: "deadline_exceeded", 2: "cancelled", 3: "instance_lost"}
    assert ear.heard() == []
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("flags", [FLAG_MORE])
def test_an_ack_is_only_for_commands_of_that_mode_and_without_payload(flags: int) -> None:
    _desk, agent, me, _ = room()
    me.call(1)
    agent.say(Frame(kind=Kind.REPLY, id=1, flags=flags))
    assert agent.errors() == [(1, "bad_request")]
    me.heard()
    _desk, agent, me, _ = room(reply="ack")
    me.call(1)
    agent.say(Frame(kind=Kind.REPLY, id=1, flags=flags, payload=b"x"))
    assert agent.errors() == [(1, "bad_request")]
    assert me.heard() == []


def test_a_failure_above_the_limit_is_the_answer_of_an_ack_command_too() -> None:
    desk = Desk(limits=Limits(payload_bytes_max=100))
    agent, me = desk.offer("agent", {"name": "fetch", "reply": "ack"}), desk.join()
    me.call(1)
    agent.fail(1, "x" * 200)
    assert me.fails() == {1: "payload_too_large"}
    desk.assert_nothing_is_left()


# --- loss ----------------------------------------------------------------------------------------


def details(frame: Frame) -> tuple[str, str, bool]:
    told = body(frame)
    return told["code"], told["details"]["delivered"], told.get("retryable", False)


def test_a_loss_says_whether_the_command_had_been_delivered() -> None:
    desk, agent, me, _ = room()
    me.call(1)
    me.call(2)
    agent.heard()  # From here on they are written.
    agent.say(Frame(kind=Kind.PROGRESS, id=2, payload=b"half"))
    me.call(3)
    agent.lose()
    outcomes = {frame.id: details(frame) for frame in me.heard() if frame.kind == Kind.FAIL}
    assert outcomes == {
        1: ("instance_lost", "unknown", False),
        2: ("instance_lost", "yes", False),
        3: ("instance_lost", "no", True),
    }
    desk.assert_nothing_is_left()
