"""Copies of the database: one taken while a daemon writes, and one put in the place of another."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from askrd.host import entropy
from askrd.store import journal, tables
from askrd.store.data_directory import (
    DATABASE_NAME,
    CannotStore,
    DataDirectory,
    create_private,
    give_to_owner,
    sync_directory,
)
from askrd.store.database import connect, transaction
from askrd.store.schema import JOURNAL_VERSION, MIGRATIONS, upgrade, version_of

REV_GAP_RESTORED = 1_000_000_000
"""How far revisions jump: what was given after the backup was taken is never given again."""
REPLACED_SUFFIX = ".replaced"
COMPANIONS = ("-wal", "-shm", "")
"""Endings of the files that make up one database, that of the whole last."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What was copied.

    Attributes:
        file: where the copy is. entries: how many entries it has. records: what lies beside
            them (retained events, logs, jobs). bytes: its size.
        replaced: where the former database is now, if there was one.
    """

    file: Path
    entries: int
    records: int
    bytes: int
    replaced: Path | None = None

    @property
    def facts(self) -> dict[str, str | int | None]:
        """The same for programs."""
        replaced = None if self.replaced is None else str(self.replaced)
        return {
            "file": str(self.file),
            "entries": self.entries,
            "records": self.records,
            "bytes": self.bytes,
            "replaced": replaced,
        }

    def __str__(self) -> str:
        entries = f"{self.entries} {'entry' if self.entries == 1 else 'entries'}"
        records = f"{self.records} {'record' if self.records == 1 else 'records'}"
        former = f"; the former state is kept as {self.replaced}" if self.replaced else ""
        return f"{entries}, {records}, {self.bytes} bytes, {self.file}{former}"


def back_up(data: Path, file: Path, *, is_forced: bool = False) -> Copy:
    """Copies the database in ``data`` as it is at one moment, also while a daemon writes to it.

    Args:
        data: a data directory.
        file: becomes one complete database, readable by its owner alone.
        is_forced: whether a file that is there may be replaced.

    Raises:
        CannotStore: there is no database, it is damaged, or ``file`` is there or cannot be
            written; nothing was changed.
    """
    source = data / DATABASE_NAME
    if not source.is_file():
        raise CannotStore(f"there is no database in {data}; nothing was backed up. See: --data DIR")
    if file.exists() and file.samefile(source):
        raise CannotStore(f"{file} is the database itself; nothing was written. Name another file")
    if file.exists() and not is_forced:
        raise CannotStore(f"{file} is there already; nothing was written. To replace it: --force")
    with _draft_of(file) as draft, _explained(f"cannot back up {source} to {file}"):
        with closing(connect(source, is_read=True)) as there:
            _check_version(there)
            _copy(there, draft)
        counts = _finish(draft)
        draft.replace(file)
        sync_directory(file.parent)
    return Copy(file, *counts, file.stat().st_size)


def restore(file: Path, data: Path, *, is_forced: bool = False) -> Copy:
    """Makes a backup the database of ``data``, where no daemon may be running.

    The daemon gets a new id, and revisions go on far above those of the backup.

    Args:
        file: a backup.
        data: a data directory; made when it is missing.
        is_forced: whether a database that is there may be replaced. It is kept beside the new
            one, with the ending `.replaced`.

    Raises:
        CannotStore: a daemon runs there, a database is there, or ``file`` is no sound backup;
            nothing was changed.
    """
    if not file.is_file():
        raise CannotStore(f"there is no file {file}; nothing was restored")
    explained = _explained(f"cannot restore {file} to {data}")
    with explained, closing(connect(file, is_read=True)) as there:
        _check_version(there)
    with DataDirectory(data) as directory:
        target = directory.database
        if target.exists() and not is_forced:
            raise CannotStore(
                f"there is a database in {data} already; nothing was restored. To replace it: "
                f"askrd restore {file} --data {data} --force"
            )
        with _draft_of(target) as draft, _explained(f"cannot restore {file} to {data}"):
            with closing(connect(file, is_read=True)) as there:
                _copy(there, draft)
            counts = _finish(draft, is_new_life=True)
            give_to_owner(draft)
            replaced = _set_aside(target)
            draft.replace(target)
            sync_directory(data)
    return Copy(target, *counts, target.stat().st_size, replaced)


def _check_version(connection: sqlite3.Connection) -> None:
    version = version_of(connection)
    if not 0 < version <= len(MIGRATIONS):
        why = "it is empty" if not version else f"a later askrd wrote it (version {version})"
        raise CannotStore(why)


def _copy(source: sqlite3.Connection, draft: Path) -> None:
    """Copies in one step, so that it is one moment's state whatever is written meanwhile."""
    with closing(sqlite3.connect(draft)) as there:
        source.backup(there)


def _finish(draft: Path, *, is_new_life: bool = False) -> tuple[int, int]:
    """Makes a copy one sound file on the disk; returns how many entries and records it has."""
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise CannotStore(f"it is damaged ({verdict})")
        if version_of(connection) >= JOURNAL_VERSION:
            newest: tables.Newest = {}
            tables.gather(newest, journal.unfolded(connection))
            with transaction(connection):
                journal.fold(connection, newest)
        if is_new_life:
            upgrade(connection)
            connection.execute("UPDATE heads SET rev = rev + ?", (REV_GAP_RESTORED,))
            connection.execute(
                "UPDATE meta SET value = ? WHERE name = 'daemon'", (entropy.instance_id(),)
            )
        counts = _count(connection, "entries"), _count(connection, "records")
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return counts


def _count(connection: sqlite3.Connection, table: str) -> int:
    """Returns how many rows a table has; none where an earlier version has no such table."""
    is_there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    if is_there is None:
        return 0
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return int(count)


def _set_aside(target: Path) -> Path | None:
    """Renames a database and its log, so that no log is ever applied to another database."""
    if not target.exists():
        return None
    replaced = target.with_name(target.name + REPLACED_SUFFIX)
    for ending in COMPANIONS:
        replaced.with_name(replaced.name + ending).unlink(missing_ok=True)
    for ending in COMPANIONS:
        companion = target.with_name(target.name + ending)
        if companion.exists():
            companion.replace(replaced.with_name(replaced.name + ending))
    return replaced


@contextmanager
def _draft_of(file: Path) -> Iterator[Path]:
    """Names a new private file beside ``file``, and removes it unless it was renamed."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        create_private(draft)
        yield draft
    except OSError as exc:
        raise CannotStore(f"cannot write {file} ({exc.strerror}); nothing was changed") from exc
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            draft.with_name(draft.name + ending).unlink(missing_ok=True)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except CannotStore as exc:
        raise CannotStore(f"{what}: {exc.message}; nothing was changed") from exc
    except sqlite3.Error as exc:
        raise CannotStore(f"{what} ({exc}); nothing was changed") from exc
