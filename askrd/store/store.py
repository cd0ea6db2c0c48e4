"""The seam of the store: what the relay needs from whatever keeps the connected state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from askrd.core.effects import Durable
from askrd.core.state import Entry


@dataclass(frozen=True, slots=True)
class KeptWorkspace:
    """What a store holds of one workspace.

    Attributes:
        rows: keys with their entries, by key.
        head_rev: no revision up to this one may be given again.
        records: shelf, key and value of what lies beside the state, by shelf and key.
    """

    rows: list[tuple[str, Entry]]
    head_rev: int
    records: list[tuple[str, str, bytes]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything a store holds.

    Attributes:
        workspaces: by name; also those whose last entry was deleted, and those that have records
            alone.
    """

    workspaces: Mapping[str, KeptWorkspace] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        """How many entries there are in all workspaces."""
        return sum(len(workspace.rows) for workspace in self.workspaces.values())

    @property
    def records(self) -> int:
        """How many records there are in all workspaces."""
        return sum(len(workspace.records) for workspace in self.workspaces.values())


class Store(Protocol):
    """Keeps changes of state and records in ticket order and says when they are safe.

    One conformance suite runs against every implementation.
    """

    def load(self) -> Kept:
        """Returns what was kept before; called once, before the first `write`.

        Raises:
            CannotStore: it cannot be read.
        """

    def write(self, changes: Sequence[Durable]) -> None:
        """Takes changes to keep, in ticket order; returns at once.

        Later `committed` is called on the loop's thread with the highest ticket that is safe, or
        `rejected` with a reason when none of the changes that wait could be kept: none of those
        that were taken before `rejected` is called.
        """

    def close(self) -> None:
        """Keeps what was taken and lets go of everything; nothing may be written afterwards."""


class Outcomes(Protocol):
    """What a store tells the relay; called on the thread that runs the loop."""

    def committed(self, ticket: int) -> None:
        """Every change up to ``ticket`` is safe."""

    def rejected(self, reason: str) -> None:
        """No change that waits could be kept."""

    def broke(self, fault: BaseException) -> None:
        """The store itself failed and will not say anything more: a defect, not a disk."""


Later = Callable[[Callable[[], None]], object]
"""Runs a function soon on the loop's thread, never at once."""
