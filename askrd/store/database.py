"""The database file of a daemon: opened, read whole, and written one transaction per batch.

It is SQLite with a write-ahead log that is synced at every commit. Only one thread uses a
`Database` at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from askrd.core.effects import Durable, Persist, Record
from askrd.core.state import Entry
from askrd.host import entropy
from askrd.store.data_directory import (
    CannotStore,
    DataDirectory,
    create_private,
    sync_directory,
)
from askrd.store.schema import upgrade
from askrd.store.store import Kept, KeptWorkspace

REV_GAP = 1_000_000
"""How far revisions jump after a crash: what was answered `fast` and lost is never given again."""
BUSY_TIMEOUT_S = 5.0
ROWS_MAX = 64
"""Rows of one statement: between statements the thread waits for the interpreter's lock."""
PAGE_BYTES = 1024
"""Small, because a batch of writes to keys all over writes a page for each of them."""
WAL_BYTES_KEPT = 16 * 1024 * 1024
WAL_PAGES_MAX = WAL_BYTES_KEPT // PAGE_BYTES
STATEMENTS_KEPT = 3 * ROWS_MAX + 16
_PUT = "INSERT INTO entries VALUES "
_PUT_ROW = "(?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_OVER = (
    " ON CONFLICT (workspace, key) DO UPDATE SET rev = excluded.rev, ts_ms = excluded.ts_ms,"
    " expires_ms = excluded.expires_ms, ttl_ms = excluded.ttl_ms, coding = excluded.coding,"
    " value = excluded.value"
)
_DELETE = "DELETE FROM entries WHERE workspace = ? AND key = ?"
_KEEP = "INSERT INTO records VALUES "
_KEEP_ROW = "(?, ?, ?, ?)"
_KEEP_OVER = " ON CONFLICT (workspace, shelf, key) DO UPDATE SET value = excluded.value"
_FORGET = "DELETE FROM records WHERE workspace = ? AND shelf = ? AND key = ?"
_HEAD = (
    "INSERT INTO heads VALUES (?, ?)"
    " ON CONFLICT (workspace) DO UPDATE SET rev = max(rev, excluded.rev)"
)
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
        with _explained(self.path):
            if not self.path.exists():
                create_private(self.path)
                sync_directory(self.path.parent)
            self._connection = connect(self.path)
            try:
                self.upgraded_from, _ = upgrade(self._connection)
                self.daemon_id = self._begin()
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
            workspaces = {
                workspace: KeptWorkspace([], rev + gap)
                for workspace, rev in self._connection.execute("SELECT workspace, rev FROM heads")
            }
            for (
                workspace,
                key,
                rev,
                ts_ms,
                expires_ms,
                ttl_ms,
                coding,
                value,
            ) in self._connection.execute("SELECT * FROM entries ORDER BY workspace, key"):
                entry = Entry(value, coding, rev, ts_ms, expires_ms, ttl_ms=ttl_ms)
                workspaces[workspace].rows.append((key, entry))
            for workspace, shelf, key, value in self._connection.execute(
                "SELECT * FROM records ORDER BY workspace, shelf, key"
            ):
                kept = workspaces.setdefault(workspace, KeptWorkspace([], gap))
                kept.records.append((shelf, key, value))
        return Kept(workspaces)

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
        entries = [change for change in changes if isinstance(change, Persist)]
        records = [change for change in changes if isinstance(change, Record)]
        try:
            with self._transaction():
                if entries:
                    self._write_entries(entries)
                if records:
                    self._write_records(records)
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
            if not self._has_refused:
                with self._transaction():
                    self._connection.execute(_META, ("is_open", "0"))

    def _write_entries(self, changes: Sequence[Persist]) -> None:
        newest = {(change.workspace, change.key): change.entry for change in changes}
        rows = [(*place, *_columns(entry)) for place, entry in newest.items() if entry is not None]
        self._put(rows, _PUT, _PUT_ROW, _PUT_OVER)
        gone = [place for place, entry in newest.items() if entry is None]
        if gone:
            self._connection.executemany(_DELETE, gone)
        heads = {change.workspace: change.rev for change in changes}
        self._connection.executemany(_HEAD, heads.items())

    def _write_records(self, changes: Sequence[Record]) -> None:
        newest = {(change.workspace, change.shelf, change.key): change.value for change in changes}
        rows = [(*place, value) for place, value in newest.items() if value is not None]
        self._put(rows, _KEEP, _KEEP_ROW, _KEEP_OVER)
        gone = [place for place, value in newest.items() if value is None]
        if gone:
            self._connection.executemany(_FORGET, gone)

    def _put(
        self, rows: Sequence[tuple[str | int | bytes, ...]], begin: str, row: str, over: str
    ) -> None:
        """Writes rows over those that are there, `ROWS_MAX` with each statement."""
        for at in range(0, len(rows), ROWS_MAX):
            some = rows[at : at + ROWS_MAX]
            statement = begin + ", ".join([row] * len(some)) + over
            self._connection.execute(statement, [value for given in some for value in given])

    def _open_anew(self) -> None:
        """Goes on over newly opened files, and writes over what a failed sync left in the log.

        The old connection stays until that has worked: with it the log would be read anew, and
        a commit that was refused might come back.

        Raises:
            sqlite3.Error: the disk still refuses.
        """
        fresh = connect(self.path)
        try:
            with _transaction_of(fresh):
                fresh.execute("UPDATE meta SET value = value + 1 WHERE name = 'repairs'")
        except BaseException:
            fresh.close()
            raise
        stale, self._connection = self._connection, fresh
        self._is_doubtful = False
        stale.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _transaction_of(self._connection):
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
        cached_statements=STATEMENTS_KEPT,
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


def _columns(entry: Entry) -> tuple[int | bytes, ...]:
    times_ms = (entry.ts_ms, entry.expires_ms, entry.ttl_ms)
    return (entry.rev, *times_ms, entry.coding, entry.value)


@contextmanager
def _transaction_of(connection: sqlite3.Connection) -> Iterator[None]:
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
    except OSError as exc:
        raise CannotStore(
            f"cannot use {path} ({exc.strerror}); nothing was started", details=details
        ) from exc
