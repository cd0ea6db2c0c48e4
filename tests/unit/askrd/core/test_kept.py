"""Holds idempotency keys: one run per key, its outcome for everyone, and what is forgotten."""

from typing import Any

import pytest

from askrd.wire.frames import FLAG_KEPT, Kind
from tests.unit.askrd.core.desk import MS, SECOND, Desk, Mate, body


def room(count: int = 1, **spec: Any) -> tuple[Desk, Mate, list[Mate]]:
    desk = Desk()
    agents = [desk.offer("agent", {"name": "fetch"} | spec) for _ in range(count)]
    return desk, agents[0], [desk.join(f"caller{n}", streams=True) for n in range(3)]


def want(mate: Mate, id_: int, key: str = "k", /, **wants: Any) -> None:
    mate.want(id_, idempotency_key=key, **wants)


def outcome(mate: Mate) -> tuple[Kind, int, bytes, bool]:
    (frame,) = mate.heard()
    assert frame.stamp == b"agent@i0"
    return Kind(frame.kind), frame.id, frame.payload, bool(frame.flags & FLAG_KEPT)


# --- joined and replayed -------------------------------------------------------------------------


def test_everyone_of_a_key_gets_the_outcome_of_one_run() -> None:
    desk, agent, (one, two, three) = room()
    want(one, 5)
    want(two, 6)
    want(three, 7)
    want(three, 8)
    assert [call.id for call in agent.calls()] == [1]
    agent.reply(1, b'"done"')
    assert outcome(one) == (Kind.REPLY, 5, b'"done"', False)
    assert outcome(two) == (Kind.REPLY, 6, b'"done"', True)
    assert [(f.id, f.payload) for f in three.heard()] == [(7, b'"done"'), (8, b'"done"')]
    want(two, 6)
    assert outcome(two) == (Kind.REPLY, 6, b'"done"', True)
    assert agent.calls() == []
    desk.assert_nothing_is_left()


def test_a_handlers_refusal_is_an_outcome_too() -> None:
    _desk, agent, (one, two, three) = room()
    want(one, 5)
    want(two, 6)
    agent.fail(1, "taken")
    assert outcome(one)[::3] == (Kind.FAIL, False)
    assert outcome(two) == (Kind.FAIL, 6, b'{"code":"taken"}', True)
    want(three, 7)
    assert outcome(three) == (Kind.FAIL, 7, b'{"code":"taken"}', True)
    assert [call.id for call in agent.calls()] == [1]


def test_a_refusal_that_may_be_tried_again_is_not_remembered() -> None:
    desk, agent, (one, two, three) = room()
    want(one, 5)
    want(two, 6)
    agent.fail(1, "later", retryable=True)
    assert (one.fails(), two.fails()) == ({5: "later"}, {6: "later"})
    want(three, 7)
    agent.reply(2)
    assert outcome(three) == (Kind.REPLY, 7, b"1", False)
    desk.assert_nothing_is_left()


def test_an_ack_is_remembered_as_soon_as_it_came() -> None:
    desk, agent, (one, two, _) = room(reply="ack")
    want(one, 5)
    agent.accept(1)
    want(two, 6)
    assert outcome(one) == (Kind.REPLY, 5, b"", False)
    assert outcome(two) == (Kind.REPLY, 6, b"", True)
    agent.fail(1, "late")
    want(two, 7)
    assert outcome(two) == (Kind.REPLY, 7, b"", True)
    desk.assert_nothing_is_left()


def test_keys_are_apart_by_command_key_and_workspace() -> None:
    desk = Desk()
    agent = desk.offer("agent", {"name": "a"}, {"name": "b"})
    elsewhere = desk.join("agent", workspace="other")
    elsewhere.provide("agent", "a")
    elsewhere.heard()
    me, stranger = desk.join(), desk.join(workspace="other")
    me.want(1, "agent.a", idempotency_key="k")
    me.want(2, "agent.b", idempotency_key="k")
    me.want(3, "agent.a", idempotency_key="l")
    stranger.want(4, "agent.a", idempotency_key="k")
    assert (len(agent.calls()), len(elsewhere.calls())) == (3, 1)


def test_a_key_means_the_canonical_command_however_it_was_addressed() -> None:
    _desk, agent, (one, two, three) = room()
    want(one, 5)
    two.want(6, "fetch", idempotency_key="k")
    three.want(7, "agent@i0.fetch", idempotency_key="k")
    assert len(agent.calls()) == 1
    agent.reply(1)
    assert [mate.kinds() for mate in (one, two, three)] == [[Kind.REPLY]] * 3


# --- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wants",
    [{"reply": "stream"}, {"upload": "items"}, {"upload": "payload"}, {"fields": {"flags": 0x20}}],
)
def test_streams_and_tells_have_no_key(wants: dict[str, Any]) -> None:
    desk, agent, (me, *_) = room(reply="stream", upload=True)
    want(me, 5, **wants)
    assert me.fails() == {5: "bad_request"}
    assert agent.calls() == []
    desk.assert_nothing_is_left()


def test_a_key_belongs_to_one_reply_mode() -> None:
    desk, agent, (one, two, _) = room()
    want(one, 5)
    want(two, 6, reply="ack")
    assert two.fails() == {6: "conflict"}
    agent.reply(1)
    want(two, 6, reply="ack")
    assert two.fails() == {6: "conflict"}
    desk.assert_nothing_is_left()


