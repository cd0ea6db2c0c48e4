"""Holds what the daemon tells of commands: what they declare, and how they did."""

from typing import Any

import pytest

from tests.unit.askrd.core.desk import MS, Desk

DECLARED = {
    "reply": "stream",
    "mode": "balanced",
    "policy": "hash",
    "concurrency": 3,
    "idempotent": True,
    "internal": True,
    "serial": "account",
    "upload": True,
    "allow_from": ["shop"],
    "timeout_ms": 700,
    "doc": "Fetches.",
}


def test_describe_tells_all_that_a_command_declares() -> None:
    desk = Desk()
    desk.offer("agent", {"name": "fetch"} | DECLARED)
    shop = desk.join("shop", kind="service")
    told = shop.ask("$askr.describe", {"target": "agent.fetch"})
    assert {name: told[name] for name in DECLARED} == DECLARED
    assert (told["target"], told["command"]) == ("agent.fetch", "agent.fetch")
    assert told["statistics"] == {
        "calls": 0, "errors": 0, "in_flight": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None,
    }  # fmt: skip


def test_describe_tells_the_defaults_of_a_plain_command() -> None:
    desk = Desk()
    desk.serve()
    told = desk.join().ask("$askr.describe", "agent.fetch")
    expected: dict[str, Any] = {
        "mode": "balanced", "policy": "round_robin", "concurrency": 0, "idempotent": False,
        "internal": False, "serial": False, "upload": False, "reply": "value",
    }  # fmt: skip
    assert {name: told[name] for name in expected} == expected


@pytest.mark.parametrize("spec", [{}, {"concurrency": 9}, {"reply": "ack"}])
def test_times_are_quantiles_of_the_replies(spec: dict[str, Any]) -> None:
    desk = Desk()
    agent, me = desk.offer("agent", {"name": "fetch"} | spec), desk.join()
    for id_ in range(1, 101):
        me.call(id_)
        desk.now_us += id_ * MS
        if spec.get("reply") == "ack":
            agent.accept(id_)
        agent.reply(id_)
    me.heard()
    told = me.ask("$askr.describe", "agent.fetch")["statistics"]
    assert (told["calls"], told["errors"], told["in_flight"]) == (100, 0, 0)
    assert (told["p50_ms"], told["p95_ms"], told["p99_ms"]) == (50.0, 95.0, 99.0)


def test_describing_a_survey_does_not_make_it_a_way_to_one() -> None:
    desk = Desk()
    agents, me = [desk.serve(), desk.serve()], desk.join()
    assert me.ask("$askr.describe", "agent@*.fetch")["command"] == "agent.fetch"
    me.call(1, "agent@*.fetch")
    assert [len(agent.calls()) for agent in agents] == [1, 1]


def test_a_command_counts_as_failed_however_it_failed() -> None:
    desk = Desk()
    agent, me, other = desk.serve(), desk.join(), desk.join("other")
    for id_ in range(1, 5):
        me.call(id_, ttl_ms=100 if id_ == 2 else 9_000)
    other.call(1)
    agent.heard()
    agent.fail(1)
    desk.after(300 * MS)
    me.cancel(3)
    other.lose()
    agent.lose()
    me.heard()
    counted = me.session.in_open_workspace.destinations.statistics["agent.fetch"]
    assert (counted.calls, counted.replies, counted.errors) == (5, 0, 5)
