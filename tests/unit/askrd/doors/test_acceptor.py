"""Accepting where TLS may be spoken: nobody's silence or haste keeps the others out."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from askrd.doors import acceptor
from askrd.doors.acceptor import Acceptor
from askrd.doors.certificates import CertificateFiles, Certificates
from tests.integration.certificates import authority

WITHIN_S = 10.0


class Greeting(asyncio.Protocol):
    """Says hello to whoever gets through."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(b"hello")
        self._transport.close()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    authority(tmp_path).issue()
    return Certificates(CertificateFiles(tmp_path / "certificate.pem", tmp_path / "key.pem"))


def accepting(
    certificates: Certificates,
    check: Callable[[int, Acceptor], Awaitable[None]],
    *,
    handshake_s: float = WITHIN_S,
) -> None:
    """Runs ``check`` with the port of an acceptor, and the acceptor."""

    async def run() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        made = Acceptor(
            listening, Greeting, certificates, is_tls_only=False, handshake_s=handshake_s
        )
        async with asyncio.timeout(2 * WITHIN_S):
            await check(listening.getsockname()[1], made)
        made.close()
        made.close()

    asyncio.run(run())


async def greeted(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"{")
    said = await reader.read()
    writer.close()
    return said


def test_silent_connections_keep_nobody_out(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "SILENT_MAX", 3)

    async def check(port: int, _: Acceptor) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        assert await greeted(port) == b"hello"
        for number, (reader, writer) in enumerate(silent):
            if number < 3:  # They had to go for two silent ones and for the honest one.
                assert await reader.read() == b""
            else:
                writer.write(b"{")
                assert await reader.read() == b"hello"
            writer.close()

    accepting(certificates, check)


def test_who_says_nothing_in_time_is_hung_up_on(certificates: Certificates) -> None:
    async def check(port: int, _: Acceptor) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()

    accepting(certificates, check, handshake_s=0.2)


def test_no_descriptor_left_means_a_rest_and_not_a_spin(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "_EXHAUSTED", frozenset({24}))
    monkeypatch.setattr(acceptor, "REST_S", 0.05)
    tries = 0

    class Poor(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            nonlocal tries
            tries += 1
            if tries <= 2:
                raise OSError(24, "Too many open files")
            return super().accept()

    async def run() -> None:
        listening = Poor(socket.AF_INET, socket.SOCK_STREAM)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        made = Acceptor(listening, Greeting, certificates, is_tls_only=False, handshake_s=1.0)
        async with asyncio.timeout(WITHIN_S):
            assert await greeted(listening.getsockname()[1]) == b"hello"
        made.close()

    asyncio.run(run())
    assert tries <= 6, "it was tried again only after a rest"


def test_closing_it_hangs_up_on_who_has_said_nothing(certificates: Certificates) -> None:
    async def check(port: int, made: Acceptor) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0)
        made.close()
        with pytest.raises(ConnectionError):
            await greeted(port)
        with suppress(ConnectionResetError):  # it was still in the kernel's queue
            assert await reader.read() == b""
        writer.close()

    accepting(certificates, check)
