"""The lanes of an outbox whose door takes no more: what is urgent, streams, and events with changes.

Each is bounded in its own way; none ever blocks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Self

from askrd.wire.bodies import Gap, dump
from askrd.wire.codec import Raw, decode, encode
from askrd.wire.frames import FLAG_KEPT, HEADER, Coding, Frame, Kind
from askrd.wire.limits import (
    GAP_SUBJECTS_MAX,
    HEADER_BYTES,
    Limits,
)
from askrd.wire.names import pattern_matches

_KNOWN_MAX = 1_000


class LargeEvent:
    """An event whose payload stays where it was received, however many sessions wait for it."""

    __slots__ = ("head", "payload")

    def __init__(self, head: bytes, payload: memoryview) -> None:
        """Takes the frame up to its payload, and the payload."""
        self.head = head
        self.payload = payload

    def __len__(self) -> int:
        """Counts the bytes of the frame."""
        return len(self.head) + len(self.payload)


class UrgentLane(list[Raw]):
    """Frames that are never dropped; passing the bound is reported once and ends the lane.

    A large frame is added in two pieces with one ``+=``. Once the bound is passed the session is being
    closed, and what comes after the report is not kept.
    """

    __slots__ = ("_is_over", "_limits", "_on_full", "bytes", "frames")

    def __init__(self, limits: Limits, on_full: Callable[[], None]) -> None:
        super().__init__()
        self._limits = limits
        self._on_full: Callable[[], None] | None = on_full
        self._is_over = False
        self.bytes = 0
        self.frames = 0

    def __iadd__(self, pieces: Iterable[Raw]) -> Self:  # type: ignore[override,misc]
        """Adds one frame in pieces."""
        if not self._is_over:
            for piece in pieces:
                self.bytes += len(piece)
                super().append(piece)
            self._count()
        return self

    def append(self, frame: Raw) -> None:
        """Adds one whole frame."""
        if not self._is_over:
            super().append(frame)
            self.bytes += len(frame)
            self._count()

    def _count(self) -> None:
        self.frames += 1
        limits = self._limits
        if self.frames <= limits.outbox_frames_max and self.bytes <= limits.outbox_bytes_max:
            return
        on_full, self._on_full = self._on_full, None
        if on_full is not None:
            on_full()
            self._is_over = True

    def take(self) -> list[Raw]:
        """Returns everything that waits and forgets it."""
        taken = list(self)
        self.clear()
        self.bytes = self.frames = 0
        return taken


class BulkLane:
    """Frames of streams for a session that does not read.

    They are bounded by the credit it gave, and beyond the outbox's bound like what is urgent.

    Attributes:
        frames, bytes: what waits.
    """

    __slots__ = ("_limits", "_on_full", "_waiting", "bytes", "frames")

    def __init__(self, limits: Limits, on_full: Callable[[], None]) -> None:
        self._limits = limits
        self._on_full: Callable[[], None] | None = on_full
        self._waiting: deque[tuple[Raw, ...]] = deque()
        self.bytes = 0
        self.frames = 0

    def __len__(self) -> int:
        """Counts the frames that wait."""
        return self.frames

    def extend(self, pieces: tuple[Raw, ...]) -> None:
        """Adds one frame in pieces, unless too much waits already."""
        if self._on_full is None:
            return
        self._waiting.append(pieces)
        self.frames += 1
        self.bytes += sum(map(len, pieces))
        limits = self._limits
        if self.frames > limits.outbox_frames_max or self.bytes > limits.outbox_bytes_max:
            on_full, self._on_full = self._on_full, None
            on_full()

    def take(self, quantum_bytes: int) -> list[Raw]:
        """Returns the next frames, about ``quantum_bytes`` of them, and forgets them."""
        taken: list[Raw] = []
        room = quantum_bytes
        while self._waiting and room > 0:
            pieces = self._waiting.popleft()
            size = sum(map(len, pieces))
            self.frames -= 1
            self.bytes -= size
            room -= size
            taken += pieces
        return taken


class Undroppable:
    """Which events end the session rather than be dropped: the patterns of some subscriptions.

    What is known of a subject is remembered, because few subjects have many events.
    """

    __slots__ = ("_known", "_patterns")

    def __init__(self) -> None:
        self._patterns: dict[int, str] = {}
        self._known: dict[str, bool] = {}

    def add(self, sub: int, pattern: str) -> None:
        """Has events that fit the pattern of a subscription not be dropped."""
        self._patterns[sub] = pattern
        self._known.clear()

    def discard(self, sub: int) -> None:
        """Takes in that a subscription has ended."""
        if self._patterns.pop(sub, None) is not None:
            self._known.clear()

    def has(self, subject: str) -> bool:
        """Says whether an event of that subject is one of them."""
        if not self._patterns:
            return False
        known = self._known.get(subject)
        if known is None:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            known = any(pattern_matches(pattern, subject) for pattern in self._patterns.values())
            self._known[subject] = known
        return known


class EventLane:
    """Events and state changes of a session that does not read.

    Events beyond the bound are dropped, oldest first, and counted in a gap that stands where they
    stood; those that may not be dropped end the session. Changes are conflated per key and never
    dropped, and so are events of which only the newest counts; when those of too many keys wait,
    that is reported once and no more are kept, because the session is being closed.

    Attributes:
        dropped: events dropped so far.
    """

    __slots__ = (
        "_changes", "_changes_bytes", "_events", "_events_bytes", "_gap", "_limits", "_on_full",
        "_rows", "_undroppable", "dropped",
    )  # fmt: skip

    def __init__(
        self,
        limits: Limits,
        on_full: Callable[[], None],
        undroppable: Undroppable | None = None,
    ) -> None:
        self._limits = limits
        self._on_full: Callable[[], None] | None = on_full
        self._undroppable = Undroppable() if undroppable is None else undroppable
        self._events: deque[bytes | LargeEvent] = deque()
        self._events_bytes = 0
        self._changes: dict[bytes | int | tuple[int, bytes], bytes] = {}
        self._changes_bytes = 0
        self._rows = 0
        self._gap: Gap | None = None
        self.dropped = 0

    def __len__(self) -> int:
        """Counts the frames that wait, the gap included."""
        return len(self._events) + len(self._changes) + (self._gap is not None)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the frames that wait."""
        return self._events_bytes + self._changes_bytes

    def append(self, frame: bytes) -> None:
        """Adds one whole frame, at the cost of the oldest event when full."""
        if frame[4] != Kind.EVENT:
            self._conflate(frame)
        else:
            self.append_event(frame)

    def append_event(self, frame: bytes | LargeEvent) -> None:
        """Adds one event, at the cost of the oldest when full."""
        self._events.append(frame)
        self._events_bytes += len(frame)
        limits = self._limits
        while (
            len(self._events) > limits.outbox_frames_max
            or self._events_bytes > limits.outbox_bytes_max
        ):
            self._drop(self._events.popleft())

    def _conflate(self, frame: bytes) -> None:
        """Puts a change in the place of an older one of its key; rows of answers stay as they are."""
        if self._on_full is None:
            return
        parts = decode(frame)
        is_live = parts.kind == Kind.CHANGE and b'"watch":' not in parts.options
        is_row = parts.flags & FLAG_KEPT or not is_live
        self._rows += 1
        self.keep_newest(self._rows if is_row else parts.name, frame)

    def keep_newest(self, slot: bytes | int | tuple[int, bytes], frame: bytes) -> None:
        """Puts a frame in the place of the one in its slot, behind all others."""
        if self._on_full is None:
            return
        self._changes_bytes += len(frame) - len(self._changes.pop(slot, b""))
        self._changes[slot] = frame
        limits = self._limits
        if (
            len(self._changes) > limits.outbox_frames_max
            or self._changes_bytes > limits.outbox_bytes_max
        ):
            self._give_up()

    def _give_up(self) -> None:
        on_full, self._on_full = self._on_full, None
        if on_full is not None:
            on_full()

    def _drop(self, event: bytes | LargeEvent) -> None:
        self._events_bytes -= len(event)
        self.dropped += 1
        frame = event.head if isinstance(event, LargeEvent) else event
        _, _, stamp_length, name_length, seq, _, _ = HEADER.unpack_from(frame)
        gap = self._gap
        if gap is None:
            gap = self._gap = Gap(missed=0, from_=seq, subjects={})
        gap.missed += 1
        gap.from_, gap.to = min(gap.from_, seq), max(gap.to, seq)
        name_at = HEADER_BYTES + stamp_length
        subject = frame[name_at : name_at + name_length].decode("utf-8", "replace")
        if self._undroppable.has(subject):
            self._give_up()
        if subject in gap.subjects or len(gap.subjects) < GAP_SUBJECTS_MAX:
            gap.subjects[subject] = gap.subjects.get(subject, 0) + 1

    def take(self, quantum_bytes: int) -> list[Raw]:
        """Returns the next frames, about ``quantum_bytes`` of them, and forgets them.

        Half of it is for changes, so that a flood of events cannot hold them up.
        """
        taken: list[Raw] = []
        room = quantum_bytes // 2
        while self._changes and room > 0:
            frame = self._changes.pop(next(iter(self._changes)))
            self._changes_bytes -= len(frame)
            room -= len(frame)
            taken.append(frame)
        if self._gap is not None:
            taken.append(gap_frame(self._gap))
            self._gap = None
        room += quantum_bytes // 2
        while self._events and room > 0:
            event = self._events.popleft()
            self._events_bytes -= len(event)
            room -= len(event)
            if isinstance(event, LargeEvent):
                taken += (event.head, event.payload)
            else:
                taken.append(event)
        return taken


def gap_frame(gap: Gap) -> bytes:
    """Returns the frame that announces lost events."""
    return encode(Frame(kind=Kind.GAP, payload=dump(gap), coding=Coding.JSON))
