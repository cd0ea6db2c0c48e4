"""Holds the routing decision: who gets a command, in which turn, and why not."""

import pytest

from askrd.core import destinations, eligibility
from askrd.core.destinations import Destinations
from askrd.core.services import Instance
from askrd.wire.bodies import CommandSpec, Provision
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    CommandAmbiguous,
    CommandUnknown,
    NoInstance,
    ServiceUnknown,
)
from askrd.wire.frames import Kind
from askrd.wire.limits import DEPARTED_MS
from askrd.wire.names import parse_address
from tests.unit.askrd.core.desk import SECOND, Desk, Mate, json


def table() -> Destinations:
    return Destinations("askr", 30_000)


def join(desk: Desk, where: Destinations, service: str, *commands: str, **tags: str) -> Instance:
    session = desk.join().session
    specs = [CommandSpec(name=command) for command in commands]
    return where.join(session, Provision(service=service, commands=specs, tags=tags))


def error_of(where: Destinations, address: str, now_us: int = 0) -> AskrError:
    resolution = where.resolve(parse_address(address), address, now_us)
    assert resolution.route is None
    assert resolution.error is not None
    return resolution.error


def verdicts(where: Destinations, address: str) -> dict[str, str]:
    found = where.resolve(parse_address(address), address, 0).candidates
    assert all(candidate.reason for candidate in found)
    return {c.instance.session.suffix: c.verdict for c in found}


# --- what an address means -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("agent.fetch", b"agent.fetch"),
        ("fetch", b"agent.fetch"),
        (".cache.clear", b"agent.cache.clear"),
        ("agent.cache.clear", b"agent.cache.clear"),
        ("agent@i0.fetch", b"agent.fetch"),
        ("agent@{zone=eu}.fetch", b"agent.fetch"),
    ],
)
def test_every_way_to_write_an_address_leads_to_the_canonical_name(
    address: str, name: bytes
) -> None:
    where = table()
    join(Desk(), where, "agent", "fetch", "cache.clear", zone="eu")
    route = where.route_for(address.encode(), 0)
    assert (route.name, route.is_renamed) == (name, name != address.encode())
    assert where.routes[address.encode()] is route


@pytest.mark.parametrize("address", [b"no way", b"", b"\xff", b"agent@.fetch", b"*.fetch"])
def test_nonsense_is_refused(address: bytes) -> None:
    where = table()
    join(Desk(), where, "agent", "fetch")
    with pytest.raises(BadRequest):
        where.route_for(address, 0)


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("agent@*.fetch", ["i0", "i1"]),
        ("agent@i1,i9.fetch", ["i1"]),
        ("*@*.fetch", ["i0", "i1", "i2"]),
        ("agent@{zone=eu}.fetch", ["i0", "i1"]),
        ("agent.fetch", ["i0", "i1"]),
    ],
)
def test_a_survey_means_every_instance_that_fits(address: str, meant: list[str]) -> None:
    where, desk = table(), Desk()
    for service in ("agent", "agent", "other"):
        join(desk, where, service, "fetch", zone="eu")
    join(desk, where, "agent", "something_else")
    found = where.members(parse_address(address), 0)
    assert [member.session.suffix for member in found] == meant


def test_a_survey_address_is_not_remembered_as_a_way_to_one() -> None:
    where = table()
    join(Desk(), where, "agent", "fetch")
    assert where.route_for(b"agent@*.fetch", 0).name == b"agent.fetch"
    assert not where.routes
    assert not where.plain


@pytest.mark.parametrize("address", ["*@*.nothing", "agent@*.nothing", "nobody@*.fetch"])
def test_a_survey_that_means_nobody_says_so(address: str) -> None:
    where = table()
    join(Desk(), where, "agent", "fetch")
    with pytest.raises((CommandUnknown, ServiceUnknown)):
        where.members(parse_address(address), 0)


def test_an_unknown_service_or_command_suggests_what_is_near() -> None:
    where = table()
    join(Desk(), where, "agent", "fetch")
    for address, error, near in (
        ("agemt.fetch", ServiceUnknown, ["agent"]),
        ("agent.fetsh", CommandUnknown, ["fetch"]),
        ("fetsh", CommandUnknown, ["fetch"]),
        ("zzz", CommandUnknown, []),
    ):
        found = error_of(where, address)
        assert isinstance(found, error)
        assert found.details["nearest"] == near
        assert not found.retryable


def test_a_bare_name_that_several_services_offer_is_ambiguous() -> None:
    where, desk = table(), Desk()
    join(desk, where, "b", "fetch")
    join(desk, where, "a", "fetch")
    error = error_of(where, "fetch")
    assert isinstance(error, CommandAmbiguous)
    assert error.details["choices"] == ["a.fetch", "b.fetch"]


def test_a_service_that_left_is_known_for_a_while() -> None:
    where = table()
    instance = join(Desk(), where, "agent", "fetch")
    where.route_for(b"agent.fetch", 0).statistics.calls += 5
    where.leave(instance, 0)
    error = error_of(where, "agent.fetch", 3 * SECOND)
    assert isinstance(error, NoInstance)
    assert "3 s ago" in error.message
    assert where.forget_departed(DEPARTED_MS * 1000 - 1) == 0
    assert where.forget_departed(DEPARTED_MS * 1000) == 5
    assert isinstance(error_of(where, "agent.fetch"), ServiceUnknown)
    assert not where.statistics


