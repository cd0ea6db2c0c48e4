"""Holds routes: which way is plain, who may ever get a command, and a look that leaves no trace."""

from typing import Any

import pytest

from askrd.core.choice import POLICIES
from askrd.core.course import NO_OPTIONS
from askrd.core.routes import Route
from askrd.wire.frames import Kind
from tests.unit.askrd.core.desk import Desk, Mate, json


def route(mate: Mate, address: bytes = b"agent.fetch") -> Route:
    return mate.session.in_open_workspace.destinations.route_for(address, mate.desk.now_us)


@pytest.mark.parametrize(
    ("spec", "provision", "is_plain"),
    [
        ({}, {}, True),
        ({"timeout_ms": 5, "serial": True, "upload": True, "waiting_max": 3}, {"weight": 4}, True),
        ({"reply": "none"}, {}, False),
        ({"reply": "ack"}, {}, False),
        ({"reply": "stream"}, {}, False),
        ({"mode": "broadcast"}, {}, False),
        ({"policy": "first"}, {}, False),
        ({"concurrency": 1}, {}, False),
        ({"internal": True}, {}, False),
        ({"idempotent": True}, {}, True),
        ({"allow_from": ["x"]}, {}, False),
        ({}, {"policy": "least"}, False),
        ({}, {"concurrency": 1}, False),
        ({}, {"allow_from": ["x"]}, False),
    ],
)
def test_only_what_needs_no_rules_is_plain(
    spec: dict[str, Any], provision: dict[str, Any], is_plain: bool
) -> None:
    desk = Desk()
    desk.serve("agent")
    extra = {k: v for k, v in spec.items() if k not in {"reply", "mode"}}
    if spec == extra:  # One service has one way to answer.
        desk.offer("agent", {"name": "fetch"} | spec, **provision)
    else:
        desk = Desk()
        desk.offer("agent", {"name": "fetch"} | spec, **provision)
    me = desk.join()
    assert route(me).is_plain is is_plain, "one member that is not plain is enough"
    assert (b"agent.fetch" in me.session.routes) is is_plain


@pytest.mark.parametrize("policy", POLICIES)
def test_a_peek_says_who_is_next_and_changes_nothing(policy: str) -> None:
    desk = Desk()
    for weight in (3, 2, 1):
        desk.offer("agent", {"name": "fetch"}, policy=policy, weight=weight)
    me = desk.join()
    way = route(me)
    for _ in range(20):
        seen = {way.peek(me.session, NO_OPTIONS) for _ in range(3)}
        assert seen == {way.choose(me.session, NO_OPTIONS)}


def test_who_says_whom_it_connects_to_asks_nobody_else() -> None:
    desk = Desk()
    desk.serve("store")
    other = desk.serve("other")
    shop = desk.offer("shop", {"name": "x"}, connect_to=["store"])
    for _ in range(2):
        shop.call(1, "store.fetch")
        shop.call(2, "other.fetch")
        shop.call(3, "other.fetch", hops=1)
        assert shop.fails() == {2: "forbidden", 3: "forbidden"}
        shop.cancel(1)
        shop.heard()
    assert other.heard() == []
    shop.say(json(Kind.WITHDRAW, {"service": "shop"}, id=5))
    shop.heard()
    shop.call(2, "other.fetch")
    assert len(other.calls()) == 1


def test_a_rule_that_comes_with_an_update_counts_at_once() -> None:
    desk = Desk()
    other = desk.serve("other")
    shop = desk.offer("shop", {"name": "x"})
    shop.call(1, "other.fetch")
    for rule, count in ((["store"], 1), (["store", "other"], 2), ([], 3)):
        shop.say(json(Kind.UPDATE, {"service": "shop", "connect_to": rule}, id=5))
        shop.call(count + 1, "other.fetch")
        shop.heard()
        other_got = desk.router.board.workspaces["askr"].destinations.statistics["other.fetch"]
        assert other_got.calls == count
    assert len(other.calls()) == 3


def test_the_deadline_and_the_room_to_wait_are_those_of_the_members() -> None:
    desk = Desk()
    desk.offer("agent", {"name": "fetch", "waiting_max": 7})
    desk.offer("agent", {"name": "fetch", "waiting_max": 3, "timeout_ms": 900})
    me = desk.join()
    assert (route(me).waiting_max, route(me).timeout_ms) == (3, 900)


def test_a_way_is_found_anew_after_anything_changed() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    old = route(me)
    assert route(me) is old
    agent.say(json(Kind.UPDATE, {"service": "agent", "commands": [{"name": "fetch"}]}, id=5))
    assert route(me) is not old
