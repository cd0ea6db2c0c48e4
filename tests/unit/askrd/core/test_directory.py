"""Holds the daemon's own commands: ordinary calls, answered from the tables."""

from typing import Any

import msgspec
import pytest

from askrd.core.report import COMMANDS
from askrd.wire.frames import Coding, Frame, Kind
from askrd.wire.limits import GATED_MAX
from tests.unit.askrd.core.desk import SECOND, Desk, Mate, body, json

PROVISION = {
    "version": "1.2",
    "doc": "Fetches.",
    "tags": {"zone": "eu"},
    "emits": [{"event": "DONE", "doc": "It is done.", "schema": {"type": "null"}}, "plain"],
    "listens": ["news.*"],
}


def desk_with_agent() -> tuple[Desk, Mate, Mate]:
    desk = Desk()
    agent = desk.join("agent")
    spec = {"name": "fetch", "doc": "Fetches it.", "timeout_ms": 900, "request": {"type": "null"}}
    agent.say(json(Kind.PROVIDE, PROVISION | {"service": "agent", "commands": [spec]}, id=1))
    return desk, agent, desk.join()


def test_ping_says_who_answers() -> None:
    me = Desk().join()
    assert me.ask("$askr.ping") == {
        "daemon": "d", "version": "0", "protocol": "askr/1", "build": "desk",
        "time": 1_700_001_000_000,
    }  # fmt: skip
    me.call(1, "$askr.ping")
    assert me.heard()[0].stamp == b"$askr@d"


def test_peers_and_services_are_those_of_the_workspace() -> None:
    desk, _, me = desk_with_agent()
    desk.join(workspace="other")
    assert [(p["name"], p["kind"], p["services"]) for p in me.ask("$askr.peers")] == [
        ("agent", "service", ["agent"]), ("me", "terminal", []),
    ]  # fmt: skip
    (row,) = me.ask("$askr.services")
    assert row == {
        "service": "agent", "instance": "i0", "version": "1.2", "state": "active",
        "commands": ["fetch"], "emits": ["DONE", "plain"], "listens": ["news.*"],
        "tags": {"zone": "eu"}, "inflight": 0,
    }  # fmt: skip


@pytest.mark.parametrize("target", ["agent.fetch", "fetch"])
def test_a_command_can_be_described(target: str) -> None:
    _, _, me = desk_with_agent()
    found = me.ask("$askr.describe", {"target": target})
    assert (found["target"], found["command"], found["doc"]) == (
        target, "agent.fetch", "Fetches it.",
    )  # fmt: skip
    assert (found["timeout_ms"], found["request"]) == (900, {"type": "null"})
    assert len(found["instances"]) == 1


def test_a_service_and_an_event_can_be_described() -> None:
    _, _, me = desk_with_agent()
    service = me.ask("$askr.describe", "agent")
    assert (service["version"], service["commands"][0]["name"]) == ("1.2", "fetch")
    assert service["emits"][1] == {"event": "plain", "doc": "", "schema": None}
    event = me.ask("$askr.describe", {"target": "DONE"})
    assert (event["event"], event["schema"]) == ("DONE", {"type": "null"})


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ({"target": "agnt"}, "command_unknown"),
        ({"target": "agnt.fetch"}, "service_unknown"),
        ({"target": ""}, "bad_request"),
        ({}, "bad_request"),
        (None, "bad_request"),
        ([1], "bad_request"),
    ],
)
def test_what_cannot_be_described_says_why(argument: Any, code: str) -> None:
    _, _, me = desk_with_agent()
    error = me.ask("$askr.describe", argument)
    assert error["code"] == code
    if code != "bad_request":
        assert error["details"]["nearest"] == ["agent"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Frame(kind=Kind.CALL, id=1, name=b"$askr.pong"), "command_unknown"),
        (Frame(kind=Kind.CALL, id=1, name=b"$\xff"), "command_unknown"),
        (Frame(kind=Kind.CALL, id=1, name=b"$askr.ping", payload=b"x", coding=2), "bad_request"),
        (Frame(kind=Kind.CALL, id=1, name=b"$askr.ping", payload=b"{", coding=1), "bad_request"),
        (Frame(kind=Kind.CALL, id=1, name=b"$askr.ping", hops=8), "bad_request"),
    ],
)
def test_a_bad_call_to_the_daemon_fails(frame: Frame, code: str) -> None:
    me = Desk().join()
    me.say(frame)
    assert me.fails() == {1: code}


