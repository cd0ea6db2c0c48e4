"""What of logs and consumers goes to the store: events, definitions, places, and what is forgotten."""

from __future__ import annotations

import msgspec

from askrd.core import records
from askrd.core.consumers import Consumer
from askrd.core.gate import Deed
from askrd.core.instants import NEVER_US
from askrd.core.logs import Log
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import dump
from askrd.wire.errors import Busy, StorageUnavailable
from askrd.wire.frames import Frame, Kind
from askrd.wire.logs import LogDefinition

DEFINITIONS, EVENTS, CONSUMERS = "logs", "log", "consumers"
"""Shelves: definitions by name, events by number (``log/NAME``), places (``LOG/CONSUMER``)."""
SWEPT_MAX = 1_000
"""Rows of events that are forgotten at once."""
_SOON_US = 33_000
_SAVE_US = 50_000
_NOTED_US = 1_000_000


class Kept(msgspec.Struct):
    """What a store keeps of a log beside its events.

    Attributes:
        definition: what it is to hold.
        last: a number that none of its later events has.
        purged: events up to this number are gone, whether their rows are there or not.
        is_removed: whether the log itself is gone, and only rows are to be forgotten.
    """

    definition: LogDefinition
    last: int = 0
    purged: int = 0
    is_removed: bool = False


# ── events ────────────────────────────────────────────────────────────────────────────────────


def refuse(board: Switchboard, log: Log, reason: str, *, is_counted: bool = False) -> None:
    """Counts an event that is not kept; notes it, at most once a second.

    Args:
        board: the tables.
        log: which does not have it.
        reason: why.
        is_counted: whether it is counted already.
    """
    log.refused += not is_counted
    key = "log refused", log.workspace, log.name
    if board.alarms.at_us(key) == NEVER_US:
        board.note("log refused an event", log=log.name, workspace=log.workspace, reason=reason)
        board.alarms.arm(key, board.now_us + _NOTED_US, lambda _: None)


def trim(board: Switchboard, workspace: Workspace, log: Log) -> None:
    """Takes out of a log what is beyond its limits, and comes back when more will be."""
    before = len(log)
    log.trim(board.now_ms, SWEPT_MAX)
    if before and not len(log) and not log.is_removed:
        save(board, workspace, log)  # Its last number stands in no row of an event any more.
    if log.doomed:
        arm_sweep(board, workspace, log)
    old_at_ms, is_over = log.old_at_ms, log.is_over
    key = "log old", log.workspace, log.name
    if old_at_ms is None and not is_over:
        board.alarms.disarm(key)
        return
    in_us = 0 if is_over or old_at_ms is None else (old_at_ms - board.now_ms) * 1000
    due_us = board.now_us + max(in_us, _SOON_US)
    if not board.now_us <= board.alarms.at_us(key) <= due_us:
        board.alarms.arm(key, due_us, lambda board: trim(board, workspace, log))


def arm_sweep(board: Switchboard, workspace: Workspace, log: Log, in_us: int = _SOON_US) -> None:
    """Has the rows of events that are gone be forgotten soon."""
    key = sweeping(log)
    if board.alarms.at_us(key) > board.now_us + in_us:
        board.alarms.arm(key, board.now_us + in_us, lambda board: sweep(board, workspace, log))


def sweeping(log: Log) -> tuple[str, str, str]:
    """Returns the key of the alarm that has rows be forgotten."""
    return "log sweep", log.workspace, log.name


def sweep(board: Switchboard, workspace: Workspace, log: Log) -> None:
    """Has the store forget rows of events that are gone, some of them at once."""
    shelf = f"{EVENTS}/{log.name}"
    for _ in range(min(SWEPT_MAX, len(log.doomed))):
        try:
            board.gate.check_room()
        except Busy:
            break
        records.keep(board, workspace, shelf, f"{log.doomed.popleft():016x}", None)
    if log.doomed:
        arm_sweep(board, workspace, log)
    elif log.is_removed:
        records.keep(board, workspace, DEFINITIONS, log.name, None)
        if workspace.logs.by_name.get(log.name) is log:
            del workspace.logs.by_name[log.name]


# ── definitions ───────────────────────────────────────────────────────────────────────────────


def save(board: Switchboard, workspace: Workspace, log: Log) -> None:
    """Has the store keep what a log is."""
    kept = Kept(log.definition, log.last, log.purged, log.is_removed)
    records.keep(board, workspace, DEFINITIONS, log.name, dump(kept))


# ── consumers ─────────────────────────────────────────────────────────────────────────────────


def save_consumer(
    board: Switchboard,
    workspace: Workspace,
    log: Log,
    consumer: Consumer,
    deed: Deed | None = None,
    session: Session | None = None,
    frame: Frame | None = None,
) -> None:
    """Has the store keep where a consumer is, now; see `records.keep`."""
    board.alarms.disarm(_saving(log, consumer))
    key, value = f"{log.name}/{consumer.name}", consumer.kept()
    if frame is None:
        records.keep(board, workspace, CONSUMERS, key, value, deed=deed)
    else:
        records.keep(
            board, workspace, CONSUMERS, key, value, deed=deed, session=session, frame=frame
        )


def save_soon(board: Switchboard, workspace: Workspace, log: Log, consumer: Consumer) -> None:
    """Has the store keep where a consumer is, in a moment: many acknowledgements are one write."""
    key = _saving(log, consumer)
    if board.alarms.at_us(key) <= board.now_us + _SAVE_US:
        return

    def save_now(board: Switchboard) -> None:
        try:
            board.gate.check_room()
        except Busy:
            save_soon(board, workspace, log, consumer)
        else:
            save_consumer(board, workspace, log, consumer)

    board.alarms.arm(key, board.now_us + _SAVE_US, save_now)


def forget_consumer(board: Switchboard, workspace: Workspace, log: Log, consumer: Consumer) -> None:
    """Has the store forget a consumer."""
    board.alarms.disarm(_saving(log, consumer))
    del log.consumers[consumer.name]
    records.keep(board, workspace, CONSUMERS, f"{log.name}/{consumer.name}", None)


def save_all(board: Switchboard) -> None:
    """Has the store keep where every consumer is that moved since it was told: the daemon goes."""
    for workspace in board.workspaces.values():
        for log in workspace.logs:
            for consumer in log.consumers.values():
                if board.alarms.at_us(_saving(log, consumer)) <= board.now_us + _SAVE_US:
                    save_consumer(board, workspace, log, consumer)


def _saving(log: Log, consumer: Consumer) -> tuple[str, str, str, str]:
    return "consumer save", log.workspace, log.name, consumer.name


class Told:
    """The answer to an `ack` or `nak` that asked for one."""

    __slots__ = ("_consumer", "_id", "_log", "_session", "_workspace")

    def __init__(self, session: Session, id_: int, log: Log, consumer: Consumer) -> None:
        self._session = session
        self._workspace = session.in_open_workspace
        self._id = id_
        self._log = log
        self._consumer = consumer

    def done(self, board: Switchboard) -> None:
        """Says that it is kept."""
        if self._session in board.sessions:
            board.tell(self._session, Kind.OK, self._id)

    def undone(self, board: Switchboard, reason: str) -> None:
        """Says that it is not kept yet, and holds while the daemon runs."""
        if self._log.consumers.get(self._consumer.name) is self._consumer:
            save_soon(board, self._workspace, self._log, self._consumer)
        if self._session in board.sessions:
            error = StorageUnavailable(
                f"the store cannot write ({reason}); this holds while the daemon runs, and is "
                "kept as soon as the store can"
            )
            board.fail(self._session, self._id, error)
