"""Both ends of a stream as honest peers keep them: what may be sent, and what has come."""

from __future__ import annotations

from askrd.core import flow
from askrd.wire.bodies import Credit


class Outflow:
    """What a sender still has to send, and how much of it its receiver takes now.

    Attributes:
        total: items there are. sent: how many are sent. is_over: no more is sent, for whatever reason.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.sent = 0
        self.is_over = False
        self.items = flow.STREAM_ITEMS
        self.bytes = flow.STREAM_BYTES

    @property
    def may_send(self) -> bool:
        """Whether the next item may go now."""
        return not self.is_over and self.sent < self.total and self.items > 0 and self.bytes > 0

    def spend(self, size: int) -> None:
        """Takes note that an item is sent."""
        self.sent += 1
        self.items -= 1
        self.bytes -= size

    def grant(self, credit: Credit) -> None:
        """Takes note that the receiver takes more."""
        self.items += credit.items
        self.bytes += credit.bytes


class Intake:
    """What a receiver has got of a stream, and what it said that it takes.

    Attributes:
        taken: items so far. by: who sends.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.by = b""
        self._bytes = 0
        self._items_max = flow.STREAM_ITEMS
        self._bytes_max = flow.STREAM_BYTES
        self._owed = Credit(items=0, bytes=0)

    def take(self, number: int, size: int) -> None:
        """Takes an item; it must be the next, and within what was said."""
        assert number == self.taken, f"item {number} came after {self.taken} items"
        assert self.taken < self._items_max, "an item came beyond the receiver's credit"
        assert self._bytes < self._bytes_max, "bytes came beyond the receiver's credit"
        self.taken += 1
        self._bytes += size
        self._owed = Credit(items=self._owed.items + 1, bytes=self._owed.bytes + size)

    def grant(self) -> Credit:
        """Returns credit for what has been taken since the last time."""
        owed, self._owed = self._owed, Credit(items=0, bytes=0)
        self._items_max += owed.items
        self._bytes_max += owed.bytes
        return owed
