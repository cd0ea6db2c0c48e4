"""The database file: what is committed survives every crash, what is refused leaves no trace."""

import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.store.data_directory import CannotStore, DataDirectory
from askrd.store.database import PAGE_BYTES, REV_GAP, Database
from askrd.store.store import Kept
from tests.conformance.stores import change, record, records_of, values_of

FRAME_BYTES = 24 + PAGE_BYTES


def opened(path: Path) -> Database:
    with DataDirectory(path) as directory:
        return Database(directory)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = opened(tmp_path / "data")
    yield made
    made.close()


def kept_in(files: Path) -> Kept:
    """Opens the files as a daemon would after a crash, and returns what they hold."""
    database = opened(files)
    try:
        (verdict,) = database._connection.execute("PRAGMA integrity_check").fetchone()
        assert verdict == "ok"
        return database.load()
    finally:
        database.close()


def reopened(files: Path) -> tuple[dict[str, bytes], int]:
    """Returns what is there after a crash: values, and the head that is gone on from."""
    kept = kept_in(files)
    if "askr" not in kept.workspaces:
        return {}, 0
    return values_of(kept)["askr"], kept.workspaces["askr"].head_rev


def copied(source: Path, target: Path, *, wal_bytes: int | None = None) -> Path:
    """Copies the files as a crash would leave them, with the log cut where it is said."""
    target.mkdir(mode=0o700)
    shutil.copy(source / "askr.db", target)
    wal = (source / "askr.db-wal").read_bytes()
    (target / "askr.db-wal").write_bytes(wal[:wal_bytes])
    return target


def test_a_crash_after_any_commit_loses_nothing(database: Database, tmp_path: Path) -> None:
    model: dict[str, bytes] = {}
    for ticket in range(1, 41):
        key, value = f"k/{ticket % 7}", b"x" * (ticket * 97)
        if ticket % 5 == 0:
            model.pop(key, None)
            database.write([change(ticket, key, None)])
        else:
            model[key] = value
            database.write([change(ticket, key, value)])
        crashed = copied(database.path.parent, tmp_path / f"crash-{ticket}")
        assert reopened(crashed) == (model, ticket + REV_GAP)


