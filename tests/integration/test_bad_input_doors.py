"""Whoever changes its mind, stops halfway or says nothing is refused in words; others go on."""

import itertools
import json
import os
import random
import select
import signal
import socket
import ssl
import struct
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
    "http post": b"POST /emit/X HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
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
        self.listener.say(k="sub", id=2, pattern="CALM.tick")
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
    told = dict.fromkeys(plugs, b"")
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
    """Returns the lines of the log that tell of a connection, once there is one."""
    name = f"127.0.0.1:{plug.getsockname()[1]}"
    end = time.monotonic() + WITHIN_S
    while True:
        lines = daemon.log.read_text().splitlines()
        found = [line for line in lines if f"={name} " in line]
        if found or time.monotonic() > end:
            return found


def memory_kib(daemon: DaemonProcess) -> int:
    for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


@pytest.mark.parametrize("tongue", OPENINGS)
def test_every_tongue_may_come_byte_by_byte(daemon: DaemonProcess, calm: Calm, tongue: str) -> None:
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


def test_a_tls_hello_where_there_is_no_certificate_reads_why_and_is_logged(
    daemon: DaemonProcess, calm: Calm
) -> None:
    with connect(daemon.url) as plug:
        plug.sendall(TLS)
        (told,) = until_closed([plug])
        assert json.loads(told)["code"] == "bad_request"
        assert b"has no certificate" in told
        assert any("no certificate" in line for line in logged_of(daemon, plug))
    with connect(daemon.url) as plain, pytest.raises((ssl.SSLError, OSError)):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    ours = authority(tmp_path_factory.mktemp("ca"))
    listens = ("--listen", "ws://127.0.0.1:0", "--listen", "askrs://127.0.0.1:0")
    config = "[limits]\nhandshake_timeout_ms = 1500\n"
    with DaemonProcess(*listens, environ=ours.issue(), config=config) as running:
        yield running
        assert "Traceback" not in running.log.read_text()


@pytest.mark.parametrize("tongue", OPENINGS)
def test_plain_words_where_only_tls_is_spoken_read_why_and_are_logged(
    secured: DaemonProcess, tongue: str
) -> None:
    with connect(secured.listen[1].replace("askrs:", "ws:")) as plug:
        drip(plug, OPENINGS[tongue][:40])
        (told,) = until_closed([plug])
        assert b"only TLS is spoken here" in told
        assert any("it is not TLS" in line for line in logged_of(secured, plug))


@pytest.mark.parametrize("tongue", OPENINGS)
def test_tls_begun_and_gone_on_as_something_else_is_refused_and_logged(
    secured: DaemonProcess, tongue: str
) -> None:
    with connect(secured.url) as plug:
        plug.sendall(TLS[:5] + OPENINGS[tongue])
        until_closed([plug])
        assert any("TLS" in line for line in logged_of(secured, plug))


def test_five_hundred_silent_sockets_keep_no_honest_client_out(
    daemon: DaemonProcess, secured: DaemonProcess
) -> None:
    for running, begun in ((daemon, b""), (daemon, b"{"), (secured, b""), (secured, TLS[:20])):
        before = memory_kib(running)
        silent = [connect(running.url) for _ in range(500)]
        for plug in silent:
            plug.sendall(begun)
        with TextPeer(running.url, name="honest") as honest:
            honest.call(1, "$askr.ping")
            honest.until("reply", id=1)
        assert memory_kib(running) - before < 500 * 64
        until_closed(silent)
        for plug in silent:
            plug.close()


def test_who_is_gone_before_it_is_looked_at_leaves_no_trace(daemon: DaemonProcess) -> None:
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        for _ in range(5):
            with connect(daemon.url) as plug:
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    with TextPeer(daemon.url):
        assert "Traceback" not in daemon.log.read_text()


def test_refusals_by_the_hundred_leave_nothing_behind(daemon: DaemonProcess, calm: Calm) -> None:
    def round_() -> int:
        for _ in range(8):
            plugs = [connect(daemon.url) for _ in SWAPS]
            for plug, (_, second) in zip(plugs, SWAPS, strict=True):
                plug.sendall(b"?" + WORDS[second])
            until_closed(plugs)
            for plug in plugs:
                plug.close()
        return memory_kib(daemon)

    round_()
    first = round_()  # What is refused is remembered until its handshake would have been late.
    assert round_() - first < 4 * 1024


def test_garbage_in_datagrams_costs_nothing_and_fills_no_log() -> None:
    listens = ("--listen", "ws://127.0.0.1:0", "--listen", "udp://127.0.0.1:0")
    chance = random.Random(8)
    with DaemonProcess(*listens) as daemon, Client(daemon.listen[0]) as client:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.connect(("127.0.0.1", int(daemon.listen[1].rpartition(":")[2])))
            bits = [*WORDS.values(), *(word[: len(word) // 2] for word in WORDS.values())]
            before = 0
            for number in range(4_000):
                size = chance.choice([0, 1, 23, 24, 200, 9_000])
                udp.send(chance.choice([*bits, chance.randbytes(size)]))
                if number % 20 == 0:  # So many fit into the kernel's buffer.
                    client.send("$askr.ping")
                if number == 500:
                    before = memory_kib(daemon)
        totals = client.send("$askr.stats")["totals"]
        assert totals["datagrams_dropped"] == totals["datagrams"] > 3_000
        assert memory_kib(daemon) - before < 1024
        lines = daemon.log.read_text().splitlines()
        assert len([line for line in lines if "datagram dropped" in line]) < 10
        assert not [line for line in lines if "failed" in line]
