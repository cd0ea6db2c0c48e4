"""The database file of a daemon: opened, read whole, and written one batch after the other.

It is SQLite with a write-ahead log that is synced at every commit. Only one thread uses a
`Database` at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec

from askrd.core.effects import Durable
from askrd.host import entropy
from askrd.store import journal, tables
from askrd.store.data_directory import (
    CannotStore,
    DataDirectory,
    create_private,
    sync_directory,
)
from askrd.store.journal import FOLD_BYTES, FOLD_ROWS
from askrd.store.schema import upgrade
from askrd.store.store import Kept, KeptWorkspace

REV_GAP = 1_000_000
"""How far revisions jump after a crash: what was answered `fast` and lost is never given again."""
BUSY_TIMEOUT_S = 5.0
PAGE_BYTES = 4096
WAL_BYTES_KEPT = 16 * 1024 * 1024
WAL_PAGES_MAX = WAL_BYTES_KEPT // PAGE_BYTES
_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


class Database:
    """An open database of this version.

    Attributes:
        path: its file. daemon_id: the id of the daemon it belongs to, the same at every start.
        upgraded_from: the version the file had; 0 when it was new.
    """

    def __init__(self, directory: DataDirectory) -> None:
        """Opens the database of ``directory``, made or upgraded where necessary.

        Raises:
            CannotStore: it is damaged, of a later version or another program's, or cannot be
                written; it is unchanged.
        """
        self.path = directory.database
        self._is_doubtful = self._has_refused = False
        self._newest: tables.Newest = {}
        self._unfolded_bytes = 0
        with _explained(self.path):
            if not self.path.exists():
                create_private(self.path)
                sync_directory(self.path.parent)
            self._connection = connect(self.path)
            try:
                self.upgraded_from, _ = upgrade(self._connection)
                self.daemon_id = self._begin()
                tables.gather(self._newest, journal.unfolded(self._connection))
                self._unfolded_bytes = journal.size(self._connection)
            except BaseException:
                self._connection.close()
                raise

    def _begin(self) -> str:
        """Marks the file as open and returns the daemon's id; a new one in a new file."""
        facts = dict(self._connection.execute("SELECT name, value FROM meta"))
        self._is_after_crash = facts.get("is_open") == "1"
        daemon_id = facts.get("daemon") or entropy.instance_id()
        news = (("daemon", daemon_id), ("is_open", "1"), ("repairs", facts.get("repairs", "0")))
        with self._transaction():
            self._connection.executemany(_META, news)
        return daemon_id

    def load(self) -> Kept:
        """Returns all it holds; after a crash revisions go on `REV_GAP` further.

        Raises:
            CannotStore: it cannot be read.
        """
        gap = REV_GAP if self._is_after_crash else 0
        with _explained(self.path):
            spaces = tables.read(self._connection)
            for change in journal.unfolded(self._connection):
                spaces.setdefault(change.workspace, tables.Rows()).take(change)
        kept: dict[str, KeptWorkspace] = {}
        for name, rows in spaces.items():
            if rows.head_rev or rows.records:
                records = [(*place, value) for place, value in sorted(rows.records.items())]
                entries = sorted(rows.entries.items())
                kept[name] = KeptWorkspace(entries, rows.head_rev + gap, records)
        return Kept(kept)

    def write(self, changes: Sequence[Durable]) -> None:
        """Makes changes durable, all of them or none.

        After a disk error the file is opened anew before anything else is written to it.

        Args:
            changes: in ticket order; of several for one key or record the last one counts.

        Raises:
            sqlite3.Error: nothing was written.
        """
        if self._is_doubtful:
            self._open_anew()
        if len(self._newest) >= 2 * FOLD_ROWS or self._unfolded_bytes >= 2 * FOLD_BYTES:
            self.fold()
        rows = journal.packed(changes)
        with self._watched():
            if len(rows) == 1:
                journal.add(self._connection, rows)
            else:
                with self._transaction():
                    journal.add(self._connection, rows)
        self._unfolded_bytes += sum(map(len, rows))
        tables.gather(self._newest, changes)

    @property
    def is_unfolded(self) -> bool:
        """Whether something is in the journal."""
        return self._unfolded_bytes > 0

    @property
    def is_fold_due(self) -> bool:
        """Whether so much is in the journal that folding it should not wait."""
        return len(self._newest) >= FOLD_ROWS or self._unfolded_bytes >= FOLD_BYTES

    def fold(self) -> None:
        """Brings the journal into the tables.

        Raises:
            sqlite3.Error: it could not be; everything is in the journal as before.
        """
        if self._is_doubtful:
            self._open_anew()
        with self._watched(), self._transaction():
            journal.fold(self._connection, self._newest)
        self._newest = {}
        self._unfolded_bytes = 0

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Takes note of what the disk refuses."""
        try:
            yield
        except sqlite3.Error as exc:
            self._has_refused = True
            if exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_IOERR:
                self._is_doubtful = True
                with suppress(sqlite3.Error):
                    self._open_anew()
            raise

    def close(self) -> None:
        """Closes the file, with a note that nothing is lost where that is so.

        Raises:
            sqlite3.Error: the note could not be written; the file is closed nevertheless.
        """
        with closing(self._connection):
            if self.is_unfolded:
                self.fold()
            if not self._has_refused:
                with self._transaction():
                    self._connection.execute(_META, ("is_open", "0"))

    def _open_anew(self) -> None:
        """Goes on over newly opened files, and writes over what a failed sync left in the log.

        The old connection stays until that has worked: with it the log would be read anew, and
        a commit that was refused might come back.

        Raises:
            sqlite3.Error: the disk still refuses.
        """
        fresh = connect(self.path)
        try:
            with transaction(fresh):
                fresh.execute("UPDATE meta SET value = value + 1 WHERE name = 'repairs'")
        except BaseException:
            fresh.close()
            raise
        stale, self._connection = self._connection, fresh
        self._is_doubtful = False
        stale.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with transaction(self._connection):
            yield


def connect(path: Path, *, is_read: bool = False) -> sqlite3.Connection:
    """Opens a database file that is there, in autocommit mode; any one thread may use it.

    Args:
        path: the file.
        is_read: whether it is only read from, and so keeps how it commits.

    Raises:
        sqlite3.Error: it cannot be opened, or is no database.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=tables.STATEMENTS_KEPT,
    )
    try:
        if not is_read:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commits what happens within, or undoes it when that fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns what opening and reading may raise into a sentence that says what to do."""
    details = {"file": str(path)}
    try:
        yield
    except CannotStore as exc:
        raise CannotStore(f"cannot use {path}: {exc.message}", details=details) from exc
    except sqlite3.DatabaseError as exc:
        damaged = exc.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
        advice = (
            f"it is damaged. Restore a backup: askrd restore FILE --data {path.parent} --force"
            if damaged
            else "nothing was started"
        )
        raise CannotStore(f"cannot use {path} ({exc}); {advice}", details=details) from exc
    except msgspec.MsgspecError as exc:
        raise CannotStore(
            f"cannot use {path}: another version of askrd stopped in the middle of writing it. "
            "Start that version once and stop it, then this one",
            details=details,
        ) from exc
    except OSError as exc:
        raise CannotStore(
            f"cannot use {path} ({exc.strerror}); nothing was started", details=details
        ) from exc
