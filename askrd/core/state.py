"""The connected state of one workspace: entries, revisions, and the rule that decides a write.

`decide` is pure and shared by every authority that may assign revisions. `State` keeps two
views: what is committed (all that reads and watches see) and the head with what is proposed.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from askrd.wire.errors import Conflict, NotFound
from askrd.wire.names import prefix_matches, shown


class Entry(msgspec.Struct, frozen=True):
    """One key's value.

    Attributes:
        value: the payload's bytes. coding: what they are. rev: the workspace's revision at its
        last change. ts_ms: Unix milliseconds of that change.
    """

    value: bytes
    coding: int
    rev: int
    ts_ms: int


class Write(msgspec.Struct, frozen=True):
    """A wanted change: ``value`` None deletes; ``if_rev`` None does not care what is there."""

    key: str
    value: bytes | None
    coding: int
    if_rev: int | None


def decide(entry: Entry | None, write: Write, next_rev: int, now_ms: int) -> Entry | None:
    """Returns what the entry becomes; the very same object when nothing changes.

    Raises:
        Conflict: the entry's rev is not ``if_rev`` (0 = must not exist).
        NotFound: there is nothing to delete.
    """
    rev = entry.rev if entry is not None else 0
    if write.if_rev is not None and write.if_rev != rev:
        there = f"it has rev {rev}" if rev else "it does not exist"
        raise Conflict(
            f"{shown(write.key)} was not written: {there}, not rev {write.if_rev}. "
            "Read it again and decide anew",
            details={"key": write.key, "rev": rev},
        )
    if write.value is None:
        if entry is None:
            raise missing(write.key)
        return None
    if entry is not None and entry.value == write.value and entry.coding == write.coding:
        return entry
    return Entry(write.value, write.coding, next_rev, now_ms)


def missing(key: str) -> NotFound:
    """Returns the error for a key that is not there."""
    return NotFound(f"no entry {shown(key)} in the state", details={"key": key})


class State:
    """Entries by key.

    Attributes:
        entries: what is committed. rev: the revision of the last committed change.
        head_rev: the revision of the last proposed one.
        bytes, count: keys and values of the head together, and how many keys it has.
    """

    __slots__ = ("_proposed", "bytes", "count", "entries", "head_rev", "rev")

    def __init__(self, floor: int = 0) -> None:
        """Starts empty; the first change gets revision ``floor`` + 1."""
        self.entries: dict[str, Entry] = {}
        self._proposed: dict[str, tuple[int, Entry | None]] = {}
        self.rev = floor
        self.head_rev = floor
        self.bytes = 0
        self.count = 0

    @property
    def is_kept(self) -> bool:
        """Whether there is anything to lose."""
        return bool(self.entries or self._proposed)

    def head(self, key: str) -> Entry | None:
        """Returns the newest proposed entry, else the committed one."""
        proposed = self._proposed.get(key)
        return self.entries.get(key) if proposed is None else proposed[1]

    def propose(self, key: str, entry: Entry | None) -> int:
        """Makes ``entry`` the head and returns its revision."""
        before = self.head(key)
        self.bytes += _size(key, entry) - _size(key, before)
        self.count += (entry is not None) - (before is not None)
        self.head_rev += 1
        self._proposed[key] = (self.head_rev, entry)
        return self.head_rev

    def commit(self, key: str, entry: Entry | None, rev: int) -> None:
        """Makes a proposed change what everybody sees; revisions come in order."""
        if entry is None:
            self.entries.pop(key, None)
        else:
            self.entries[key] = entry
        self.rev = rev
        newest = self._proposed.get(key)
        if newest is not None and newest[0] == rev:
            del self._proposed[key]

    def give_up(self) -> None:
        """Forgets everything proposed and not committed; nobody has seen it."""
        self._proposed.clear()
        self.head_rev = self.rev
        self.bytes = sum(_size(key, entry) for key, entry in self.entries.items())
        self.count = len(self.entries)

    def below(self, prefix: str) -> Iterator[tuple[str, Entry]]:
        """Yields committed entries at or below ``prefix``, by key."""
        for key in sorted(self.entries):
            if prefix_matches(prefix, key):
                yield key, self.entries[key]


def _size(key: str, entry: Entry | None) -> int:
    return 0 if entry is None else len(key) + len(entry.value)
