"""When the commands of an agent have to end: many deadlines, one timer per twentieth of a second."""

import asyncio
from collections.abc import Callable, Mapping
from math import ceil, inf

from askrd.sdk.calls import Call

SLOT_S = 0.05
"""Deadlines are looked at this often; the daemon keeps them more exactly."""
GRACE_S = 0.25
"""How much later than the daemon this side ends a command; the daemon's word goes first."""


class Deadlines:
    """Looks at commands that wait, when their deadlines have passed. Deadlines may move."""

    __slots__ = ("_calls", "_expire", "_loop", "_slots")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        calls: Mapping[int, Call],
        expire: Callable[[Call], None],
    ) -> None:
        """Starts with none.

        Args:
            loop: whose time it is.
            calls: the commands by id.
            expire: called with one that is late.
        """
        self._loop = loop
        self._calls = calls
        self._expire = expire
        self._slots: dict[int, set[int]] = {}

    def watch(self, call: Call) -> None:
        """Has a command looked at when its deadline, as it is now, has passed."""
        slot = _slot_of(call)
        if not slot:
            return
        waiting = self._slots.get(slot)
        if waiting is None:
            waiting = self._slots[slot] = set()
            self._loop.call_at(slot * SLOT_S, self._look, slot)
        waiting.add(call.frame.id)

    def forget(self, call: Call) -> None:
        """Looks at a command no more."""
        waiting = self._slots.get(_slot_of(call))
        if waiting is not None:
            waiting.discard(call.frame.id)

    def _look(self, slot: int) -> None:
        for id_ in self._slots.pop(slot):
            call = self._calls.get(id_)
            if call is None or not (now_in := _slot_of(call)):
                continue
            if now_in > slot:
                self.watch(call)
            else:
                self._expire(call)


def _slot_of(call: Call) -> int:
    """Returns when a command is looked at, in slots since the clock began; 0 = never."""
    if call.deadline == inf:
        return 0
    return ceil((call.deadline + GRACE_S) / SLOT_S)
