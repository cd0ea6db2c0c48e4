"""Backup and restore: one moment's state, put in place whole or not at all."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from askrd.store.backup import REV_GAP_RESTORED, back_up, restore
from askrd.store.data_directory import DATABASE_NAME, CannotStore, DataDirectory
from askrd.store.database import REV_GAP, Database
from askrd.store.schema import MIGRATIONS, version_of
from tests.conformance.stores import change, record, records_of, values_of
from tests.unit.askrd.store.test_schema import VERSION_1


def opened(path: Path) -> Database:
    with DataDirectory(path) as directory:
        return Database(directory)


def values_in(path: Path) -> dict[str, bytes]:
    database = opened(path)
    try:
        return values_of(database.load()).get("askr", {})
    finally:
        database.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with two entries and a record, which nobody has open."""
    database = opened(tmp_path / "data")
    database.write([change(1, "a", b"1"), change(2, "b", b"2"), record(3, "jobs", "1", b"job")])
    database.close()
    return tmp_path / "data"


def test_a_backup_is_one_private_file_with_everything(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    copy = back_up(data, file)
    assert copy.facts == {
        "file": str(file),
        "entries": 2,
        "records": 1,
        "bytes": file.stat().st_size,
        "replaced": None,
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {found.name for found in tmp_path.iterdir()} == {"backup", "data"}


def test_a_backup_during_writes_is_the_state_of_one_moment(tmp_path: Path) -> None:
    """Both keys are always written together, so in a backup they are equal."""
    database = opened(tmp_path / "data")
    for ticket in range(1, 60, 2):
        value = str(ticket).encode()
        database.write([change(ticket, "left", value), change(ticket + 1, "right", value)])
        file = tmp_path / f"backup-{ticket}"
        back_up(tmp_path / "data", file)
        restore(file, tmp_path / f"copy-{ticket}")
        assert values_in(tmp_path / f"copy-{ticket}") == {"left": value, "right": value}
    database.close()


def test_a_backup_is_restored_with_its_entries_and_a_life_of_its_own(
    data: Path, tmp_path: Path
) -> None:
    back_up(data, tmp_path / "backup")
    copy = restore(tmp_path / "backup", tmp_path / "new")
    assert (copy.entries, copy.records, copy.replaced) == (2, 1, None)
    assert copy.file == tmp_path / "new" / "askr.db"
    first, second = opened(data), opened(tmp_path / "new")
    assert values_of(second.load()) == values_of(first.load()) == {"askr": {"a": b"1", "b": b"2"}}
    (workspace,) = second.load().workspaces.values()
    assert (workspace.head_rev, workspace.records) == (
        2 + REV_GAP_RESTORED,
        [("jobs", "1", b"job")],
    )
    assert first.daemon_id != second.daemon_id
    first.close()
    second.close()


def test_a_backup_of_version_1_is_made_and_restored_as_the_newest(tmp_path: Path) -> None:
    source = tmp_path / "data" / "askr.db"
    source.parent.mkdir(mode=0o700)
    made = sqlite3.connect(source)
    made.executescript(VERSION_1)
    made.close()
    copy = back_up(source.parent, tmp_path / "backup")
    assert (copy.entries, copy.records) == (1, 0)
    with closing(sqlite3.connect(tmp_path / "backup")) as backup:
        assert version_of(backup) == 1
    assert restore(tmp_path / "backup", tmp_path / "new").records == 0
    database = opened(tmp_path / "new")
    assert database.upgraded_from == len(MIGRATIONS)
    assert values_of(database.load()) == {"askr": {"k": b'"value"'}}
    assert records_of(database.load()) == {"askr": {}}
    database.close()


def test_a_backup_of_a_running_daemon_counts_as_one_of_a_crash(tmp_path: Path) -> None:
    database = opened(tmp_path / "data")
    database.write([change(1)])
    back_up(tmp_path / "data", tmp_path / "backup")
    database.close()
    restore(tmp_path / "backup", tmp_path / "new")
    copy = opened(tmp_path / "new")
    assert copy.load().workspaces["askr"].head_rev == 1 + REV_GAP + REV_GAP_RESTORED
    copy.close()


def test_a_restore_does_not_replace_a_database_unless_forced(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "backup")
    with pytest.raises(CannotStore, match=r"already; nothing was restored.*--force"):
        restore(tmp_path / "backup", data)
    assert values_in(data) == {"a": b"1", "b": b"2"}


def test_what_is_replaced_is_kept_with_its_log(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "backup")
    crashed = opened(data)
    crashed.write([change(3, "later", b"3")])
    reader = sqlite3.connect(data / "askr.db")  # with it open, the log stays when writing ends
    assert reader.execute("SELECT count(*) FROM journal").fetchone() == (1,)
    crashed.close()
    assert (data / "askr.db-wal").stat().st_size > 0
    copy = restore(tmp_path / "backup", data, is_forced=True)
    reader.close()
    assert copy.replaced == data / "askr.db.replaced"
    with DataDirectory(tmp_path / "former"):
        for ending in ("", "-wal"):
            former = Path(f"{copy.replaced}{ending}")
            former.replace(tmp_path / "former" / f"askr.db{ending}")
    assert values_in(tmp_path / "former") == {"a": b"1", "b": b"2", "later": b"3"}
    assert values_in(data) == {"a": b"1", "b": b"2"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can restore for somebody else")
def test_what_root_restores_belongs_to_the_owner_of_the_directory(
    data: Path, tmp_path: Path
) -> None:
    back_up(data, tmp_path / "backup")
    owned = tmp_path / "owned"
    owned.mkdir(mode=0o700)
    os.chown(owned, 12345, 12346)
    restore(tmp_path / "backup", owned)
    owners = {
        file.name: (file.stat().st_uid, file.stat().st_gid, stat.S_IMODE(file.stat().st_mode))
        for file in owned.iterdir()
    }
    assert owners == dict.fromkeys(("askr.db", "askr.lock"), (12345, 12346, 0o600))


def test_only_the_last_replaced_database_is_kept(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "backup")
    restore(tmp_path / "backup", data, is_forced=True)
    database = opened(data)
    database.write([change(3, "later", b"3")])
    database.close()
    restore(tmp_path / "backup", data, is_forced=True)
    connection = sqlite3.connect(data / "askr.db.replaced")
    keys = [key for (key,) in connection.execute("SELECT key FROM entries ORDER BY key")]
    connection.close()
    assert keys == ["a", "b", "later"]


def test_a_directory_in_use_is_not_restored_to(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "backup")
    with DataDirectory(data), pytest.raises(CannotStore, match="in use by process"):
        restore(tmp_path / "backup", data, is_forced=True)
    assert values_in(data) == {"a": b"1", "b": b"2"}


def test_a_damaged_database_can_be_replaced(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "backup")
    (data / "askr.db").write_bytes(b"ruin" * 5000)
    restore(tmp_path / "backup", data, is_forced=True)
    assert values_in(data) == {"a": b"1", "b": b"2"}
    assert (data / "askr.db.replaced").read_bytes().startswith(b"ruin")


def test_a_file_that_is_no_backup_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is a text" * 1000)
    (tmp_path / "empty").touch()
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE customers (a)")
    other.close()
    for name, part in {
        "text": "not a database",
        "empty": "it is empty",
        "other": "another program",
        "missing": "there is no file",
    }.items():
        with pytest.raises(CannotStore, match=part):
            restore(tmp_path / name, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_damaged_backup_is_refused(data: Path, tmp_path: Path) -> None:
    database = opened(data)
    database.write([change(ticket, f"k/{ticket}", b"x" * 2000) for ticket in range(3, 200)])
    database.close()
    back_up(data, tmp_path / "backup")
    content = bytearray((tmp_path / "backup").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xff" * 4096
    (tmp_path / "backup").write_bytes(content)
    with pytest.raises(CannotStore, match="cannot restore"):
        restore(tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new" / "askr.db").exists()


def test_a_backup_of_a_later_version_is_refused(data: Path, tmp_path: Path) -> None:
    back_up(data, tmp_path / "backup")
    connection = sqlite3.connect(tmp_path / "backup")
    connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    connection.commit()
    connection.close()
    with pytest.raises(CannotStore, match=r"a later askrd wrote it \(version 99\)"):
        restore(tmp_path / "backup", tmp_path / "new")


def test_a_file_that_is_there_is_not_overwritten_unless_forced(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("keep me")
    with pytest.raises(CannotStore, match="is there already; nothing was written"):
        back_up(data, file)
    assert file.read_text() == "keep me"
    assert back_up(data, file, is_forced=True).entries == 2


def test_a_database_is_not_replaced_by_its_own_backup(data: Path, tmp_path: Path) -> None:
    other_name = tmp_path / "link"
    other_name.symlink_to(data / DATABASE_NAME)
    before = (data / DATABASE_NAME).stat().st_ino
    for file in (data / DATABASE_NAME, other_name):
        with pytest.raises(CannotStore, match="is the database itself; nothing was written"):
            back_up(data, file, is_forced=True)
    assert (data / DATABASE_NAME).stat().st_ino == before


def test_a_directory_without_a_database_cannot_be_backed_up(tmp_path: Path) -> None:
    with pytest.raises(CannotStore, match="there is no database in"):
        back_up(tmp_path, tmp_path / "backup")


def test_a_backup_to_where_nothing_can_be_written_says_so(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotStore, match="No such file or directory"):
        back_up(data, tmp_path / "missing" / "backup")
