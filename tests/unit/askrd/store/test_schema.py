"""Versions of the database: earlier ones are brought up, later ones refused, failures undone."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.core.state import Entry
from askrd.store.data_directory import CannotStore, DataDirectory
from askrd.store.database import Database
from askrd.store.schema import MIGRATIONS, upgrade, version_of
from tests.conformance.stores import record

NEXT = (*MIGRATIONS, ("ALTER TABLE entries ADD COLUMN color TEXT NOT NULL DEFAULT 'red'",))
ROW = ("askr", "k", 1, 2, 3, 4, 5, b"v")
VERSION_1 = """
CREATE TABLE entries (
    workspace TEXT NOT NULL, key TEXT NOT NULL, rev INTEGER NOT NULL,
    ts_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, ttl_ms INTEGER NOT NULL,
    coding INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (workspace, key)
) WITHOUT ROWID;
CREATE TABLE heads (workspace TEXT PRIMARY KEY, rev INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('schema_version', '1'), ('daemon', 'abcdefghijkl'), ('is_open', '0');
INSERT INTO entries VALUES ('askr', 'k', 7, 2, 3, 4, 1, x'2276616c756522');
INSERT INTO heads VALUES ('askr', 9);
"""
"""A file as the first version of the tables left it."""


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    yield made
    made.close()


def test_an_empty_file_gets_the_newest_version(connection: sqlite3.Connection) -> None:
    assert version_of(connection) == 0
    assert upgrade(connection) == (0, len(MIGRATIONS))
    assert version_of(connection) == len(MIGRATIONS)


def test_the_newest_version_stays_as_it_is(connection: sqlite3.Connection) -> None:
    upgrade(connection)
    before = connection.total_changes
    assert upgrade(connection) == (len(MIGRATIONS), len(MIGRATIONS))
    assert connection.total_changes == before


def test_an_earlier_version_is_brought_up_with_what_it_holds(
    connection: sqlite3.Connection,
) -> None:
    upgrade(connection)
    connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ROW)
    assert upgrade(connection, NEXT) == (len(MIGRATIONS), len(NEXT))
    assert connection.execute("SELECT * FROM entries").fetchall() == [(*ROW, "red")]
    assert version_of(connection) == len(NEXT)


def test_version_1_becomes_version_2_with_what_it_holds(connection: sqlite3.Connection) -> None:
    connection.executescript(VERSION_1)
    rows = {
        table: connection.execute(f"SELECT * FROM {table}").fetchall()
        for table in ("entries", "heads")
    }
    assert upgrade(connection, MIGRATIONS[:2]) == (1, 2)
    for table, found in rows.items():
        assert connection.execute(f"SELECT * FROM {table}").fetchall() == found
    assert connection.execute("SELECT value FROM meta WHERE name = 'daemon'").fetchone() == (
        "abcdefghijkl",
    )
    connection.execute("INSERT INTO records VALUES ('askr', 'jobs', '1', x'00')")


def test_a_file_of_version_1_is_opened_with_what_it_holds(tmp_path: Path) -> None:
    made = sqlite3.connect(tmp_path / "askr.db")
    made.executescript(VERSION_1)
    made.close()
    with DataDirectory(tmp_path) as directory:
        database = Database(directory)
    assert (database.upgraded_from, database.daemon_id) == (1, "abcdefghijkl")
    (workspace,) = database.load().workspaces.values()
    assert workspace.rows == [("k", Entry(b'"value"', 1, 7, 2, 3, ttl_ms=4))]
    assert (workspace.head_rev, workspace.records) == (9, [])
    database.write([record(1, "jobs", "1", b"new")])
    database.close()
    with DataDirectory(tmp_path) as directory:
        again = Database(directory)
    assert again.upgraded_from == len(MIGRATIONS)
    assert again.load().workspaces["askr"].records == [("jobs", "1", b"new")]
    again.close()


def test_version_2_is_refused_where_version_1_is_known_and_stays_as_it_is(
    connection: sqlite3.Connection,
) -> None:
    upgrade(connection, MIGRATIONS[:2])
    connection.execute("INSERT INTO records VALUES ('askr', 'jobs', '1', x'00')")
    with pytest.raises(
        CannotStore, match=r"version 2 .* knows 1: a later askrd wrote it\. Install"
    ):
        upgrade(connection, MIGRATIONS[:1])
    assert version_of(connection) == 2
    assert connection.execute("SELECT count(*) FROM records").fetchone() == (1,)


def test_several_steps_are_taken_in_order(connection: sqlite3.Connection) -> None:
    steps = (*NEXT, ("UPDATE entries SET color = 'blue'",))
    upgrade(connection)
    connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ROW)
    upgrade(connection, steps)
    assert connection.execute("SELECT color FROM entries").fetchall() == [("blue",)]


def test_a_later_version_is_refused_and_left_alone(connection: sqlite3.Connection) -> None:
    upgrade(connection, NEXT)
    with pytest.raises(CannotStore, match=r"it has version 4 and this askrd knows 3"):
        upgrade(connection)
    assert version_of(connection) == len(NEXT)


def test_a_step_that_fails_changes_nothing(connection: sqlite3.Connection) -> None:
    upgrade(connection)
    broken = (*NEXT, ("CREATE TABLE fine (a)", "ALTER TABLE missing ADD COLUMN a"))
    with pytest.raises(sqlite3.OperationalError):
        upgrade(connection, broken)
    assert version_of(connection) == len(MIGRATIONS)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert tables == {"entries", "heads", "journal", "meta", "records"}
    assert not connection.in_transaction


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE customers (a)",
        "CREATE TABLE meta (name TEXT, value TEXT)",
    ],
)
def test_the_database_of_another_program_is_refused(
    connection: sqlite3.Connection, statement: str
) -> None:
    connection.execute(statement)
    with pytest.raises(CannotStore, match="another program"):
        upgrade(connection)
