"""What every store owes the relay; one suite, run for each implementation."""

from collections.abc import Callable

import pytest

from askrd.core.effects import Persist
from askrd.core.state import Entry
from askrd.store.memory import MemoryStore
from askrd.store.store import Later, Outcomes, Store


class Loop:
    """Runs what was asked for later, when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def later(self, action: Callable[[], None]) -> None:
        self.waiting.append(action)

    def turn(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


class Heard:
    """Keeps what the store said."""

    def __init__(self) -> None:
        self.said: list[int | str] = []

    def committed(self, ticket: int) -> None:
        self.said.append(ticket)

    def rejected(self, reason: str) -> None:
        self.said.append(reason)


def memory(outcomes: Outcomes, later: Later) -> Store:
    return MemoryStore(outcomes, later)


STORES = [memory]


@pytest.fixture(params=STORES)
def make(request: pytest.FixtureRequest) -> Callable[[Outcomes, Later], Store]:
    factory: Callable[[Outcomes, Later], Store] = request.param
    return factory


def change(ticket: int) -> Persist:
    return Persist(ticket, "askr", f"key/{ticket}", Entry(b"1", 1, ticket, 0))


def test_nothing_is_committed_before_the_caller_is_done(
    make: Callable[[Outcomes, Later], Store],
) -> None:
    loop, heard = Loop(), Heard()
    make(heard, loop.later).write([change(1)])
    assert heard.said == []
    loop.turn()
    assert heard.said == [1]


def test_tickets_are_committed_in_order_and_up_to_the_last(
    make: Callable[[Outcomes, Later], Store],
) -> None:
    loop, heard = Loop(), Heard()
    store = make(heard, loop.later)
    store.write([change(1), change(2), change(3)])
    store.write([change(4)])
    loop.turn()
    tickets = [said for said in heard.said if isinstance(said, int)]
    assert tickets == sorted(tickets)
    assert tickets[-1] == 4


def test_an_empty_batch_says_nothing(make: Callable[[Outcomes, Later], Store]) -> None:
    loop, heard = Loop(), Heard()
    make(heard, loop.later).write([])
    loop.turn()
    assert heard.said == []


def test_a_closed_store_takes_nothing(make: Callable[[Outcomes, Later], Store]) -> None:
    loop, heard = Loop(), Heard()
    store = make(heard, loop.later)
    store.write([change(1)])
    store.close()
    loop.turn()
    assert heard.said == [1]
    with pytest.raises(RuntimeError):
        store.write([change(2)])
