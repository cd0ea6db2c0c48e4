"""Where the daemon lives on this machine: its runtime directory and the record beside its socket.

The record, `askrd.json`, tells local programs where a running daemon listens.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from askrd.wire.addresses import (
    RECORD_NAME,
    ListenAddress,
    runtime_directory,
    temp_directory,
)
from askrd.wire.errors import Unavailable

OWN_DIRECTORY_MODE = 0o700
RECORD_MODE = 0o600
RECORD_BYTES_MAX = 64 * 1024


class CannotListen(Unavailable):
    """An address or its directory cannot be used; the daemon did not start."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What `askrd.json` says about a running daemon.

    Attributes:
        addresses: URLs it listens on, with real port numbers.
        pid: its process.
        version: version of the program.
        daemon: its id.
    """

    addresses: tuple[str, ...]
    pid: int
    version: str
    daemon: str

    def is_of_another_living(self, mine: "Record") -> bool:
        """Says whether this tells of a daemon that runs beside the one of ``mine``.

        A daemon that shares an address with ours cannot be running any more.
        """
        if self.pid == mine.pid or set(self.addresses) & set(mine.addresses):
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True


def default_directory(environ: Mapping[str, str]) -> Path:
    """Returns the directory of the default socket; it need not exist."""
    return Path(runtime_directory(environ, os.getuid(), temp_directory(environ)))


def record_path(listen: Iterable[ListenAddress], environ: Mapping[str, str]) -> Path:
    """Returns where `askrd.json` belongs.

    It stands beside the first unix socket listened on, else in the default directory.
    """
    sockets = [Path(address.path) for address in listen if address.kind == "unix"]
    directory = sockets[0].parent if sockets else default_directory(environ)
    return directory / RECORD_NAME


def prepare_directory(directory: Path, environ: Mapping[str, str]) -> None:
    """Makes sure that sockets and the record may stand in ``directory``.

    The default directory is made when it is missing, with mode 0700; it must then be a real
    directory, ours, and closed to others. A directory named by systemd or by `unix:PATH` has
    to exist and is used as it is.

    Raises:
        CannotListen: the directory is missing, or others could have tampered with it.
    """
    if directory == default_directory(environ) and not environ.get("RUNTIME_DIRECTORY"):
        _make_own(directory)
        _check_own(directory)
    elif not directory.is_dir():
        raise CannotListen(
            f"the directory {directory} does not exist; nothing was started. "
            f"Make it: mkdir -p {directory}",
            details={"directory": str(directory)},
        )


def publish(path: Path, record: Record) -> None:
    """Writes ``record`` to ``path`` so that a reader sees the old file or the whole new one.

    Raises:
        CannotListen: the file cannot be written; an older one is untouched.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, RECORD_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(record) + b"\n")
        draft.replace(path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise CannotListen(
            f"cannot write {path} ({exc.strerror}); nothing was started",
            details={"file": str(path)},
        ) from exc


def published(path: Path) -> Record | None:
    """Returns the record at ``path``, or None when there is none that can be read."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(RECORD_BYTES_MAX), type=Record)
    except (OSError, msgspec.MsgspecError):
        return None


def withdraw(path: Path, record: Record) -> bool:
    """Removes the file at ``path`` if it still says ``record``.

    Returns:
        Whether it was removed; another daemon's record stays.
    """
    if published(path) != record:
        return False
    try:
        path.unlink()
    except OSError:
        return False
    return True


def _make_own(directory: Path) -> None:
    try:
        directory.mkdir(mode=OWN_DIRECTORY_MODE)
    except FileExistsError:
        return
    except OSError as exc:
        raise CannotListen(
            f"cannot make the directory {directory} ({exc.strerror}); nothing was started. Set "
            "XDG_RUNTIME_DIR, or listen elsewhere: askrd serve --listen unix:/path/to/askrd.sock",
            details={"directory": str(directory)},
        ) from exc


def _check_own(directory: Path) -> None:
    found = directory.lstat()
    problem = ""
    if not stat.S_ISDIR(found.st_mode):
        problem = "is not a directory"
    elif found.st_uid != os.getuid():
        problem = f"belongs to user {found.st_uid}, not to {os.getuid()}"
    elif stat.S_IMODE(found.st_mode) & 0o077:
        problem = f"is open to others (mode {stat.S_IMODE(found.st_mode):04o})"
    if problem:
        raise CannotListen(
            f"{directory} {problem}, so a stranger could pose as the daemon; nothing was "
            f"started. Remove it or make it yours alone: chmod 0700 {directory}",
            details={"directory": str(directory)},
        )
