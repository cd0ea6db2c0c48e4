"""Taking and giving back the file of a unix socket."""

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from askrd.host.unix_socket import BoundSocket, bind_unix, release_unix
from askrd.host.whereabouts import CannotListen


@contextmanager
def bound_at(path: Path, mode_bits: int = 0o600) -> Iterator[BoundSocket]:
    bound = bind_unix(path, mode_bits)
    with bound.socket:
        yield bound


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "askrd.sock"


@pytest.mark.parametrize("mode_bits", [0o600, 0o666])
def test_socket_gets_its_permissions_before_it_listens(path: Path, mode_bits: int) -> None:
    with bound_at(path, mode_bits):
        assert stat.S_IMODE(path.lstat().st_mode) == mode_bits
        with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
            client.connect(str(path))


def test_bound_socket_serves(path: Path) -> None:
    with bound_at(path) as bound, socket.socket(socket.AF_UNIX) as client:
        bound.socket.listen()
        client.connect(str(path))
        served, _ = bound.socket.accept()
        served.close()


def test_socket_of_a_dead_daemon_is_taken_over(path: Path) -> None:
    with bound_at(path) as dead:
        dead.socket.listen()
    with bound_at(path) as bound:
        assert bound.inode == path.lstat().st_ino


def test_socket_of_a_living_daemon_is_left_alone_and_its_holder_named(path: Path) -> None:
    with bound_at(path) as living:
        living.socket.listen()
        with pytest.raises(CannotListen) as refused:
            bind_unix(path, 0o600)
        assert f"is in use by {refused.value.details['holder']['command']} (pid {os.getpid()})" in (
            refused.value.message
        )
        assert path.lstat().st_ino == living.inode


def test_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(CannotListen, match="a file that is no socket is in the way"):
        bind_unix(path, 0o600)
    assert path.read_text() == "precious"


def test_directory_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CannotListen, match=r"\(No such file or directory\); nothing was started"):
        bind_unix(tmp_path / "missing" / "askrd.sock", 0o600)


def test_daemon_that_starts_at_the_same_time_is_not_waited_for(path: Path) -> None:
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        with pytest.raises(CannotListen, match="another daemon is starting"):
            bind_unix(path, 0o600)
    finally:
        os.close(directory)


def test_own_socket_is_removed_once(path: Path) -> None:
    with bound_at(path) as bound:
        assert release_unix(bound) is True
        assert release_unix(bound) is False
    assert not path.exists()


def test_socket_of_a_later_daemon_stays(path: Path) -> None:
    with bound_at(path) as first:
        path.rename(path.with_name("moved"))
        with bound_at(path):
            assert release_unix(first) is False
            assert path.exists()
