"""TLS over real processes: on the same port as everything else, or alone, and renewed in use."""

import asyncio
import json
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd import Client
from askrd.sync import Client as SyncClient
from askrd.testing import DaemonProcess
from tests.integration.certificates import Authority, authority

pytestmark = pytest.mark.integration
LARGE = "x" * 900_000
WITHIN_S = 10.0


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = authority(tmp_path)
    for name, text in made.environ.items():
        monkeypatch.setenv(name, text)
    return made


@pytest.fixture
def daemon(ours: Authority) -> Iterator[DaemonProcess]:
    listens = ("--listen", "ws://127.0.0.1:0", "--listen", "askrs://127.0.0.1:0")
    with DaemonProcess(*listens, environ=ours.issue()) as running:
        yield running


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


def spoken(port: int, first: bytes) -> bytes:
    """Says something at a port and returns all that comes until it is closed."""
    with socket.create_connection(("127.0.0.1", port), WITHIN_S) as connection:
        connection.settimeout(WITHIN_S)
        connection.sendall(first)
        told = b""
        while piece := connection.recv(65_536):
            told += piece
        return told


def until_logged(daemon: DaemonProcess, *parts: str) -> str:
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        for line in daemon.log.read_text().splitlines():
            if all(part in line for part in parts):
                return line
        time.sleep(0.02)
    raise AssertionError(f"no line with {parts} in {daemon.log.read_text()}")


@pytest.mark.parametrize(
    ("scheme", "via"),
    [("wss", "wss"), ("https", "wss"), ("askrs", "tls"), ("ws", "ws"), ("tcp", "tcp")],
)
def test_everything_is_spoken_on_one_port(daemon: DaemonProcess, scheme: str, via: str) -> None:
    url = f"{scheme}://localhost:{port_of(daemon.listen[0])}"
    if not scheme.endswith("s") or scheme == "ws":
        url = url.replace("localhost", "127.0.0.1")

    async def talk() -> None:
        async with Client(url) as client:
            (me,) = await client.send("$askr.peers")
            assert me["via"] == via
            async with asyncio.timeout(WITHIN_S):
                listening = client.listen("LARGE", count=2)
                async with listening:
                    for _ in range(2):
                        await client.emit("LARGE", LARGE, confirm=True)
                    seen = [event.payload async for event in listening]
                assert seen == [LARGE, LARGE]

    asyncio.run(talk())


def test_the_blocking_client_speaks_both(daemon: DaemonProcess) -> None:
    for scheme in ("wss", "askrs"):
        with SyncClient(f"{scheme}://localhost:{port_of(daemon.listen[0])}") as client:
            assert client.send("$askr.ping")["protocol"] == "askr/1"
            client.state.set("large", "y" * 200_000)
            assert client.state.get("large").value == "y" * 200_000


def test_a_certificate_of_somebody_else_is_refused_by_the_client(
    daemon: DaemonProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority(other).ca))
    from askrd import CannotConnect

    with pytest.raises(CannotConnect, match="certificate"):
        SyncClient(f"wss://localhost:{port_of(daemon.listen[0])}").connect()


def test_where_only_tls_is_spoken_anything_else_reads_why(daemon: DaemonProcess) -> None:
    for first in (b'{"k":"hello","v":1}\n', b"\0askr/1\n"):
        told = json.loads(spoken(port_of(daemon.listen[1]), first))
        assert told["code"] == "bad_request"
        assert "only TLS is spoken here" in told["message"]
    head, _, body = spoken(port_of(daemon.listen[1]), b"GET / HTTP/1.1\r\n\r\n").partition(
        b"\r\n\r\n"
    )
    assert head.startswith(b"HTTP/1.1 400 ")
    assert "only TLS is spoken here" in json.loads(body)["error"]["message"]
    assert until_logged(daemon, "connection refused", "it is not TLS", "127.0.0.1")


def test_clients_say_why_when_one_side_expects_tls_and_the_other_does_not(
    daemon: DaemonProcess,
) -> None:
    from askrd import CannotConnect

    for scheme in ("ws", "tcp", "http"):
        with pytest.raises(CannotConnect, match=r"\(only TLS is spoken here: connect with [^.]*\)"):
            SyncClient(f"{scheme}://localhost:{port_of(daemon.listen[1])}").connect()
    with DaemonProcess("--listen", "ws://127.0.0.1:0") as plain:
        for scheme in ("wss", "askrs", "https"):
            with pytest.raises(CannotConnect, match="no TLS is spoken there"):
                SyncClient(f"{scheme}://localhost:{plain.port}").connect()


def test_an_old_version_of_tls_is_refused_and_logged(daemon: DaemonProcess) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    port = port_of(daemon.listen[0])
    with socket.create_connection(("127.0.0.1", port), WITHIN_S) as plain:
        with pytest.raises((ssl.SSLError, OSError)):
            context.wrap_socket(plain)
    assert until_logged(daemon, "connection refused", "TLS: ")


def test_bytes_that_begin_like_tls_and_are_none_harm_nobody(daemon: DaemonProcess) -> None:
    port = port_of(daemon.listen[0])
    with SyncClient(f"wss://localhost:{port}") as client:
        spoken(port, b"\x16\x03\x01" + b"x" * 200)
        assert client.send("$askr.ping")["protocol"] == "askr/1"
    assert until_logged(daemon, "connection refused", "TLS: ")


def test_who_says_nothing_is_closed_in_time(ours: Authority) -> None:
    config = "[limits]\nhandshake_timeout_ms = 300\n"
    with DaemonProcess(environ=ours.issue(), config=config) as daemon:
        assert spoken(port_of(daemon.listen[0]), b"") == b""
        assert until_logged(daemon, "connection refused", "it said nothing in time")


def served(port: int) -> bytes:
    """Returns the certificate that new connections are greeted with."""
    context = ssl.create_default_context()
    with socket.create_connection(("127.0.0.1", port), WITHIN_S) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            return connection.getpeercert(binary_form=True) or b""


def test_a_renewed_certificate_is_taken_without_dropping_anyone(
    daemon: DaemonProcess, ours: Authority
) -> None:
    assert daemon.process is not None
    port = port_of(daemon.listen[0])
    with SyncClient(f"askrs://localhost:{port}") as client:
        (me,) = client.send("$askr.peers")
        before = served(port)
        ours.issue()
        daemon.process.send_signal(signal.SIGHUP)
        until_logged(daemon, "certificate reloaded")
        assert served(port) != before
        assert client.send("$askr.peers") == [me], "it is connected as before"
        (ours.directory / "key.pem").write_text("no key")
        daemon.process.send_signal(signal.SIGHUP)
        until_logged(daemon, "certificate not reloaded")
        assert served(port)


@pytest.mark.parametrize(
    ("environ", "part"),
    [
        ({"ASKRD_TLS_CERTIFICATE": "/nowhere/c.pem"}, "go together"),
        (
            {"ASKRD_TLS_CERTIFICATE": "/nowhere/c.pem", "ASKRD_TLS_KEY": "/nowhere/k.pem"},
            "cannot read /nowhere/c.pem",
        ),
    ],
)
def test_a_daemon_without_a_usable_certificate_does_not_start(
    environ: dict[str, str], part: str
) -> None:
    with pytest.raises(RuntimeError, match=part):
        DaemonProcess(environ=environ).start()
