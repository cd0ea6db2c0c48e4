"""A broker is ready when it accepts a connection, and nothing of it is left when it is stopped."""

import re
import socket
import sys
from pathlib import Path

import pytest

from bench.daemon import DaemonFailed
from bench.peers.brokers import Broker, descendants

LISTEN = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listener.accept()
"""


def listening(folder: Path, port: int) -> list[str]:
    return [sys.executable, "-c", LISTEN, str(port)]


def with_worker(folder: Path, port: int) -> list[str]:
    """A parent that only waits; its child listens."""
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LISTEN!r}, '{port}'])"
    return [sys.executable, "-c", parent]


def test_broker_is_ready_when_it_accepts_and_gone_when_stopped() -> None:
    broker = Broker(listening, None)
    host, port = broker.tcp.removeprefix("tcp://").split(":")
    socket.create_connection((host, int(port)), timeout=5).close()
    assert (broker.pids, broker.ready_ms > 0) == ([broker.pid], True)
    broker.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_worker_is_what_is_measured_and_ends_with_its_parent() -> None:
    broker = Broker(with_worker, None)
    parent, worker = broker.pids
    assert (broker.pid, descendants(parent)) == (worker, [worker])
    broker.stop()
    assert [pid for pid in (parent, worker) if is_running(pid)] == []


def is_running(pid: int) -> bool:
    """Whether it exists and is no zombie that waits for a new parent to notice."""
    try:
        return re.search(r"\) [ZX] ", Path(f"/proc/{pid}/stat").read_text()) is None
    except OSError:
        return False


def test_program_that_ends_at_once_is_a_failure_with_its_words() -> None:
    with pytest.raises(DaemonFailed, match="no such option"):
        Broker(lambda _folder, _port: [sys.executable, "-c", "exit('no such option')"], None)


def test_program_that_cannot_be_run_is_a_failure() -> None:
    with pytest.raises(DaemonFailed, match="cannot be run"):
        Broker(lambda _folder, _port: ["/nowhere/broker"], None)
