"""Answers that wait until what they promise is committed: one queue, tickets in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from askrd.wire.errors import Busy
from askrd.wire.limits import GATED_MAX

if TYPE_CHECKING:
    from askrd.core.session import Session
    from askrd.core.state import Entry
    from askrd.core.workspace import Workspace
    from askrd.wire.bodies import EntryOptions
    from askrd.wire.frames import Frame


@dataclass(frozen=True, slots=True)
class Gated:
    """A write whose answer waits, or a request that must not overtake earlier writes.

    Attributes:
        ticket: released when this ticket is committed.
        session: who asked. frame: what it asked.
        change: workspace, key, new entry and rev of a write.
        unchanged: the answer to a write that changed nothing. A request with neither is a read.
    """

    ticket: int
    session: Session
    frame: Frame
    change: tuple[Workspace, str, Entry | None, int] | None = None
    unchanged: EntryOptions | None = None


class Gate:
    """The queue of everything that waits for the store; at most `GATED_MAX` items."""

    __slots__ = ("_waiting", "committed", "ticket")

    def __init__(self) -> None:
        self._waiting: deque[Gated] = deque()
        self.ticket = 0
        self.committed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def check_room(self) -> None:
        """Returns when one more item fits.

        Raises:
            Busy: the store is too far behind; nothing was written.
        """
        if len(self._waiting) >= GATED_MAX:
            raise Busy(f"{GATED_MAX} state writes wait for the store; nothing was written")

    def park(self, item: Gated) -> None:
        """Adds an item behind the others."""
        self._waiting.append(item)

    def release(self, ticket: int) -> list[Gated]:
        """Takes out everything up to ``ticket``, in order."""
        self.committed = max(self.committed, ticket)
        released = []
        while self._waiting and self._waiting[0].ticket <= ticket:
            released.append(self._waiting.popleft())
        return released
