"""Which way events take over real processes, and which connection a client chooses by itself."""

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import askrd
from askrd import compression
from askrd.sync import Client
from askrd.testing import DaemonProcess

pytestmark = pytest.mark.integration
WITHIN_S = 10.0
CHANNELS = """
[[channel]]
match = "log.audit"
via = "connection"
[[channel]]
match = "log.*"
via = "udp"
"""
DOORS = ("--listen", "ws://127.0.0.1:0", "--listen", "udp://127.0.0.1:0")


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess(*DOORS, config=CHANNELS) as running:
        yield running


def ways(client: Client) -> set[str]:
    """Returns how the peers that are there are connected."""
    return {row["via"] for row in client.peers()}


def senders(daemon: DaemonProcess, say: Callable[[], object], count: int) -> dict[str, str]:
    """Returns who the events came from that were emitted meanwhile."""
    with Client(daemon.url, name="ear") as ear:
        with ear.listen("**", count=count, timeout=WITHIN_S, retained=False) as heard:
            say()
            found = {event.subject: event.service for event in heard}
        assert "udp" in ways(ear)
        return found


EXPECTED = {
    "log.plain": "udp",
    "log.headed": "udp",
    "log.audit": "mouth",
    "log.confirmed": "mouth",
    "log.retained": "mouth",
    "log.large": "mouth",
    "other": "mouth",
}


def test_a_blocking_client_follows_what_the_daemon_prefers(
    daemon: DaemonProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "askrd.sdk")

    def say() -> None:
        with Client(daemon.url, name="mouth") as mouth:
            mouth.emit("log.plain", {"line": 1})
            mouth.emit("log.headed", headers={"a": "b"})
            mouth.emit("log.audit")
            assert mouth.emit("log.confirmed", confirm=True) is not None
            mouth.emit("log.retained", 1, retain=True)
            mouth.emit("log.large", "x" * 9000)
            mouth.emit("other")

    assert senders(daemon, say, len(EXPECTED)) == EXPECTED
    said = [record.message for record in caplog.records if "datagram" in record.message]
    assert len(said) == 2
    assert "events that fit log.* go in datagrams" in said[0]


def test_an_asynchronous_client_and_an_agent_do_too(daemon: DaemonProcess) -> None:
    agent = askrd.Askr("writer", url=daemon.url)

    async def talk() -> None:
        async with agent, askrd.Client(daemon.url, name="mouth", connections=2) as mouth:
            assert mouth.welcome is not None
            assert [channel.via for channel in mouth.welcome.channels] == ["connection", "udp"]
            await mouth.emit("log.plain", {"line": 1})
            await mouth.emit("log.headed", headers={"a": "b"})
            await mouth.emit("log.audit")
            assert await mouth.emit("log.confirmed", confirm=True) is not None
            await mouth.emit("log.retained", 1, retain=True)
            await mouth.emit("log.large", "x" * 9000)
            await mouth.emit("other")
            await agent.emit("log.agent")
            await agent.emit("agent")
            await mouth.ping()

    told = senders(daemon, lambda: asyncio.run(talk()), len(EXPECTED) + 2)
    assert {name: told[name] for name in EXPECTED} == EXPECTED
    assert (told["log.agent"], told["agent"]) == ("udp", "writer")


def test_peers_of_another_workspace_keep_to_their_connection(daemon: DaemonProcess) -> None:
    with Client(daemon.url, workspace="elsewhere", name="mouth") as mouth:
        assert mouth.welcome is not None
        assert mouth.welcome.channels == []
        with mouth.listen("log.*", count=1, timeout=WITHIN_S) as heard:
            mouth.emit("log.plain")
            assert [event.service for event in heard] == ["mouth"]


def test_without_a_rule_everything_takes_the_connection() -> None:
    with DaemonProcess(*DOORS) as daemon, Client(daemon.url, name="mouth") as mouth:
        with mouth.listen("log.*", count=1, timeout=WITHIN_S) as heard:
            mouth.emit("log.plain")
            assert [event.service for event in heard] == ["mouth"]


# --- the best connection ----------------------------------------------------------------------


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], None]:
    """Has clients look for the daemon in a directory, as if nothing else were said."""

    def look(directory: Path) -> None:
        for name in ("ASKR_URL", "ASKR_WORKSPACE", "ASKR_COMPRESS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(directory))
        monkeypatch.chdir(tmp_path)

    return look


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """Runs a coroutine function to its end."""

    async def whole() -> Any:
        return await main()

    return asyncio.run(whole())


def chosen(url: str | None = None) -> set[str]:
    """Returns how both clients are connected, the asynchronous one with a spare."""

    async def main() -> set[str]:
        async with askrd.Client(url, name="many", connections=2) as client:
            return {row["via"] for row in await client.peers() if row["name"] == "many"}

    with Client(url, name="one") as client:
        mine = {row["via"] for row in client.peers() if row["name"] == "one"}
    found: set[str] = run(main)
    return found | mine


def test_the_unix_socket_is_best(at_home: Callable[[Path], None]) -> None:
    with DaemonProcess() as daemon:
        at_home(daemon.directory)
        assert chosen() == {"unix"}
        assert chosen(daemon.url) == {"ws"}, "a way that is given is kept to"
        assert chosen(daemon.tcp_url) == {"tcp"}


def test_raw_tcp_is_next_where_there_is_no_socket(
    at_home: Callable[[Path], None], tmp_path: Path
) -> None:
    with DaemonProcess("--listen", "ws://127.0.0.1:0") as daemon:
        record = {"addresses": daemon.listen}
        (tmp_path / "askrd.json").write_text(json.dumps(record))
        at_home(tmp_path)
        assert chosen() == {"tcp"}


def test_websocket_is_what_is_left(at_home: Callable[[Path], None], tmp_path: Path) -> None:
    with DaemonProcess() as daemon, only_http(daemon.port) as port:
        record = {"addresses": [f"ws://127.0.0.1:{port}"]}
        (tmp_path / "askrd.json").write_text(json.dumps(record))
        at_home(tmp_path)
        assert chosen() == {"ws"}


@contextmanager
def only_http(target: int) -> Iterator[int]:
    """A way to a port for those who begin as HTTP does; yields its own port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def copy(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    def serve(near: socket.socket) -> None:
        with near, suppress(OSError):
            if near.recv(1, socket.MSG_PEEK) == b"G":
                with socket.create_connection(("127.0.0.1", target)) as far:
                    back = threading.Thread(target=copy, args=(far, near))
                    back.start()
                    copy(near, far)
                    back.join(WITHIN_S)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listening.accept()
                threads.append(threading.Thread(target=serve, args=(near,)))
                threads[-1].start()

    threads = [threading.Thread(target=accept)]
    threads[0].start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(WITHIN_S)
        listening.close()


def test_a_client_may_ask_for_compression_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKR_COMPRESS", "1")
    kind = compression.kinds()[0]

    async def main(url: str, *, compress: bool) -> set[str]:
        async with askrd.Client(url, compress=compress) as client:
            return {row["via"] for row in await client.peers()}

    with DaemonProcess() as daemon:
        for compress, via in ((True, f"tcp+{kind}"), (False, "tcp")):
            with Client(daemon.tcp_url, compress=compress) as client:
                assert ways(client) == {via}
            assert asyncio.run(main(daemon.tcp_url, compress=compress)) == {via}
