"""Compressed connections over real processes: every way in, counted on the wire, and abused."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from askrd import Askr, compression
from askrd.sync import Client
from askrd.testing import DaemonProcess
from tests.integration.certificates import authority
from tests.unit.askrd.test_compression import bomb

pytestmark = pytest.mark.integration
WITHIN_S = 10.0
ROW = {"type": "FETCHED_TIME", "unit": "celsius", "place": "the roof of the house", "value": 1.5}


class Counted:
    """A way to the daemon that counts the bytes which go through."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.bytes = 0
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(near,)))
                self._threads[-1].start()

    def _serve(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far:
            back = threading.Thread(target=self._pass, args=(far, near))
            back.start()
            self._pass(near, far)
            back.join(WITHIN_S)

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                self.bytes += len(data)
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WITHIN_S)
        self._listening.close()


@pytest.fixture
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as running:
        yield running


@pytest.fixture
def way(daemon: DaemonProcess) -> Iterator[Counted]:
    host, port = daemon.listen[0].removeprefix("ws://").rsplit(":", 1)
    made = Counted((host, int(port)))
    yield made
    made.close()


def talk(url: str) -> tuple[str, int]:
    """Uses a connection thoroughly; returns how it is called and how many bytes it could have been."""
    with Client(url) as client:
        via = next(row["via"] for row in client.send("$askr.peers"))
        size = 0
        with client.listen("ROW", count=200, timeout=WITHIN_S) as heard:
            for number in range(200):
                client.emit("ROW", ROW | {"number": number})
            for event in heard:
                size += 2 * len(json.dumps(event.payload))
        large = "x" * 900_000
        client.state.set("large", large[:200_000])
        assert client.state.get("large").value == large[:200_000]
        return via, size


@pytest.mark.parametrize("scheme", ["tcp", "ws"])
def test_the_bytes_on_the_wire_become_few(
    way: Counted, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("ASKR_COMPRESS", "1")
    via, size = talk(f"{scheme}://127.0.0.1:{way.port}")
    assert via == f"{scheme}+{compression.kinds()[0]}"
    assert way.bytes < 0.3 * size


def test_it_is_off_on_this_machine_unless_it_is_asked_for(way: Counted) -> None:
    via, size = talk(f"tcp://127.0.0.1:{way.port}")
    assert via == "tcp"
    assert way.bytes > size


def test_an_agent_may_ask_for_it_too(daemon: DaemonProcess) -> None:
    async def story() -> list[str]:
        async with Askr("packed", url=daemon.url, compress=True) as packed:
            return [row["via"] for row in await packed.send("$askr.peers")]

    assert asyncio.run(asyncio.wait_for(story(), WITHIN_S)) == [f"ws+{compression.kinds()[0]}"]


def test_within_tls_and_on_the_unix_socket(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = authority(tmp_path_factory.mktemp("ca"))
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.ca))
    monkeypatch.setenv("ASKR_COMPRESS", "1")
    kind = compression.kinds()[0]
    with DaemonProcess(environ=ours.issue()) as daemon:
        port = daemon.listen[0].rsplit(":", 1)[1]
        for url, via in (
            (f"wss://localhost:{port}", "wss"),
            (f"askrs://localhost:{port}", "tls"),
            (f"unix:{daemon.socket}", "unix"),
        ):
            assert talk(url)[0] == f"{via}+{kind}"


def test_a_daemon_that_does_not_compress_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKR_COMPRESS", "1")
    with DaemonProcess(environ={"ASKRD_COMPRESSION": "false"}) as daemon:
        assert talk(daemon.listen[0])[0] == "ws"
        assert talk(daemon.listen[0].replace("ws:", "tcp:"))[0] == "tcp"


def asked(daemon: DaemonProcess, *pieces: bytes) -> bytes:
    """Says pieces one after the other; returns all that comes until the daemon closes."""
    host, port = daemon.listen[0].removeprefix("ws://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), WITHIN_S) as connection:
        connection.settimeout(WITHIN_S)
        for piece in pieces:
            connection.sendall(piece)
        told = b""
        try:
            while data := connection.recv(65_536):
                told += data
        except ConnectionResetError:
            pass  # it did not read all of it
        return told


@pytest.mark.parametrize("kind", compression.kinds())
def test_a_bomb_closes_its_connection_and_no_other(daemon: DaemonProcess, kind: str) -> None:
    with Client(daemon.listen[0]) as client:
        told = asked(daemon, f"\0askr/1 {kind}\n".encode(), bomb(kind))
        assert told.startswith(kind.encode() + b"\n")
        assert client.send("$askr.ping")["protocol"] == "askr/1"
    assert "nobody sends that" in daemon.log.read_text()


def test_an_offer_may_come_byte_by_byte_and_know_nothing(daemon: DaemonProcess) -> None:
    hello = b'\0askr/1 brotli  x\n{"k":"hello","v":1}\n'
    told = asked(daemon, *(hello[at : at + 1] for at in range(len(hello))))
    assert told.startswith(b"plain\n")


def test_an_endless_offer_is_refused(daemon: DaemonProcess) -> None:
    assert b"bad_request" in asked(daemon, b"\0askr/1 " + b"x" * 100)
