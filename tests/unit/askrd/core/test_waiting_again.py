"""Holds commands that wait for somebody to come, and those that go to a second instance."""

import pytest

from askrd.core import waiting
from askrd.wire.frames import FLAG_MORE, Coding, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import MS, SECOND, Desk, body, json
from tests.unit.askrd.core.test_waiting import offer

IDEMPOTENT = {"name": "fetch", "idempotent": True}

# --- for somebody to come ------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["agent.fetch", "fetch", "agent@{zone=eu}.fetch"])
def test_a_command_may_wait_for_somebody_to_offer_it(address: str) -> None:
    desk = Desk()
    me = desk.join()
    me.want(1, address, wait_ms=5_000, fields={"ttl_ms": 9_000, "payload": b"p"})
    desk.after(2 * SECOND)
    assert me.heard() == []
    desk.serve("other", "something")
    agent = desk.join("agent")
    agent.provide("agent", "fetch", tags={"zone": "eu"})
    (call,) = agent.calls()
    assert (call.name, call.payload, call.options) == (b"agent.fetch", b"p", b"")
    assert 6_900 < call.ttl_ms <= 7_000, "what is left of the deadline travels"
    agent.reply(1)
    assert me.kinds() == [Kind.REPLY]
    desk.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("address", "code"),
    [("nobody.fetch", "service_unknown"), ("agent.no", "command_unknown"),
     ("agent@{zone=us}.fetch", "no_instance"), ("*@*.no", "command_unknown")],
)  # fmt: skip
def test_who_waited_in_vain_gets_the_first_error(address: str, code: str) -> None:
    desk = Desk()
    desk.serve("agent")
    me = desk.join()
    me.want(1, address, wait_ms=500)
    desk.after(400 * MS)
    assert me.heard() == []
    desk.after(300 * MS)
    assert me.fails() == {1: code}
    desk.assert_nothing_is_left()


def test_the_wait_ends_with_the_deadline() -> None:
    desk = Desk()
    me = desk.join()
    me.want(1, wait_ms=60_000, fields={"ttl_ms": 300})
    desk.after(SECOND)
    assert me.fails() == {1: "service_unknown"}
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("way", ["cancel", "lose"])
def test_who_hopes_may_give_up(way: str) -> None:
    desk = Desk()
    me = desk.join()
    me.want(1, wait_ms=60_000)
    if way == "cancel":
        me.cancel(1)
        (outcome,) = me.heard()
        assert body(outcome)["code"] == "cancelled"
        assert body(outcome)["details"]["delivered"] == "no"
    else:
        me.lose()
    agent = desk.serve()
    assert agent.calls() == []
    desk.assert_nothing_is_left()


def test_who_hopes_holds_its_id_and_counts_in_flight() -> None:
    desk = Desk(limits=Limits(commands_in_flight_max=2))
    me = desk.join()
    me.want(1, wait_ms=60_000)
    me.want(1, wait_ms=60_000)
    assert me.errors() == [(1, "bad_request")]
    me.want(2, wait_ms=60_000)
    me.want(3, wait_ms=60_000)
    assert me.fails() == {3: "limit_exceeded"}


def test_so_many_may_hope_in_a_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "WAITING_COMMANDS_MAX", 2)
    me = Desk().join()
    for id_ in (1, 2, 3):
        me.want(id_, wait_ms=60_000)
    assert me.fails() == {3: "busy"}


def test_what_was_hoped_for_may_refuse() -> None:
    desk = Desk()
    me = desk.join()
    me.want(1, wait_ms=60_000, reply="stream")
    me.want(2, "agent.secret", wait_ms=60_000)
    desk.offer("agent", {"name": "fetch"}, {"name": "secret", "internal": True})
    assert me.fails() == {1: "bad_request", 2: "forbidden"}
    desk.assert_nothing_is_left()


def test_who_came_may_have_no_room_yet() -> None:
    desk = Desk()
    me = desk.join()
    for id_ in (1, 2, 3):
        me.want(id_, wait_ms=60_000)
    agent = desk.join("agent")
    spec = {"name": "fetch", "concurrency": 1, "waiting_max": 1}
    agent.say(json(Kind.PROVIDE, {"service": "agent", "commands": [spec]}, id=9))
    assert [call.id for call in agent.calls()] == [1]
    assert me.fails() == {3: "busy"}
    agent.reply(1)
    agent.reply(2)
    desk.assert_nothing_is_left()


def test_one_may_hope_while_a_service_drains_or_is_disabled() -> None:
    for verb in ("drain", "disable"):
        desk = Desk()
        agent, me = desk.serve(), desk.join()
        me.ask(f"$askr.{verb}", {"target": "agent"})
        me.want(1, wait_ms=60_000)
        assert me.fails() == {}
        me.ask("$askr.enable", {"target": "agent"})
        assert len(agent.calls()) == 1, verb


# --- a second instance ---------------------------------------------------------------------------