def test_services_that_left_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destinations, "DEPARTED_SERVICES_MAX", 2)
    where, desk = table(), Desk()
    for name in ("a", "b", "c"):
        where.leave(join(desk, where, name, "fetch"), 0)
    assert list(where.departed) == ["b", "c"]
    join(desk, where, "b", "fetch")
    assert list(where.departed) == ["c"]


# --- who it is -----------------------------------------------------------------------------------


def test_the_verdict_on_each_instance_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eligibility, "ASKED_MAX", 1)
    where, desk = table(), Desk()
    good = join(desk, where, "agent", "fetch", zone="eu")
    other = join(desk, where, "agent", "other", zone="eu")
    tagged = join(desk, where, "agent", "fetch")
    silent = join(desk, where, "agent", "fetch", zone="eu")
    paused = join(desk, where, "agent", "fetch", zone="eu")
    full = join(desk, where, "agent", "fetch", zone="eu")
    silent.session.is_unresponsive = True
    paused.session.outbox.pause()
    for each in (silent, paused):
        each.session.judge_ready()
    route = where.route_for(b"agent.fetch", 0)
    full.session.asked[1] = (good.session, 1, full, 1, route, 0, 0, None)
    assert verdicts(where, "agent@{zone=eu}.fetch") == {
        good.session.suffix: "eligible",
        other.session.suffix: "not_offered",
        tagged.session.suffix: "not_addressed",
        silent.session.suffix: "unresponsive",
        paused.session.suffix: "paused",
        full.session.suffix: "saturated",
    }
    named = verdicts(where, f"agent@{good.session.suffix}.fetch")
    assert list(named.values()).count("not_addressed") == 4


def test_an_address_that_nobody_fits_says_who_is_there() -> None:
    where, desk = table(), Desk()
    join(desk, where, "agent", "fetch", zone="eu")
    error = error_of(where, "agent@{zone=us}.fetch")
    assert isinstance(error, NoInstance)
    assert error.details["instances"] == ["i0"]


def test_instances_take_turns_in_the_order_they_joined() -> None:
    where, desk = table(), Desk()
    members = [join(desk, where, "agent", "fetch") for _ in range(3)]
    route = where.route_for(b"agent.fetch", 0)
    assert [route.turn() for _ in range(6)] == members * 2
    members[1].session.is_ready = False
    assert [route.turn() for _ in range(4)] == [members[0], members[2]] * 2
    for member in members:
        member.session.is_ready = False
    assert route.turn() is None


def test_the_default_deadline_is_the_commands_else_the_daemons() -> None:
    where, desk = table(), Desk()
    session = desk.join().session
    specs = [CommandSpec(name="a", timeout_ms=70), CommandSpec(name="b")]
    where.join(session, Provision(service="agent", commands=specs))
    assert where.route_for(b"agent.a", 0).timeout_ms == 70
    assert where.route_for(b"agent.b", 0).timeout_ms == 30_000


def test_remembered_routes_are_bounded_and_forgotten_when_something_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(destinations, "ROUTES_CACHED_MAX", 2)
    where, desk = table(), Desk()
    instance = join(desk, where, "agent", "a", "b", "c")
    for command in (b"a", b"b", b"c"):
        where.route_for(b"agent." + command, 0)
    assert list(where.routes) == [b"agent.c"]
    where.change(instance, Provision(service="agent", commands=[CommandSpec(name="a")]))
    assert not where.routes
    assert isinstance(error_of(where, "agent.c"), CommandUnknown)


# --- through the router --------------------------------------------------------------------------


def calls(mate: Mate) -> list[int]:
    return [frame.id for frame in mate.heard() if frame.kind == Kind.CALL]


def test_a_route_is_not_used_after_its_instance_left() -> None:
    desk = Desk()
    one, two, me = desk.serve(), desk.serve(), desk.join()
    for id_ in (1, 2):
        me.call(id_)
    assert (len(calls(one)), len(calls(two))) == (1, 1)
    two.say(json(Kind.WITHDRAW, {"service": "agent"}, id=5))
    for id_ in (3, 4):
        me.call(id_)
    assert (len(calls(one)), len(calls(two))) == (2, 0)
    two.reply(1)
    assert [frame.kind for frame in me.heard()] == [Kind.REPLY], "what runs goes on"


def test_in_flight_counts_the_commands_of_one_service() -> None:
    desk = Desk()
    both = desk.serve("a", "x")
    both.provide("b", "x")
    me = desk.join()
    me.call(1, "a.x")
    me.call(2, "b.x")
    me.call(3, "b.x")
    assert {row["service"]: row["inflight"] for row in me.ask("$askr.services")} == {"a": 1, "b": 2}


def test_beyond_the_limit_commands_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askrd.core.destinations.COMMANDS_COUNTED_MAX", 2)
    desk = Desk()
    desk.serve("agent", "a", "b", "c", "d")
    me = desk.join()
    for id_, command in enumerate("abcd", start=1):
        me.call(id_, f"agent.{command}")
    statistics = me.session.in_open_workspace.destinations.statistics
    assert {name: counted.calls for name, counted in statistics.items()} == {
        "agent.a": 1,
        "agent.b": 1,
        "$others": 2,
    }
