"""What waits to be written to one session: bounded, in lanes, never blocking.

While the door takes everything, one plain list holds urgent frames and events alike and costs
nothing. When the door is paused the lanes part: urgent frames (answers, calls, control) go first
and are never dropped; events give up their oldest and say so in a `gap`; state changes keep only
the newest per key.
"""

from __future__ import annotations

from collections.abc import Callable

from askrd.core.lanes import BulkLane, EventLane, Undroppable, UrgentLane
from askrd.wire.codec import Raw
from askrd.wire.frames import HEADER, SIZE_BYTES, Kind
from askrd.wire.limits import (
    BULK_QUANTUM_BYTES,
    EVENT_QUANTUM_BYTES,
    HEADER_BYTES,
    Limits,
)


class Outbox:
    """The lanes of one session.

    Attributes:
        urgent: where answers, calls and control go: ``append(frame)`` or ``+= pieces``.
        bulk: where frames of streams go, ``extend(pieces)``; the same list as ``urgent`` while not paused.
        events: where events and changes go; the same list as ``urgent`` while not paused.
        is_paused: whether the lanes are apart.
        dropped: events dropped since the session began.
        undroppable: which events, rather than dropped, end the session.
    """

    __slots__ = (
        "_dropped",
        "_limits",
        "_on_full",
        "bulk",
        "events",
        "is_paused",
        "undroppable",
        "urgent",
    )

    def __init__(self, limits: Limits, on_full: Callable[[], None]) -> None:
        """Starts empty; ``on_full`` is called when what cannot be dropped passes the bound."""
        self._limits = limits
        self._on_full = on_full
        self._dropped = 0
        self.urgent: list[Raw] = []
        self.bulk: list[Raw] | BulkLane = self.urgent
        self.events: list[Raw] | EventLane = self.urgent
        self.is_paused = False
        self.undroppable = Undroppable()

    @property
    def dropped(self) -> int:
        """Events dropped since the session began."""
        lane = self.events
        return self._dropped + (lane.dropped if isinstance(lane, EventLane) else 0)

    def count_dropped(self, events: int) -> None:
        """Takes note of events that the door dropped after they had left the outbox."""
        self._dropped += events

    @property
    def waiting(self) -> tuple[int, int]:
        """Frames and bytes that wait."""
        lanes = [
            lane for lane in (self.urgent, self.bulk) if isinstance(lane, UrgentLane | BulkLane)
        ]
        if lanes and isinstance(self.events, EventLane):
            frames = sum(lane.frames for lane in lanes) + len(self.events)
            return frames, sum(lane.bytes for lane in lanes) + self.events.waiting_bytes
        return _frames_in(self.urgent), sum(map(len, self.urgent))

    def pause(self) -> None:
        """Parts the lanes; what waits already stays in front."""
        if self.is_paused:
            return
        self.is_paused = True
        waiting = self.urgent
        self.urgent = UrgentLane(self._limits, self._on_full)
        self.bulk = BulkLane(self._limits, self._on_full)
        self.events = EventLane(self._limits, self._on_full, self.undroppable)
        if waiting:
            self.urgent += waiting

    def take(self) -> list[Raw]:
        """Returns the next pieces to write: all urgent ones, then a quantum of streams, then of events.

        Empty when nothing waits; the lanes are then one again.
        """
        urgent, bulk, events = self.urgent, self.bulk, self.events
        if (
            isinstance(urgent, UrgentLane)
            and isinstance(bulk, BulkLane)
            and isinstance(events, EventLane)
        ):
            taken = urgent.take() + bulk.take(BULK_QUANTUM_BYTES) + events.take(EVENT_QUANTUM_BYTES)
            if not taken:
                self._join(events)
            return taken
        self.urgent = self.bulk = self.events = []
        return urgent

    def recall(self) -> dict[int, tuple[int, bytes]]:
        """Takes back the calls that nobody has written yet; what is told (id 0) stays.

        Returns:
            tail and rest (what follows the name) of each, by the receiver's id.
        """
        if not self.urgent:
            return {}
        if isinstance(self.urgent, UrgentLane):
            data = b"".join(self.urgent.take())
        else:
            data = b"".join(self.urgent)
            self.urgent.clear()
        calls: dict[int, tuple[int, bytes]] = {}
        at = 0
        while at < len(data):
            size, kind, stamp_length, name_length, id_, _, tail = HEADER.unpack_from(data, at)
            end = at + SIZE_BYTES + size
            if kind == Kind.CALL and id_:
                calls[id_] = tail, data[at + HEADER_BYTES + stamp_length + name_length : end]
            elif kind != Kind.CANCEL or id_ not in calls:
                self.urgent.append(data[at:end])
            at = end
        return calls

    def _join(self, events: EventLane) -> None:
        self._dropped += events.dropped
        self.urgent = []
        self.bulk = self.events = self.urgent
        self.is_paused = False


def _frames_in(pieces: list[Raw]) -> int:
    """Counts frames; a piece may be several of them, or part of a large one."""
    data = b"".join(pieces)
    count = at = 0
    while at < len(data):
        at += SIZE_BYTES + int.from_bytes(data[at : at + SIZE_BYTES], "little")
        count += 1
    return count