@pytest.mark.parametrize("is_idempotent", [True, False])
@pytest.mark.parametrize("is_written", [True, False])
def test_a_lost_command_goes_to_another_when_that_does_no_harm(
    is_idempotent: bool, is_written: bool
) -> None:
    desk = Desk()
    agents, me = offer(desk, 2, idempotent=is_idempotent), desk.join()
    me.call(1, "fetch", payload=b"p", ttl_ms=9_000)
    if is_written:
        assert len(agents[0].calls()) == 1
    desk.after(SECOND)
    agents[0].lose()
    if is_written and not is_idempotent:
        assert me.fails() == {1: "instance_lost"}
        assert agents[1].calls() == []
    else:
        (call,) = agents[1].calls()
        assert (call.name, call.payload, call.ttl_ms) == (b"agent.fetch", b"p", 8_000)
        agents[1].reply(1)
        assert me.kinds() == [Kind.REPLY]
    desk.assert_nothing_is_left()


def test_an_undelivered_plain_command_goes_to_another_too() -> None:
    desk = Desk()
    agents, me = [desk.serve(), desk.serve()], desk.join()
    me.call(1, "fetch", payload=b"p")
    me.call(2, "agent@i0.fetch")
    agents[0].lose()
    assert [call.payload for call in agents[1].calls()] == [b"p"]
    (outcome,) = me.heard()
    assert (outcome.id, body(outcome)["code"]) == (2, "instance_lost")
    assert body(outcome)["details"]["delivered"] == "no"
    agents[1].reply(1)
    assert me.kinds() == [Kind.REPLY]
    desk.assert_nothing_is_left()


def test_a_command_that_is_lost_twice_has_failed() -> None:
    desk = Desk()
    agents, me = offer(desk, 3, idempotent=True), desk.join()
    me.call(1)
    for _ in range(2):
        (one,) = [agent for agent in agents if agent.calls()]
        one.lose()
        agents.remove(one)
    assert me.fails() == {1: "instance_lost"}
    assert agents[0].calls() == []
    desk.assert_nothing_is_left()


def test_a_lost_command_waits_for_room_at_the_others() -> None:
    desk = Desk()
    agents, me = offer(desk, 2, idempotent=True, concurrency=1), desk.join()
    me.call(1)
    me.call(2)
    for agent in agents:
        agent.heard()
    agents[0].lose()
    assert me.heard() == []
    agents[1].reply(1)
    assert [call.id for call in agents[1].calls()] == [2]
    agents[1].reply(2)
    assert [f.id for f in me.heard()] == [2, 1]
    desk.assert_nothing_is_left()


def test_an_answer_in_pieces_is_not_begun_again() -> None:
    desk = Desk()
    agents, me = offer(desk, 2, idempotent=True), desk.join(streams=True)
    me.call(1)
    agents[0].heard()
    agents[0].item(1, b"first", FLAG_MORE)
    agents[0].lose()
    assert me.fails() == {1: "instance_lost"}
    assert agents[1].calls() == []
    desk.assert_nothing_is_left()


def test_a_stream_that_has_not_begun_goes_to_another() -> None:
    desk = Desk()
    agents, me = offer(desk, 2, idempotent=True, reply="stream"), desk.join(streams=True)
    me.want(1, reply="stream")
    me.credit(1, 5, 5)
    agents[0].lose()
    heard = agents[1].heard()
    assert [f.kind for f in heard] == [Kind.CALL, Kind.CREDIT]
    assert body(heard[1]) == {"items": 5, "bytes": 5}
    agents[1].item(1)
    agents[1].reply(1)
    assert me.kinds() == [Kind.ITEM, Kind.REPLY]
    desk.assert_nothing_is_left()


def test_a_cancelled_command_is_not_given_to_another() -> None:
    desk = Desk()
    agents, me = offer(desk, 2, idempotent=True), desk.join()
    me.call(1)
    me.cancel(1)
    agents[0].lose()
    assert agents[1].calls() == []
    assert me.fails() == {1: "cancelled"}
    desk.assert_nothing_is_left()


def test_a_half_closed_peer_gives_its_commands_back() -> None:
    desk = Desk()
    agents, me = offer(desk, 2), desk.join()
    me.call(1)
    agents[0].call(5, "agent@i1.fetch")
    desk.router.half_close(agents[0].session, desk.now_us)
    assert [call.id for call in agents[1].calls()] == [1, 2]
    agents[1].reply(1)
    agents[1].reply(2)
    assert (me.kinds(), agents[0].kinds().count(Kind.REPLY)) == ([Kind.REPLY], 1)
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("is_fast", [True, False])
def test_letters_of_idempotent_commands_are_let_go_with_their_answers(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    one = desk.join("agent")
    one.say(json(Kind.PROVIDE, {"service": "agent", "commands": [IDEMPOTENT]}, id=900))
    me = desk.join()
    for id_ in (1, 2, 3):
        me.call(id_, payload=b"7", coding=Coding.JSON)
    assert set(one.session.again) == {1, 2, 3}
    one.reply(1)
    one.fail(2, "no")
    assert set(one.session.again) == {3}
    one.heard()
    two = desk.join("agent")
    two.say(json(Kind.PROVIDE, {"service": "agent", "commands": [IDEMPOTENT]}, id=900))
    two.heard()
    desk.router.leave(one.session, "gone", desk.now_us)
    (again,) = two.calls()
    assert (again.name, again.payload, again.coding) == (b"agent.fetch", b"7", Coding.JSON)
    assert not one.session.again