@pytest.mark.parametrize("command", COMMANDS)
def test_deep_json_is_refused_and_nothing_breaks(command: str) -> None:
    me = Desk().join()
    deep = b"[" * 100_000
    me.say(Frame(kind=Kind.CALL, id=1, name=command.encode(), payload=deep, coding=Coding.JSON))
    assert me.fails() == {1: "bad_request"}


# --- counters ------------------------------------------------------------------------------------


def test_statistics_add_up() -> None:
    desk, agent, me = desk_with_agent()
    me.sub(90, "a")
    me.heard()
    for id_ in (1, 2, 3):
        me.call(id_)
    desk.now_us += 3_000
    agent.reply(1)
    agent.say(json(Kind.FAIL, {"code": "no"}, id=2))
    agent.emit("a")
    agent.reply(9)
    agent.reply(1)
    agent.pause()
    me.call(4)
    me.heard()
    found = me.ask("$askr.stats")
    assert found["daemon"] == {
        "id": "d", "version": "0", "build": "desk", "epoch": "e", "workspace": "askr",
        "uptime_ms": 3,
    }  # fmt: skip
    totals = found["totals"]
    assert (totals["commands"], totals["replies"], totals["fails"]) == (3, 1, 1)
    assert (totals["in_flight"], totals["waiting"]) == (2, 1)
    assert (totals["events"], totals["deliveries"]) == (1, 1)
    assert (totals["forged_replies"], totals["late_replies"], totals["sessions"]) == (1, 1, 2)
    assert totals["bytes_in"] == agent.session.bytes_in + me.session.bytes_in
    (command,) = found["commands"]
    assert (command["calls"], command["errors"], command["in_flight"]) == (3, 1, 1)
    assert 1.5 <= command["p50_ms"] <= 6
    assert found["events"] == [{"event": "a", "count": 1, "listeners": 1}]
    assert found["queues"] == [{"service": "agent", "waiting": 1, "waiting_bytes": 0}]
    assert [peer["name"] for peer in found["peers"]] == ["agent", "me"]


def test_commands_stay_counted_when_their_service_is_forgotten() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join(is_held=False)
    me.call(1)
    agent.reply(1)
    agent.lose()
    desk.after(700 * SECOND)
    me.heard()
    found = me.ask("$askr.stats")
    assert found["commands"] == []
    assert found["totals"]["commands"] == 1


def test_counters_are_current_within_one_read() -> None:
    for is_fast in (True, False):
        desk = Desk(is_fast=is_fast)
        me = desk.join()
        me.emit("a")
        emit = Frame(kind=Kind.EMIT, name=b"a")
        me.say(emit, emit, Frame(kind=Kind.CALL, id=1, name=b"$askr.stats"), emit)
        assert body(me.heard()[0])["totals"]["events"] == 3
        assert desk.router.board.totals.events == 4


def test_the_daemons_own_commands_are_described_too() -> None:
    desk = Desk()
    me = desk.join()
    me.say(
        Frame(
            kind=Kind.CALL,
            id=1,
            name=b"$askr.describe",
            payload=b'{"target":"$askr.ping"}',
            coding=Coding.JSON,
        )
    )
    (reply,) = me.heard()
    told = msgspec.json.decode(reply.payload)
    assert (told["command"], told["doc"]) == ("$askr.ping", "Says who answers.")


def test_what_is_told_of_jobs_waits_for_the_store_within_its_bound() -> None:
    desk = Desk()
    me = desk.join("me", is_held=False)
    desk.is_stored = False
    me.put(1, "k", 1)
    for number in range(2, GATED_MAX + 2):
        me.call(number, "$askr.jobs.list")
    assert len(desk.router.board.gate) == GATED_MAX
    assert me.fails() == {GATED_MAX + 1: "busy"}
