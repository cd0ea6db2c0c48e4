"""Answers that wait until what they promise is committed: one queue, tickets in order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from askrd.wire.errors import Busy
from askrd.wire.limits import GATED_BYTES_MAX, GATED_MAX

if TYPE_CHECKING:
    from askrd.core.changes import Change
    from askrd.core.session import Session
    from askrd.core.state import Entry
    from askrd.core.switchboard import Switchboard
    from askrd.core.workspace import Workspace
    from askrd.wire.frames import Frame


class Deed(Protocol):
    """What is to happen once a row is safe."""

    def done(self, board: Switchboard) -> None:
        """Takes effect, in its turn: the row is kept."""

    def undone(self, board: Switchboard, reason: str) -> None:
        """Says so to whoever waits: the row could not be kept, and is not."""


Row = tuple[str, str, str]
"""Workspace, shelf and key of a row that is kept."""


class Gated:
    """A change whose turn has not come, or a request that must not overtake earlier writes.

    Attributes:
        ticket: released when this ticket is committed.
        session: who asked; None = nobody did. frame: what it asked.
        workspace, change: what has its revision and is not seen yet, and where.
        for_services: what services see in the place of the change's entry; None = the same.
        unchanged: what a write that changed nothing found. A request with neither is a read.
        is_loose: whether it waits for its turn only, and not for the store.
        shows_value: whether the answer to a write carries the value.
        deed: what is to happen in its turn, in place of a change of the state.
    """

    __slots__ = (
        "change", "deed", "for_services", "frame", "is_loose", "session", "shows_value", "ticket",
        "unchanged", "workspace",
    )  # fmt: skip

    def __init__(
        self,
        ticket: int,
        session: Session | None,
        frame: Frame,
        workspace: Workspace | None = None,
        change: Change | None = None,
        deed: Deed | None = None,
    ) -> None:
        self.ticket = ticket
        self.session = session
        self.frame = frame
        self.workspace = workspace
        self.change = change
        self.for_services: Entry | None = None
        self.unchanged: Entry | None = None
        self.is_loose = self.shows_value = False
        self.deed = deed

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing and was not meant to."""
        return self.change is None and self.unchanged is None and self.deed is None


class Gate:
    """The queue of everything that waits for the store.

    Requests wait up to `GATED_MAX`; beyond that only what goes with a peer that leaves.

    Attributes:
        ticket: the last one given out. committed: the last one the store has settled.
        awaited: the highest one that an item in the queue waits for.
        unsaved: workspace and key of what was answered without waiting and refused by the store.
        unsaved_rows: the same for rows, with what they are to be.
        waiting_bytes: of rows that the store was given and has not settled.
        refusal: why the store kept nothing of what it was given last; empty = it did.
    """

    __slots__ = (
        "_fast",
        "_loose",
        "_waiting",
        "_weights",
        "awaited",
        "committed",
        "refusal",
        "ticket",
        "unsaved",
        "unsaved_rows",
        "waiting_bytes",
    )

    def __init__(self) -> None:
        self._waiting: deque[Gated] = deque()
        self._fast: deque[tuple[int, str, str]] = deque()
        self._loose: deque[tuple[int, Row, bytes | None]] = deque()
        self._weights: deque[tuple[int, int]] = deque()
        self.waiting_bytes = 0
        self.ticket = 0
        self.committed = 0
        self.awaited = 0
        self.refusal = ""
        self.unsaved: dict[tuple[str, str], None] = {}
        self.unsaved_rows: dict[Row, bytes | None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_settled(self) -> bool:
        """Whether the store has everything it was given, without exception."""
        behind = self.unsaved or self._fast or self.unsaved_rows or self._loose
        return not behind and self.committed == self.ticket

    @property
    def is_behind(self) -> bool:
        """Whether the store has refused something that it is to be given again."""
        return bool(self.unsaved or self.unsaved_rows)

    @property
    def is_full(self) -> bool:
        """Whether as much waits as may."""
        return len(self._waiting) >= GATED_MAX

    def check_room(self) -> None:
        """Returns when one more item fits.

        Raises:
            Busy: the store is too far behind; nothing was written.
        """
        if self.is_full or self.ticket - self.committed >= GATED_MAX:
            raise Busy(f"{GATED_MAX} writes wait for the store; nothing was written")
        if self.waiting_bytes >= GATED_BYTES_MAX:
            raise Busy(f"{GATED_BYTES_MAX} bytes wait for the store; nothing was written")

    def weigh(self, size: int) -> None:
        """Counts the bytes of the row that has the last ticket."""
        self._weights.append((self.ticket, size))
        self.waiting_bytes += size

    def park(self, item: Gated) -> None:
        """Adds an item behind the others."""
        self._waiting.append(item)
        self.awaited = max(self.awaited, item.ticket)

    def follow(self, workspace: str, key: str) -> None:
        """Remembers that the last ticket was answered for before it is committed."""
        self._fast.append((self.ticket, workspace, key))

    def follow_row(self, row: Row, value: bytes | None) -> None:
        """Remembers what the last ticket has to keep, for another try."""
        self._loose.append((self.ticket, row, value))
        self.unsaved_rows.pop(row, None)

    def release(self, ticket: int) -> list[Gated]:
        """Takes out everything up to ``ticket``, in order."""
        self.committed = max(self.committed, ticket)
        while self._fast and self._fast[0][0] <= ticket:
            self._fast.popleft()
        while self._loose and self._loose[0][0] <= ticket:
            self._loose.popleft()
        while self._weights and self._weights[0][0] <= ticket:
            self.waiting_bytes -= self._weights.popleft()[1]
        released: list[Gated] = []
        waiting = self._waiting
        while waiting:
            item = waiting[0]
            if item.ticket > ticket:
                break
            released.append(waiting.popleft())
        return released

    def reject(self) -> list[Gated]:
        """Takes out everything, in order: the store has refused what it was given."""
        for _, workspace, key in self._fast:
            self.unsaved[workspace, key] = None
        self._fast.clear()
        for _, row, value in self._loose:
            self.unsaved_rows[row] = value
        self._loose.clear()
        return self.release(self.ticket)
