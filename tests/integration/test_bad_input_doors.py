"""Whoever changes its mind, stops halfway or says nothing is refused in words; others go on."""

import itertools
import json
import random
import select
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd import compression
from askrd.sync import Client
from askrd.testing import DaemonProcess
from tests.integration.certificates import authority
from tests.integration.peers import MAGIC, BinaryPeer, TextPeer, connect
from tests.integration.websocket_verdicts import frame, upgrade

pytestmark = pytest.mark.integration
WITHIN_S = 15.0
HELLO = BinaryPeer.frame("hello", payload=b'{"v":1,"name":"drip"}', coding=1)
TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64))
OPENINGS = {
    "binary": MAGIC + HELLO,
    "compressed": b"\0askr/1 deflate\n" + bytes((len(HELLO), 0, 0, 0)) + HELLO,
    "text": b'{"k":"hello","v":1,"name":"drip"}\n',
    "node-askr": b'{"workspace":"a","mid":"1","command":"$askr.ping","data":{}}',
    "websocket": upgrade("askr.1") + frame(2, HELLO),
    "websocket text": upgrade("askr.1.json") + frame(1, b'{"k":"hello","v":1}'),
    "http get": b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "http post": b'POST /emit/X HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}',
}
ANSWERS = {
    "binary": b'"epoch"',
    "compressed": b"deflate\n",
    "text": b'"welcome"',
    "node-askr": b'"mid":"1"',
    "websocket": b'"epoch"',
    "websocket text": b'"welcome"',
    "http get": b"200 OK",
    "http post": b"200 OK",
}
SWAPS = list(itertools.permutations([*OPENINGS, "tls"], 2))
WORDS = {**OPENINGS, "tls": TLS}


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess(config="[limits]\nhandshake_timeout_ms = 1500\n") as running:
        yield running
        log = running.log.read_text()
        assert "Traceback" not in log
        assert "failed" not in log


class Calm:
    """A listener and a caller that count what they get."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.listener = TextPeer(daemon.unix_url, name="calm")
        self.caller = TextPeer(daemon.url, name="caller")
        self.listener.say(k="sub", id=1, pattern="CALM.tick")
        self.listener.until("subbed")
        self.listener.provide("calm", "echo")
        self.ticks = 0

    def tick(self) -> None:
        """One command and one event in the middle of whatever others do."""
        self.ticks += 1
        self.caller.call(self.ticks, "calm.echo", self.ticks)
        self.caller.say(k="emit", event="CALM.tick", d=self.ticks)
        call = self.listener.until("call")
        self.listener.say(k="reply", id=call["id"], d=call["d"])
        assert self.caller.until("reply", id=self.ticks)["d"] == self.ticks
        assert self.listener.until("event")["d"] == self.ticks

    def close(self) -> None:
        self.listener.socket.close()
        self.caller.socket.close()


@pytest.fixture
def calm(daemon: DaemonProcess) -> Iterator[Calm]:
    made = Calm(daemon)
    yield made
    made.tick()
    made.close()


def drip(plug: socket.socket, data: bytes) -> None:
    try:
        for at in range(len(data)):
            plug.sendall(data[at : at + 1])
    except (BrokenPipeError, ConnectionResetError):
        pass  # It was refused before it had said all.


def until_closed(plugs: list[socket.socket]) -> list[bytes]:
    """Returns what each was told until the daemon closed it, all of them at once."""
    told = {plug: b"" for plug in plugs}
    is_open = set(plugs)
    end = time.monotonic() + WITHIN_S
    while is_open:
        assert time.monotonic() < end, [told[plug] for plug in is_open]
        for plug in select.select(list(is_open), [], [], 0.5)[0]:
            try:
                piece = plug.recv(1 << 16)
            except ConnectionResetError:
                piece = b""
            told[plug] += piece
            if not piece:
                is_open.discard(plug)
    return [told[plug] for plug in plugs]


def logged_of(daemon: DaemonProcess, plug: socket.socket) -> list[str]:
    """Returns the lines of the log that tell of a connection."""
    name = f"127.0.0.1:{plug.getsockname()[1]}"
    lines = daemon.log.read_text().splitlines()
    return [line for line in lines if f'="{name}" ' in line or f"={name} " in line]


def memory_kib(daemon: DaemonProcess) -> int:
    for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


@pytest.mark.parametrize("tongue", OPENINGS)
def test_every_tongue_may_come_byte_by_byte(
    daemon: DaemonProcess, calm: Calm, tongue: str
) -> None:
    with connect(daemon.url) as plug:
        drip(plug, OPENINGS[tongue])
        told = b""
        while ANSWERS[tongue] not in told:
            piece = plug.recv(1 << 16)
            assert piece, told
            told += piece


def is_refusal(told: bytes) -> bool:
    """Says whether words came that say what is wrong."""
    if told.startswith(b"deflate\n"):
        told = compression.unpacker("deflate").unpack(told[8:])
    codes = (b'"bad_request"', b'"unavailable"', b'{"error":', b"HTTP/1.1 4")
    return any(code in told for code in codes)


def test_what_begins_as_one_tongue_and_goes_on_as_another_is_refused_in_words_and_logged(
    daemon: DaemonProcess, calm: Calm
) -> None:
    plugs = [connect(daemon.url) for _ in SWAPS]
    for plug, (first, second) in zip(plugs, SWAPS, strict=True):
        half = WORDS[first][: max(1, len(WORDS[first]) // 2 - 3)]
        drip(plug, half + WORDS[second])
    calm.tick()
    told = until_closed(plugs)
    calm.tick()
    for plug, swap, words in zip(plugs, SWAPS, told, strict=True):
        lines = logged_of(daemon, plug)
        assert is_refusal(words), (swap, words, lines)
        assert any("reason=" in line for line in lines), (swap, words)
        plug.close()


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_who_stops_halfway_is_let_go_in_time_and_logged(
    daemon: DaemonProcess, calm: Calm, share: float
) -> None:
    plugs = [connect(daemon.url) for _ in OPENINGS]
    for plug, words in zip(plugs, OPENINGS.values(), strict=True):
        plug.sendall(words[: int(len(words) * share)])
    told = until_closed(plugs)
    for plug, tongue, words in zip(plugs, OPENINGS, told, strict=True):
        assert any("reason=" in line for line in logged_of(daemon, plug)), (tongue, words)
        plug.close()
