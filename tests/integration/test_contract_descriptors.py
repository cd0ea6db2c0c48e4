"""The contract about descriptors: a daemon that has none left keeps serving and then recovers."""

import contextlib
import resource
import socket
import time
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.peers import TextPeer, connect

pytestmark = [pytest.mark.integration, pytest.mark.faults]

DESCRIPTORS_MAX = 64
PATIENCE_S = 10.0


def descriptors(daemon: DaemonProcess) -> int:
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


def test_without_descriptors_those_inside_are_served_and_newcomers_wait() -> None:
    with DaemonProcess() as daemon, TextPeer(daemon.unix_url, name="inside") as inside:
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS_MAX, DESCRIPTORS_MAX))
        with contextlib.ExitStack() as crowd:
            for _ in range(2 * DESCRIPTORS_MAX):
                crowd.enter_context(contextlib.closing(connect(daemon.url)))
            until = time.monotonic() + PATIENCE_S
            while descriptors(daemon) < DESCRIPTORS_MAX:
                assert time.monotonic() < until
            for number in range(1, 501):
                inside.call(number, "$askr.ping")
                assert inside.until("reply")["id"] == number
        until = time.monotonic() + PATIENCE_S
        while descriptors(daemon) > DESCRIPTORS_MAX // 2:
            assert time.monotonic() < until, "those who left keep their descriptors"
        with TextPeer(daemon.url, name="late") as late:
            assert late.welcome["k"] == "welcome"
        assert "Traceback" not in daemon.log.read_text(encoding="utf-8")


def test_a_connection_that_leaves_at_once_gives_its_descriptor_back() -> None:
    with DaemonProcess() as daemon, TextPeer(daemon.unix_url) as inside:
        before = descriptors(daemon)
        for number in range(200):
            with contextlib.closing(connect(daemon.unix_url)) as plug:
                plug.sendall((b"garbage\n", b"\0askr/1\n\xff", b"{", b"GET /")[number % 4])
                plug.shutdown(socket.SHUT_WR)
                while plug.recv(1 << 16):
                    pass
        inside.call(1, "$askr.peers")
        assert len(inside.until("reply")["d"]) == 1
        assert descriptors(daemon) <= before
