"""The last event of each subject that its emitter asked to retain, for those who come later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askrd.core.event import Event
from askrd.wire.errors import LimitExceeded
from askrd.wire.limits import RETAINED_BYTES_MAX, RETAINED_MAX
from askrd.wire.names import pattern_matches

if TYPE_CHECKING:
    from askrd.core.switchboard import Switchboard

SHELF = "retained"
"""Where a store keeps them: subject -> the frame."""


class Keeping:
    """What a subject was made to retain: a deed that waits for the store.

    Attributes:
        event: None = nothing.
        before: what it retained before that; None = nothing, or that is safe now.
        is_undone: whether the store refused it.
    """

    __slots__ = ("_subject", "_table", "before", "event", "is_undone")

    def __init__(
        self, table: Retained, subject: bytes, event: Event | None, before: Keeping | None
    ) -> None:
        self._table = table
        self._subject = subject
        self.is_undone = False
        self.event = event
        self.before = before

    @property
    def size(self) -> int:
        """Bytes of the event."""
        return 0 if self.event is None else len(self.event.frame)

    def done(self, _board: Switchboard) -> None:
        """Forgets what was before."""
        self.before = None
        self._table.settle(self._subject, self)

    def undone(self, _board: Switchboard, _reason: str) -> None:
        """Has the subject retain what it did before, unless that changed again."""
        self.is_undone = True
        earlier = self.before
        while earlier is not None and earlier.is_undone:
            earlier = earlier.before
        self.before = earlier  # so that the next one's way back is short
        self._table.revert(self._subject, self, earlier)


class Retained:
    """The retained events of one workspace, by subject."""

    __slots__ = ("_bytes", "_count", "_kept")

    def __init__(self) -> None:
        self._kept: dict[bytes, Keeping] = {}
        self._bytes = 0
        self._count = 0

    def __len__(self) -> int:
        """Counts the subjects that retain an event."""
        return self._count

    def check_room(self, subject: bytes, size: int) -> None:
        """Returns when ``subject`` may retain an event of about ``size`` bytes.

        Raises:
            LimitExceeded: as much is retained as may be.
        """
        known = self._kept.get(subject)
        is_new = known is None or known.event is None
        if is_new and self._count >= RETAINED_MAX:
            raise LimitExceeded(
                f"{RETAINED_MAX} subjects retain an event already; clear some "
                "(retain without a payload)",
                details={"limit": "retained_max"},
            )
        if self._bytes - (known.size if known else 0) + size > RETAINED_BYTES_MAX:
            raise LimitExceeded(
                f"retained events take at most {RETAINED_BYTES_MAX} bytes together; clear some "
                "(retain without a payload)",
                details={"limit": "retained_bytes_max"},
            )

    def put(self, subject: bytes, event: Event | None) -> Keeping:
        """Has a subject retain ``event`` from now on; None = nothing any more."""
        keeping = Keeping(self, subject, event, self._kept.get(subject))
        self._set(subject, keeping)
        return keeping

    def settle(self, subject: bytes, keeping: Keeping) -> None:
        """Takes note that what a subject retains is safe."""
        if keeping.event is None and self._kept.get(subject) is keeping:
            self._set(subject, None)

    def revert(self, subject: bytes, keeping: Keeping, earlier: Keeping | None) -> None:
        """Puts ``earlier`` in the place of ``keeping``, if that is still there."""
        if self._kept.get(subject) is keeping:
            self._set(subject, earlier)

    def _set(self, subject: bytes, keeping: Keeping | None) -> None:
        known = self._kept.pop(subject, None)
        if known is not None and known.event is not None:
            self._count -= 1
            self._bytes -= known.size
        if keeping is not None:
            self._kept[subject] = keeping
            if keeping.event is not None:
                self._count += 1
                self._bytes += keeping.size

    def matching(self, pattern: str) -> list[Event]:
        """Returns the retained events whose subjects fit a checked pattern, oldest first."""
        if "*" not in pattern:
            one = self._kept.get(pattern.encode())
            found = [] if one is None else [one]
        else:
            found = [
                keeping
                for subject, keeping in self._kept.items()
                if pattern_matches(pattern, subject.decode())
            ]
        events = [keeping.event for keeping in found if keeping.event is not None]
        return sorted(events, key=lambda event: event.seq)
