"""Holds the rules of commands that wait in the daemon until an instance can take them."""

from typing import Any

import pytest

from askrd.core import commands, departure, eligibility, router, routes, waiting
from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.core.desk import MS, SECOND, Desk, Mate, body, json

both = pytest.mark.parametrize("is_fast", [True, False])


def fail(id_: int, code: str = "of_its_own") -> Frame:
    return json(Kind.FAIL, {"code": code}, id=id_)


def test_commands_wait_for_a_paused_instance_and_come_in_order() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    agent.pause()
    for id_ in range(1, 6):
        me.call(id_, ttl_ms=9_000)
    desk.after(2 * SECOND)
    agent.resume()
    calls = [f for f in agent.heard() if f.kind == Kind.CALL]
    assert [f.id for f in calls] == [1, 2, 3, 4, 5]
    assert all(f.ttl_ms == 7_000 for f in calls), "only the time that is left travels"
    for rid in (1, 2, 3, 4, 5):
        agent.reply(rid)
    assert [f.id for f in me.heard() if f.kind == Kind.REPLY] == [1, 2, 3, 4, 5]


def test_a_command_that_expires_or_is_cancelled_while_it_waits_is_never_sent() -> None:
    desk = Desk()
    agent, me, other = desk.serve(), desk.join(), desk.join("other")
    agent.pause()
    me.call(1, ttl_ms=100)
    me.call(2)
    me.call(3)
    other.call(4)
    desk.after(300 * MS)
    me.cancel(2)
    other.lose()
    outcomes = {f.id: body(f) for f in me.heard()}
    assert outcomes[1]["code"] == "deadline_exceeded"
    assert outcomes[2]["code"] == "cancelled"
    assert all(outcome["details"]["delivered"] == "no" for outcome in outcomes.values())
    agent.resume()
    assert [f.kind for f in agent.heard()].count(Kind.CALL) == 1
    service = desk.router.board.workspaces["askr"].destinations.services["agent"]
    assert (len(service.waiting), service.waiting_bytes) == (0, 0)


def test_an_expired_command_is_not_sent_even_before_the_wheel_has_noticed() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    agent.pause()
    me.call(1, ttl_ms=10)
    desk.now_us += 11 * MS
    agent.resume()
    assert agent.heard() == []
    desk.after(200 * MS)
    assert me.fails() == {1: "deadline_exceeded"}


def test_waiting_commands_fail_when_the_last_instance_leaves() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    agent.pause()
    me.call(1)
    agent.lose()
    (outcome,) = me.heard()
    assert body(outcome)["code"] == "no_instance"
    assert body(outcome)["details"]["delivered"] == "no"


def test_waiting_commands_fail_when_nobody_left_can_take_them() -> None:
    desk = Desk()
    one, two, me = desk.serve("agent", "a"), desk.serve("agent", "a", "b"), desk.join()
    one.pause()
    two.pause()
    me.call(1, "agent.b")
    me.call(2, f"agent@{two.session.suffix}.a")
    me.call(3, "agent.a")
    two.lose()
    assert me.fails() == {1: "command_unknown", 2: "no_instance"}
    one.resume()
    assert [f.name for f in one.heard() if f.kind == Kind.CALL] == [b"agent.a"]


def test_waiting_commands_fail_when_an_update_takes_the_command_away() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    agent.pause()
    me.call(1)
    agent.say(json(Kind.UPDATE, {"service": "agent", "commands": [{"name": "b"}]}, id=5))
    assert me.fails() == {1: "command_unknown"}


def test_a_bare_name_keeps_its_service_while_it_waits() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    agent.pause()
    me.call(1, "fetch")
    desk.serve("other", "fetch")
    agent.resume()
    assert [f.name for f in agent.heard() if f.kind == Kind.CALL] == [b"agent.fetch"]


