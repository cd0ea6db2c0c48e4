"""What is to be done at a time and is no session's: one heap, on the wheel's alarm."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from askrd.core.instants import NEVER_US
from askrd.core.wheel import Wheel

if TYPE_CHECKING:
    from askrd.core.switchboard import Switchboard

RUNG_MAX = 1_000
"""Alarms that ring in one tick; the next tick comes at once."""
_STALE_MAX = 64

Ring = Callable[["Switchboard"], None]


class Alarms:
    """Deeds by the monotonic time at which they are due, each under a key of its own.

    A deed comes at its time or a moment later, never earlier; with a time that has passed it comes
    with the next tick, never at once.
    """

    __slots__ = ("_heap", "_number", "_rings", "_wheel")

    def __init__(self, wheel: Wheel) -> None:
        """Starts empty; ``wheel`` wakes the router when something is due."""
        self._wheel = wheel
        self._rings: dict[Hashable, tuple[int, Ring]] = {}
        self._heap: list[tuple[int, int, Hashable]] = []
        self._number = 0

    def __len__(self) -> int:
        """Counts the alarms that will ring."""
        return len(self._rings)

    def at_us(self, key: Hashable) -> int:
        """Returns when an alarm rings; far away when it does not."""
        found = self._rings.get(key)
        return NEVER_US if found is None else found[0]

    def arm(self, key: Hashable, at_us: int, ring: Ring) -> None:
        """Has ``ring`` be called at ``at_us``, whatever was said under ``key`` before."""
        before = self._rings.get(key)
        self._rings[key] = at_us, ring
        if before is not None and before[0] == at_us:
            return
        self._number += 1
        heappush(self._heap, (at_us, self._number, key))
        if len(self._heap) > 2 * len(self._rings) + _STALE_MAX:
            self._heap = [
                (at_us, n, key) for n, (key, (at_us, _)) in enumerate(self._rings.items())
            ]
            heapify(self._heap)
        self._look_ahead()

    def disarm(self, key: Hashable) -> None:
        """Has nothing be called under ``key``."""
        self._rings.pop(key, None)

    def ring(self, board: Switchboard) -> None:
        """Calls what is due; what is armed meanwhile waits for the next tick."""
        due: list[Ring] = []
        while self._heap and len(due) < RUNG_MAX and self._heap[0][0] <= board.now_us:
            at_us, _, key = heappop(self._heap)
            found = self._rings.get(key)
            if found is not None and found[0] == at_us:
                due.append(self._rings.pop(key)[1])
        for ring in due:
            ring(board)
        self._look_ahead()

    def _look_ahead(self) -> None:
        self._wheel.remind(self._heap[0][0] if self._heap else NEVER_US, of="alarms")
