"""The durable store: one thread writes whatever waits as one transaction, then says so."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from functools import partial
from queue import Empty, Queue

from askrd.core.effects import Durable
from askrd.host.logs import Log
from askrd.store.database import Database
from askrd.store.store import Kept, Later, Outcomes
from askrd.wire.limits import GATED_MAX

IDLE_S = 0.25
"""Without writes for so long the journal is folded."""
CLOSE_TIMEOUT_S = 10.0
"""How long a disk that does not answer may hold up the end of the daemon."""

_log = Log("askrd.store")


class SqliteStore:
    """Keeps changes in a `Database`; the loop never touches the disk.

    The router lets `GATED_MAX` writes wait. Should more turns of the loop than that bring changes
    of its own (keys that expire), the loop waits for the disk: nothing taken may be lost.
    """

    def __init__(self, database: Database, outcomes: Outcomes, later: Later) -> None:
        """Writes to ``database``, which it closes at its end.

        Args:
            database: used by nobody else.
            outcomes: told by way of ``later``, which any thread may call.
            later: runs a function on the loop's thread.
        """
        self._database = database
        self._outcomes = outcomes
        self._later = later
        self._waiting: Queue[tuple[int, Sequence[Durable]] | None] = Queue(GATED_MAX)
        self._gathered: list[Durable] = []  # in this turn of the loop
        self._era = 0  # rises with every rejection; what was taken before it is not written
        self._is_closed = False
        self._is_failing = False
        self._thread = threading.Thread(target=self._work, name="askrd-store", daemon=True)

    def load(self) -> Kept:
        """Returns what the file holds; see `Store.load`.

        Raises:
            CannotStore: it cannot be read.
        """
        return self._database.load()

    def write(self, changes: Sequence[Durable]) -> None:
        """Takes changes to keep; see `Store.write`.

        Raises:
            RuntimeError: the store is closed.
        """
        if self._is_closed:
            raise RuntimeError("the store is closed")
        if changes and not self._gathered:
            self._later(self._hand_over)
        self._gathered += changes

    def close(self) -> None:
        """Writes what waits and closes the file; gives up after `CLOSE_TIMEOUT_S`."""
        if self._is_closed:
            return
        self._is_closed = True
        self._hand_over()
        if self._thread.ident is not None:
            self._waiting.put(None)
            self._thread.join(CLOSE_TIMEOUT_S)
            if self._thread.is_alive():
                _log.error("store not closed", reason="the disk does not answer")
                return
        try:
            self._database.close()
        except sqlite3.Error as exc:
            _log.error("store not closed well", reason=_reason(exc))

    def _hand_over(self) -> None:
        """Gives the writer what one turn of the loop brought, so that it is one transaction."""
        if not self._gathered:
            return
        if self._thread.ident is None:
            self._thread.start()
        changes, self._gathered = self._gathered, []
        self._waiting.put((self._era, changes))

    def _refuse(self, reason: str) -> None:
        """Begins a new era: everything taken until now counts as not kept."""
        self._gathered.clear()
        self._era += 1
        self._outcomes.rejected(reason)

    # ── on the writer's thread ────────────────────────────────────────────────────────────

    def _work(self) -> None:
        try:
            self._write_all()
        except BaseException as exc:
            self._later(partial(self._outcomes.broke, exc))
            raise

    def _write_all(self) -> None:
        era = 0
        goes_on = True
        while goes_on:
            taken = [self._next()]
            while not self._waiting.empty():
                try:
                    taken.append(self._waiting.get_nowait())
                except Empty:
                    break
            goes_on = None not in taken
            batch = [change for item in taken if item and item[0] == era for change in item[1]]
            if batch and not self._keep(batch):
                era += 1
            if self._database.is_fold_due:
                self._fold()

    def _next(self) -> tuple[int, Sequence[Durable]] | None:
        """Waits for what comes next; after a moment without anything there is time to fold."""
        while self._database.is_unfolded:
            try:
                return self._waiting.get(timeout=IDLE_S)
            except Empty:
                if not self._fold():
                    break
        return self._waiting.get()

    def _fold(self) -> bool:
        """Brings the journal into the tables and says whether that has worked; it may wait."""
        try:
            self._database.fold()
        except sqlite3.Error as exc:
            _log.warning("journal not folded", reason=_reason(exc))
            return False
        return True

    def _keep(self, batch: Sequence[Durable]) -> bool:
        """Writes a batch and says whether that has worked; so does it tell the loop."""
        try:
            self._database.write(batch)
        except sqlite3.Error as exc:
            reason = _reason(exc)
            if not self._is_failing:
                _log.error("store cannot write", reason=reason)
            self._is_failing = True
            self._later(partial(self._refuse, reason))
            return False
        if self._is_failing:
            self._is_failing = False
            _log.info("store writes again")
        self._later(partial(self._outcomes.committed, batch[-1].ticket))
        return True


def _reason(exc: sqlite3.Error) -> str:
    """Returns what SQLite says, and its own name of it where that tells more."""
    name = getattr(exc, "sqlite_errorname", "")
    return f"{exc}, {name}" if name.startswith("SQLITE_IOERR") else str(exc)
