"""When entries of the state go by themselves: one heap for all workspaces, on the wheel's alarm."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from askrd.core.instants import NEVER_US
from askrd.core.wheel import Wheel

SLOT_BITS = 15
"""Entries that go within the same 2^15 µs (33 ms) go together: how late one may go."""
_STALE_MAX = 64

Place = tuple[str, str]
"""Workspace and key."""


class Expiry:
    """Entries by the monotonic time at which they go."""

    __slots__ = ("_due", "_heap", "_wheel")

    def __init__(self, wheel: Wheel) -> None:
        """Starts empty; ``wheel`` wakes the router when something is due."""
        self._wheel = wheel
        self._due: dict[Place, int] = {}
        self._heap: list[tuple[int, Place]] = []

    def __len__(self) -> int:
        """Counts the entries that will go."""
        return len(self._due)

    def at_us(self, place: Place) -> int:
        """Returns when an entry goes; far away when it stays."""
        return self._due.get(place, NEVER_US)

    def arm(self, place: Place, at_us: int) -> None:
        """Has an entry go at ``at_us``, whatever was said before."""
        self._due[place] = at_us
        heappush(self._heap, (at_us, place))
        if len(self._heap) > 2 * len(self._due) + _STALE_MAX:
            self._heap = [(due_us, place) for place, due_us in self._due.items()]
            heapify(self._heap)
        self._look_ahead()

    def spare(self, place: Place) -> None:
        """Has an entry stay."""
        self._due.pop(place, None)

    def due(self, now_us: int, most: int) -> list[Place]:
        """Takes out entries whose time has passed, at most ``most`` of them."""
        ready: list[Place] = []
        while self._heap and len(ready) < most and _slot_end(self._heap[0][0]) <= now_us:
            at_us, place = heappop(self._heap)
            if self._due.get(place) == at_us:
                del self._due[place]
                ready.append(place)
        self._look_ahead()
        return ready

    def _look_ahead(self) -> None:
        self._wheel.remind(_slot_end(self._heap[0][0]) if self._heap else NEVER_US)


def _slot_end(at_us: int) -> int:
    return ((at_us >> SLOT_BITS) + 1) << SLOT_BITS
