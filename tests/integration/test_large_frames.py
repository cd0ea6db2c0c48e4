"""Large frames through a real daemon: whole, in order, and not at the cost of others."""

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.peers import BinaryPeer

pytestmark = pytest.mark.integration

MIB = 1 << 20
SIZES = [10, MIB, 70_000, 900_000, MIB, 0, 300_000, MIB, 131_000]


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def daemon(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DaemonProcess]:
    environ = {}
    if request.param == "asyncio":
        folder = tmp_path_factory.mktemp("plain")
        (folder / "uvloop.py").write_text("raise ImportError('not installed')\n")
        here = str(Path(__file__).resolve().parents[2])
        parts = [str(folder), here, os.environ.get("PYTHONPATH", "")]
        environ["PYTHONPATH"] = os.pathsep.join(parts)
    with DaemonProcess(environ=environ) as running:
        yield running
        assert "Traceback" not in running.log.read_text()


@pytest.fixture(params=["unix", "tcp"])
def where(request: pytest.FixtureRequest, daemon: DaemonProcess) -> str:
    return daemon.unix_url if request.param == "unix" else daemon.url


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def listen(peer: BinaryPeer) -> None:
    peer.say("sub", 1, b"BIG")
    peer.until("subbed")


@pytest.mark.parametrize("chunk", [8_000, 100_000, 16 * MIB])
def test_frames_of_all_sizes_arrive_whole_and_in_order(where: str, chunk: int) -> None:
    payloads = [os.urandom(size) for size in SIZES]
    sent = b"".join(BinaryPeer.frame("emit", 0, b"BIG", data, coding=2) for data in payloads)
    with BinaryPeer(where, name="ear") as ear, BinaryPeer(where, name="mouth") as mouth:
        listen(ear)
        for at in range(0, len(sent), chunk):
            mouth.socket.sendall(sent[at : at + chunk])
        got = [ear.until("event")["payload"] for _ in payloads]
    assert [digest(data) for data in got] == [digest(data) for data in payloads]


def test_a_command_of_the_largest_size_is_answered_in_kind(where: str) -> None:
    payload = os.urandom(MIB)
    with BinaryPeer(where, name="svc") as service, BinaryPeer(where) as caller:
        offer = b'{"service":"svc","commands":[{"name":"x"}]}'
        service.say("provide", 1, payload=offer, coding=1)
        service.until("provided")
        caller.say("call", 1, b"svc.x", payload, coding=2)
        asked = service.until("call")
        service.say("reply", asked["id"], payload=asked["payload"], coding=2)
        assert digest(caller.until("reply", id=1)["payload"]) == digest(payload)


@pytest.mark.parametrize("came", [100_000, 500_000])
def test_half_a_large_frame_is_forgotten_with_its_peer(where: str, came: int) -> None:
    frame = BinaryPeer.frame("emit", 0, b"BIG", bytes(MIB), coding=2)
    with BinaryPeer(where, name="ear") as ear, BinaryPeer(where, name="next") as following:
        listen(ear)
        with BinaryPeer(where, name="gone") as leaving:
            leaving.socket.sendall(frame[:came])
            leaving.socket.shutdown(socket.SHUT_WR)
            assert leaving.closed()
        following.say("emit", 0, b"BIG", b"still here", coding=2)
        assert ear.until("event")["payload"] == b"still here"


def test_a_frame_above_the_limit_is_refused_and_the_next_large_one_taken(where: str) -> None:
    payload = os.urandom(MIB)
    with BinaryPeer(where, name="ear") as ear, BinaryPeer(where, name="mouth") as mouth:
        listen(ear)
        mouth.say("emit", 7, b"BIG", bytes(2 * MIB), coding=2)
        mouth.say("emit", 0, b"BIG", payload, coding=2)
        assert b"payload_too_large" in mouth.until("fail", id=7)["payload"]
        assert digest(ear.until("event")["payload"]) == digest(payload)


def test_announcing_large_frames_takes_no_memory(daemon: DaemonProcess) -> None:
    def resident_bytes() -> int:
        pages = Path(f"/proc/{daemon.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    frame = BinaryPeer.frame("emit", 0, b"BIG", bytes(MIB), coding=2)
    before = resident_bytes()
    peers = [BinaryPeer(daemon.unix_url, name=f"p{number}") for number in range(60)]
    for peer in peers:
        peer.socket.sendall(frame[:40_000])
    with BinaryPeer(daemon.unix_url) as probe:
        probe.say("call", 1, b"$askr.ping")
        probe.until("reply")
    grown = resident_bytes() - before
    for peer in peers:
        peer.socket.close()
    assert grown < 20 * MIB
