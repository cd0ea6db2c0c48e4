"""One coarse wheel for every wait of the core: sessions that must be looked at, by time.

A session stands in the wheel once, at the earliest of its deadlines, so a command costs one
comparison and an idle daemon wakes only for heartbeats.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from askrd.core.instants import NEVER_US

if TYPE_CHECKING:
    from askrd.core.session import Session

SLOT_BITS = 16
"""A slot lasts 2^16 µs (65.5 ms): how late a deadline may be noticed."""


class Wheel:
    """Sessions by the time slot in which they are due.

    Attributes:
        next_due_us: when `due` will next have something, or the first reminder's time if that is
            earlier; `NEVER_US` when nothing waits.
    """

    __slots__ = ("_reminder_us", "_reminders", "_slots", "_times", "next_due_us")

    def __init__(self) -> None:
        self._slots: dict[int, list[Session]] = {}
        self._times: list[int] = []
        self._reminder_us = NEVER_US
        self._reminders: dict[str, int] = {}
        self.next_due_us = NEVER_US

    def __len__(self) -> int:
        """Counts the slots that hold a session."""
        return len(self._slots)

    def arm(self, session: Session, at_us: int) -> None:
        """Has ``session`` looked at once ``at_us`` has passed; an earlier time stays."""
        if at_us >= session.due_us:
            return
        session.due_us = at_us
        slot = at_us >> SLOT_BITS
        waiting = self._slots.get(slot)
        if waiting is None:
            self._slots[slot] = [session]
            heappush(self._times, slot)
            self._look_ahead()
        else:
            waiting.append(session)

    def remind(self, at_us: int, *, of: str = "expiry") -> None:
        """Sets the time at which something is to be done that is no session's; one for each ``of``."""
        if at_us != self._reminders.get(of, NEVER_US):
            self._reminders[of] = at_us
            self._reminder_us = min(self._reminders.values())
            self._look_ahead()

    def due(self, now_us: int) -> list[Session]:
        """Takes out the sessions whose time has passed at ``now_us``, each once."""
        ready: list[Session] = []
        while self._times and (self._times[0] + 1) << SLOT_BITS <= now_us:
            slot = heappop(self._times)
            for session in self._slots.pop(slot):
                if session.due_us >> SLOT_BITS == slot:
                    session.due_us = NEVER_US
                    ready.append(session)
        self._look_ahead()
        return ready

    def _look_ahead(self) -> None:
        next_us = (self._times[0] + 1) << SLOT_BITS if self._times else NEVER_US
        self.next_due_us = min(next_us, self._reminder_us)
