"""What one side sent last and the other has not confirmed: what a lost connection may have cost.

Positions are bytes of whole frames since the session began. Frames that belong to one connection
only are not counted: HELLO, WELCOME, `resume` and `resumed`.
"""

from collections import deque

from askrd.wire.codec import Raw
from askrd.wire.limits import RESUME_BYTES_MAX


class Tail:
    """The last bytes of what was sent, bounded.

    Attributes:
        end: how many bytes were sent since the session began.
    """

    __slots__ = ("_bytes_max", "_chunks", "_start", "end")

    def __init__(self, at: int = 0, bytes_max: int = RESUME_BYTES_MAX) -> None:
        """Starts empty.

        Args:
            at: position of the first byte; below 0 when uncounted ones go in front.
            bytes_max: what is kept at most.
        """
        self._bytes_max = bytes_max
        self._chunks: deque[Raw] = deque()
        self._start = at
        self.end = at

    @property
    def kept_bytes(self) -> int:
        """How many bytes are kept."""
        return self.end - self._start

    def add(self, chunk: Raw) -> None:
        """Takes in what is being sent; the oldest bytes give way."""
        size = len(chunk)
        self.end += size
        if size > self._bytes_max:
            self._chunks.clear()
            chunk = bytes(chunk[size - self._bytes_max :])
            self._start = self.end - self._bytes_max
        self._chunks.append(chunk)
        while self.end - self._start > self._bytes_max:
            self._start += len(self._chunks.popleft())

    def confirm(self, received: int) -> bool:
        """Takes in that the other side has the first ``received`` bytes, and forgets them.

        Returns:
            whether that can be: so many were sent.
        """
        if received > self.end:
            return False
        while self._chunks and self._start + len(self._chunks[0]) <= received:
            self._start += len(self._chunks.popleft())
        return True

    def holds(self, received: int) -> bool:
        """Says whether everything behind the first ``received`` bytes is kept."""
        return max(0, self._start) <= received <= self.end

    def since(self, received: int) -> list[Raw]:
        """Returns everything behind the first ``received`` bytes, in order.

        Only for a position that it `holds`.
        """
        at = self._start
        found: list[Raw] = []
        for chunk in self._chunks:
            skipped = max(0, received - at)
            at += len(chunk)
            if skipped < len(chunk):
                found.append(chunk[skipped:] if skipped else chunk)
        return found
