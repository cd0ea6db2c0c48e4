"""The connected state in plain Python: what every write, wait, refusal and leave must come to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

SLOT_US = 1 << 15
RETRY_US = 1_000_000


@dataclass(frozen=True)
class Item:
    """One entry: its value as compact JSON, and what stands beside it."""

    value: str
    rev: int
    owner: str = ""
    expires_ms: int = 0
    ttl_ms: int = 0


@dataclass(frozen=True)
class Wish:
    """One request of a peer: a write, or with op `get` a read."""

    who: str
    id: int
    key: str
    op: str
    value: str = ""
    if_rev: int | None = None
    ttl_ms: int | None = None
    is_ephemeral: bool = False
    is_fast: bool = False


@dataclass(frozen=True)
class Waiting:
    """Something whose turn has not come."""

    ticket: int
    wish: Wish | None
    change: tuple[str, Item | None, int, str] | None = None
    unchanged: Item | None = None
    no: str = ""
    is_loose: bool = False


class Refused(Exception):
    """A write that cannot be; its text is the code."""


@dataclass
class Model:
    """One workspace.

    Attributes:
        seen: what is committed. head: with what is proposed. log: every committed change.
        said: outcomes by peer and id: the code, or rev, changed and value.
        alarms: when entries of the head go (µs). present: peers that have not left.
    """

    seen: dict[str, Item] = field(default_factory=dict)
    head: dict[str, Item] = field(default_factory=dict)
    log: list[tuple[int, str, str, str | None]] = field(default_factory=list)
    said: dict[tuple[str, int], Any] = field(default_factory=dict)
    alarms: dict[str, int] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    queue: list[Waiting] = field(default_factory=list)
    last: dict[str, int] = field(default_factory=dict)
    fast: list[tuple[int, str]] = field(default_factory=list)
    unsaved: dict[str, None] = field(default_factory=dict)
    rev: int = 0
    head_rev: int = 0
    ticket: int = 0
    settled: int = 0
    told_rev: int = 0

    # ── requests ──────────────────────────────────────────────────────────────────────────

    def ask(self, wish: Wish, now_us: int, now_ms: int) -> None:
        """Takes in a request."""
        if wish.op == "get":
            if self.last.get(wish.who, 0) > self.settled:
                self.queue.append(Waiting(self.last[wish.who], wish))
            else:
                self._read(wish)
            return
        before = self.head.get(wish.key)
        try:
            after = self._decide(before, wish, now_ms)
        except Refused as code:
            if before is self.seen.get(wish.key):
                self.said[wish.who, wish.id] = str(code)
            else:
                self._enter(Waiting(self.ticket, wish, no=str(code)))
            return
        for key in self.unsaved:
            self.ticket += 1
            self.fast.append((self.ticket, key))
            self.told_rev = max(self.told_rev, self.head_rev)
        self.unsaved = {}
        if after is before:
            assert before is not None
            is_loose = wish.is_fast or self.settled == self.ticket
            ticket = 0 if is_loose else self.ticket
            self._enter(Waiting(ticket, wish, unchanged=before, is_loose=is_loose))
        else:
            cause = "set" if after is not None else "del"
            self._propose(wish.key, after, cause, now_us, now_ms, wish)

    def _decide(self, entry: Item | None, wish: Wish, now_ms: int) -> Item | None:
        if wish.if_rev is not None and wish.if_rev != (entry.rev if entry else 0):
            raise Refused("conflict")
        if entry is None and wish.op in {"del", "touch"}:
            raise Refused("not_found")
        if wish.op == "del":
            return None
        value = self._value(entry, wish)
        life = (now_ms + wish.ttl_ms, wish.ttl_ms) if wish.ttl_ms else (0, 0)
        owner = wish.who if wish.is_ephemeral else ""
        if wish.op and entry is not None:
            owner = owner or entry.owner
            if wish.ttl_ms is None and wish.op == "touch" and entry.expires_ms:
                life = now_ms + entry.ttl_ms, entry.ttl_ms
            elif wish.ttl_ms is None:
                life = entry.expires_ms, entry.ttl_ms
        wanted = Item(value, self.head_rev + 1, owner, *life)
        if entry is not None and replace(wanted, rev=entry.rev, ttl_ms=entry.ttl_ms) == entry:
            return entry
        return wanted

    @staticmethod
    def _value(entry: Item | None, wish: Wish) -> str:
        there = json.loads(entry.value) if entry is not None else None
        if wish.op == "touch":
            assert entry is not None
            return entry.value
        told = json.loads(wish.value)
        if wish.op == "incr":
            if there is not None and not isinstance(there, int):
                raise Refused("bad_request")
            return json.dumps((there or 0) + told)
        if wish.op == "patch" and isinstance(told, dict):
            merged = (there if isinstance(there, dict) else {}) | told
            told = {name: value for name, value in merged.items() if value is not None}
        return json.dumps(told, separators=(",", ":"))

    def _propose(
        self, key: str, after: Item | None, cause: str, now_us: int, now_ms: int, wish: Wish | None
    ) -> None:
        before = self.head.get(key)
        self.head_rev += 1
        self._place(key, after, now_us, now_ms)
        change = (key, after, self.head_rev, cause)
        is_durable = after is not None and not after.owner
        ticket, is_loose = 0, True
        if is_durable or (before is not None and not before.owner):
            self.ticket += 1
            is_loose = wish is not None and wish.is_fast
            if is_loose:
                self.fast.append((self.ticket, key))
            else:
                ticket = self.ticket
            self.told_rev = max(self.told_rev, self.head_rev)
        elif not self.told_rev:  # a restart is to go on behind what no store knows
            self.ticket += 1
            self.fast.append((self.ticket, ""))
            self.told_rev = self.head_rev
        self._enter(Waiting(ticket, wish, change, is_loose=is_loose))

    def _place(self, key: str, item: Item | None, now_us: int, now_ms: int) -> None:
        self.head.pop(key, None)
        self.alarms.pop(key, None)
        if item is not None:
            self.head[key] = item
            if item.expires_ms:
                self.alarms[key] = now_us + max(0, item.expires_ms - now_ms) * 1000

    def _enter(self, item: Waiting) -> None:
        """Has something wait behind all that waits, or happen now."""
        if item.is_loose and not self.queue:
            self._settle(item)
            return
        awaited = max((each.ticket for each in self.queue), default=0)
        item = replace(item, ticket=item.ticket or awaited)
        self.queue.append(item)
        if item.wish is not None:
            self.last[item.wish.who] = max(self.last.get(item.wish.who, 0), item.ticket)

    # ── outcomes ──────────────────────────────────────────────────────────────────────────

    def commit(self, ticket: int) -> None:
        """Takes in that the store has everything up to a ticket."""
        self.settled = max(self.settled, ticket)
        self.fast = [each for each in self.fast if each[0] > ticket]
        while self.queue and self.queue[0].ticket <= ticket:
            self._settle(self.queue.pop(0))

    def reject(self, now_us: int, now_ms: int) -> None:
        """Takes in that the store has refused everything it was given since."""
        queue, self.queue = self.queue, []
        for _, key in self.fast:
            self.unsaved[key] = None
        self.fast = []
        self.settled = self.ticket
        self.told_rev = 0
        keys = list(dict.fromkeys(item.change[0] for item in queue if item.change is not None))
        self.head = dict(self.seen)
        self.head_rev = self.rev
        for key in keys:
            item = self.seen.get(key)
            self._place(key, item, now_us, now_ms)
            if item is not None and item.owner and item.owner not in self.present:
                self._propose(key, None, "owner_gone", now_us, now_ms, None)
            elif item is not None and 0 < item.expires_ms <= now_ms:
                self.alarms[key] = now_us + RETRY_US
        for each in queue:
            if each.wish is None or each.wish.who not in self.present:
                continue
            if each.is_loose or (each.change is None and each.unchanged is None):
                self.ask(each.wish, now_us, now_ms)
            else:
                self.said[each.wish.who, each.wish.id] = "storage_unavailable"

    def _settle(self, item: Waiting) -> None:
        wish = item.wish
        if item.change is not None:
            key, after, rev, cause = item.change
            self.seen.pop(key, None)
            if after is not None:
                self.seen[key] = after
            self.rev = rev
            self.log.append((rev, key, cause, after.value if after is not None else None))
            if wish is not None:
                shown = after.value if after is not None and wish.op in {"patch", "incr"} else None
                self._say(wish, (rev, True, shown))
        elif item.unchanged is not None and wish is not None:
            shown = item.unchanged.value if wish.op in {"patch", "incr"} else None
            self._say(wish, (item.unchanged.rev, False, shown))
        elif wish is not None and item.no:
            self._say(wish, item.no)
        elif wish is not None:
            self._read(wish)

    def _read(self, wish: Wish) -> None:
        item = self.seen.get(wish.key)
        self._say(wish, (item.rev, None, item.value) if item is not None else "not_found")

    def _say(self, wish: Wish, outcome: Any) -> None:
        if wish.who in self.present:
            self.said[wish.who, wish.id] = outcome

    # ── what happens by itself ────────────────────────────────────────────────────────────

    def pass_until(self, until_us: int, wall_us: int) -> None:
        """Lets entries go whose time is over."""
        due = sorted((at_us, key) for key, at_us in self.alarms.items())
        for at_us, key in due:
            now_us = ((at_us // SLOT_US) + 1) * SLOT_US
            if now_us <= until_us:
                self._propose(key, None, "ttl", now_us, (now_us + wall_us) // 1000, None)

    def leave(self, who: str, now_us: int, now_ms: int) -> None:
        """Takes in that a peer has left for good."""
        self.present.discard(who)
        for key in sorted(key for key, item in self.head.items() if item.owner == who):
            self._propose(key, None, "owner_gone", now_us, now_ms, None)
