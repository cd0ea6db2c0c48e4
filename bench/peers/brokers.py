"""One foreign broker under test: started on a port of its own, found ready by a connection, stopped."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bench.daemon import DaemonFailed, raise_file_limit
from bench.machine import pinned

READY_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.001
Words = Callable[[Path, int], list[str]]
"""From an empty folder and a free port to the command line; writes a configuration if need be."""


class Broker:
    """A running broker of somebody else, ended by ``stop``.

    Attributes:
        tcp: its address as a URL.
        unix: empty; the peers are driven over TCP.
        pids: its processes, the first one first.
        pid: the one that carries the messages: the last worker, or the only process.
        ready_ms: milliseconds from starting the process to the first accepted connection.
    """

    unix = ""

    def __init__(self, words: Words, core: int | None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="askr-bench-")
        folder = Path(self._folder.name)
        port = _free_port()
        self.tcp = f"tcp://127.0.0.1:{port}"
        self._output = folder / "output"
        raise_file_limit()
        command = words(folder, port)
        started = time.perf_counter()
        self._process = self._start(command, folder, core)
        try:
            self._await_connection(port, started + READY_SECONDS)
            self.ready_ms = (time.perf_counter() - started) * 1000
        except BaseException:
            self.stop()
            raise
        self.pids = [self._process.pid, *descendants(self._process.pid)]
        self.pid = self.pids[-1]

    def stop(self) -> None:
        """Ends the process and its workers, gently first, and removes its files."""
        workers = descendants(self._process.pid)
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for worker in workers:
            _end(worker)
        self._folder.cleanup()

    def complaints(self) -> str:
        """Returns the end of what the broker wrote."""
        return self._output.read_text(errors="replace")[-2000:].strip()

    def _start(
        self, command: list[str], folder: Path, core: int | None
    ) -> "subprocess.Popen[bytes]":
        try:
            with pinned(core), self._output.open("wb") as output:
                return subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
        except OSError as exc:
            self._folder.cleanup()
            raise DaemonFailed(f"{command[0]} cannot be run: {exc.strerror}") from exc

    def _await_connection(self, port: int, deadline: float) -> None:
        while time.perf_counter() < deadline:
            if self._process.poll() is not None:
                raise DaemonFailed(f"it ended before it was ready: {self.complaints()}")
            if _accepts(port):
                return
            time.sleep(POLL_SECONDS)
        raise DaemonFailed(f"no connection within {READY_SECONDS:.0f} s: {self.complaints()}")


def descendants(pid: int) -> list[int]:
    """Returns the processes that ``pid`` started, and those they started, older ones first."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        parent = _parent_of(entry)
        if parent is not None:
            parents.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = sorted(parents.get(waiting.pop(0), []))
        found += children
        waiting += children
    return found


def _parent_of(entry: Path) -> int | None:
    facts = _facts(int(entry.name))
    return int(facts[1]) if facts else None


def _is_running(pid: int) -> bool:
    facts = _facts(pid)
    return bool(facts) and facts[0] not in "ZX"


def _facts(pid: int) -> list[str]:
    """Returns what the kernel says after the name: state, parent, ...; empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _end(worker: int) -> None:
    """Ends a process that outlived its parent, and waits until it is gone."""
    deadline = time.perf_counter() + STOP_SECONDS
    while _is_running(worker) and time.perf_counter() < deadline:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
