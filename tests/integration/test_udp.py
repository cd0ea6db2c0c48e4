"""Events in datagrams over real sockets: relayed when they can be, dropped and counted when not."""

import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from askrd.sync import Client
from askrd.testing import DaemonProcess
from askrd.wire.codec import encode
from askrd.wire.frames import Coding, Frame, Kind

pytestmark = pytest.mark.integration
WITHIN_S = 10.0


@pytest.fixture
def daemon() -> Iterator[DaemonProcess]:
    listens = ("--listen", "ws://127.0.0.1:0", "--listen", "udp://127.0.0.1:0")
    with DaemonProcess(*listens) as running:
        yield running


def sender(daemon: DaemonProcess) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.connect(("127.0.0.1", int(daemon.listen[1].rsplit(":", 1)[1])))
    return made


def shorter_than_its_name() -> bytes:
    frame = encode(Frame(kind=Kind.EMIT, name=b"A"))
    return frame[:6] + b"\xff\xff" + frame[8:]


def totals(client: Client, **wanted: int) -> dict[str, Any]:
    """Returns the totals once they are as wanted."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        found: dict[str, Any] = client.send("$askr.stats")["totals"]
        if all(found[name] == count for name, count in wanted.items()):
            return found
        time.sleep(0.02)
    raise AssertionError(f"{found} is not {wanted}")


def test_events_are_relayed_and_come_from_udp(daemon: DaemonProcess) -> None:
    with Client(daemon.listen[0]) as client, sender(daemon) as udp:
        with client.listen("LOG.*", count=2, timeout=WITHIN_S) as heard:
            udp.send(b'{"k":"emit","event":"LOG.a","d":{"line":1}}')
            frame = Frame(kind=Kind.EMIT, name=b"LOG.b", payload=b"\x00\x01", coding=Coding.BYTES)
            udp.send(encode(frame))
            events = {event.subject: event for event in heard}
        assert events["LOG.a"].payload == {"line": 1}
        assert events["LOG.b"].payload == b"\x00\x01"
        assert {event.service for event in events.values()} == {"udp"}
        assert "udp" in {row["via"] for row in client.send("$askr.peers")}
        totals(client, datagrams=2, datagrams_dropped=0)


def test_what_is_no_event_is_dropped_counted_and_logged_and_harms_nobody(
    daemon: DaemonProcess,
) -> None:
    with Client(daemon.listen[0]) as client, sender(daemon) as udp:
        bad = [
            b"",
            b"garbage",
            b'{"k":"call","id":1,"to":"$askr.peers"}',
            b'{"k":"emit","event":"has space"}',
            b'{"k":"emit","event":"$askr.peer.left","d":1}',
            b"\xff" * 1000,
            b"x" * 60_000,
            shorter_than_its_name(),
        ]
        for data in bad:
            udp.send(data)
        totals(client, datagrams=len(bad), datagrams_dropped=len(bad))
        port = urlsplit(daemon.listen[0]).port
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=WITHIN_S) as answer:
            assert f"askrd_datagrams_dropped_total {len(bad)}.0" in answer.read().decode()
        with client.listen("A", count=1, timeout=WITHIN_S) as heard:
            udp.send(b'{"k":"emit","event":"A"}')
            assert [event.subject for event in heard] == ["A"]
    lines = [line for line in daemon.log.read_text().splitlines() if "datagram dropped" in line]
    assert len(lines) == 1, "the log does not grow with what strangers send"


def test_no_udp_unless_it_is_asked_for() -> None:
    with DaemonProcess() as daemon:
        port = int(daemon.listen[0].rsplit(":", 1)[1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", port))


def test_beyond_this_machine_it_is_refused_like_any_other_address() -> None:
    with pytest.raises(RuntimeError, match=r"will not listen on udp://0\.0\.0\.0"):
        DaemonProcess("--listen", "udp://0.0.0.0:0").start()
