"""Holds services and instances: states, counts, chance, and the queue of what waits."""

from collections import Counter

from askrd.core.services import Instance, Nowhere, Parked, Service
from askrd.core.session import Entry
from askrd.wire.bodies import CommandSpec, Provision
from tests.unit.askrd.core.desk import Desk


def instance(desk: Desk | None = None) -> Instance:
    specs = [CommandSpec(name="fetch"), CommandSpec(name="other")]
    provision = Provision(service="agent", commands=specs)
    return Instance(Service("agent"), (desk or Desk()).join().session, provision)


def test_running_commands_are_counted_by_name_and_together() -> None:
    one = instance()
    for command, change in (("fetch", 1), ("fetch", 1), ("other", 1), ("fetch", -1)):
        one.count(command, change)
    assert (one.running["fetch"], one.running["other"], one.load) == (1, 1, 2)


def test_the_state_shown_is_what_keeps_an_instance_from_work() -> None:
    one = instance()
    assert one.shown_state == "active"
    one.ejected_until_us = 5
    assert (one.shown_state, one.is_ejected) == ("ejected", True)
    one.state = "draining"
    assert one.shown_state == "draining"
    one.session.is_unresponsive = True
    assert one.shown_state == "unresponsive"


def test_chance_is_even_and_can_be_put_back() -> None:
    service = Service("agent")
    before = service.turn
    drawn = [service.draw() for _ in range(8_000)]
    assert all(0 <= number < 2**32 for number in drawn)
    assert all(1_800 < count < 2_200 for count in Counter(n % 4 for n in drawn).values())
    service.turn = before
    assert [service.draw() for _ in range(8_000)] == drawn


def test_what_waits_can_be_taken_out_and_leaves_nothing() -> None:
    desk = Desk()
    desk.serve()
    me = desk.join().session
    route = me.in_open_workspace.destinations.route_for(b"agent.fetch", desk.now_us)
    service = route.service
    entries: list[Entry] = [(me, id_, None, 0, route, 0, 0, None) for id_ in (1, 2, 3)]
    for number, entry in enumerate(entries, start=1):
        service.park(Parked(entry, b"agent.fetch", 0, b"12345", number))
    assert service.last_number == 3
    assert (service.waiting_count, service.waiting_bytes) == (3, 15)
    assert [parked.key for parked in service.all_waiting()] == [(me, 1), (me, 2), (me, 3)]
    assert service.unpark(entries[1]) is not None
    assert service.unpark(entries[1]) is None
    for entry in (entries[0], entries[2]):
        service.unpark(entry)
    assert (service.waiting, service.waiting_count, service.waiting_bytes) == ({}, 0, 0)


def test_nowhere_stands_in_for_a_route_that_is_not_there() -> None:
    assert Nowhere(b"agent.fetch").name == b"agent.fetch"
