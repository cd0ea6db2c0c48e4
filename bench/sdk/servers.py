"""The servers under test: each started on its core, with its defaults, and ended again."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.daemon import DEFAULT_COMMAND, Daemon, DaemonFailed
from bench.machine import describe_ours, pinned

READY_SECONDS = 10.0
STOP_SECONDS = 5.0
SYSTEMS = ("askr", "askr-tcp", "nats", "redis")
"""`askr` is what a user gets: the unix socket. The others speak TCP, as theirs get."""
TITLES = {
    "askr": "askr, unix socket",
    "askr-tcp": "askr, TCP",
    "nats": "nats-py",
    "redis": "redis-py",
}
PROGRAMS = {"nats": ("nats-server", "nats-py"), "redis": ("redis-server", "redis")}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens.

    Attributes:
        url: where.
        pid: its process id.
    """

    url: str
    pid: int


def missing(system: str) -> str:
    """Returns what has to be installed before a system can be measured, or nothing."""
    if system not in PROGRAMS:
        return ""
    program, library = PROGRAMS[system]
    if _program(program) is None:
        return f"{program} is not installed"
    try:
        version(library)
    except PackageNotFoundError:
        return f"the Python package {library} is not installed"
    return ""


def versions() -> dict[str, str]:
    """Returns what is compared, by system."""
    found = {"askr": describe_ours()}
    for system, (program, library) in PROGRAMS.items():
        if missing(system):
            found[system] = missing(system)
        else:
            found[system] = f"{_version_of(program)}; {library} {version(library)}{_parser(system)}"
    return found


@contextmanager
def running(
    system: str, core: int | None, command: tuple[str, ...] = DEFAULT_COMMAND
) -> Iterator[Server]:
    """Runs the server of a system for the while.

    Raises:
        DaemonFailed: it does not listen in time.
    """
    if system not in PROGRAMS:
        with Daemon(command, core) as daemon:
            yield Server(daemon.tcp if system == "askr-tcp" else daemon.unix, daemon.pid)
        return
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="askr-bench-") as folder:
        with pinned(core):
            process = subprocess.Popen(
                _words(system, port, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        try:
            _await_port(port, process)
            yield Server(f"{system}://127.0.0.1:{port}", process.pid)
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _words(system: str, port: int, folder: str) -> list[str]:
    program = str(_program(PROGRAMS[system][0]))
    if system == "nats":
        return [program, "--addr", "127.0.0.1", "--port", str(port)]
    return [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", ""]


def _program(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


def _version_of(program: str) -> str:
    said = subprocess.run(
        [str(_program(program)), "--version"], capture_output=True, text=True, check=False
    ).stdout
    words = said.replace("v=", "").split()
    number = next((word for word in words if word.strip("v")[:1].isdigit()), "?")
    return f"{program} {number.strip('v')}"


def _parser(system: str) -> str:
    if system != "redis":
        return ""
    with suppress(PackageNotFoundError):
        return f" with hiredis {version('hiredis')}"
    return " without hiredis"


def _free_port() -> int:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        port: int = plug.getsockname()[1]
        return port


def _await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DaemonFailed(f"it ended before it listened (exit {process.returncode})")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise DaemonFailed(f"nobody listened within {READY_SECONDS:.0f} s")
