"""The asynchronous client against a real daemon: finding it, losing it, coming back."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from askrd.sdk.client import Client
from askrd.sdk.connection import Connection
from askrd.sdk.conversation import Conversation
from askrd.sdk.errors import CannotConnect
from askrd.sdk.values import Change, Gap
from askrd.sdk.where import Where
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.addresses import DaemonAddress, parse_url
from askrd.wire.errors import (
    BadRequest,
    ConnectionLost,
)
from tests.integration.clients.waits import run, until
from tests.integration.text_peer import TextService

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("place", ["unix:{}/none.sock", "tcp://127.0.0.1:1", "ws://127.0.0.1:1"])
def test_nobody_there_is_said_with_place_and_reason(place: str, tmp_path: Path) -> None:
    async def main() -> None:
        url = place.format(tmp_path)
        with pytest.raises(CannotConnect) as caught:
            await Client(url).connect()
        assert caught.value.url == url
        assert "askrd serve" in caught.value.message
        assert caught.value.reason in {"no such file or directory", "connection refused"}

    run(main)


@contextlib.asynccontextmanager
async def stranger(greeting: bytes) -> AsyncIterator[int]:
    """A server that says something, or nothing, and is no daemon; gives its port."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(greeting)
        with contextlib.suppress(ConnectionError):
            await reader.read()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def test_something_else_that_answers_is_recognised() -> None:
    async def main() -> None:
        async with stranger(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n") as port:
            with pytest.raises(CannotConnect, match="askr/1"):
                await Client(f"tcp://127.0.0.1:{port}").connect()
            with pytest.raises(CannotConnect, match="handshake failed"):
                await Client(f"ws://127.0.0.1:{port}").connect()

    run(main)


def test_a_silent_server_is_given_up() -> None:
    async def main() -> None:
        async with stranger(b"") as port:
            with pytest.raises(CannotConnect, match="no answer within"):
                await Client(f"tcp://127.0.0.1:{port}", connect_timeout=0.1).connect()

    run(main)


def test_a_stale_socket_falls_through_to_the_next_place(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    async def main() -> None:
        places = (DaemonAddress("unix", path=f"{tmp_path}/stale.sock"), parse_url(daemon.url))
        connection = Connection(Conversation(), lambda: Where(places))
        await connection.open()
        assert connection.address == places[1]
        await connection.close()

    run(main)


def test_a_refusal_is_raised_as_it_is(daemon: DaemonProcess) -> None:
    async def main() -> None:
        conversation = Conversation(name="not a word")
        connection = Connection(conversation, lambda: Where((parse_url(daemon.url),)))
        with pytest.raises(BadRequest):
            await connection.open()

    run(main)


def test_nothing_works_before_connecting_or_after_closing(daemon: DaemonProcess) -> None:
    async def main() -> None:
        client = Client(daemon.unix_url)
        with pytest.raises(ConnectionLost, match="connect first"):
            await client.send("lab.echo")
        await client.connect()
        await client.close()
        await client.close()
        with pytest.raises(ConnectionLost, match="closed"):
            await client.send("lab.echo")

    run(main)


def test_closing_fails_what_is_under_way(daemon: DaemonProcess, lab: TextService) -> None:
    async def main() -> None:
        client = Client(daemon.unix_url)
        await client.connect()
        events = client.listen("never")
        await events.begin()
        call = asyncio.get_running_loop().create_task(client.send("lab.slow"))
        await asyncio.to_thread(lab.wait_for_call)
        await client.close()
        with pytest.raises(ConnectionLost):
            await call
        with pytest.raises(ConnectionLost):
            await anext(events)

    run(main)


def test_a_client_comes_back_and_listens_again(tmp_path: Path) -> None:
    arguments = ("--listen", f"unix:{tmp_path}/d.sock")

    async def main() -> None:
        news: list[str] = []
        stack = contextlib.ExitStack()
        stack.enter_context(DaemonProcess(*arguments))
        with stack:
            client = Client(f"unix:{tmp_path}/d.sock", name="faithful")
            client.on_connected = lambda welcome: news.append(welcome.epoch)
            client.on_disconnected = lambda error: news.append(str(error.code))
            async with client, client.listen("tick", gaps=True) as events:
                await client.state.set("cfg/a", 1)
                async with client.state.watch() as changes:
                    assert [(await anext(changes)).rev for _ in range(2)] == [1, 1]
                    assert client.welcome is not None
                    stack.close()
                    await until(lambda: news[-1] == "connection_lost")
                    stack.enter_context(DaemonProcess(*arguments))
                    told = await client.emit("tick", 2, confirm=True)
                    assert told is not None
                    assert told.receivers == 1
                    assert await anext(events) == Gap(None)
                    assert (await anext(events)).payload == 2  # type: ignore[union-attr]
                    gone = await anext(changes)
                    assert isinstance(gone, Change)
                    assert (gone.op, gone.key, gone.cause) == ("del", "cfg/a", "resync")
                    assert len(set(news)) == 3

    run(main)


def test_a_command_under_way_when_the_daemon_dies_is_lost(tmp_path: Path) -> None:
    async def main() -> None:
        with DaemonProcess() as daemon:
            with TextService(daemon.unix_url, "lab", {"slow": lambda _: None}) as lab:
                async with Client(daemon.unix_url) as client:
                    call = asyncio.get_running_loop().create_task(client.send("lab.slow"))
                    await asyncio.to_thread(lab.wait_for_call)
                    daemon.kill()
                    with pytest.raises(ConnectionLost) as caught:
                        await call
                    assert caught.value.details == {"delivered": "unknown"}
                    with pytest.raises(ConnectionLost) as unsent:
                        await client.send("lab.slow", timeout=0.1)
                    assert unsent.value.details == {"delivered": "no"}

    run(main)


def test_without_reconnecting_the_end_of_the_connection_is_the_end() -> None:
    async def main() -> None:
        with DaemonProcess() as daemon:
            async with Client(daemon.unix_url, reconnect=False) as client:
                events = client.listen("tick")
                await events.begin()
                daemon.kill()
                with pytest.raises(ConnectionLost):
                    await anext(events)
                with pytest.raises(ConnectionLost):
                    await client.ping()

    run(main)


def test_a_daemon_that_hangs_is_noticed() -> None:
    async def main() -> None:
        with DaemonProcess() as daemon:
            conversation = Conversation(ping_after_s=0.2, gone_after_s=0.2)
            place = Where((parse_url(daemon.unix_url),))
            connection = Connection(conversation, lambda: place, reconnect=False)
            ended: list[Any] = []
            connection.on_ended = ended.append
            await connection.open()
            assert daemon.process is not None
            daemon.process.send_signal(signal.SIGSTOP)
            try:
                await until(lambda: bool(ended))
            finally:
                daemon.process.send_signal(signal.SIGCONT)
            assert "silent" in ended[0].message
            await connection.close()

    run(main)