def test_waiting_is_bounded_in_number_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "WAITING_COMMANDS_MAX", 3)
    monkeypatch.setattr(waiting, "WAITING_BYTES_MAX", 100)
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    agent.pause()
    me.call(1, payload=b"x" * 120)
    me.call(2, payload=b"x")
    assert me.fails() == {2: "busy"}
    me.cancel(1)
    me.heard()
    for id_ in (1, 2, 3, 4):
        me.call(id_)
    assert me.fails() == {4: "busy"}


def test_a_newcomer_takes_what_waits() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    agent.pause()
    me.call(1)
    second = desk.join("agent")
    second.provide("agent", "fetch")
    assert Kind.CALL in second.kinds()


@both
def test_an_instance_with_too_many_unanswered_commands_gets_no_more(
    is_fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (commands, eligibility, router, routes):
        monkeypatch.setattr(module, "ASKED_MAX", 2)
    desk = Desk(is_fast=is_fast)
    agent, me = desk.serve(), desk.join()
    for id_ in range(1, 6):
        me.call(id_)
    me.cancel(1)
    assert [f.id for f in agent.heard() if f.kind == Kind.CALL] == [1, 2]
    agent.reply(1)
    assert [f.id for f in agent.heard()] == [3], "each answer makes room for one that waits"
    agent.reply(2)
    agent.reply(3)
    assert [f.id for f in agent.heard()] == [4, 5]
    agent.say(fail(4))
    agent.reply(5)
    assert [f.kind for f in me.heard()].count(Kind.REPLY) == 3
    assert departure.in_flight(desk.router.board) == 0


def test_nothing_waits_for_instances_that_are_all_silent() -> None:
    desk = Desk()
    _agent, me = desk.serve(), desk.join()
    for _ in range(5):
        desk.after(5 * SECOND)
        me.say(Frame(kind=Kind.PONG))
    me.heard()
    me.call(1)
    assert me.fails() == {1: "no_instance"}


# --- rooms ---------------------------------------------------------------------------------------


def offer(desk: Desk, count: int = 1, /, **spec: Any) -> list[Mate]:
    return [desk.offer("agent", {"name": "fetch"} | spec) for _ in range(count)]


@pytest.mark.parametrize("where", ["command", "service"])
@both
def test_an_instance_executes_no_more_than_it_says(where: str, is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    specs = [{"name": "fetch"}, {"name": "other"}]
    if where == "command":
        agent = desk.offer("agent", *({"concurrency": 2} | spec for spec in specs))
    else:
        agent = desk.offer("agent", *specs, concurrency=2)
    me = desk.join()
    for id_ in range(1, 6):
        me.call(id_)
    me.call(6, "agent.other")
    names = [call.name for call in agent.calls()]
    assert names == [b"agent.fetch"] * 2 + [b"agent.other"] * (where == "command")
    assert me.ask("$askr.stats")["queues"][0]["waiting"] == (3 if where == "command" else 4)
    answered = 0
    while departure.in_flight(desk.router.board):
        answered += 1
        agent.reply(answered)
        instance = agent.session.instances["agent"]
        assert max(instance.running.values()) <= 2
        assert where == "command" or instance.load <= 2
    assert answered == 6
    assert [f.id for f in me.heard() if f.kind == Kind.REPLY] != []
    desk.assert_nothing_is_left()


def test_who_waits_longest_is_served_first_by_whoever_has_room() -> None:
    desk = Desk()
    agents, me, other = offer(desk, 2, concurrency=1), desk.join(), desk.join("other")
    for id_ in (1, 2, 3):
        me.call(id_)
        other.call(id_ + 10)
    assert [len(agent.calls()) for agent in agents] == [1, 1]
    order = []
    for rid in range(1, 4):
        for agent in reversed(agents):
            agent.reply(rid)
        order += [f"{call.stamp.decode()}" for agent in reversed(agents) for call in agent.calls()]
    assert order == ["me@i2", "other@i3"] * 2
    desk.assert_nothing_is_left()


def test_a_failed_or_cancelled_command_makes_room_only_when_it_is_answered() -> None:
    desk = Desk()
    (agent,), me = offer(desk, concurrency=1), desk.join()
    me.call(1, ttl_ms=100)
    me.call(2)
    desk.after(300 * MS)
    assert me.fails() == {1: "deadline_exceeded"}
    assert [f.kind for f in agent.heard()] == [Kind.CALL, Kind.CANCEL]
    agent.say(fail(1))
    assert [call.id for call in agent.calls()] == [2]
    me.cancel(2)
    me.call(3)
    agent.reply(2)
    assert [call.id for call in agent.calls()] == [3]
    agent.reply(3)
    desk.assert_nothing_is_left()


def test_the_room_of_one_that_is_lost_is_gone_and_that_of_a_newcomer_is_used() -> None:
    desk = Desk()
    agents, me = offer(desk, 2, concurrency=1), desk.join()
    for id_ in range(1, 5):
        me.call(id_)
    assert [len(agent.calls()) for agent in agents] == [1, 1]
    agents[0].lose()
    assert me.fails() == {1: "instance_lost"}
    third = desk.join("agent")
    spec = {"name": "fetch", "concurrency": 1}
    third.say(json(Kind.PROVIDE, {"service": "agent", "commands": [spec]}, id=9))
    assert len(third.calls()) == 1
    agents[1].reply(1)
    agents[1].reply(2)
    third.reply(1)
    assert [f.id for f in me.heard()] == [2, 4, 3]
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("most", [0, 2])
def test_so_many_may_wait_as_the_command_says(most: int) -> None:
    desk = Desk()
    (agent,), me = offer(desk, concurrency=1, waiting_max=most), desk.join()
    for id_ in range(1, 5):
        me.call(id_)
    fails = {f.id: body(f) for f in me.heard()}
    assert {id_: said["code"] for id_, said in fails.items()} == dict.fromkeys(
        range(2 + most, 5), "busy"
    )
    assert all(said["retryable"] for said in fails.values())
    for rid in range(1, 2 + most):
        agent.reply(rid)
    desk.assert_nothing_is_left()


def test_an_update_that_gives_more_room_is_used_at_once() -> None:
    desk = Desk()
    (agent,), me = offer(desk, concurrency=1), desk.join()
    for id_ in (1, 2, 3):
        me.call(id_)
    agent.heard()
    spec = {"name": "fetch", "concurrency": 3}
    agent.say(json(Kind.UPDATE, {"service": "agent", "commands": [spec]}, id=9))
    assert [call.id for call in agent.calls()] == [2, 3]


def test_one_that_wants_a_certain_instance_does_not_hold_up_the_others() -> None:
    desk = Desk()
    agents, me = offer(desk, 2, concurrency=1), desk.join()
    me.call(1)
    me.call(2)
    me.want(3, exclude=["i1"])
    me.call(4, "agent@i0.fetch")
    me.call(5)
    for agent in agents:
        agent.heard()
    agents[1].reply(1)
    assert [call.id for call in agents[1].calls()] == [2], "the last one takes what is free"
    agents[1].reply(2)
    agents[0].reply(1)
    agents[0].reply(2)
    agents[0].reply(3)
    assert [f.id for f in me.heard()] == [2, 5, 1, 3, 4]
    desk.assert_nothing_is_left()


def test_commands_that_wait_fail_when_all_of_their_service_drain() -> None:
    desk = Desk()
    (agent,), me = offer(desk, concurrency=1), desk.join()
    me.call(1)
    me.call(2)
    desk.join("operator").ask("$askr.drain", {"target": "agent"})
    assert me.fails() == {2: "draining"}
    agent.reply(1)
    assert [f.id for f in me.heard()] == [1], "what runs goes on"
    desk.assert_nothing_is_left()
