"""The seam of the store: what the relay needs from whatever keeps the connected state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from askrd.core.effects import Persist


class Store(Protocol):
    """Keeps state changes in ticket order and says when they are safe.

    One conformance suite runs against every implementation.
    """

    def write(self, changes: Sequence[Persist]) -> None:
        """Takes changes to keep, in ticket order; returns at once.

        Later `committed` is called on the loop's thread with the highest ticket that is safe, or
        `rejected` with a reason when none of the changes that wait could be kept.
        """

    def close(self) -> None:
        """Keeps what was taken and lets go of everything; nothing may be written afterwards."""


class Outcomes(Protocol):
    """What a store tells the relay; called on the thread that runs the loop."""

    def committed(self, ticket: int) -> None:
        """Every change up to ``ticket`` is safe."""

    def rejected(self, reason: str) -> None:
        """No change that waits could be kept."""


Later = Callable[[Callable[[], None]], object]
"""Runs a function soon on the loop's thread, never at once."""
