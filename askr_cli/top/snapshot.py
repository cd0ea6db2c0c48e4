"""Reads the daemon's counters into typed rows, and trusts nothing about their shape."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Daemon:
    """Who counted.

    Attributes:
        id: of the daemon.
        version: of its software.
        build: how it was built, `pure` or `compiled` first, then commas.
        workspace: whose numbers these are.
        epoch: changes with each start.
        uptime_ms: milliseconds since it started.
    """

    id: str
    version: str
    build: str
    workspace: str
    epoch: str
    uptime_ms: float


@dataclass(frozen=True, slots=True)
class CommandCount:
    """One command: counters since the start, times in milliseconds or None before the first."""

    name: str
    calls: int
    errors: int
    in_flight: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class EventCount:
    """One event: how often it was emitted since the start, and how many listen now."""

    event: str
    count: int
    listeners: int


@dataclass(frozen=True, slots=True)
class PeerCount:
    """One connection and what waits for it."""

    id: str
    kind: str
    name: str
    via: str
    in_flight: int
    outbox_frames: int
    outbox_bytes: int
    dropped: int


@dataclass(frozen=True, slots=True)
class QueueCount:
    """Commands that wait for an instance of a service."""

    service: str
    waiting: int
    waiting_bytes: int


@dataclass(frozen=True, slots=True)
class JobCount:
    """A durable queue, and how many of its jobs are in which state now."""

    target: str
    queued: int
    running: int
    failed: int
    dead: int


@dataclass(frozen=True, slots=True)
class LogCount:
    """A durable log: what it holds, and how many consumers it remembers."""

    name: str
    events: int
    events_bytes: int
    consumers: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The daemon's counters at one moment.

    Attributes:
        totals: counter name to value since the start.
    """

    daemon: Daemon
    totals: Mapping[str, int]
    commands: tuple[CommandCount, ...]
    events: tuple[EventCount, ...]
    peers: tuple[PeerCount, ...]
    queues: tuple[QueueCount, ...]
    jobs: tuple[JobCount, ...] = ()
    logs: tuple[LogCount, ...] = ()

    def total(self, name: str) -> int:
        """Returns a counter, 0 when the daemon does not count it."""
        return self.totals.get(name, 0)


def read_snapshot(value: object) -> Snapshot:
    """Returns the typed form of a ``$askr.stats`` value; what is missing counts as 0 or empty."""
    found = _mapping(value)
    totals = _mapping(found.get("totals"))
    return Snapshot(
        _daemon(_mapping(found.get("daemon"))),
        {name: _whole(totals, name) for name in totals},
        tuple(_command(row) for row in _rows(found, "commands")),
        tuple(_event(row) for row in _rows(found, "events")),
        tuple(_peer(row) for row in _rows(found, "peers")),
        tuple(_queue(row) for row in _rows(found, "queues")),
        tuple(_job(row) for row in _rows(found, "jobs")),
        tuple(_log(row) for row in _rows(found, "logs")),
    )


Row = Mapping[str, Any]


def _daemon(row: Row) -> Daemon:
    return Daemon(
        _text(row, "id"),
        _text(row, "version"),
        _text(row, "build"),
        _text(row, "workspace"),
        _text(row, "epoch"),
        _number(row, "uptime_ms") or 0.0,
    )


def _command(row: Row) -> CommandCount:
    return CommandCount(
        _text(row, "name"),
        _whole(row, "calls"),
        _whole(row, "errors"),
        _whole(row, "in_flight"),
        _number(row, "p50_ms"),
        _number(row, "p95_ms"),
        _number(row, "p99_ms"),
    )


def _event(row: Row) -> EventCount:
    return EventCount(_text(row, "event"), _whole(row, "count"), _whole(row, "listeners"))


def _peer(row: Row) -> PeerCount:
    return PeerCount(
        _text(row, "id"),
        _text(row, "kind"),
        _text(row, "name"),
        _text(row, "via"),
        _whole(row, "in_flight"),
        _whole(row, "outbox_frames"),
        _whole(row, "outbox_bytes"),
        _whole(row, "dropped"),
    )


def _queue(row: Row) -> QueueCount:
    return QueueCount(_text(row, "service"), _whole(row, "waiting"), _whole(row, "waiting_bytes"))


def _job(row: Row) -> JobCount:
    states = ("queued", "running", "failed", "dead")
    return JobCount(_text(row, "target"), *(_whole(row, state) for state in states))


def _log(row: Row) -> LogCount:
    readers = row.get("consumers")
    return LogCount(
        _text(row, "name"),
        _whole(row, "events"),
        _whole(row, "events_bytes"),
        len(readers) if isinstance(readers, list) else _whole(row, "consumers"),
    )


def _mapping(value: object) -> Row:
    return value if isinstance(value, Mapping) else {}


def _rows(found: Row, name: str) -> Iterator[Row]:
    listed = found.get(name)
    for row in listed if isinstance(listed, list) else []:
        if isinstance(row, Mapping):
            yield row


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _number(row: Row, name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None


def _whole(row: Row, name: str) -> int:
    return int(_number(row, name) or 0)
