"""The data directory of one daemon: made, checked, and locked so that two never share it."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from askrd.wire.errors import StorageUnavailable

DATABASE_NAME = "askr.db"
LOCK_NAME = "askr.lock"
DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
PID_BYTES_MAX = 32
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class CannotStore(StorageUnavailable):
    """The data directory or what lies in it cannot be used; nothing in it was changed."""


class DataDirectory:
    """A directory that this process alone uses, until `close`; a context manager.

    Attributes:
        path: the directory.
        database: its database file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        """Makes the directory with mode 0700 when it is missing, and locks it.

        Raises:
            CannotStore: it cannot be made or written, others may write to it, or a process that
                is named has it.
        """
        self.path = path
        self.database = path / DATABASE_NAME
        try:
            path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            _check(path)
            self._lock = _locked(path)
        except OSError as exc:
            raise CannotStore(
                f"cannot use the data directory {path} ({exc.strerror}); nothing was done. "
                "Name another one with --data",
                details={"directory": str(path)},
            ) from exc

    def close(self) -> None:
        """Lets another process have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def create_private(path: Path) -> None:
    """Makes an empty file that only we may read, unless there is one.

    Raises:
        OSError: it cannot be made.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))


def give_to_owner(file: Path) -> None:
    """Has a file that root made belong to the owner of its directory, whose daemon is to use it.

    Raises:
        OSError: the system refuses.
    """
    if os.geteuid() == 0:
        there = file.parent.stat()
        os.chown(file, there.st_uid, there.st_gid)


def sync_directory(path: Path) -> None:
    """Makes names that were made, renamed or removed in a directory durable.

    Raises:
        OSError: the disk refuses.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(path: Path) -> None:
    mode = path.stat().st_mode
    if mode & WRITABLE_BY_OTHERS:
        raise CannotStore(
            f"others may write to the data directory {path} (mode {stat.S_IMODE(mode):04o}); "
            f"nothing was done. Make it yours alone: chmod 0700 {path}",
            details={"directory": str(path)},
        )


def _locked(path: Path) -> int:
    descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        give_to_owner(path / LOCK_NAME)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
    except BlockingIOError as exc:
        holder = os.read(descriptor, PID_BYTES_MAX).decode("ascii", "replace").strip()
        os.close(descriptor)
        by = f"process {holder}" if holder.isdigit() else "another process"
        raise CannotStore(
            f"the data directory {path} is in use by {by}; nothing was done. Stop that "
            "daemon, or name another directory with --data",
            details={"directory": str(path), "pid": int(holder) if holder.isdigit() else None},
        ) from exc
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
