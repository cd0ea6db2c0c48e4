"""The journal: durable with one statement, in the tables later, and whole at every moment."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.store import journal
from askrd.store.data_directory import CannotStore
from askrd.store.database import PAGE_BYTES, Database
from tests.conformance.stores import change, record, records_of, values_of
from tests.unit.askrd.store.test_database import copied, kept_in, opened


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = opened(tmp_path / "data")
    yield made
    made.close()


def counted(database: Database) -> dict[str, int]:
    """How many rows each table has."""
    return {
        table: database._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("journal", "entries", "records")
    }


def test_a_batch_is_one_row_until_it_is_folded(database: Database) -> None:
    database.write([change(1, "a"), change(2, "b"), record(3, "jobs", "1")])
    database.write([change(4, "a", b"2"), change(5, "b", None)])
    before = database.load()
    assert counted(database) == {"journal": 2, "entries": 0, "records": 0}
    assert database.is_unfolded
    database.fold()
    assert counted(database) == {"journal": 0, "entries": 1, "records": 1}
    assert not database.is_unfolded
    assert database.load() == before
    assert values_of(before) == {"askr": {"a": b"2"}}


def test_what_was_not_folded_is_there_at_the_next_start(database: Database, tmp_path: Path) -> None:
    database.write([change(1, "a")])
    again = opened(copied(database.path.parent, tmp_path / "crash"))
    assert again.is_unfolded
    again.fold()
    assert values_of(again.load()) == {"askr": {"a": b"1"}}
    again.close()


def test_a_clean_end_folds(tmp_path: Path) -> None:
    database = opened(tmp_path)
    database.write([change(1, "a")])
    database.close()
    again = opened(tmp_path)
    assert counted(again) == {"journal": 0, "entries": 1, "records": 0}
    again.close()


def test_a_crash_at_any_byte_of_a_fold_changes_nothing(database: Database, tmp_path: Path) -> None:
    wal = database.path.with_name("askr.db-wal")
    steps = [change(at, f"k/{at % 5}", bytes([at]) * 700) for at in range(1, 20)]
    for at in range(0, len(steps), 3):
        database.write(steps[at : at + 3])
    before = wal.stat().st_size
    database.fold()
    database.write([record(20, "jobs", "1")])
    after = wal.stat().st_size
    expected = values_of(database.load())
    for cut in range(before, after, PAGE_BYTES // 3):
        kept = kept_in(copied(database.path.parent, tmp_path / f"cut-{cut}", wal_bytes=cut))
        assert values_of(kept) == expected, f"cut at {cut} of {before}..{after}"


def test_a_fold_that_finds_no_room_leaves_everything_in_the_journal(database: Database) -> None:
    database.write([record(at, "jobs", str(at), bytes([at]) * 30_000) for at in range(1, 9)])
    expected = database.load()
    (pages,) = database._connection.execute("PRAGMA page_count").fetchone()
    database._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        database.fold()
    assert database.is_unfolded
    assert database.load() == expected
    database._connection.execute("PRAGMA max_page_count = 100000")
    database.fold()
    assert records_of(database.load()) == records_of(expected)


def test_a_very_large_batch_becomes_several_rows_and_one_commit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "ROW_BYTES", 1000)
    steps = [change(at, f"k/{at}", b"x" * 400) for at in range(1, 10)]
    database.write(steps)
    assert counted(database)["journal"] > 2
    (pages,) = database._connection.execute("PRAGMA page_count").fetchone()
    database._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        database.write([change(at, f"l/{at}", b"x" * 4000) for at in range(10, 20)])
    assert values_of(database.load()) == {"askr": {f"k/{at}": b"x" * 400 for at in range(1, 10)}}


def test_so_much_may_wait_that_folding_comes_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askrd.store.database.FOLD_ROWS", 3)
    for ticket in range(1, 7):
        assert database.is_fold_due == (ticket > 3)
        database.write([change(ticket)])
    database.write([change(7)])
    assert counted(database) == {"journal": 1, "entries": 6, "records": 0}


def test_a_row_of_another_version_stops_the_start_and_says_what_to_do(tmp_path: Path) -> None:
    database = opened(tmp_path / "data")
    database._connection.execute("INSERT INTO journal (changes) VALUES (?)", (b"\x93unknown",))
    crashed = copied(tmp_path / "data", tmp_path / "crash")
    with pytest.raises(CannotStore, match=r"another version .* Start that version once"):
        opened(crashed)
    database._connection.execute("DELETE FROM journal")
    database.close()
