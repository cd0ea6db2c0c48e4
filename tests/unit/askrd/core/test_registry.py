"""Holds the rules of the registry: what may be provided, changed and withdrawn, and who hears."""

from typing import Any

import pytest

from askrd.core import registry
from askrd.wire.frames import FLAG_SEALED, Frame, Kind
from tests.unit.askrd.core.desk import Desk, Mate, body, json


def provide(mate: Mate, id_: int = 1, kind: Kind = Kind.PROVIDE, **members: Any) -> None:
    mate.say(json(kind, {"service": "agent"} | members, id=id_))


def test_providing_makes_a_peer_a_service_and_names_it() -> None:
    desk = Desk()
    me, agent = desk.join(), desk.join("someone")
    provide(agent, commands=[{"name": "fetch"}], version="1.2", tags={"zone": "eu"})
    (answer,) = agent.heard()
    assert (answer.kind, answer.id) == (Kind.PROVIDED, 1)
    assert body(answer) == {"service": "agent", "instance": "i1"}
    assert me.ask("$askr.peers")[1]["kind"] == "service"
    me.sub(1, "a")
    agent.emit("a")
    assert me.heard()[-1].stamp[8:] == b"agent@i1"
    agent.say(json(Kind.WITHDRAW, {"service": "agent"}, id=2))
    agent.emit("a")
    assert me.heard()[-1].stamp[8:] == b"someone@i1"


@pytest.mark.parametrize(
    "members",
    [
        {"service": "a b"},
        {"service": "$askr"},
        {"commands": [{"name": "a b"}]},
        {"commands": [{"name": "a"}, {"name": "a"}]},
        {"commands": [{"name": "a." * 90 + "b", "doc": "x"}, {"name": "x" * 64 + ".a" * 68}]},
        {"commands": [{"name": "a", "timeout_ms": -1}]},
        {"commands": [{"name": "a", "timeout_ms": 2**32}]},
        {"commands": [{"name": "a", "concurrency": -1}]},
        {"commands": [{"name": "a", "concurrency": "2"}]},
        {"commands": [{"name": "a", "waiting_max": -1}]},
        {"commands": [{"name": "a", "reply": "streams"}]},
        {"commands": [{"name": "a", "policy": "fair"}]},
        {"commands": [{"name": "a", "mode": "queue"}]},
        {"commands": [{"name": "a", "mode": "broadcast", "reply": "stream"}]},
        {"commands": [{"name": "a", "mode": "broadcast", "upload": True}]},
        {"commands": [{"name": "a", "reply": "ack", "upload": True}]},
        {"commands": [{"name": "a", "reply": "none", "upload": True}]},
        {"commands": [{"name": "a", "queue": True, "reply": "ack"}]},
        {"commands": [{"name": "a", "serial": 5}]},
        {"commands": [{"name": "a", "allow_from": ["x y"]}]},
        {"allow_from": ["role:"]},
        {"connect_to": [""]},
        {"policy": "fair"},
        {"concurrency": -1},
        {"weight": 0},
        {"weight": 1_000_001},
        {"replaces": "i0"},
        {"commands": "fetch"},
        {"emits": ["a b"]},
        {"emits": ["$askr.x"]},
        {"listens": ["**.a"]},
        {"tags": {"a b": "c"}},
    ],
)
def test_what_cannot_be_provided_is_refused(members: dict[str, Any]) -> None:
    desk = Desk()
    agent = desk.join()
    provide(agent, **members)
    assert agent.fails() == {1: "bad_request"}
    assert not agent.session.instances


@pytest.mark.parametrize(
    "members",
    [{"commands": [{"name": "a", "reply": reply}]} for reply in ("none", "ack", "value", "stream")]
    + [
        {"commands": [{"name": "a", "policy": policy}], "policy": policy}
        for policy in ("round_robin", "least", "random", "hash", "first", "weighted")
    ]
    + [
        {"commands": [{"name": "a", "mode": "broadcast", "reply": "ack"}]},
        {"commands": [{"name": "a", "concurrency": 2, "waiting_max": 0}], "concurrency": 3},
        {"commands": [{"name": "a", "internal": True, "serial": "argument", "idempotent": True}]},
        {"commands": [{"name": "a", "reply": "stream", "upload": True}]},
        {"commands": [{"name": "a", "allow_from": ["role:ops", "billing"]}], "weight": 7},
        {"allow_from": ["role:ops"], "connect_to": ["store"]},
    ],
)
def test_what_can_be_provided_is_taken(members: dict[str, Any]) -> None:
    agent = Desk().join()
    provide(agent, **members)
    assert agent.kinds() == [Kind.PROVIDED]


