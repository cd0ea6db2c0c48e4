"""A desk with logs: what tests of logs and consumers have in common."""

from __future__ import annotations

from typing import Any

from askrd.core.effects import Record
from askrd.core.logs import Log
from askrd.wire.bodies import EventOptions, dump, load
from askrd.wire.frames import FLAG_KEPT, Coding, Frame, Kind
from tests.unit.askrd.core.desk import Desk, Mate, json

ACK_WAIT_US = 30_000_000
DEAD = "$askr.dead.orders"
Rows = dict[tuple[str, str], bytes]
"""What a store has, by shelf and key."""


class Store:
    """The rows a store has, from what the router wanted kept."""

    def __init__(self, desk: Desk, rows: Rows | None = None) -> None:
        self.desk = desk
        self._before = rows or {}
        self._refused: set[int] = set()

    @property
    def records(self) -> list[Record]:
        """Returns every row that was written and not refused, in order."""
        found = [effect for effect in self.desk.effects if isinstance(effect, Record)]
        return [record for record in found if record.ticket not in self._refused]

    def refuse(self) -> None:
        """Refuses what waits."""
        self.desk.settle()
        gate = self.desk.router.board.gate
        self._refused.update(range(gate.committed + 1, gate.ticket + 1))
        self.desk.router.rejected("disk full", self.desk.now_us)
        self.desk.settle()

    @property
    def rows(self) -> Rows:
        """Returns what is kept now, by shelf and key."""
        return self.rows_after(len(self.records))

    def rows_after(self, count: int) -> Rows:
        """Returns what was kept after so many rows were written."""
        rows = dict(self._before)
        for record in self.records[:count]:
            if record.value is None:
                rows.pop((record.shelf, record.key), None)
            else:
                rows[record.shelf, record.key] = record.value
        return rows


def restarted(rows: Rows, now_us: int = 0, **desk: Any) -> Desk:
    """Returns a desk that began with what was kept."""
    fresh = Desk(**desk)
    fresh.now_us = max(fresh.now_us, now_us)
    records = [(shelf, key, value) for (shelf, key), value in sorted(rows.items())]
    fresh.router.restore("askr", [], 0, fresh.now_us, records)
    fresh.settle()
    return fresh


def begun(*numbers: int, **limits: Any) -> tuple[Desk, Mate, Mate]:
    """Returns a desk with a log that has events, who emitted them, and somebody else."""
    desk = Desk()
    emitter = desk.join("emitter", is_held=False)
    create(emitter, **limits)
    emit(emitter, *numbers)
    return desk, emitter, desk.join("reader", is_held=False)


def create(mate: Mate, name: str = "orders", *patterns: str, **limits: Any) -> Any:
    """Creates a log."""
    wanted = {"name": name, "patterns": list(patterns) or ["orders.**"]} | limits
    return mate.ask("$askr.logs.create", wanted)


def emit(mate: Mate, *numbers: int, subject: str = "orders.paid") -> None:
    """Emits events whose payload is a number."""
    for number in numbers:
        mate.emit(subject, payload=dump(number), coding=Coding.JSON)


def read(mate: Mate, id_: int = 1, pattern: str = "**", **wants: Any) -> None:
    """Subscribes to a log."""
    wants = {"log": "orders"} | wants
    mate.say(Frame(kind=Kind.SUB, id=id_, name=pattern.encode(), options=dump(wants)))


def consume(mate: Mate, id_: int = 1, pattern: str = "**", **wants: Any) -> None:
    """Subscribes to a log as a member of a consumer."""
    read(mate, id_, pattern, **({"consumer": "billing"} | wants))


def ack(mate: Mate, seq: int, *, sub: int = 1, id_: int = 0) -> None:
    """Acknowledges an event."""
    mate.say(json(Kind.ACK, {"sub": sub, "seq": seq}, id=id_))


def nak(mate: Mate, seq: int, *, sub: int = 1, id_: int = 0, **members: Any) -> None:
    """Wants an event once more."""
    mate.say(json(Kind.NAK, {"sub": sub, "seq": seq} | members, id=id_))


def options(frame: Frame) -> EventOptions:
    """Returns what stands beside an event."""
    return load(EventOptions, frame.options, "options")


def given(mate: Mate) -> list[tuple[int, int]]:
    """Returns log_seq and delivery of the events it got since the last time."""
    return [pair(frame) for frame in mate.heard() if frame.kind == Kind.EVENT]


def pair(frame: Frame) -> tuple[int, int]:
    """Returns log_seq and delivery of an event."""
    told = options(frame)
    return told.log_seq, told.delivery


def is_kept(frame: Frame) -> bool:
    """Says whether an event was there before."""
    return bool(frame.flags & FLAG_KEPT)


def log_of(desk: Desk, name: str = "orders") -> Log:
    """Returns a log's table."""
    return desk.router.board.workspaces["askr"].logs.by_name[name]
