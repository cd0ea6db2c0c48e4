"""A fabric of one daemon: its store decides, and there is nobody else to tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from askrd.core.effects import Durable
from askrd.fabric.fabric import Decisions, Fact
from askrd.store.store import Kept, Outcomes, Store
from askrd.wire.codec import Raw


class SingleNode:
    """Rests on a store.

    Attributes:
        links: none.
    """

    links: Sequence[str] = ()

    def __init__(self, decisions: Decisions, make_store: Callable[[Outcomes], Store]) -> None:
        """Tells ``decisions`` what the store says.

        Args:
            decisions: called as the store calls its outcomes: on the loop's thread, later.
            make_store: makes the store, which is closed with the fabric.
        """
        self._decisions = decisions
        self._store = make_store(self)

    # ── from the relay ────────────────────────────────────────────────────────────────────

    def recall(self) -> Kept:
        """Returns what the store holds; see `Fabric.recall`.

        Raises:
            CannotStore: it cannot be read.
        """
        return self._store.load()

    def propose(self, changes: Sequence[Durable]) -> None:
        """Has the store keep changes; see `Fabric.propose`.

        Raises:
            RuntimeError: the fabric is closed.
        """
        self._store.write(changes)

    def announce(self, facts: Sequence[Fact]) -> None:
        """Tells nobody: there is nobody."""

    def interest(self, workspace: str, added: Sequence[str], removed: Sequence[str]) -> None:
        """Tells nobody: there is nobody."""

    def send(self, link: str, frames: Sequence[Raw]) -> bool:
        """Returns False: there is no link."""
        return False

    def close(self) -> None:
        """Closes the store; see `Store.close`."""
        self._store.close()

    # ── from the store ────────────────────────────────────────────────────────────────────

    def committed(self, ticket: int) -> None:
        """Takes in that changes are safe, which decides them; see `store.Outcomes`."""
        self._decisions.decided(ticket)

    def rejected(self, reason: str) -> None:
        """Takes in that changes could not be kept; see `store.Outcomes`."""
        self._decisions.rejected(reason)

    def broke(self, fault: BaseException) -> None:
        """Takes in that the store itself failed; see `store.Outcomes`."""
        self._decisions.broke(fault)