def test_the_bounds_of_a_registration_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "REGISTRY_BYTES_MAX", 300)
    monkeypatch.setattr(registry, "COMMANDS_PER_SERVICE_MAX", 2)
    monkeypatch.setattr(registry, "SERVICES_PER_SESSION_MAX", 2)
    agent = Desk().join()
    provide(agent, doc="x" * 300)
    provide(agent, commands=[{"name": "a"}, {"name": "b"}, {"name": "c"}])
    assert [body(f)["code"] for f in agent.heard()] == ["payload_too_large", "limit_exceeded"]
    for id_, service in enumerate(("a", "b", "c"), 1):
        provide(agent, id_, service=service)
    assert agent.fails() == {3: "limit_exceeded"}


@pytest.mark.parametrize(
    "declared",
    [
        {"reply": "value"},
        {"reply": "ack"},
        {"mode": "broadcast"},
        {"reply": "stream", "upload": True},
    ],
)
def test_one_service_has_one_way_to_answer_a_command(declared: dict[str, Any]) -> None:
    desk = Desk()
    spec = {"name": "a"} | declared
    one = desk.offer("agent", spec)
    other = desk.join("agent")
    for id_, theirs in enumerate(
        ({"reply": "none"}, {"reply": "none", "mode": "broadcast"}), start=1
    ):
        provide(other, id_, commands=[{"name": "a"} | theirs])
        (refused,) = other.heard()
        assert body(refused)["code"] == "bad_request"
        assert "agent@i0" in body(refused)["message"]
    provide(other, 3, commands=[{"name": "b", "reply": "none"}, spec])
    assert other.kinds() == [Kind.PROVIDED]
    provide(one, 4, Kind.UPDATE, commands=[{"name": "a", "reply": "none"}])
    assert one.fails() == {4: "bad_request"}
    other.lose()
    provide(one, 5, Kind.UPDATE, commands=[{"name": "a", "reply": "none"}])
    assert one.kinds() == [Kind.PROVIDED], "alone it may change its mind"


def test_a_service_is_provided_once_and_changed_by_update() -> None:
    desk = Desk()
    agent, me = desk.join("agent"), desk.join()
    provide(agent, kind=Kind.UPDATE)
    assert agent.fails() == {1: "not_found"}
    provide(agent, commands=[{"name": "a"}])
    provide(agent, 2, commands=[{"name": "b"}])
    assert agent.fails() == {2: "bad_request"}
    provide(agent, 3, Kind.UPDATE, commands=[{"name": "b"}])
    assert agent.kinds() == [Kind.PROVIDED]
    me.call(1, "agent.a")
    me.call(2, "agent.b")
    assert me.fails() == {1: "command_unknown"}
    assert [f.name for f in agent.heard()] == [b"agent.b"]


def test_withdraw_ends_new_commands_and_lets_running_ones_finish() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(1)
    agent.heard()
    for id_ in (5, 6):
        agent.say(json(Kind.WITHDRAW, {"service": "agent"}, id=id_))
    agent.say(json(Kind.WITHDRAW, {}, id=7), Frame(kind=Kind.WITHDRAW, id=8, flags=FLAG_SEALED))
    heard = agent.heard()
    assert heard[0].kind == Kind.OK
    assert [body(f)["code"] for f in heard[1:]] == ["not_found", "bad_request", "bad_request"]
    me.call(2)
    assert me.fails() == {2: "no_instance"}
    agent.reply(1)
    assert me.kinds() == [Kind.REPLY]


# --- the roster ----------------------------------------------------------------------------------


def test_a_roster_begins_full_and_then_tells_changes_in_order() -> None:
    desk = Desk()
    agent = desk.serve()
    me = desk.connect()
    me.hello(roster=True, name="me")
    welcome, full = me.heard()
    assert (welcome.kind, full.kind) == (Kind.WELCOME, Kind.ROSTER)
    assert body(full)["full"] is True
    assert [peer["name"] for peer in body(full)["peers"]] == ["agent", "me"]
    assert [row["service"] for row in body(full)["services"]] == ["agent"]
    provide(agent, 5, Kind.UPDATE, commands=[{"name": "b"}])
    agent.lose()
    changes = [change for frame in me.heard() for change in body(frame)["changes"]]
    told = [(change["op"], "peer" if "peer" in change else "service") for change in changes]
    assert told == [("changed", "service"), ("left", "service"), ("left", "peer")]


def test_only_those_who_asked_get_the_roster() -> None:
    desk = Desk()
    me, elsewhere = desk.join(), desk.join(workspace="other", roster=True)
    elsewhere.heard()
    desk.serve()
    assert me.heard() == elsewhere.heard() == []
