"""A part of the state as a program holds it: entries by key, as the changes of a watch leave them."""

from collections.abc import Iterator, Mapping
from typing import Any

from askrd.sdk.values import Change, Entry, Synced


class Copy(Mapping[str, Any]):
    """Values by key, in key order; a value is decoded whenever it is looked at.

    Attributes:
        rev: the revision it is at.
        is_whole: whether everything that was there at the beginning has been told.
        changes: how many changes it has taken since then.
    """

    __slots__ = ("_entries", "_prefix", "changes", "is_whole", "rev")

    def __init__(self, prefix: str, *, relative: bool = False) -> None:
        """Starts empty.

        Args:
            prefix: what it is a copy of.
            relative: whether its keys are without the prefix; then the prefix itself is none.
        """
        self._entries: dict[str, Change] = {}
        self._prefix = f"{prefix.removesuffix('/')}/" if relative and prefix else ""
        self.rev = 0
        self.is_whole = False
        self.changes = 0

    def __getitem__(self, key: str) -> Any:
        """Returns the value at ``key``.

        Raises:
            KeyError: there is none.
            SchemaInvalid: it calls itself JSON and is not.
        """
        return self._entries[key].value

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def entry(self, key: str) -> Entry:
        """Returns value and revision at ``key``.

        Raises:
            KeyError: there is none.
            SchemaInvalid: the value calls itself JSON and is not.
        """
        found = self._entries[key]
        return Entry(key, found.value, found.rev, found.ts_ms)

    def take(self, item: Change | Synced) -> Change | None:
        """Takes what a watch tells.

        Returns:
            the change with the key it has here; None when nothing changes for the reader.
        """
        self.rev = max(self.rev, item.rev)
        if isinstance(item, Synced):
            self.rev = item.rev
            self.is_whole = True
            return None
        if not item.key.startswith(self._prefix):
            return None
        key = item.key[len(self._prefix) :]
        if item.op == "del":
            self._entries.pop(key, None)
        else:
            self._entries[key] = item
        if not self.is_whole:
            return None
        self.changes += 1
        return item.with_key(key)
