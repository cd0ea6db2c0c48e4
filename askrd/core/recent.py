"""The events of the last minutes of one workspace, for those who ask what happened before they came.

Small events lie in a deque whose own bound drops the oldest, so that remembering one costs the hot
path a single append; large ones lie in another that counts bytes. Both are put together, by number,
when they are read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from heapq import merge

from askrd.core.lanes import LargeEvent
from askrd.wire.frames import STAMP_TIME
from askrd.wire.limits import (
    HEADER_BYTES,
    RECENT_EVENTS_MAX,
    RECENT_FRAME_BYTES,
    RECENT_LARGE_BYTES_MAX,
)

Told = bytes | LargeEvent
"""An event frame as plain listeners get it."""


def seq_of(told: Told) -> int:
    """Returns an event's number."""
    head = told if isinstance(told, bytes) else told.head
    return int.from_bytes(head[8:16], "little")


def time_us_of(told: Told) -> int:
    """Returns when an event happened, microseconds since 1970."""
    head = told if isinstance(told, bytes) else told.head
    moment: int = STAMP_TIME.unpack_from(head, HEADER_BYTES)[0]
    return moment


class Recent:
    """Events in the order of their numbers; the oldest give way.

    Attributes:
        append: remembers a small event: the bound method of a deque, for the hot path.
        began: events up to this number happened before the daemon started.
    """

    __slots__ = ("_floor", "_floor_us", "_large", "_large_bytes", "_small", "append", "began")

    def __init__(self, floor: int) -> None:
        """Starts empty; what happened up to ``floor`` is forgotten, whether it was here or not."""
        self._small: deque[Told] = deque(maxlen=RECENT_EVENTS_MAX)
        self._large: deque[Told] = deque()
        self._large_bytes = 0
        self._floor = floor
        self._floor_us = 0
        self.append = self._small.append
        self.began = 0

    def __len__(self) -> int:
        """Counts what is remembered."""
        return len(self._small) + len(self._large)

    def begin(self, seq: int) -> None:
        """Takes note that what was up to ``seq`` happened before the daemon started."""
        self.began = self._floor = max(self.began, seq)

    def add(self, told: Told, size: int) -> None:
        """Remembers an event; ``size`` is what its size field says without the stamp."""
        if size > RECENT_FRAME_BYTES:
            self.add_large(told)
        else:
            self.append(told)

    def add_large(self, told: Told) -> None:
        """Remembers a large event; the oldest large ones give way."""
        self._large.append(told)
        self._large_bytes += len(told)
        while self._large_bytes > RECENT_LARGE_BYTES_MAX:
            self._large_bytes -= len(self._large.popleft())

    def expire(self, time_us: int) -> None:
        """Forgets what happened before ``time_us``, microseconds since 1970."""
        self._floor_us = max(self._floor_us, time_us)
        for events in (self._small, self._large):
            while events and time_us_of(events[0]) < time_us:
                oldest = events.popleft()
                self._floor = max(self._floor, seq_of(oldest))
                if events is self._large:
                    self._large_bytes -= len(oldest)

    def seq_before(self, time_us: int) -> int:
        """Returns a number behind which lies every event since ``time_us``, as high as is known."""
        known = self._floor if time_us >= self._floor_us else self.began
        for events in (self._small, self._large):
            older = (each for each in reversed(events) if time_us_of(each) < time_us)
            known = max(known, next(map(seq_of, older), 0))
        return known

    def after(self, seq: int) -> list[Told]:
        """Returns what is remembered of the events behind number ``seq``, oldest first."""
        small, large = _newest(self._small, seq), _newest(self._large, seq)
        return list(merge(small, large, key=seq_of)) if large else small


def _newest(events: deque[Told], seq: int) -> list[Told]:
    everything = list(events)
    return everything[bisect_right(everything, seq, key=seq_of) :]