def test_a_crash_at_any_byte_of_the_log_leaves_whole_batches(
    database: Database, tmp_path: Path
) -> None:
    """A batch of two keys is there with both or with neither, and later ones only with earlier."""
    wal = database.path.with_name("askr.db-wal")
    states: list[dict[str, bytes]] = [{}]
    sizes = [wal.stat().st_size]
    for batch in range(1, 6):
        value = bytes([batch]) * 3000
        pair = [change(2 * batch - 1, "left", value), change(2 * batch, f"right/{batch}", value)]
        database.write(pair)
        states.append({**states[-1], "left": value, f"right/{batch}": value})
        sizes.append(wal.stat().st_size)
    assert sizes == sorted(set(sizes))
    cuts = {size + by for size in sizes for by in (-1, 0, 1)}
    cuts |= set(range(sizes[0], sizes[-1], FRAME_BYTES // 3))
    for cut in sorted(cuts):
        if not sizes[0] <= cut <= sizes[-1]:
            continue
        crashed = copied(database.path.parent, tmp_path / f"cut-{cut}", wal_bytes=cut)
        whole = sum(size <= cut for size in sizes) - 1
        assert reopened(crashed)[0] == states[whole], f"cut at {cut} of {sizes}"


def test_a_crash_after_any_commit_loses_no_record(database: Database, tmp_path: Path) -> None:
    model: dict[tuple[str, str], bytes] = {}
    for ticket in range(1, 31):
        shelf, key, value = f"log/{ticket % 3}", f"{ticket % 7:016x}", b"x" * (ticket * 97)
        if ticket % 4 == 0:
            model.pop((shelf, key), None)
            database.write([record(ticket, shelf, key, None)])
        else:
            model[shelf, key] = value
            database.write([record(ticket, shelf, key, value)])
        crashed = kept_in(copied(database.path.parent, tmp_path / f"crash-{ticket}"))
        assert records_of(crashed).get("askr", {}) == model


def test_a_crash_at_any_byte_of_the_log_parts_no_entry_from_its_record(
    database: Database, tmp_path: Path
) -> None:
    """An entry, a record and one forgotten in one batch: all of it is there, or nothing."""
    wal = database.path.with_name("askr.db-wal")
    sizes = [wal.stat().st_size]
    for batch in range(1, 6):
        value = bytes([batch]) * 2000
        database.write(
            [
                change(batch, "entry", value),
                record(batch, "jobs", str(batch), value),
                record(batch, "jobs", str(batch - 1), None),
            ]
        )
        sizes.append(wal.stat().st_size)
    for cut in sorted({*sizes, *range(sizes[0], sizes[-1], FRAME_BYTES // 2)}):
        kept = kept_in(copied(database.path.parent, tmp_path / f"cut-{cut}", wal_bytes=cut))
        whole = sum(size <= cut for size in sizes) - 1
        value = bytes([whole]) * 2000
        entries, records = {"entry": value}, {("jobs", str(whole)): value}
        found = values_of(kept).get("askr", {}), records_of(kept).get("askr", {})
        assert found == ((entries, records) if whole else ({}, {})), f"cut at {cut} of {sizes}"


def test_of_several_changes_of_one_record_the_last_one_counts(database: Database) -> None:
    steps: list[bytes | None] = [b"1", None, b"3"]
    database.write([record(at, "jobs", "1", value) for at, value in enumerate(steps, start=1)])
    assert records_of(database.load()) == {"askr": {("jobs", "1"): b"3"}}
    database.write([record(4, "jobs", "1", b"4"), record(5, "jobs", "1", None)])
    assert database.load().workspaces == {}


def test_a_workspace_of_records_alone_gives_no_revision_twice_after_a_crash(
    database: Database, tmp_path: Path
) -> None:
    database.write([record(1)])
    crashed = kept_in(copied(database.path.parent, tmp_path / "crash"))
    assert crashed.workspaces["askr"].head_rev == REV_GAP


def test_a_full_disk_refuses_entries_and_records_of_a_batch_alike(database: Database) -> None:
    database.write([record(1, "jobs", "before")])
    (pages,) = database._connection.execute("PRAGMA page_count").fetchone()
    database._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        database.write([change(2, "small"), record(3, "jobs", "large", b"x" * 100_000)])
    kept = database.load()
    assert (values_of(kept), records_of(kept)) == (
        {"askr": {}},
        {"askr": {("jobs", "before"): b"1"}},
    )


def test_of_several_changes_of_one_key_the_last_one_counts(database: Database) -> None:
    database.write([change(1, "k", b"1"), change(2, "k", None), change(3, "k", b"3")])
    assert values_of(database.load()) == {"askr": {"k": b"3"}}
    database.write([change(4, "k", b"4"), change(5, "k", None)])
    assert values_of(database.load()) == {"askr": {}}


def test_revisions_go_on_where_they_were_after_a_clean_end(tmp_path: Path) -> None:
    database = opened(tmp_path)
    database.write([change(7)])
    database.close()
    assert reopened(tmp_path)[1] == 7
    assert reopened(tmp_path)[1] == 7


def test_a_full_disk_refuses_the_whole_batch_and_room_makes_it_work_again(
    database: Database,
) -> None:
    database.write([change(1, "before")])
    (pages,) = database._connection.execute("PRAGMA page_count").fetchone()
    database._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        database.write([change(2, "small"), change(3, "large", b"x" * 100_000)])
    assert values_of(database.load()) == {"askr": {"before": b"1"}}
    database.write([change(2, "small")])
    database._connection.execute("PRAGMA max_page_count = 100000")
    database.write([change(3, "large", b"x" * 100_000)])
    assert set(values_of(database.load())["askr"]) == {"before", "small", "large"}


def test_revisions_jump_after_a_refusal_since_fast_ones_may_be_lost(tmp_path: Path) -> None:
    database = opened(tmp_path)
    database.write([change(1)])
    database._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(sqlite3.OperationalError):
        database.write([change(2, "large", b"x" * 100_000)])
    database.close()
    assert reopened(tmp_path) == ({"key/1": b"1"}, 1 + REV_GAP)


def test_a_log_that_has_grown_is_written_back_and_used_anew(tmp_path: Path) -> None:
    database = opened(tmp_path)
    for ticket in range(1, 200):
        database.write([change(ticket, f"k/{ticket % 9}", bytes([ticket]) * 200_000)])
    assert (tmp_path / "askr.db-wal").stat().st_size < 40 * 1024 * 1024
    database.close()
    values, head = reopened(tmp_path)
    assert head == 199
    assert {key: value[:1] for key, value in values.items()} == {
        f"k/{ticket % 9}": bytes([ticket]) for ticket in range(191, 200)
    }


def test_the_id_of_the_daemon_stays(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.close()
    second = opened(tmp_path)
    second.close()
    assert first.daemon_id == second.daemon_id != ""


def test_all_its_files_are_private(database: Database) -> None:
    database.write([change(1)])
    modes = {
        file.name: stat.S_IMODE(file.stat().st_mode) for file in database.path.parent.iterdir()
    }
    assert modes == dict.fromkeys(("askr.db", "askr.db-wal", "askr.db-shm", "askr.lock"), 0o600)


def test_every_commit_is_synced(database: Database) -> None:
    modes = [
        database._connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous")
    ]
    assert modes == ["wal", 2]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"this is a text" * 1000, "askrd restore FILE --data"),
        (b"SQLite format 3\0" + b"\xff" * 5000, "cannot use"),
    ],
)
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes, part: str) -> None:
    file = tmp_path / "askr.db"
    file.write_bytes(content)
    with pytest.raises(CannotStore, match=part) as caught:
        opened(tmp_path)
    assert caught.value.details == {"file": str(file)}
    assert file.read_bytes() == content


def test_a_database_of_a_later_version_is_refused_and_named(tmp_path: Path) -> None:
    opened(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "askr.db")
    connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    connection.commit()
    connection.close()
    with pytest.raises(CannotStore, match="it has version 99 and this askrd knows") as caught:
        opened(tmp_path)
    assert str(tmp_path / "askr.db") in caught.value.message


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "askr.db")
    connection.execute("CREATE TABLE customers (a)")
    connection.close()
    with pytest.raises(CannotStore, match="another program"):
        opened(tmp_path)
