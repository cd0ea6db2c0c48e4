"""Consumers: a place in a log that outlives its readers, and what of it is not acknowledged yet."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush

import msgspec

from askrd.core.instants import NEVER_US
from askrd.wire.limits import UNACKED_MAX

_STALE_MAX = 64


class Unacked:
    """An event that a consumer got and did not acknowledge.

    Attributes:
        seq: its number in the log. deliveries: how often it was delivered.
        reader: who has it; None = nobody now.
        due_us: when it is taken back to be delivered again; far away when it is already.
    """

    __slots__ = ("deliveries", "due_us", "reader", "seq")

    def __init__(self, seq: int, deliveries: int) -> None:
        self.seq = seq
        self.deliveries = deliveries
        self.reader: Hashable | None = None
        self.due_us = NEVER_US


class Kept(msgspec.Struct, forbid_unknown_fields=True):
    """What a store keeps of a consumer.

    Attributes:
        pattern: which events of the log it wants. position: all up to this number were looked at.
        unacked: numbers of those that are not acknowledged, each with how often it was delivered.
    """

    pattern: str
    position: int
    unacked: list[tuple[int, int]] = []


_KEPT = msgspec.json.Decoder(Kept)
_ENCODER = msgspec.json.Encoder()


class Consumer:
    """A place in a log.

    Attributes:
        name: what it is called. pattern: which events of the log it wants.
        position: all events up to this number were looked at.
        unacked: those of them that are not acknowledged, by number, in order.
        members: who shares the work, in the order of their turns, with how many events each has.
        missed: events that went before it had them, to be told with the next delivery.
        redelivered, dead: how often since the daemon started.
    """

    __slots__ = (
        "_due",
        "_ready",
        "dead",
        "members",
        "missed",
        "name",
        "pattern",
        "position",
        "redelivered",
        "unacked",
    )

    def __init__(self, name: str, pattern: str, position: int) -> None:
        """Starts behind ``position``."""
        self.name = name
        self.pattern = pattern
        self.position = position
        self.unacked: dict[int, Unacked] = {}
        self.members: dict[Hashable, int] = {}
        self.missed = 0
        self.redelivered = 0
        self.dead = 0
        self._due: list[tuple[int, int]] = []
        self._ready: list[int] = []

    @classmethod
    def restored(cls, name: str, value: bytes) -> Consumer:
        """Returns what was kept; all that was not acknowledged is to be delivered again.

        Raises:
            msgspec.MsgspecError: it is not what `kept` gives.
        """
        kept = _KEPT.decode(value)
        consumer = cls(name, kept.pattern, kept.position)
        for seq, deliveries in sorted(kept.unacked):
            event = consumer.unacked[seq] = Unacked(seq, deliveries)
            consumer._schedule(event, 0)
        return consumer

    def kept(self) -> bytes:
        """Returns what a store is to keep; a delivery that the daemon's end cuts short is none."""
        unacked = [
            (each.seq, each.deliveries - (each.reader is not None))
            for each in self.unacked.values()
        ]
        return _ENCODER.encode(Kept(self.pattern, self.position, unacked))

    @property
    def acked(self) -> int:
        """All events up to this number are acknowledged."""
        return next(iter(self.unacked)) - 1 if self.unacked else self.position

    @property
    def is_full(self) -> bool:
        """Whether it has as many events unacknowledged as may be."""
        return len(self.unacked) >= UNACKED_MAX

    @property
    def due_us(self) -> int:
        """When something is to be delivered again; far away when nothing is."""
        while self._due and not self._is_current(*self._due[0]):
            heappop(self._due)
        return self._due[0][0] if self._due else NEVER_US

    # ── what happens to an event ──────────────────────────────────────────────────────────────

    def take(self, seq: int, reader: Hashable, due_us: int) -> Unacked:
        """Gives the next event to ``reader``, who has until ``due_us`` to acknowledge it."""
        self.position = seq
        event = self.unacked[seq] = Unacked(seq, 0)
        self.hand(event, reader, due_us)
        return event

    def hand(self, event: Unacked, reader: Hashable, due_us: int) -> None:
        """Gives an event to ``reader``, once more perhaps."""
        event.deliveries += 1
        event.reader = reader
        self.members[reader] += 1
        self._schedule(event, due_us)

    def turn(self, reader: Hashable) -> None:
        """Puts a member behind the others: it had its turn."""
        self.members[reader] = self.members.pop(reader)

    def give_back(self, event: Unacked, at_us: int, *, is_counted: bool = True) -> None:
        """Has an event be delivered again from ``at_us`` on.

        Args:
            event: which nobody has now.
            at_us: when.
            is_counted: whether the last delivery counts as one.
        """
        self._free(event)
        if not is_counted:
            event.deliveries -= 1
        self._schedule(event, at_us)

    def drop(self, seq: int) -> Unacked | None:
        """Takes an event as acknowledged, and returns it; None when it was so before."""
        event = self.unacked.pop(seq, None)
        if event is not None:
            self._free(event)
        return event

    def ripen(self, now_us: int) -> list[Unacked]:
        """Takes back what was not acknowledged in time; returns what is now to be delivered again."""
        ripe = []
        while self.due_us <= now_us:
            _, seq = heappop(self._due)
            event = self.unacked[seq]
            self._free(event)
            event.due_us = NEVER_US
            heappush(self._ready, seq)
            ripe.append(event)
        return ripe

    def next_again(self) -> Unacked | None:
        """Takes out the oldest event that is to be delivered again now."""
        while self._ready:
            event = self.unacked.get(heappop(self._ready))
            if event is not None and event.reader is None and event.due_us == NEVER_US:
                return event
        return None

    def _free(self, event: Unacked) -> None:
        if event.reader in self.members:
            self.members[event.reader] -= 1
        event.reader = None

    def _schedule(self, event: Unacked, at_us: int) -> None:
        event.due_us = at_us
        heappush(self._due, (at_us, event.seq))
        if len(self._due) > 2 * len(self.unacked) + _STALE_MAX:
            self._due = [pair for pair in set(self._due) if self._is_current(*pair)]
            heapify(self._due)

    def _is_current(self, at_us: int, seq: int) -> bool:
        event = self.unacked.get(seq)
        return event is not None and event.due_us == at_us
