"""A store that keeps nothing beyond the daemon's life: every change is safe as soon as taken."""

from __future__ import annotations

from collections.abc import Sequence

from askrd.core.effects import Durable
from askrd.store.store import Kept, Later, Outcomes


class MemoryStore:
    """Commits each batch a moment after it was taken, in order.

    Entries and records themselves live in the core; there is nothing more to keep.
    """

    def __init__(self, outcomes: Outcomes, later: Later) -> None:
        """Tells ``outcomes``, by way of ``later``."""
        self._outcomes = outcomes
        self._later = later
        self._is_closed = False

    def load(self) -> Kept:
        """Returns nothing: there is nothing from before."""
        return Kept()

    def write(self, changes: Sequence[Durable]) -> None:
        """Takes changes to keep; see `Store.write`.

        Raises:
            RuntimeError: the store is closed.
        """
        if self._is_closed:
            raise RuntimeError("the store is closed")
        if changes:
            ticket = changes[-1].ticket
            self._later(lambda: self._outcomes.committed(ticket))

    def close(self) -> None:
        """Takes nothing more."""
        self._is_closed = True
