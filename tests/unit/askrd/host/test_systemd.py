"""What systemd is told, over a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from askrd.host.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def supervisor(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@askr-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        receiver.settimeout(5)
        yield receiver, name


def test_life_of_a_daemon_is_told_in_one_datagram_each(
    supervisor: tuple[socket.socket, str],
) -> None:
    receiver, name = supervisor
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready("listening")
    notifier.status("2 services,\n3 sessions")
    notifier.watchdog()
    notifier.stopping("draining")
    notifier.stopping()
    assert [receiver.recv(4096) for _ in range(5)] == [
        b"READY=1\nSTATUS=listening",
        b"STATUS=2 services, 3 sessions",
        b"WATCHDOG=1",
        b"STOPPING=1\nSTATUS=draining",
        b"STOPPING=1",
    ]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_nothing_happens_when_nobody_asked(environ: dict[str, str]) -> None:
    notifier = Notifier(environ | {"WATCHDOG_USEC": "1000000"})
    notifier.ready()
    assert notifier.watchdog_interval_s is None


def test_supervisor_that_is_gone_does_not_matter(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()


def test_supervisor_that_does_not_read_does_not_stop_the_daemon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        for _ in range(2000):
            notifier.watchdog()
        receiver.settimeout(0)
        kept = 0
        with suppress(BlockingIOError):
            while receiver.recv(64) == b"WATCHDOG=1":
                kept += 1
        assert 0 < kept < 2000


@pytest.mark.parametrize(
    ("watchdog", "interval_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_watchdog_is_due_at_half_of_what_is_allowed(
    watchdog: dict[str, str], interval_s: float | None
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": "/run/notify"} | watchdog, pid=7)
    assert notifier.watchdog_interval_s == interval_s
