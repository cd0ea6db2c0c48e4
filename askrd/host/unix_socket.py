"""Takes and gives back the file of a unix socket, never one that a living daemon holds."""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from askrd.host.port_holder import holder_of_socket
from askrd.host.whereabouts import CannotListen

CONNECT_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class BoundSocket:
    """A unix socket that is bound and does not listen yet.

    Attributes:
        socket: for `create_unix_server(sock=...)`, which makes it listen.
        path: its file.
        device: device of the file, which with ``inode`` tells it from a later one.
        inode: inode of the file.
    """

    socket: socket.socket
    path: Path
    device: int
    inode: int


def bind_unix(path: Path, mode_bits: int) -> BoundSocket:
    """Binds a unix socket, after removing the file of a daemon that is dead.

    The permissions are set before anybody can connect.

    Raises:
        CannotListen: a living process listens there, something else is in the way, or the
            directory refuses; nothing was changed.
    """
    try:
        with _locked(path.parent):
            _clear_stale(path)
            return _bound(path, mode_bits)
    except OSError as exc:
        raise CannotListen(
            f"cannot listen on unix:{path} ({exc.strerror or exc}); nothing was started",
            details={"address": f"unix:{path}"},
        ) from exc


def release_unix(bound: BoundSocket) -> bool:
    """Removes the socket's file if it is still the one that was bound.

    Returns:
        Whether it was removed; a later daemon's socket stays.
    """
    try:
        found = bound.path.lstat()
        if (found.st_dev, found.st_ino) != (bound.device, bound.inode):
            return False
        bound.path.unlink()
    except OSError:
        return False
    return True


def _bound(path: Path, mode_bits: int) -> BoundSocket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        path.chmod(mode_bits)
        found = path.lstat()
    except OSError:
        bound.close()
        raise
    bound.settimeout(0)
    return BoundSocket(bound, path, found.st_dev, found.st_ino)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keeps two daemons that start together from removing each other's socket."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise CannotListen(
                f"another daemon is starting in {directory}; nothing was started. Try again",
                details={"directory": str(directory)},
            ) from exc
        yield
    finally:
        os.close(descriptor)


def _clear_stale(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise CannotListen(
            f"cannot listen on unix:{path}: a file that is no socket is in the way; nothing was "
            "started. Remove it or name another path",
            details={"address": f"unix:{path}"},
        )
    if _is_alive(path):
        holder = holder_of_socket(path)
        by = f" by {holder}" if holder else ""
        raise CannotListen(
            f"cannot listen on unix:{path}: it is in use{by}; nothing was started. Stop that "
            "process, or name another path: askrd serve --listen unix:PATH",
            details={"address": f"unix:{path}", "holder": holder.facts if holder else None},
        )
    path.unlink()


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except OSError as exc:
            return exc.errno != errno.ECONNREFUSED
    return True