def test_an_outcome_is_only_for_those_who_may_ask() -> None:
    desk, agent, (stranger, *_) = room(allow_from=["friend"])
    friend = desk.join("friend")
    want(friend, 5)
    want(stranger, 6)
    agent.reply(1)
    want(stranger, 7)
    assert stranger.fails() == {6: "forbidden", 7: "forbidden"}
    assert friend.kinds() == [Kind.REPLY]


@pytest.mark.parametrize("wants", [{"exclude": ["i0"]}, {"version": "9"}])
def test_a_command_that_never_began_leaves_no_key(wants: dict[str, Any]) -> None:
    desk, agent, (one, two, _) = room()
    want(one, 5, **wants)
    assert one.fails() == {5: "no_instance"}
    want(two, 6)
    agent.reply(1)
    assert two.kinds() == [Kind.REPLY]
    desk.assert_nothing_is_left()


def test_a_command_that_found_no_room_leaves_no_key() -> None:
    desk, agent, (one, two, _) = room(concurrency=1, waiting_max=0)
    one.call(1)
    want(two, 6)
    assert two.fails() == {6: "busy"}
    agent.reply(1)
    want(two, 6)
    agent.reply(2)
    assert two.kinds() == [Kind.REPLY]
    desk.assert_nothing_is_left()


# --- who leaves ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["cancel", "lose", "deadline"])
@pytest.mark.parametrize("is_waiting", [False, True])
def test_a_run_goes_on_for_the_next_when_its_first_caller_leaves(
    way: str, is_waiting: bool
) -> None:
    desk, agent, (one, two, three) = room()
    if is_waiting:
        agent.pause()
    want(one, 5, fields={"ttl_ms": 300})
    want(two, 6, fields={"ttl_ms": 9_000})
    want(three, 7, fields={"ttl_ms": 9_000})
    if way == "cancel":
        one.cancel(5)
        assert one.fails() == {5: "cancelled"}
    elif way == "lose":
        one.lose()
    else:
        desk.after(SECOND)
        assert one.fails() == {5: "deadline_exceeded"}
    assert (two.heard(), three.heard()) == ([], [])
    if is_waiting:
        agent.resume()
    assert agent.kinds() == [Kind.CALL], "the run is not cancelled"
    agent.reply(1)
    assert outcome(two) == (Kind.REPLY, 6, b"1", False)
    assert outcome(three) == (Kind.REPLY, 7, b"1", True)
    want(three, 8)
    assert outcome(three) == (Kind.REPLY, 8, b"1", True)
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("way", ["cancel", "lose", "deadline"])
def test_one_that_joined_may_leave_and_nobody_else_notices(way: str) -> None:
    desk, agent, (one, two, three) = room()
    want(one, 5)
    want(two, 6, fields={"ttl_ms": 300})
    want(three, 7)
    if way == "cancel":
        two.cancel(6)
        assert two.fails() == {6: "cancelled"}
    elif way == "lose":
        two.lose()
    else:
        desk.after(SECOND)
        assert two.fails() == {6: "deadline_exceeded"}
    assert agent.kinds() == [Kind.CALL]
    agent.reply(1)
    assert outcome(one) == (Kind.REPLY, 5, b"1", False)
    assert outcome(three) == (Kind.REPLY, 7, b"1", True)
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("way", ["lose", "deadline"])
def test_a_caller_may_join_itself_and_leave(way: str) -> None:
    desk, agent, (one, *_) = room()
    for id_ in (5, 6, 7):
        want(one, id_, fields={"ttl_ms": 300 if id_ < 7 else 2_000})
    if way == "lose":
        one.lose()
    else:
        desk.after(SECOND)
        assert one.fails() == {5: "deadline_exceeded", 6: "deadline_exceeded"}
        desk.after(2 * SECOND)
        assert one.fails() == {7: "deadline_exceeded"}
    assert agent.kinds() == [Kind.CALL, Kind.CANCEL]
    agent.reply(1)
    desk.assert_nothing_is_left()


def test_a_run_that_waits_does_not_begin_for_a_caller_that_left() -> None:
    desk, agent, (one, two, _) = room(concurrency=1)
    two.call(1)
    want(one, 5, fields={"ttl_ms": 300})
    want(one, 6)
    desk.now_us += 400 * MS
    agent.heard()
    agent.reply(1)
    one.lose()
    assert agent.heard() == []
    desk.assert_nothing_is_left()


def test_a_run_that_nobody_waits_for_is_cancelled_and_forgotten() -> None:
    desk, agent, (one, two, three) = room()
    want(one, 5)
    want(two, 6)
    one.cancel(5)
    two.cancel(6)
    assert agent.kinds() == [Kind.CALL, Kind.CANCEL]
    agent.fail(1, "cancelled")
    want(three, 7)
    assert len(agent.calls()) == 1
    agent.reply(2)
    assert outcome(three) == (Kind.REPLY, 7, b"1", False)
    desk.assert_nothing_is_left()


def test_the_heir_of_an_ack_is_named_when_it_fails_later() -> None:
    desk, agent, (one, two, ear) = room(reply="ack")
    ear.sub(1, "$askr.command.failed")
    ear.heard()
    want(one, 5)
    want(two, 6)
    one.cancel(5)
    agent.accept(1)
    agent.fail(1)
    (event,) = ear.heard()
    assert (body(event)["caller"], body(event)["id"]) == ("caller1@i2", 6)
    desk.assert_nothing_is_left()
