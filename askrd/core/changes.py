"""The last changes of one workspace's state, remembered for `since` and for `history`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import takewhile

from askrd.core.state import Entry
from askrd.wire.limits import STATE_CHANGES_BYTES_MAX, STATE_CHANGES_MAX
from askrd.wire.names import prefix_matches


class Change:
    """One change, seen once it is committed.

    Attributes:
        rev: its revision. key: of which entry. entry: what it became; None = it is gone.
        cause: `set`, `del`, `ttl` or `owner_gone`. ts_ms: Unix milliseconds.
    """

    __slots__ = ("cause", "entry", "key", "rev", "ts_ms")

    def __init__(self, rev: int, key: str, entry: Entry | None, cause: str, ts_ms: int) -> None:
        self.rev = rev
        self.key = key
        self.entry = entry
        self.cause = cause
        self.ts_ms = ts_ms

    @property
    def op(self) -> str:
        """What happened to the entry: `set` or `del`."""
        return "set" if self.entry is not None else "del"


class Changes:
    """Changes in the order of their revisions; the oldest give way.

    Attributes:
        floor: every change after this revision is remembered.
    """

    __slots__ = ("_bytes", "_kept", "floor")

    def __init__(self, floor: int = 0) -> None:
        """Starts empty: what was changed up to ``floor`` is unknown."""
        self._kept: deque[Change] = deque()
        self._bytes = 0
        self.floor = floor

    def __len__(self) -> int:
        """Counts the changes that are remembered."""
        return len(self._kept)

    def remember(self, change: Change) -> None:
        """Adds the newest change."""
        kept = self._kept
        kept.append(change)
        self._bytes += _size(change)
        while len(kept) > STATE_CHANGES_MAX or self._bytes > STATE_CHANGES_BYTES_MAX:
            oldest = kept.popleft()
            self._bytes -= _size(oldest)
            self.floor = max(self.floor, oldest.rev)

    def begin(self, entries: Iterable[tuple[str, Entry]], rev: int) -> None:
        """Takes what a store kept as the beginning of every history.

        What lay between those changes is unknown, and so is what went with the restart, whose own
        revision is ``rev``: nothing before it can be taken up again.
        """
        rows = sorted(entries, key=lambda row: row[1].rev)
        for key, entry in rows[-STATE_CHANGES_MAX:]:
            self.remember(Change(entry.rev, key, entry, "set", entry.ts_ms))
        self.floor = rev

    def since(self, rev: int, prefix: str) -> list[Change]:
        """Returns what changed at or below ``prefix`` after ``rev``, oldest first."""
        newer = takewhile(lambda change: change.rev > rev, reversed(self._kept))
        found = [change for change in newer if prefix_matches(prefix, change.key)]
        found.reverse()
        return found

    def backwards(self, prefix: str) -> Iterator[Change]:
        """Yields what changed at or below ``prefix``, newest first."""
        return (change for change in reversed(self._kept) if prefix_matches(prefix, change.key))


def _size(change: Change) -> int:
    return len(change.key) + (len(change.entry.value) if change.entry is not None else 0)
