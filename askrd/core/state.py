"""The connected state of one workspace: entries, revisions, and which of them are still unseen.

`State` keeps two views: what is committed (all that reads and watches see) and the head with what
is proposed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from askrd.wire.errors import NotFound
from askrd.wire.names import prefix_matches, shown


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One key's value.

    Attributes:
        value: the payload's bytes. coding: what they are, and `FLAG_SEALED` when they are sealed.
        rev: the workspace's revision at its last change. ts_ms: Unix milliseconds of that change.
        expires_ms: Unix milliseconds at which it goes; 0 = never.
        owner: instance id of the peer it dies with; empty = it is not ephemeral.
        ttl_ms: what it was given to live, for renewing it; 0 = the time from ts_ms to expires_ms.
    """

    value: bytes
    coding: int
    rev: int
    ts_ms: int
    expires_ms: int = 0
    owner: str = ""
    ttl_ms: int = 0

    @property
    def lasts_ms(self) -> int:
        """How long it lives once it is renewed; 0 = it stays."""
        return self.ttl_ms or (self.expires_ms - self.ts_ms if self.expires_ms else 0)


def missing(key: str) -> NotFound:
    """Returns the error for a key that is not there."""
    return NotFound(f"no entry {shown(key)} in the state", details={"key": key})


class State:
    """Entries by key.

    Attributes:
        entries: what is committed. rev: the revision of the last committed change.
        head_rev: the revision of the last proposed one.
        told_rev: the highest that a store was told of since it refused last; 0 = none was.
        bytes, count: keys and values of the head together, and how many keys it has.
        owned: keys of the head's ephemeral entries, by the peer they die with.
    """

    __slots__ = ("_proposed", "bytes", "count", "entries", "head_rev", "owned", "rev", "told_rev")

    def __init__(self, floor: int = 0) -> None:
        """Starts empty; the first change gets revision ``floor`` + 1."""
        self.entries: dict[str, Entry] = {}
        self._proposed: dict[str, tuple[int, Entry | None]] = {}
        self.rev = floor
        self.head_rev = floor
        self.told_rev = 0
        self.bytes = 0
        self.count = 0
        self.owned: dict[str, dict[str, None]] = {}

    @property
    def is_kept(self) -> bool:
        """Whether there is anything to lose."""
        return bool(self.entries or self._proposed)

    def head(self, key: str) -> Entry | None:
        """Returns the newest proposed entry, else the committed one."""
        proposed = self._proposed.get(key)
        return self.entries.get(key) if proposed is None else proposed[1]

    def propose(self, key: str, entry: Entry | None, before: Entry | None) -> int:
        """Makes ``entry`` the head in place of ``before`` and returns its revision."""
        self._count(key, before, entry)
        self.head_rev = rev = self.head_rev + 1
        self._proposed[key] = (rev, entry)
        return rev

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

    def number(self) -> int:
        """Returns the revision of a change that touches no entry; `pass_by` commits it."""
        self.head_rev += 1
        return self.head_rev

    def pass_by(self, rev: int) -> None:
        """Commits a revision that touches no entry."""
        self.rev = rev

    def give_up(self) -> list[str]:
        """Forgets everything proposed and not committed; nobody has seen it.

        Returns:
            the keys whose head is another one now.
        """
        given_up = self._proposed
        self._proposed = {}
        for key, (_, entry) in given_up.items():
            self._count(key, entry, self.entries.get(key))
        self.head_rev = self.rev
        return list(given_up)

    def restore(self, rows: Iterable[tuple[str, Entry]], head_rev: int) -> None:
        """Takes in what a store kept; nothing was written before."""
        self.entries.update(rows)
        self.bytes = sum(_size(key, entry) for key, entry in self.entries.items())
        self.count = len(self.entries)
        newest = max((entry.rev for entry in self.entries.values()), default=0)
        self.rev = self.head_rev = max(self.rev, head_rev, newest)

    def below(self, prefix: str) -> Iterator[tuple[str, Entry]]:
        """Yields committed entries at or below ``prefix``, by key."""
        for key in sorted(self.entries):
            if prefix_matches(prefix, key):
                yield key, self.entries[key]

    def _count(self, key: str, before: Entry | None, after: Entry | None) -> None:
        """Takes in that the head of a key is another one."""
        if before is None or after is None:
            self.bytes += _size(key, after) - _size(key, before)
            self.count += (after is not None) - (before is not None)
        else:
            self.bytes += len(after.value) - len(before.value)
        owner = before.owner if before is not None else ""
        heir = after.owner if after is not None else ""
        if owner == heir:
            return
        if owner:
            keys = self.owned[owner]
            del keys[key]
            if not keys:
                del self.owned[owner]
        if heir:
            self.owned.setdefault(heir, {})[key] = None


def _size(key: str, entry: Entry | None) -> int:
    return 0 if entry is None else len(key) + len(entry.value)
