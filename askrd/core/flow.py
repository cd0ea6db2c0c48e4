"""How much of a stream its receiver takes: credit that the sender spends and the receiver grants."""

from __future__ import annotations

from askrd.wire.limits import STREAM_BYTES, STREAM_CREDIT_MAX, STREAM_ITEMS


class Flow:
    """One direction of a stream, as the daemon counts it.

    Attributes:
        items, bytes: what its receiver still takes; the last item may bring ``bytes`` below 0.
    """

    __slots__ = ("bytes", "items")

    def __init__(self) -> None:
        self.items = STREAM_ITEMS
        self.bytes = STREAM_BYTES

    @property
    def granted(self) -> tuple[int, int]:
        """Items and bytes beyond the first credit, as long as nothing was spent."""
        return self.items - STREAM_ITEMS, self.bytes - STREAM_BYTES

    def spend(self, size: int) -> bool:
        """Counts an item of ``size`` bytes; False when the receiver takes no more."""
        if self.items <= 0 or self.bytes <= 0:
            return False
        self.items -= 1
        self.bytes -= size
        return True

    def grant(self, items: int, size: int) -> bool:
        """Counts what the receiver takes besides; False, and nothing, when that is beyond any bound."""
        if self.items + items > STREAM_CREDIT_MAX or self.bytes + size > STREAM_CREDIT_MAX:
            return False
        self.items += items
        self.bytes += size
        return True
