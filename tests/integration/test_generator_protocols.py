"""The load generator really speaks the protocol of every system it compares, and checks what returns."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from bench.generator import PROTOCOLS, Generator, Unavailable, get_floor, get_generator
from bench.peers.programs import PROGRAMS, Missing, Running

SPOKEN = [
    ("floor", "askr"),
    ("askrd", "askr"),
    ("askrd", "askr-ws"),
    ("nats", "nats"),
    ("redis", "redis"),
    ("mosquitto", "mqtt"),
    ("crossbar", "wamp"),
]
SHORT = ("--count", "200", "--warm-up-ms", "20", "--ms", "2000")
WORKLOADS = {
    "one command at a time": ("call", *SHORT),
    "many commands, several pairs": ("call", "--pairs", "3", "--in-flight", "16", *SHORT),
    "smallest payload": ("call", "--in-flight", "8", "--payload", "16", *SHORT),
    "large commands": ("call", "--in-flight", "2", "--payload", "100000", *SHORT),
    "events": ("event", "--listeners", "7", "--window", "16", *SHORT),
    "large events": ("event", "--window", "4", "--payload", "1048576", *SHORT),
    "silence": ("idle", "--connections", "20"),
}


@pytest.fixture(scope="module")
def generator() -> Generator:
    """The C generator, or a skip with the reason."""
    found = get_generator()
    if found.language != "C":
        pytest.skip(found.note)
    return found


@pytest.fixture(scope="module", params=SPOKEN, ids=lambda pair: f"{pair[1]} to {pair[0]}")
def server(
    request: pytest.FixtureRequest, generator: Generator
) -> Iterator[tuple[Generator, Running, str]]:
    """A running server and the protocol to speak to it; skipped where it is not installed."""
    name, protocol = request.param
    try:
        if name == "floor":
            get_floor()
        PROGRAMS[name].version()
    except (Missing, Unavailable) as exc:
        pytest.skip(str(exc))
    running = PROGRAMS[name].start(None)
    yield generator, running, protocol
    running.stop()


def test_every_protocol_has_a_server_here() -> None:
    assert {protocol for _, protocol in SPOKEN} == set(PROTOCOLS)


@pytest.mark.parametrize("words", WORKLOADS.values(), ids=WORKLOADS.keys())
def test_run_against_the_real_server_is_valid(
    server: tuple[Generator, Running, str], words: tuple[str, ...]
) -> None:
    generator, running, protocol = server
    sample = generator.run(running.tcp, [*words, "--pid", str(running.pid)], protocol=protocol)
    assert sample.get("ok") is True, sample
    assert sample["protocol"] == protocol
    assert isinstance(sample["count"], int)
    assert sample["count"] > 0


@pytest.fixture
def changing_relay(generator: Generator) -> Iterator[tuple[Generator, str]]:
    """The floor behind a wire that changes one letter of what it sends, late in the payload."""
    get_floor()
    running = PROGRAMS["floor"].start(None)
    listener = socket.create_server(("127.0.0.1", 0))
    host, _, port = running.tcp.removeprefix("tcp://").rpartition(":")
    acceptor = threading.Thread(target=_relay, args=(listener, (host, int(port))), daemon=True)
    acceptor.start()
    yield generator, f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    running.stop()
    acceptor.join(10)


def test_payload_changed_in_the_middle_is_no_figure(
    changing_relay: tuple[Generator, str],
) -> None:
    generator, url = changing_relay
    sample = generator.run(url, ["event", "--window", "4", *SHORT])
    assert sample == {"ok": False, "error": "a payload came changed"}


def _relay(listener: socket.socket, address: tuple[str, int]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return  # the test is over
        server = socket.create_connection(address)
        for source, sink, changed in ((client, server, b"x"), (server, client, b"y")):
            words = (source, sink, changed)
            threading.Thread(target=_copy, args=words, daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket, letter: bytes) -> None:
    with closing(sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data.replace(b"x" * 20, b"x" * 9 + letter + b"x" * 10))
        except OSError:
            return  # the other direction closed both
