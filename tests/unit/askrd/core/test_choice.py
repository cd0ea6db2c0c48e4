"""Holds the policies: who gets a command, how evenly, and how steadily."""

import itertools
from collections import Counter
from typing import Any

import pytest

from askrd.core.choice import POLICIES
from askrd.wire.frames import Kind
from tests.unit.askrd.core.desk import Desk, Mate, json


def room(
    policy: str, count: int = 3, weights: tuple[int, ...] = ()
) -> tuple[Desk, list[Mate], Mate]:
    desk = Desk()
    agents = [
        desk.offer("agent", {"name": "fetch"}, policy=policy, weight=(weights or (1,) * count)[n])
        for n in range(count)
    ]
    return desk, agents, desk.join()


def ask(agents: list[Mate], me: Mate, count: int, first_id: int = 1, **wants: Any) -> list[str]:
    """Asks so many commands and has each answered; returns who got them, in order."""
    got = []
    for id_ in range(first_id, first_id + count):
        me.want(id_, **wants)
        for agent in agents:
            for call in agent.calls():
                got.append(agent.session.suffix)
                agent.reply(call.id)
    me.heard()
    return got


def test_round_robin_goes_in_the_order_they_joined() -> None:
    _desk, agents, me = room("round_robin")
    assert ask(agents, me, 7) == ["i0", "i1", "i2"] * 2 + ["i0"]


def test_round_robin_keeps_its_turn_among_those_that_may() -> None:
    _desk, agents, me = room("round_robin")
    assert ask(agents, me, 4, exclude=["i1"]) == ["i0", "i2", "i0", "i2"]
    assert ask(agents, me, 3, 10) == ["i0", "i1", "i2"]


def test_first_takes_the_one_that_joined_first_while_it_can() -> None:
    _desk, agents, me = room("first")
    assert ask(agents, me, 5) == ["i0"] * 5
    agents[0].pause()
    assert ask(agents[1:], me, 3, 10) == ["i1"] * 3
    agents[0].resume()
    assert ask(agents, me, 2, 20) == ["i0"] * 2
    agents[0].lose()
    assert ask(agents[1:], me, 2, 30) == ["i1"] * 2


def test_least_takes_the_one_with_the_fewest_unanswered() -> None:
    _desk, agents, me = room("least")
    for id_ in range(1, 7):
        me.call(id_)
    assert [len(agent.calls()) for agent in agents] == [2, 2, 2]
    agents[1].reply(1)
    agents[1].reply(2)
    agents[2].reply(1)
    for id_ in range(7, 10):
        me.call(id_)
    assert [len(agent.calls()) for agent in agents] == [0, 2, 1]


def test_random_is_even_and_can_be_repeated() -> None:
    _desk, agents, me = room("random")
    got = ask(agents, me, 900)
    assert all(240 < count < 360 for count in Counter(got).values())
    assert any(a == b for a, b in itertools.pairwise(got)), "it is no round robin"
    _desk, agents, me = room("random")
    assert ask(agents, me, 900) == got


def test_weighted_goes_by_weight_and_spreads_evenly() -> None:
    _desk, agents, me = room("weighted", weights=(5, 3, 2))
    got = ask(agents, me, 100)
    assert Counter(got) == {"i0": 50, "i1": 30, "i2": 20}
    for at in range(0, 100, 10):
        assert Counter(got[at : at + 10]) == {"i0": 5, "i1": 3, "i2": 2}, "also over short times"


def test_weighted_owes_nothing_to_who_could_not_take_its_share() -> None:
    _desk, agents, me = room("weighted", weights=(1, 1, 1))
    agents[0].pause()
    assert Counter(ask(agents[1:], me, 40)) == {"i1": 20, "i2": 20}
    agents[0].resume()
    assert Counter(ask(agents, me, 30, 100)) == {"i0": 10, "i1": 10, "i2": 10}


def test_hash_gives_the_same_key_to_the_same_instance() -> None:
    _desk, agents, me = room("hash", 4)
    for number in range(20):
        assert len(set(ask(agents, me, 3, number * 10 + 1, key=f"customer-{number}"))) == 1


def test_hash_is_even_and_moves_only_the_keys_of_who_left() -> None:
    desk, agents, me = room("hash", 4)
    keys = [f"customer-{number}" for number in range(400)]
    before = {key: ask(agents, me, 1, key=key)[0] for key in keys}
    assert all(60 < count < 140 for count in Counter(before.values()).values())
    agents.pop(1).lose()
    after = {key: ask(agents, me, 1, key=key)[0] for key in keys}
    assert all(after[key] == who for key, who in before.items() if who != "i1")
    assert len({after[key] for key, who in before.items() if who == "i1"}) == 3, "they spread"
    agents.append(desk.offer("agent", {"name": "fetch"}, policy="hash"))
    moved = [key for key in keys if ask(agents, me, 1, key=key)[0] != after[key]]
    assert 60 < len(moved) < 140


def test_hash_tells_instances_apart_whatever_the_service_is_called() -> None:
    desk = Desk()
    name = "a" * 64
    agents = [desk.offer(name, {"name": "fetch"}, policy="hash") for _ in range(3)]
    me = desk.join()
    for number in range(30):
        me.want(number + 1, f"{name}.fetch", key=f"k{number}")
    assert all(len(agent.calls()) > 3 for agent in agents)


def test_without_a_key_hash_goes_by_the_caller() -> None:
    desk, agents, _me = room("hash", 4)
    callers = [desk.join(f"caller{number}") for number in range(12)]
    homes = [set(ask(agents, caller, 4)) for caller in callers]
    assert all(len(home) == 1 for home in homes)
    assert len(set.union(*homes)) > 1


def test_a_commands_own_policy_goes_before_the_services() -> None:
    desk = Desk()
    specs = [{"name": "fetch", "policy": "first"}, {"name": "other"}]
    agents = [desk.offer("agent", *specs, policy="weighted", weight=3 - n) for n in range(2)]
    me = desk.join()
    for id_ in range(1, 4):
        me.call(id_, "agent.fetch")
        me.call(id_ + 10, "agent.other")
    names = [[call.name for call in agent.calls()] for agent in agents]
    assert names[0].count(b"agent.fetch") == 3
    assert names[1] == [b"agent.other"]
    assert me.ask("$askr.describe", "agent.fetch")["policy"] == "first"
    assert me.ask("$askr.describe", "agent.other")["policy"] == "weighted"


@pytest.mark.parametrize("policy", POLICIES)
def test_no_policy_gives_a_command_to_who_cannot_take_it(policy: str) -> None:
    _desk, agents, me = room(policy)
    agents[0].pause()
    me.ask("$askr.drain", {"target": "agent@i2"})
    assert set(ask(agents[1:2], me, 10)) == {"i1"}
    agents[1].say(json(Kind.WITHDRAW, {"service": "agent"}, id=5))
    me.call(900)
    assert all(agent.calls() == [] for agent in agents[1:])
    agents[0].resume()
    assert [call.id for call in agents[0].calls()] == [1]
