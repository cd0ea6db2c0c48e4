"""Turns the daemon's counters into what a person looks at: rates, sorted rows, a short past.

Pure: snapshots and an order in, rows out. Rates come from the daemon's own clock, so they are right
also when an answer was late, and cover three seconds, so that one event a second does not flicker.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from askr_cli.top.snapshot import CommandCount, EventCount, PeerCount, QueueCount, Snapshot

PAST_LENGTH = 60
WINDOW_MS = 3_000


class Order(StrEnum):
    """What the rows are sorted by."""

    BUSIEST = "busiest"
    SLOWEST = "slowest"
    ERRORS = "errors"
    NAME = "name"

    def following(self) -> "Order":
        """Returns the order that the next press of `s` brings."""
        every = list(Order)
        return every[(every.index(self) + 1) % len(every)]


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A command with its rate; rates are per second, None before the second snapshot."""

    count: CommandCount
    calls_per_s: float | None
    errors_per_s: float | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event with its rate per second, None before the second snapshot."""

    count: EventCount
    per_s: float | None


@dataclass(frozen=True, slots=True)
class View:
    """Everything the screen shows of one moment.

    Attributes:
        rates: counter name to its rate per second, None before the second snapshot.
        p50_ms: median round trip over all commands, weighed by calls; None without calls.
        p99_ms: the slowest command's p99, hence an upper bound for all; None without calls.
        errors: commands that failed since the start.
        past: counter name to its newest rates, oldest first.
    """

    snapshot: Snapshot
    rates: Mapping[str, float | None]
    p50_ms: float | None
    p99_ms: float | None
    errors: int
    commands: tuple[CommandRow, ...]
    events: tuple[EventRow, ...]
    peers: tuple[PeerCount, ...]
    queues: tuple[QueueCount, ...]
    past: Mapping[str, tuple[float, ...]]


RATED = ("commands", "events", "deliveries", "fails", "dropped")
"""Counters of the totals that are shown as rates."""


@dataclass(slots=True)
class Monitor:
    """Remembers the snapshots of the last three seconds, and the past of the rates.

    Attributes:
        order: what the rows are sorted by.
    """

    order: Order = Order.BUSIEST
    _recent: deque[Snapshot] = field(default_factory=lambda: deque(maxlen=PAST_LENGTH))
    _past: dict[str, deque[float]] = field(
        default_factory=lambda: {name: deque(maxlen=PAST_LENGTH) for name in RATED}
    )

    def take(self, snapshot: Snapshot) -> None:
        """Adds the newest snapshot. One of another start of the daemon begins anew."""
        recent = self._recent
        if recent and recent[-1].daemon.epoch != snapshot.daemon.epoch:
            recent.clear()
        recent.append(snapshot)
        while len(recent) > 2 and _between_ms(recent[1], snapshot) >= WINDOW_MS:
            recent.popleft()
        for name, rates in self._past.items():
            rate = self._total_rate(name)
            if rate is not None:
                rates.append(rate)

    def view(self) -> View | None:
        """Returns what to show, None before the first snapshot."""
        if not self._recent:
            return None
        now = self._recent[-1]
        return View(
            now,
            {name: self._total_rate(name) for name in RATED},
            _weighed_median(now),
            max((row.p99_ms for row in now.commands if row.p99_ms is not None), default=None),
            now.total("fails"),
            self._commands(now),
            self._events(now),
            tuple(sorted(now.peers, key=lambda p: (-p.outbox_bytes, -p.in_flight, p.name, p.id))),
            tuple(sorted(now.queues, key=lambda queue: (-queue.waiting, queue.service))),
            {name: tuple(rates) for name, rates in self._past.items()},
        )

    def _total_rate(self, name: str) -> float | None:
        return self._rate(self._recent[-1].total(name), self._recent[0].total(name))

    def _rate(self, count: int, earlier: int) -> float | None:
        """Returns the rate per second of a counter; one that is new began at 0."""
        elapsed_ms = _between_ms(self._recent[0], self._recent[-1])
        return max(0.0, (count - earlier) / elapsed_ms * 1000) if elapsed_ms > 0 else None

    def _commands(self, now: Snapshot) -> tuple[CommandRow, ...]:
        before = {row.name: row for row in self._recent[0].commands}
        rows = [
            CommandRow(
                row,
                self._rate(row.calls, before[row.name].calls if row.name in before else 0),
                self._rate(row.errors, before[row.name].errors if row.name in before else 0),
            )
            for row in now.commands
        ]
        return tuple(sorted(rows, key=_COMMAND_KEYS[self.order]))

    def _events(self, now: Snapshot) -> tuple[EventRow, ...]:
        before = {row.event: row.count for row in self._recent[0].events}
        rows = [
            EventRow(row, self._rate(row.count, before.get(row.event, 0))) for row in now.events
        ]
        by_name = self.order is Order.NAME
        return tuple(sorted(rows, key=_event_name if by_name else _busiest_event))


def _between_ms(earlier: Snapshot, later: Snapshot) -> float:
    return later.daemon.uptime_ms - earlier.daemon.uptime_ms


def _weighed_median(snapshot: Snapshot) -> float | None:
    timed = sorted(
        (row.p50_ms, row.calls) for row in snapshot.commands if row.p50_ms is not None and row.calls
    )
    left = sum(calls for _, calls in timed) / 2
    for p50_ms, calls in timed:
        left -= calls
        if left <= 0:
            return p50_ms
    return None


def _busiest(row: CommandRow) -> tuple[Any, ...]:
    return (-(row.calls_per_s or 0), -row.count.in_flight, -row.count.calls, row.count.name)


def _slowest(row: CommandRow) -> tuple[Any, ...]:
    return (-(row.count.p99_ms or 0), row.count.name)


def _failing(row: CommandRow) -> tuple[Any, ...]:
    return (-(row.errors_per_s or 0), -row.count.errors, row.count.name)


def _command_name(row: CommandRow) -> tuple[Any, ...]:
    return (row.count.name,)


def _busiest_event(row: EventRow) -> tuple[Any, ...]:
    return (-(row.per_s or 0), -row.count.count, row.count.event)


def _event_name(row: EventRow) -> tuple[Any, ...]:
    return (row.count.event,)


_COMMAND_KEYS: dict[Order, Callable[[CommandRow], tuple[Any, ...]]] = {
    Order.BUSIEST: _busiest,
    Order.SLOWEST: _slowest,
    Order.ERRORS: _failing,
    Order.NAME: _command_name,
}


def share(lines: int, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Divides the lines of a screen among tables.

    Args:
        lines: to divide.
        wanted: lines that each table could fill.

    Returns:
        Lines for each table, at most as many as it wants, together at most ``lines``. Small
        tables get all they want before large ones share the rest evenly.
    """
    given = [0] * len(wanted)
    left = max(0, lines)
    waiting = sorted(range(len(wanted)), key=lambda index: wanted[index])
    while waiting:
        index = waiting.pop(0)
        given[index] = min(wanted[index], left // (len(waiting) + 1))
        left -= given[index]
    return tuple(given)


def sparkline(rates: tuple[float, ...], width: int) -> str:
    """Draws the newest rates as one line of ``width`` blocks, scaled to the largest."""
    bars = " ▁▂▃▄▅▆▇█"
    newest = rates[-width:] if width > 0 else ()
    top = max(newest, default=0.0) or 1.0
    drawn = "".join(
        bars[0 if rate <= 0 else max(1, round(rate / top * (len(bars) - 1)))] for rate in newest
    )
    return drawn.rjust(max(0, width))
