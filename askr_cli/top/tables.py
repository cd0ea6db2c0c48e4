"""The tables of the live monitor: what stands in each row, before it is cut to its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from askr_cli.safe_text import escaped
from askr_cli.top.figures import count, milliseconds, rate, size
from askr_cli.top.model import View

SLOW_MS = 1_000


class Focus(StrEnum):
    """The table that the arrows move."""

    COMMANDS = "commands"
    EVENTS = "events"
    PEERS = "peers"

    def following(self) -> "Focus":
        """Returns the table that the next press of Tab brings."""
        every = list(Focus)
        return every[(every.index(self) + 1) % len(every)]


@dataclass(frozen=True, slots=True)
class Column:
    """A column right of the name: its heading and its width in cells."""

    heading: str
    width: int


Cell = str | tuple[str, str]
"""A text, or a text and its style."""


@dataclass(frozen=True, slots=True)
class Block:
    """One table, before it is cut to its place.

    Attributes:
        title: heading of the first column.
        columns: the others.
        rows: a name and a cell for each column.
        empty: what stands there without rows.
        focus: which `Focus` moves it; None when nothing does.
    """

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Cell, ...]]
    empty: str
    focus: Focus | None = None


def _warned(number: int, style: str) -> Cell:
    return (count(number), style) if number else count(number)


def commands(view: View) -> Block:
    """Returns the table of commands."""
    columns = (
        ("CALLS/S", 8),
        ("RUN", 5),
        ("P50", 8),
        ("P95", 8),
        ("P99", 8),
        ("ERRORS", 7),
        ("CALLS", 9),
    )
    rows: list[tuple[Cell, ...]] = []
    for row in view.commands:
        slow = (row.count.p99_ms or 0) >= SLOW_MS
        p99 = milliseconds(row.count.p99_ms)
        rows.append(
            (
                escaped(row.count.name),
                rate(row.calls_per_s),
                count(row.count.in_flight),
                milliseconds(row.count.p50_ms),
                milliseconds(row.count.p95_ms),
                (p99, "yellow") if slow else p99,
                _warned(row.count.errors, "red"),
                count(row.count.calls),
            )
        )
    named = tuple(Column(*column) for column in columns)
    return Block("COMMANDS", named, rows, "no command was called yet", Focus.COMMANDS)


def events(view: View) -> Block:
    """Returns the table of events."""
    rows: list[tuple[Cell, ...]] = [
        (
            escaped(row.count.event),
            rate(row.per_s),
            count(row.count.count),
            count(row.count.listeners),
        )
        for row in view.events
    ]
    columns = (Column("EVENTS/S", 8), Column("EVENTS", 9), Column("LISTENERS", 9))
    return Block("EVENTS", columns, rows, "no event was emitted yet", Focus.EVENTS)


def peers(view: View) -> Block:
    """Returns the table of connections."""
    rows: list[tuple[Cell, ...]] = [
        (
            escaped(peer.id or peer.name),
            escaped(peer.via),
            count(peer.in_flight),
            count(peer.outbox_frames),
            size(peer.outbox_bytes),
            _warned(peer.dropped, "bold red"),
            escaped(peer.kind),
        )
        for peer in view.peers
    ]
    columns = (("VIA", 9), ("RUN", 5), ("QUEUED", 6), ("BYTES", 7), ("DROPPED", 7), ("KIND", 8))
    named = tuple(Column(*column) for column in columns)
    return Block("PEERS", named, rows, "nobody is connected", Focus.PEERS)


def queues(view: View) -> Block:
    """Returns the table of services for whose instances commands wait."""
    rows: list[tuple[Cell, ...]] = [
        (escaped(queue.service), (count(queue.waiting), "yellow"), size(queue.waiting_bytes))
        for queue in view.queues
    ]
    return Block("WAITING FOR", (Column("COMMANDS", 8), Column("BYTES", 8)), rows, "nothing waits")


def jobs(view: View) -> Block:
    """Returns the table of durable queues."""
    rows: list[tuple[Cell, ...]] = [
        (
            escaped(queue.target),
            _warned(queue.queued, "yellow"),
            count(queue.running),
            _warned(queue.failed, "red"),
            _warned(queue.dead, "bold red"),
        )
        for queue in view.snapshot.jobs
        if queue.queued or queue.running or queue.failed or queue.dead
    ]
    columns = (Column("QUEUED", 8), Column("RUN", 5), Column("FAILED", 7), Column("DEAD", 7))
    return Block("JOBS", columns, rows, "no command is queued")


def logs(view: View) -> Block:
    """Returns the table of durable logs."""
    rows: list[tuple[Cell, ...]] = [
        (escaped(log.name), count(log.events), size(log.events_bytes), count(log.consumers))
        for log in view.snapshot.logs
    ]
    columns = (Column("EVENTS", 9), Column("BYTES", 8), Column("CONSUMERS", 9))
    return Block("LOGS", columns, rows, "there is no log")


def beside(view: View) -> list[Block]:
    """Returns the tables that are shown when there is something in them."""
    found = (queues(view), jobs(view), logs(view))
    return [block for block in found if block.rows]
