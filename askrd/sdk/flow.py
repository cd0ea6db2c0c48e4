"""The credit of one direction of a stream: how much its sender may send, its receiver must give.

Both begin with the same window, without a frame. A sender goes on while it has items and bytes
left, so its last item may go beyond the bytes. The receiver gives back what was consumed, about
every half window: then neither waits for the other, and no more than a window is on its way.
"""

from askrd.wire.bodies import Credit
from askrd.wire.limits import STREAM_BYTES, STREAM_CREDIT_MAX, STREAM_ITEMS


class Sending:
    """What the sender of a flow may still send.

    Attributes:
        items: how many more items the receiver takes.
        bytes: how many more bytes; below 0 when the last item went beyond.
    """

    __slots__ = ("bytes", "items")

    def __init__(self, items: int = STREAM_ITEMS, size: int = STREAM_BYTES) -> None:
        """Starts with a window of so many items and bytes."""
        self.items = items
        self.bytes = size

    def may_send(self) -> bool:
        """Says whether one more item may go."""
        return self.items > 0 and self.bytes > 0

    def spend(self, size: int) -> None:
        """Takes note that an item with a payload of ``size`` bytes was sent."""
        self.items -= 1
        self.bytes -= size

    def grant(self, credit: Credit) -> None:
        """Adds what the receiver gives; negative credit is none, and it never exceeds its bound."""
        self.items = min(self.items + max(0, credit.items), STREAM_CREDIT_MAX)
        self.bytes = min(self.bytes + max(0, credit.bytes), STREAM_CREDIT_MAX)


class Receiving:
    """What the receiver of a flow has consumed and not yet given back."""

    __slots__ = ("_bytes", "_bytes_due", "_items", "_items_due")

    def __init__(self, items: int = STREAM_ITEMS, size: int = STREAM_BYTES) -> None:
        """Starts with a window of so many items and bytes, all of it with the sender."""
        self._items = 0
        self._bytes = 0
        self._items_due = max(1, items // 2)
        self._bytes_due = max(1, size // 2)

    def take(self, size: int) -> Credit | None:
        """Takes note that an item of ``size`` bytes was consumed.

        Returns:
            what to grant the sender now, or None when less than half a window is due.
        """
        self._items += 1
        self._bytes += size
        if self._items < self._items_due and self._bytes < self._bytes_due:
            return None
        credit = Credit(items=self._items, bytes=self._bytes)
        self._items = self._bytes = 0
        return credit
