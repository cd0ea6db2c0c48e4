"""One askrd process under test: started on its own core with nothing of the user's, then stopped."""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import askrd
from bench.machine import pinned

PROJECT = Path(__file__).resolve().parent.parent
READY_SECONDS = 20.0
STOP_SECONDS = 10.0
FILES = 8192
SERVICE_VARIABLES = frozenset(
    {
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "RUNTIME_DIRECTORY",
        "CONFIGURATION_DIRECTORY",
        "STATE_DIRECTORY",
    }
)
"""What a service manager may have set for us and a daemon under test must not see."""
DEFAULT_COMMAND = (sys.executable, "-m", "askrd")
OURS = Path(askrd.__file__).resolve().parent.parent
"""Where the askrd lies that this program imports: the checkout, or a compiled build."""


class DaemonFailed(Exception):
    """The daemon did not say it was ready; carries the end of what it wrote to stderr."""


class Daemon:
    """A running askrd, ended by leaving the ``with`` block.

    Attributes:
        tcp: its TCP address as a URL.
        unix: its unix socket as a URL.
        pid: its process id.
        pids: the same, for those who signal every process of a system.
        ready_ms: milliseconds from starting the process to its ready line.
    """

    def __init__(
        self,
        command: tuple[str, ...] = DEFAULT_COMMAND,
        core: int | None = None,
        *,
        importing: Path | None = None,
        keeps_state: bool = False,
        data: Path | None = None,
    ) -> None:
        """Starts ``command`` on ``core``; by itself it takes the askrd that lies in ``importing``.

        With ``keeps_state`` the state goes to a data directory, which is removed at the end, or
        with ``data`` to that one, which stays.
        Without ``importing`` the default command takes the askrd that this program imports.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="askr-bench-")
        self._importing = importing or (OURS if command == DEFAULT_COMMAND else None)
        folder = Path(self._folder.name)
        self.unix = f"unix:{folder / 'askrd.sock'}"
        self._errors = folder / "stderr"
        words = [
            *command,
            "serve",
            "--listen",
            "tcp://127.0.0.1:0",
            "--listen",
            self.unix,
            "--json",
            *(("--data", str(data or folder / "data")) if keeps_state or data else ()),
        ]
        raise_file_limit()
        started = time.perf_counter()
        self._process = self._start(words, folder, core)
        try:
            line = self._await_ready(started + READY_SECONDS)
            self.ready_ms = (time.perf_counter() - started) * 1000
            self.tcp = _tcp_address(line)
        except BaseException:
            self.stop()
            raise
        self.pid = self._process.pid
        self.pids = [self.pid]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the process, gently first, and removes its files."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._folder.cleanup()

    def complaints(self) -> str:
        """Returns the end of what the daemon wrote to stderr."""
        return self._errors.read_text(errors="replace")[-2000:].strip()

    def _start(self, words: list[str], folder: Path, core: int | None) -> "subprocess.Popen[bytes]":
        environment, where = _environment(folder), PROJECT
        if self._importing:  # and not what lies in the working directory
            environment, where = environment | {"PYTHONPATH": str(self._importing)}, folder
        try:
            with pinned(core), self._errors.open("wb") as errors:
                return subprocess.Popen(
                    words, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=where
                )
        except OSError as exc:
            self._folder.cleanup()
            raise DaemonFailed(f"{words[0]} cannot be run: {exc.strerror}") from exc

    def _await_ready(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.perf_counter()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise DaemonFailed(f"no ready line within {READY_SECONDS:.0f} s")
            chunk = os.read(descriptor, 65536)
            if not chunk:
                raise DaemonFailed(f"it ended before it was ready: {self.complaints()}")
            line += chunk
        return line.splitlines()[0]


def _tcp_address(line: bytes) -> str:
    try:
        urls = [str(url) for url in json.loads(line)["listen"]]
    except (ValueError, KeyError, TypeError) as exc:
        raise DaemonFailed(f"this is no ready line: {line!r}") from exc
    for url in urls:
        scheme, _, rest = url.partition("://")
        if scheme in {"tcp", "ws"}:
            return f"tcp://{rest.rstrip('/')}"
    raise DaemonFailed(f"the ready line names no TCP address: {urls}")


def _environment(folder: Path) -> dict[str, str]:
    """The environment without anything that configures an askrd, and with an empty file for it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ASKR_", "ASKRD_")) and name not in SERVICE_VARIABLES
    }
    file = folder / "askrd.toml"
    file.touch()
    return kept | {"XDG_RUNTIME_DIR": str(folder), "ASKRD_CONFIG": str(file)}


def raise_file_limit() -> None:
    """Lets children open enough sockets for the thousand-connection rows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
