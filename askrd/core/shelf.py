"""What is remembered of commands with an idempotency key: runs and outcomes, bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askrd.wire.limits import KEPT_BYTES_MAX, KEPT_OUTCOMES_MAX

if TYPE_CHECKING:
    from askrd.core.session import Entry, Session

Key = tuple[bytes, str]


class Kept:
    """One key of one command.

    Attributes:
        key: canonical address and idempotency key.
        mode: the reply mode of its command.
        runner: whose command the run is: the caller and its id.
        joined: callers that wait for the run another caller began, by caller and id.
        outcome: kind, tail, stamp and rest of the outcome; None while it runs.
        until_us: until when the outcome is remembered.
    """

    __slots__ = ("joined", "key", "mode", "outcome", "runner", "shelf", "until_us")

    def __init__(self, key: Key, mode: str, runner: tuple[Session, int], shelf: Shelf) -> None:
        self.key = key
        self.mode = mode
        self.runner = runner
        self.shelf = shelf
        self.joined: dict[tuple[Session, int], Entry] = {}
        self.outcome: tuple[int, int, bytes, bytes] | None = None
        self.until_us = 0


class Shelf:
    """What a workspace remembers of commands with a key, oldest first, bounded."""

    __slots__ = ("bytes", "items")

    def __init__(self) -> None:
        self.items: dict[Key, Kept] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self.items)

    def forget(self, kept: Kept) -> None:
        """Drops a key."""
        if self.items.get(kept.key) is kept:
            del self.items[kept.key]
            self.bytes -= len(kept.outcome[3]) if kept.outcome else 0

    def expire(self, now_us: int) -> None:
        """Drops outcomes whose time is over, and the oldest ones beyond the bound."""
        gone: list[Kept] = []
        count, size = len(self.items), self.bytes
        for kept in self.items.values():
            if kept.outcome is None:
                continue
            if count <= KEPT_OUTCOMES_MAX and size <= KEPT_BYTES_MAX and kept.until_us > now_us:
                break
            gone.append(kept)
            count -= 1
            size -= len(kept.outcome[3])
        for kept in gone:
            self.forget(kept)
