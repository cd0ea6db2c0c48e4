"""The data directory: private, locked, and refused with a sentence that helps."""

import os
import stat
from pathlib import Path

import pytest

from askrd.store.data_directory import CannotStore, DataDirectory, create_private


def test_a_missing_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "data") as directory:
        assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
        assert directory.database == tmp_path / "data" / "askr.db"


def test_a_second_user_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with DataDirectory(tmp_path), pytest.raises(CannotStore) as caught:
        DataDirectory(tmp_path)
    assert f"in use by process {os.getpid()}; nothing was done" in caught.value.message
    assert caught.value.details == {"directory": str(tmp_path), "pid": os.getpid()}


def test_a_directory_that_was_closed_can_be_used_again(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as first:
        first.close()
        DataDirectory(tmp_path).close()


def test_the_lock_of_a_dead_process_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "askr.lock").write_text("1\n")
    DataDirectory(tmp_path).close()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_directory_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(CannotStore, match="chmod 0700") as caught:
        DataDirectory(tmp_path)
    assert f"mode {mode:04o}" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.touch()
    with pytest.raises(CannotStore, match="cannot use the data directory"):
        DataDirectory(file)


def test_a_directory_without_a_parent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStore, match="No such file or directory"):
        DataDirectory(tmp_path / "missing" / "data")


def test_a_private_file_is_private_and_keeps_what_it_has(tmp_path: Path) -> None:
    file = tmp_path / "f"
    create_private(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("kept")
    create_private(file)
    assert file.read_text() == "kept"
