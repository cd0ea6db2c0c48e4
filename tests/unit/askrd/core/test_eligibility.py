"""Holds who may get a command: addresses, versions, exclusions, rules, rooms."""

from typing import Any

import pytest

from askrd.wire.frames import FLAG_SILENT, Kind
from tests.unit.askrd.core.desk import Desk, Mate, body, json


def room(*provisions: dict[str, Any], **spec: Any) -> tuple[Desk, list[Mate]]:
    desk = Desk()
    return desk, [desk.offer("agent", {"name": "fetch"} | spec, **each) for each in provisions]


def took(agents: list[Mate]) -> str:
    return " ".join(agent.session.suffix for agent in agents if agent.calls())


@pytest.mark.parametrize(
    ("wanted", "who"),
    [
        ("2", "i1 i2"), ("2.1", "i1"), ("2.1.3", "i1"), ("^2", "i1 i2"), ("^2.2", "i2"),
        ("~2.1", "i1"), ("1", "i0"), ("nightly", "i3"),
    ],
)  # fmt: skip
def test_a_range_of_versions_is_kept_to(wanted: str, who: str) -> None:
    versions = ("1.0.0", "2.1.3", "2.2.0", "nightly", "")
    desk, agents = room(*({"version": version} for version in versions))
    me = desk.join()
    for id_ in range(1, 7):
        me.want(id_, version=wanted)
    assert took(agents) == who
    for id_ in range(11, 17):
        me.call(id_, f"agent@{{version={wanted}}}.fetch")
    assert took(agents) == who
    assert me.fails() == {}


def test_a_version_that_nobody_has_is_no_instance() -> None:
    desk, agents = room({"version": "1.0.0"})
    me = desk.join()
    me.want(1, version="^3")
    me.call(2, "agent@{version=^3}.fetch")
    me.call(3, "agent@{version=^x}.fetch")
    assert me.fails() == {1: "no_instance", 2: "no_instance", 3: "bad_request"}
    assert took(agents) == ""


def test_excluded_instances_are_left_out() -> None:
    desk, agents = room({}, {}, {})
    me = desk.join()
    for id_ in range(1, 5):
        me.want(id_, exclude=["i0", "i2", "unknown"])
    assert took(agents) == "i1"
    me.want(9, exclude=["i0", "i1", "i2"])
    me.want(10, "agent@i0.fetch", exclude=["i0"])
    assert me.fails() == {9: "no_instance", 10: "no_instance"}


def test_an_excluded_instance_is_not_waited_for() -> None:
    desk, agents = room({}, {})
    me = desk.join()
    agents[1].pause()
    me.want(1, exclude=["i0"])
    assert took(agents[:1]) == ""
    agents[1].resume()
    assert took(agents) == "i1"


# --- rules ---------------------------------------------------------------------------------------


def test_internal_commands_are_for_services() -> None:
    desk, agents = room({}, internal=True)
    terminal, service = desk.join("me", kind="terminal"), desk.serve("other")
    says_so = desk.join("later", kind="service")
    terminal.call(1)
    assert terminal.fails() == {1: "forbidden"}
    for mate in (service, says_so):
        mate.call(1)
        assert mate.fails() == {}
    assert len(agents[0].calls()) == 2


def test_internal_commands_are_hidden_from_terminals() -> None:
    desk = Desk()
    desk.offer("agent", {"name": "fetch"}, {"name": "secret", "internal": True})
    terminal, service = desk.join("me", roster=True), desk.serve("other")
    for mate, names in ((terminal, ["fetch"]), (service, ["fetch", "secret"])):
        row = mate.ask("$askr.services")[0]
        assert row["commands"] == names
        told = mate.ask("$askr.describe", "agent")["commands"]
        assert [command["name"] for command in told] == names
    assert terminal.ask("$askr.describe", "agent.secret")["code"] == "forbidden"
    assert service.ask("$askr.describe", "agent.secret")["internal"] is True


def test_the_roster_hides_internal_commands_too() -> None:
    desk = Desk()
    terminal, service = desk.join("me", roster=True), desk.join("s", kind="service", roster=True)
    terminal.heard()
    service.heard()
    desk.offer("agent", {"name": "fetch"}, {"name": "secret", "internal": True})
    desk.join("late", roster=True)
    for mate, count in ((terminal, 1), (service, 2)):
        rows = [
            change["service"]
            for frame in mate.heard()
            if frame.kind == Kind.ROSTER
            for change in body(frame)["changes"]
            if "service" in change
        ]
        assert [len(row["commands"]) for row in rows] == [count]


@pytest.mark.parametrize(
    ("spec", "provision"),
    [({"allow_from": ["billing", "shop"]}, {}), ({}, {"allow_from": ["billing", "shop"]})],
)
def test_allow_from_lets_in_services_and_peers_by_name(
    spec: dict[str, Any], provision: dict[str, Any]
) -> None:
    desk, agents = room(provision, **spec)
    by_service, by_name = desk.serve("shop"), desk.join("billing")
    stranger = desk.join("me")
    for mate in (by_service, by_name, stranger):
        mate.call(1)
    assert len(agents[0].calls()) == 2
    assert stranger.fails() == {1: "forbidden"}
    stranger.say(json(Kind.PROVIDE, {"service": "shop"}, id=5))
    stranger.call(1)
    assert len(agents[0].calls()) == 1


def test_both_the_service_and_the_command_have_to_allow() -> None:
    desk, agents = room({"allow_from": ["a", "b"]}, allow_from=["b", "c"])
    for name, may in (("a", 0), ("b", 1), ("c", 0)):
        desk.join(name).call(1)
        assert len(agents[0].calls()) == may


def test_a_forbidden_command_is_not_waited_for_and_not_told_or_surveyed() -> None:
    desk, agents = room({"allow_from": ["a"]})
    me = desk.join()
    agents[0].pause()
    me.want(1, wait_ms=9_000)
    me.want(2, all=True)
    me.want(3, fields={"flags": FLAG_SILENT})
    assert me.fails() == {1: "forbidden", 2: "forbidden", 3: "forbidden"}
    desk.assert_nothing_is_left()


def test_one_member_that_lets_the_caller_in_is_enough() -> None:
    desk, agents = room({"allow_from": ["a"]}, {})
    me = desk.join()
    for id_ in range(1, 5):
        me.call(id_)
    assert (len(agents[0].calls()), len(agents[1].calls())) == (0, 4)
