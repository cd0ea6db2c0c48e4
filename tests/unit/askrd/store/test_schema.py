"""Versions of the database: earlier ones are brought up, later ones refused, failures undone."""

import sqlite3
from collections.abc import Iterator

import pytest

from askrd.store.data_directory import CannotStore
from askrd.store.schema import MIGRATIONS, upgrade, version_of

NEXT = (*MIGRATIONS, ("ALTER TABLE entries ADD COLUMN color TEXT NOT NULL DEFAULT 'red'",))
ROW = ("askr", "k", 1, 2, 3, 4, 5, b"v")


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


def test_several_steps_are_taken_in_order(connection: sqlite3.Connection) -> None:
    steps = (*NEXT, ("UPDATE entries SET color = 'blue'",))
    upgrade(connection)
    connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ROW)
    upgrade(connection, steps)
    assert connection.execute("SELECT color FROM entries").fetchall() == [("blue",)]


def test_a_later_version_is_refused_and_left_alone(connection: sqlite3.Connection) -> None:
    upgrade(connection, NEXT)
    with pytest.raises(CannotStore, match=r"it has version 2 and this askrd knows 1"):
        upgrade(connection)
    assert version_of(connection) == len(NEXT)


def test_a_step_that_fails_changes_nothing(connection: sqlite3.Connection) -> None:
    upgrade(connection)
    broken = (*NEXT, ("CREATE TABLE fine (a)", "ALTER TABLE missing ADD COLUMN a"))
    with pytest.raises(sqlite3.OperationalError):
        upgrade(connection, broken)
    assert version_of(connection) == len(MIGRATIONS)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert tables == {"entries", "heads", "meta"}
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
