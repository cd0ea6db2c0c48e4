"""Stores to try: one kind per implementation, each with a loop and ears of its own."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from askrd.core.effects import Durable, Persist, Record
from askrd.core.state import Entry
from askrd.store.data_directory import DataDirectory
from askrd.store.database import Database
from askrd.store.memory import MemoryStore
from askrd.store.sqlite import SqliteStore
from askrd.store.store import Kept, Later, Outcomes, Store

WAIT_S = 20.0


class Loop:
    """Runs what was asked for later, when the test says so; any thread may ask."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Callable[[], None]] = queue.Queue()

    def later(self, action: Callable[[], None]) -> None:
        self._waiting.put(action)

    def turn_until(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + WAIT_S
        while not condition():
            try:
                self._waiting.get(timeout=until - time.monotonic())()
            except (queue.Empty, ValueError):
                raise AssertionError(f"it did not happen within {WAIT_S} s") from None

    def wait(self) -> None:
        """Returns when something waits, and runs nothing."""
        action = self._waiting.get(timeout=WAIT_S)
        self._waiting.put(action)

    def turn(self) -> None:
        """Runs what waits now."""
        while not self._waiting.empty():
            self._waiting.get()()


class Heard:
    """Keeps what the store said."""

    def __init__(self) -> None:
        self.said: list[int | str] = []

    def committed(self, ticket: int) -> None:
        self.said.append(ticket)

    def rejected(self, reason: str) -> None:
        self.said.append(reason)

    def broke(self, fault: BaseException) -> None:
        self.said.append(type(fault).__name__)


@dataclass(frozen=True)
class Kind:
    """One implementation: how it is made, and whether what it kept is there again."""

    name: str
    is_durable: bool
    make: Callable[[Path, Outcomes, Later], Store]


class Opened:
    """A store at work in a directory, which can be closed and opened again."""

    def __init__(self, kind: Kind, directory: Path) -> None:
        self.kind = kind
        self.directory = directory
        self.loop, self.heard = Loop(), Heard()
        self.store = kind.make(directory, self.heard, self.loop.later)
        self._next: Opened | None = None

    def again(self) -> "Opened":
        self.store.close()
        self._next = Opened(self.kind, self.directory)
        return self._next

    def close(self) -> None:
        """Closes it, and what was opened after it."""
        self.store.close()
        if self._next is not None:
            self._next.close()

    def keep(self, *changes: Durable) -> None:
        """Writes changes and returns when they are committed."""
        self.store.write(changes)
        self.until(changes[-1].ticket)

    def until(self, said: int) -> None:
        self.loop.turn_until(lambda: bool(self.heard.said) and self.heard.said[-1] == said)


def _memory(directory: Path, outcomes: Outcomes, later: Later) -> Store:
    return MemoryStore(outcomes, later)


def _sqlite(directory: Path, outcomes: Outcomes, later: Later) -> Store:
    with DataDirectory(directory) as data:
        return SqliteStore(Database(data), outcomes, later)


MEMORY = Kind("memory", False, _memory)
SQLITE = Kind("sqlite", True, _sqlite)


def change(
    ticket: int, key: str = "", value: bytes | None = b"1", *, workspace: str = "askr"
) -> Persist:
    """Returns the change with that ticket, which is its revision too; ``value`` None deletes."""
    entry = None if value is None else Entry(value, 1, ticket, 1000 + ticket)
    return Persist(ticket, workspace, key or f"key/{ticket}", entry, ticket)


def record(
    ticket: int,
    shelf: str = "jobs",
    key: str = "",
    value: bytes | None = b"1",
    *,
    workspace: str = "askr",
) -> Record:
    """Returns the record with that ticket; ``value`` None forgets it."""
    return Record(ticket, workspace, shelf, key or str(ticket), value)


def values_of(kept: Kept) -> dict[str, dict[str, bytes]]:
    """Returns what is kept: values by key, by workspace."""
    return {
        name: {key: entry.value for key, entry in workspace.rows}
        for name, workspace in kept.workspaces.items()
    }


def records_of(kept: Kept) -> dict[str, dict[tuple[str, str], bytes]]:
    """Returns what is kept beside the state: values by shelf and key, by workspace."""
    return {
        name: {(shelf, key): value for shelf, key, value in workspace.records}
        for name, workspace in kept.workspaces.items()
    }
