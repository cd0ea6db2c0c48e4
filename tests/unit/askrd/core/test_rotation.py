"""Holds what operators do to instances: disable, drain, enable."""

from typing import Any

import pytest

from askrd.wire.frames import Kind
from tests.unit.askrd.core.desk import Desk, Mate, body, json


def room(count: int = 2) -> tuple[Desk, list[Mate], Mate]:
    desk = Desk()
    return desk, [desk.serve() for _ in range(count)], desk.join()


def states(me: Mate) -> dict[str, str]:
    return {row["instance"]: row["state"] for row in me.ask("$askr.services")}


@pytest.mark.parametrize(("verb", "state"), [("disable", "disabled"), ("drain", "draining")])
def test_one_instance_is_taken_out_and_put_back(verb: str, state: str) -> None:
    _desk, agents, me = room()
    me.call(1)
    told = me.ask(f"$askr.{verb}", {"target": "agent@i0"})
    assert told["target"] == "agent@i0"
    assert [(row["instance"], row["state"], row["inflight"]) for row in told["instances"]] == [
        ("i0", state, 1)
    ]
    assert states(me) == {"i0": state, "i1": "active"}
    for id_ in range(2, 6):
        me.call(id_)
    assert [len(agent.calls()) for agent in agents] == [1, 4]
    agents[0].reply(1)
    assert me.kinds() == [Kind.REPLY], "what runs goes on"
    me.ask("$askr.enable", {"target": "agent@i0"})
    assert states(me) == {"i0": "active", "i1": "active"}
    for id_ in range(12, 16):
        me.call(id_)
    assert [len(agent.calls()) for agent in agents] == [2, 2]


@pytest.mark.parametrize(("verb", "code"), [("disable", "no_instance"), ("drain", "draining")])
def test_a_whole_service_is_taken_out(verb: str, code: str) -> None:
    _desk, agents, me = room()
    told = me.ask(f"$askr.{verb}", "agent")
    assert len(told["instances"]) == 2
    me.call(1)
    me.call(2, "agent@i1.fetch")
    me.call(3, "agent@*.fetch")
    heard = {f.id: body(f) for f in me.heard()}
    assert {id_: said["code"] for id_, said in heard.items()} == dict.fromkeys((1, 2, 3), code)
    word = "disabled" if verb == "disable" else "draining"
    assert all(word in said["message"] for said in heard.values())
    assert all(agent.calls() == [] for agent in agents)
    newcomer = agents[0].desk.serve()
    me.call(4)
    assert len(newcomer.calls()) == 1


def test_some_draining_and_some_disabled_is_no_instance() -> None:
    _desk, _agents, me = room()
    me.ask("$askr.drain", {"target": "agent@i0"})
    me.ask("$askr.disable", {"target": "agent@i1"})
    me.call(1)
    assert me.fails() == {1: "no_instance"}


def test_a_change_is_announced_once() -> None:
    desk, _agents, me = room()
    watcher = desk.join("watcher", roster=True)
    watcher.heard()
    for _ in range(2):
        me.ask("$askr.drain", {"target": "agent@i0"})
    (news,) = watcher.heard()
    (change,) = body(news)["changes"]
    assert (change["op"], change["service"]["state"]) == ("changed", "draining")


def test_a_drained_instance_can_be_disabled_and_the_other_way_round() -> None:
    _desk, _agents, me = room()
    for verb, state in (("drain", "draining"), ("disable", "disabled"), ("drain", "draining")):
        me.ask(f"$askr.{verb}", {"target": "agent@i0"})
        assert states(me)["i0"] == state


def test_what_waits_goes_to_one_that_is_enabled() -> None:
    _desk, agents, me = room()
    me.ask("$askr.disable", {"target": "agent@i1"})
    agents[0].pause()
    me.call(1)
    me.ask("$askr.enable", {"target": "agent"})
    assert len(agents[1].calls()) == 1


def test_an_update_does_not_put_an_instance_back() -> None:
    _desk, agents, me = room()
    me.ask("$askr.disable", {"target": "agent@i0"})
    agents[0].say(json(Kind.UPDATE, {"service": "agent"}, id=5))
    assert states(me)["i0"] == "disabled"


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        (None, "bad_request"),
        ({}, "bad_request"),
        ([], "bad_request"),
        (5, "bad_request"),
        ({"target": ""}, "bad_request"),
        ({"target": 5}, "bad_request"),
        ({"target": "agemt"}, "service_unknown"),
        ({"target": "agent.fetch"}, "service_unknown"),
        ({"target": "agent@zz"}, "no_instance"),
        ({"target": "agent@*"}, "no_instance"),
        ({"target": "\x1b[31m" * 500}, "service_unknown"),
    ],
)
def test_what_is_not_there_cannot_be_taken_out(argument: Any, code: str) -> None:
    _desk, _agents, me = room()
    for verb in ("disable", "enable", "drain"):
        said = me.ask(f"$askr.{verb}", argument)
        assert said["code"] == code
        assert "\x1b" not in said["message"]
        assert len(said["message"]) < 400
    assert set(states(me).values()) == {"active"}
