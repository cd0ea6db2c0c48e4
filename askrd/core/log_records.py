"""How an event gets into a log: appended, kept by the store, and only then seen by readers."""

from __future__ import annotations

from askrd.core import log_readers, log_writes, records
from askrd.core.event import Event, Hearer
from askrd.core.logs import Log
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.errors import Busy


class Recorder(Hearer):
    """Hears the events of a log.

    Attributes:
        log: takes them in.
    """

    __slots__ = ("log", "workspace")

    is_durable = True

    def __init__(self, workspace: Workspace, log: Log) -> None:
        self.workspace = workspace
        self.log = log

    def hear(self, board: Switchboard, event: Event) -> int:
        """Appends an event; it is there for readers once the store has it."""
        log = self.log
        try:
            if not event.is_awaited:  # what one log takes in, the others do as well
                board.gate.check_room()
        except Busy as error:
            # The daemon's own news are not refused before: they have no emitter to be told.
            log_writes.refuse(board, log, error.message)
            return 0
        entry = log.append(event.whole)
        key = f"{entry.seq:016x}"
        shelf = f"{log_writes.EVENTS}/{log.name}"
        deed = Appended(self.workspace, log, entry.seq)
        records.keep(board, self.workspace, shelf, key, entry.frame, deed=deed)
        event.is_awaited = True
        return 0


class Appended:
    """An event of a log that waits for the store."""

    __slots__ = ("_log", "_seq", "_workspace")

    def __init__(self, workspace: Workspace, log: Log, seq: int) -> None:
        self._workspace = workspace
        self._log = log
        self._seq = seq

    def done(self, board: Switchboard) -> None:
        """Gives it to the log's readers; the oldest go for it only now."""
        log = self._log
        log.settle(self._seq)
        if log.is_over or log.first == self._seq:
            log_writes.trim(board, self._workspace, log)
        log_readers.serve(board, self._workspace, log)

    def undone(self, board: Switchboard, reason: str) -> None:
        """Takes it out of the log again."""
        self._log.withdraw(self._seq)
        log_writes.refuse(board, self._log, reason, is_counted=True)
