"""What every fabric owes the relay; one suite, run for each implementation over each store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from askrd.core.effects import Durable
from askrd.fabric.fabric import Fabric, Fact
from askrd.fabric.single_node import SingleNode
from askrd.store.store import Outcomes, Store
from tests.conformance.stores import (
    MEMORY,
    SQLITE,
    Kind,
    Loop,
    change,
    record,
    records_of,
    values_of,
)

ELSEWHERE = "abcdefghijkl"
FACT = Fact("askr", "peer", "joined", {"service": "agent", "instance": "a1b2c3"})
LARGE = b"x" * 300_000


class Relay:
    """Keeps what the fabric decided, and what it had heard when a call returned."""

    def __init__(self, kind: Kind, directory: Path) -> None:
        self.kind, self.directory = kind, directory
        self.loop = Loop()
        self.said: list[int | str] = []
        self.store: Store | None = None
        self.fabric: Fabric = SingleNode(self, self._make_store)
        self._next: Relay | None = None

    def _make_store(self, outcomes: Outcomes) -> Store:
        self.store = self.kind.make(self.directory, outcomes, self.loop.later)
        return self.store

    def decided(self, ticket: int) -> None:
        self.said.append(ticket)

    def rejected(self, reason: str) -> None:
        self.said.append(reason)

    def broke(self, fault: BaseException) -> None:
        self.said.append(type(fault).__name__)

    def until(self, said: int | str) -> None:
        self.loop.turn_until(lambda: bool(self.said) and self.said[-1] == said)

    def again(self) -> "Relay":
        self.fabric.close()
        self._next = Relay(self.kind, self.directory)
        return self._next

    def close(self) -> None:
        """Closes it, and what was opened after it."""
        self.fabric.close()
        if self._next is not None:
            self._next.close()


@pytest.fixture(params=[MEMORY, SQLITE], ids=lambda kind: kind.name)
def relay(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Relay]:
    made = Relay(request.param, tmp_path / "data")
    yield made
    made.close()


def test_nothing_is_decided_within_the_call(relay: Relay) -> None:
    relay.fabric.propose([change(1), record(2)])
    assert relay.said == []
    relay.until(2)


def test_decisions_come_in_the_order_of_tickets_up_to_the_last(relay: Relay) -> None:
    relay.fabric.propose([change(1), record(2), change(3)])
    relay.loop.turn()
    relay.fabric.propose([record(4)])
    relay.fabric.propose([change(5)])
    relay.until(5)
    tickets = [said for said in relay.said if isinstance(said, int)]
    assert tickets == sorted(set(tickets)) == relay.said


def test_proposing_nothing_decides_nothing(relay: Relay) -> None:
    relay.fabric.propose([])
    relay.fabric.propose([change(1)])
    relay.until(1)
    assert relay.said == [1]


def test_what_was_proposed_before_the_end_is_decided(relay: Relay) -> None:
    relay.fabric.propose([change(1)])
    relay.fabric.close()
    relay.loop.turn()
    assert relay.said == [1]
    with pytest.raises(RuntimeError):
        relay.fabric.propose([change(2)])


def test_closing_twice_is_closing_once(relay: Relay) -> None:
    relay.fabric.close()
    relay.fabric.close()


def test_a_new_one_recalls_nothing(relay: Relay) -> None:
    assert relay.fabric.recall().workspaces == {}


def test_what_was_decided_is_recalled_where_it_is_kept(relay: Relay) -> None:
    relay.fabric.propose([change(1, "a"), record(2, "jobs", "1"), change(3, "a", b"2")])
    relay.until(3)
    later = relay.again()
    kept = later.fabric.recall()
    later.fabric.close()
    if relay.kind.is_durable:
        assert values_of(kept) == {"askr": {"a": b"2"}}
        assert records_of(kept) == {"askr": {("jobs", "1"): b"1"}}
        assert kept.workspaces["askr"].head_rev == 3
    else:
        assert kept.workspaces == {}


def test_one_daemon_has_no_links_and_sends_nowhere(relay: Relay) -> None:
    assert list(relay.fabric.links) == []
    assert not relay.fabric.send(ELSEWHERE, [b"frame"])


def test_what_is_told_to_others_decides_nothing_and_is_not_kept(relay: Relay) -> None:
    relay.fabric.announce([FACT])
    relay.fabric.interest("askr", ["news.**"], [])
    relay.fabric.interest("askr", [], ["news.**"])
    relay.fabric.send(ELSEWHERE, [b"frame"])
    relay.loop.turn()
    assert relay.said == []
    assert relay.fabric.recall().workspaces == {}


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Relay]:
    made = Relay(SQLITE, tmp_path / "data")
    yield made
    made.close()


def test_what_cannot_be_kept_is_rejected_with_all_that_waits_and_never_decided(
    durable: Relay,
) -> None:
    bound(durable, 1)
    durable.fabric.propose([change(1, "large", LARGE), record(2)])
    durable.loop.turn()
    durable.loop.wait()
    durable.fabric.propose([record(3)])
    durable.until("database or disk is full")
    assert durable.said == ["database or disk is full"]
    bound(durable, 1_000_000)
    durable.fabric.propose([record(4)])
    durable.until(4)
    kept = durable.again().fabric.recall()
    assert (values_of(kept), records_of(kept)) == ({"askr": {}}, {"askr": {("jobs", "4"): b"1"}})


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_is_told(durable: Relay) -> None:
    durable.fabric.propose([change(2**70)])
    durable.until("OverflowError")


def bound(relay: Relay, pages: int) -> None:
    """Lets the database grow no further."""
    store = relay.store
    assert store is not None
    store._database._connection.execute(f"PRAGMA max_page_count = {pages}")


WORDS = st.sampled_from(["a", "b", "c"])
CHANGES = st.lists(st.tuples(st.booleans(), WORDS, WORDS, st.none() | st.binary(max_size=8)))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(turns=st.lists(CHANGES, min_size=1, max_size=6))
def test_both_stores_decide_the_same(
    turns: list[list[tuple[bool, str, str, bytes | None]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    relays = [Relay(kind, tmp_path_factory.mktemp("data") / "d") for kind in (MEMORY, SQLITE)]
    ticket = 0
    for turn in turns:
        changes: list[Durable] = []
        for is_record, shelf, key, value in turn:
            ticket += 1
            made = record(ticket, shelf, key, value) if is_record else change(ticket, key, value)
            changes.append(made)
        for relay in relays:
            relay.fabric.propose(changes)
    for relay in relays:
        if ticket:
            relay.until(ticket)
        relay.fabric.close()
        assert relay.said == sorted(relay.said)
