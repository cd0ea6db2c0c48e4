"""The tables of the database and how a file of an earlier version becomes one of this version."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from askrd.store.data_directory import CannotStore

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE entries (
            workspace TEXT NOT NULL, key TEXT NOT NULL, rev INTEGER NOT NULL,
            ts_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, ttl_ms INTEGER NOT NULL,
            coding INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (workspace, key)
        ) WITHOUT ROWID""",
        "CREATE TABLE heads (workspace TEXT PRIMARY KEY, rev INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ),
    (
        """CREATE TABLE records (
            workspace TEXT NOT NULL, shelf TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
            PRIMARY KEY (workspace, shelf, key)
        ) WITHOUT ROWID""",
    ),
    ("CREATE TABLE journal (id INTEGER PRIMARY KEY, changes BLOB NOT NULL)",),
)
"""What leads from each version to the next, the first from an empty file; never changed later.

`entries` has a row per key, `heads` the highest revision per workspace, and `meta` the names
`schema_version`, `daemon` (its id), `is_open` (1 while a daemon has the file, so 1 at a start
tells of a crash) and `repairs` (how often writing began anew after a disk error). `records`, since
version 2, has what lies beside the state: retained events, logs, consumers, queues and jobs, each
with a value that only the core reads. `journal`, since version 3, has what was written last and is
not in the other tables yet, oldest first: `askrd.store.journal`.
"""

JOURNAL_VERSION = 3
"""The first version that has a journal."""


def version_of(connection: sqlite3.Connection) -> int:
    """Returns the version of a database; 0 when it is empty.

    Raises:
        CannotStore: it is the database of something else.
        sqlite3.Error: it cannot be read.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not tables:
        return 0
    if "meta" in tables:
        found = connection.execute(
            "SELECT value FROM meta WHERE name = 'schema_version'"
        ).fetchone()
        if found is not None and str(found[0]).isdigit():
            return int(found[0])
    raise CannotStore("it is a database of another program")


def upgrade(
    connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> tuple[int, int]:
    """Brings a database to the newest version, in one transaction.

    Args:
        connection: in autocommit mode.
        migrations: statements per step.

    Returns:
        The version it had and the one it has.

    Raises:
        CannotStore: it was written by a later askrd, or by another program; it is unchanged.
        sqlite3.Error: a statement failed; it is unchanged.
    """
    before, newest = version_of(connection), len(migrations)
    if before > newest:
        raise CannotStore(
            f"it has version {before} and this askrd knows {newest}: a later askrd wrote it. "
            "Install that one, or restore a backup of this one"
        )
    if before == newest:
        return before, newest
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in migrations[before:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(
            "INSERT INTO meta VALUES ('schema_version', ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (str(newest),),
        )
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return before, newest
