"""The fixture gives every test a daemon of its own and leaves nothing behind."""

import signal
import socket
from pathlib import Path

import pytest

from askrd.testing import DaemonProcess

pytestmark = pytest.mark.integration


def test_daemon_is_ready_on_a_free_port_and_a_private_socket(askr_daemon) -> None:
    assert askr_daemon.ready["ready"] is True
    assert askr_daemon.ready["pid"] == askr_daemon.pid
    assert 1024 <= askr_daemon.port != 8800
    with socket.create_connection(("127.0.0.1", askr_daemon.port), timeout=5):
        pass
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        link.connect(str(askr_daemon.socket))
        link.sendall(b'{"k":"hello","v":1,"name":"me"}\n')
        assert link.recv(4096).startswith(b'{"k":"welcome"')


def test_stopped_daemon_ends_well_and_its_folder_is_gone() -> None:
    with DaemonProcess() as daemon:
        folder = daemon.directory
        assert daemon.stop() == 0
        assert daemon.stop() == 0
    assert not Path(folder).exists()


def test_killed_daemon_is_reported_as_killed() -> None:
    with DaemonProcess() as daemon:
        assert daemon.kill() == -signal.SIGKILL


def test_daemon_that_cannot_start_says_why() -> None:
    with DaemonProcess() as first, pytest.raises(RuntimeError, match=str(first.port)):
        DaemonProcess("--listen", first.url).__enter__()
