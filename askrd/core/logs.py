"""Logs: the events a workspace keeps, by number, within what each log is defined to hold."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Hashable, Iterator
from operator import attrgetter, itemgetter
from typing import NamedTuple

from askrd.core.consumers import Consumer
from askrd.core.event import Hearer
from askrd.wire.frames import HEADER, STAMP_TIME
from askrd.wire.limits import HEADER_BYTES
from askrd.wire.logs import LogDefinition
from askrd.wire.names import pattern_matches

_COMPACT_AT = 1_000
_SEQ = itemgetter(0)
_TS_MS = attrgetter("ts_ms")


class Logged(NamedTuple):
    """An event in a log.

    Attributes:
        seq: its number there. frame: as it was relayed.
    """

    seq: int
    frame: bytes

    @property
    def subject(self) -> str:
        """What it is called."""
        _, _, stamp_length, name_length, _, _, _ = HEADER.unpack_from(self.frame)
        at = HEADER_BYTES + stamp_length
        return self.frame[at : at + name_length].decode()

    @property
    def ts_ms(self) -> int:
        """When it happened, Unix milliseconds."""
        moment: int = STAMP_TIME.unpack_from(self.frame, HEADER_BYTES)[0]
        return moment // 1000


class Log:
    """The events of one log.

    What is appended is **safe** once the store has it, and seen by readers only then.

    Attributes:
        workspace: its name. definition: what it keeps.
        last: the number of the newest event ever appended. safe: of the newest that is safe.
        gone: events up to this number are here no more. purged: likewise, because somebody said so.
        size: bytes of its events. refused: events that were not kept because the store could not.
        doomed: numbers of events whose rows are still to be forgotten.
        consumers: places in it, by name. readers: subscriptions without such a place.
        recorder: who hears its events. heard: the patterns it hears.
        is_removed: whether only its rows are still to be forgotten.
    """

    __slots__ = (
        "_entries",
        "_head",
        "_unsafe_bytes",
        "_unsafe_count",
        "consumers",
        "definition",
        "doomed",
        "gone",
        "heard",
        "is_removed",
        "last",
        "purged",
        "readers",
        "recorder",
        "refused",
        "safe",
        "size",
        "workspace",
    )

    def __init__(self, workspace: str, definition: LogDefinition) -> None:
        """Starts empty."""
        self.workspace = workspace
        self.definition = definition
        self._entries: list[Logged] = []
        self._head = 0
        self._unsafe_count = self._unsafe_bytes = 0
        self.last = 0
        self.safe = 0
        self.gone = 0
        self.purged = 0
        self.size = 0
        self.refused = 0
        self.doomed: deque[int] = deque()
        self.consumers: dict[str, Consumer] = {}
        self.readers: dict[Hashable, None] = {}
        self.recorder: Hearer | None = None
        self.heard: list[str] = []
        self.is_removed = False

    def __len__(self) -> int:
        """Counts its events."""
        return len(self._entries) - self._head

    @property
    def name(self) -> str:
        """What it is called."""
        return self.definition.name

    @property
    def first(self) -> int:
        """The number of its oldest event; of the next one when there is none."""
        return self._entries[self._head].seq if len(self) else self.last + 1

    def restore(self, seq: int, frame: bytes) -> None:
        """Takes in an event that was kept; in the order of their numbers."""
        self._entries.append(Logged(seq, frame))
        self.size += len(frame)
        self.last = self.safe = max(self.last, seq)

    def append(self, frame: bytes) -> Logged:
        """Adds an event that is not safe yet: it pushes nothing out before it is."""
        self.last += 1
        entry = Logged(self.last, frame)
        self._entries.append(entry)
        self.size += len(frame)
        self._unsafe_count += 1
        self._unsafe_bytes += len(frame)
        return entry

    def settle(self, seq: int) -> None:
        """Takes in that all events up to a number are safe; `trim` afterwards."""
        for at in range(self._at(self.safe + 1), self._at(seq + 1)):
            self._count_safe(self._entries[at])
        self.safe = seq

    def _count_safe(self, entry: Logged) -> None:
        self._unsafe_count -= 1
        self._unsafe_bytes -= len(entry.frame)

    def withdraw(self, seq: int) -> None:
        """Takes out an event that the store refused."""
        at = self._at(seq)
        self.refused += 1
        if at < len(self._entries) and self._entries[at].seq == seq:
            entry = self._entries.pop(at)
            self.size -= len(entry.frame)
            self._count_safe(entry)

    def get(self, seq: int) -> Logged | None:
        """Returns an event; None when it is here no more, or not yet safe."""
        at = self._at(seq)
        if seq > self.safe or at >= len(self._entries) or self._entries[at].seq != seq:
            return None
        return self._entries[at]

    def after(self, seq: int) -> Logged | None:
        """Returns the first safe event behind a number."""
        at = self._at(seq + 1)
        if at >= len(self._entries) or self._entries[at].seq > self.safe:
            return None
        return self._entries[at]

    def count_after(self, seq: int) -> int:
        """Counts the events behind a number."""
        return len(self._entries) - self._at(seq + 1)

    def before(self, ts_ms: int) -> int:
        """Returns a number behind which all events are that happened at ``ts_ms`` or later."""
        at = bisect_left(self._entries, ts_ms, lo=self._head, key=_TS_MS)
        return self._entries[at - 1].seq if at > self._head else self.first - 1

    def trim(self, now_ms: int, most: int) -> None:
        """Takes out the oldest events beyond what the log may hold, ``most`` at once.

        The newest stays, however large it is, until it is too old.
        """
        while most and (self.is_over or self._is_old(now_ms)):
            self._drop_first()
            most -= 1
        self._compact()

    def purge(self, upto: int) -> int:
        """Takes out every event up to a number, and returns how many that were."""
        count = 0
        while len(self) and self.first <= upto:
            self._drop_first()
            count += 1
        self.purged = max(self.purged, min(upto, self.last))
        self._compact()
        return count

    @property
    def is_over(self) -> bool:
        """Whether it holds more than it may, of what is safe; a single event is never too much."""
        wanted = self.definition
        count, size = len(self) - self._unsafe_count, self.size - self._unsafe_bytes
        return count > 1 and (count > wanted.count or size > wanted.bytes)

    @property
    def old_at_ms(self) -> int | None:
        """When its oldest event is too old; None when that never comes."""
        if not (self.definition.age_ms and len(self)):
            return None
        return self._entries[self._head].ts_ms + self.definition.age_ms

    def _is_old(self, now_ms: int) -> bool:
        at_ms = self.old_at_ms
        return at_ms is not None and at_ms <= now_ms

    def _drop_first(self) -> None:
        entry = self._entries[self._head]
        self._head += 1
        self.size -= len(entry.frame)
        if entry.seq > self.safe:
            self._count_safe(entry)
        self.gone = entry.seq
        self.doomed.append(entry.seq)

    def _compact(self) -> None:
        if self._head >= _COMPACT_AT and 2 * self._head >= len(self._entries):
            del self._entries[: self._head]
            self._head = 0

    def _at(self, seq: int) -> int:
        """Returns where the first event is whose number is ``seq`` or more."""
        return bisect_right(self._entries, seq - 1, lo=self._head, key=_SEQ)


class Logs:
    """The logs of one workspace.

    Attributes:
        by_name: all of them, those included whose rows are still to be forgotten.
        loose_events, loose_consumers: rows that were kept and whose log is not known yet, by its name.
    """

    __slots__ = ("by_name", "loose_consumers", "loose_events")

    def __init__(self) -> None:
        """Starts without any."""
        self.by_name: dict[str, Log] = {}
        self.loose_events: dict[str, list[tuple[int, bytes]]] = {}
        self.loose_consumers: dict[str, list[tuple[str, bytes]]] = {}

    def __len__(self) -> int:
        """Counts them."""
        return len(self.by_name)

    def get(self, name: str) -> Log | None:
        """Returns a log that is there for all."""
        log = self.by_name.get(name)
        return None if log is None or log.is_removed else log

    def __iter__(self) -> Iterator[Log]:
        """Yields those that are there for all, by name."""
        for name in sorted(self.by_name):
            if not self.by_name[name].is_removed:
                yield self.by_name[name]


def fits(pattern: str, subject: str) -> bool:
    """Says whether a reader of a log wants an event; ``**`` is all of them, the daemon's own too."""
    return pattern == "**" or pattern_matches(pattern, subject)
