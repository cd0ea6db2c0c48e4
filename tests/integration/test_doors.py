"""One port, every tongue: the first bytes choose, also when they come one at a time."""

import asyncio
import base64
import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.peers import MAGIC, BinaryPeer, TextPeer, connect

pytestmark = pytest.mark.integration

HELLO = b'{"v":1,"name":"drip"}'
PING = b'{"k":"call","id":1,"to":"$askr.ping"}'


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as running:
        yield running
        assert "Traceback" not in running.log.read_text()


@pytest.fixture(params=["unix", "tcp"])
def where(request: pytest.FixtureRequest, daemon: DaemonProcess) -> str:
    return daemon.unix_url if request.param == "unix" else daemon.url


def drip(plug: socket.socket, data: bytes) -> None:
    for at in range(len(data)):
        plug.sendall(data[at : at + 1])


def receive(plug: socket.socket, until: bytes) -> bytes:
    data = b""
    while until not in data:
        piece = plug.recv(1 << 16)
        assert piece, data
        data += piece
    return data


def test_text_lines_may_drip(where: str) -> None:
    with connect(where) as plug:
        drip(plug, b'{"k":"hello","v":1}\n\n' + PING + b"\r\n")
        assert b'"protocol":"askr/1"' in receive(plug, b'"k":"reply"')


def test_binary_frames_may_drip(where: str) -> None:
    with connect(where) as plug:
        drip(plug, MAGIC + BinaryPeer.frame("hello", payload=HELLO, coding=1))
        drip(plug, BinaryPeer.frame("call", 1, b"$askr.ping"))
        assert b'"protocol":"askr/1"' in receive(plug, b"askr/1")


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    mask = os.urandom(4)
    head = bytes((opcode | (0x80 if fin else 0),))
    if len(payload) < 126:
        head += bytes((0x80 | len(payload),))
    else:
        head += b"\xfe" + struct.pack(">H", len(payload))
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def upgrade(subprotocol: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    ).encode()


def test_a_websocket_may_drip_with_fragments_and_pings_in_between(where: str) -> None:
    hello = BinaryPeer.frame("hello", payload=HELLO, coding=1)
    ping = BinaryPeer.frame("call", 1, b"$askr.ping")
    with connect(where) as plug:
        drip(plug, upgrade("askr.1"))
        assert b"sec-websocket-protocol: askr.1\r\n" in receive(plug, b"\r\n\r\n").lower()
        drip(plug, masked(2, hello))
        drip(plug, masked(2, ping[:10], fin=False) + masked(9, b"mid") + masked(0, ping[10:]))
        data = receive(plug, b"askr/1")
        assert b"\x8a\x03mid" in data


def test_everything_in_one_segment_is_read_in_order(where: str) -> None:
    with connect(where) as plug:
        text = masked(1, b'{"k":"hello","v":1}') + masked(1, PING) + masked(8, b"\x03\xe8")
        plug.sendall(upgrade("askr.1.json") + text)
        data = receive(plug, b"\x88\x02\x03\xe8")
        assert data.index(b'"k":"welcome"') < data.index(b'"k":"reply"')


@pytest.mark.parametrize("subprotocol", [None, "askr.1.json"])
def test_websocket_text_and_binary_reach_each_other(
    daemon: DaemonProcess, subprotocol: str | None
) -> None:
    async def story() -> None:
        options = {"subprotocols": [subprotocol]} if subprotocol else {}
        async with connect_websocket(daemon.url, **options) as web:  # type: ignore[arg-type]
            await web.send('{"k":"hello","v":1,"name":"web"}')
            assert json.loads(await web.recv())["k"] == "welcome"
            await web.send('{"k":"sub","id":4,"pattern":"X.*"}')
            assert json.loads(await web.recv()) == {"k": "subbed", "id": 4}
            with BinaryPeer(daemon.unix_url, name="raw") as raw:
                raw.say("emit", 0, b"X.bytes", b"\0\1", coding=2)
                raw.say("emit", 0, b"X.json", b'{"a":\n1}', coding=1)
                raw.say("emit", 0, b"X.broken", b"{nope", coding=1)
                got = [json.loads(await web.recv()) for _ in range(3)]
        assert [(g["event"], g.get("d"), g.get("b"), g["sub"]) for g in got] == [
            ("X.bytes", None, "AAE=", 4),
            ("X.json", {"a": 1}, None, 4),
            ("X.broken", None, base64.b64encode(b"{nope").decode(), 4),
        ]
        assert got[0]["from"]["service"] == "raw"

    asyncio.run(asyncio.wait_for(story(), 10))


@pytest.mark.parametrize(
    ("send", "code"),
    [(b"\xff\xff", 1007), ("x" * 3_000_000, 1009)],
)
def test_a_websocket_message_out_of_bounds_closes_with_the_documented_code(
    daemon: DaemonProcess, send: str | bytes, code: int
) -> None:
    async def story() -> int | None:
        async with connect_websocket(daemon.url) as web:
            await web.send('{"k":"hello","v":1}')
            await web.recv()
            try:
                await web.send(send, text=True)
                while True:
                    await web.recv()
            except ConnectionClosed as exc:
                return exc.rcvd.code if exc.rcvd else None

    assert asyncio.run(asyncio.wait_for(story(), 10)) == code


def test_a_web_page_may_not_connect(daemon: DaemonProcess) -> None:
    async def story() -> int:
        with pytest.raises(InvalidStatus) as refused:
            async with connect_websocket(daemon.url, origin="http://localhost:3000"):  # type: ignore[arg-type]
                pass
        return refused.value.response.status_code

    assert asyncio.run(asyncio.wait_for(story(), 10)) == 403


def test_a_text_peer_that_stops_sending_still_gets_its_outcomes(where: str) -> None:
    with TextPeer(where, name="slow") as service, connect(where) as plug:
        service.provide("slow", "work")
        plug.sendall(
            b'{"k":"hello","v":1}\n{"k":"call","id":1,"to":"slow.work"}\n'
            b'{"k":"put","id":2,"key":"half/closed","d":1}\n'
        )
        plug.shutdown(socket.SHUT_WR)
        asked = service.until("call")
        service.say(k="reply", id=asked["id"], d="done")
        data = b""
        while piece := plug.recv(1 << 16):
            data += piece
        lines = [json.loads(line) for line in data.splitlines()]
        assert {line["k"] for line in lines} >= {"welcome", "ok", "reply"}
        assert next(line for line in lines if line["k"] == "reply")["d"] == "done"


def test_a_large_frame_may_come_in_parts(daemon: DaemonProcess) -> None:
    with BinaryPeer(daemon.unix_url, name="parts") as peer:
        peer.say("sub", 1, b"BIG")
        whole = BinaryPeer.frame("emit", 2, b"BIG", os.urandom(200_000), coding=2)
        for at in range(0, len(whole), 65_536):
            piece = whole[at : at + 65_536]
            more = 0x08 if at + 65_536 < len(whole) else 0
            peer.say("part", 9, payload=piece, flags=more)
            peer.say("call", 100 + at, b"$askr.ping")
        event = peer.until("event")
        assert event["payload"] == whole[-200_000:]


def test_every_tongue_is_spoken_without_uvloop_too(tmp_path: Path) -> None:
    (tmp_path / "uvloop.py").write_text("raise ImportError('not installed')\n")
    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([str(tmp_path), here, os.environ.get("PYTHONPATH", "")])
    with DaemonProcess(environ={"PYTHONPATH": path}) as daemon:
        with TextPeer(daemon.url) as text:
            text.call(1, "$askr.ping")
            assert text.until("reply")["d"]["build"].endswith("asyncio")
        with BinaryPeer(daemon.unix_url, name="svc") as service, BinaryPeer(daemon.url) as caller:
            service.say(
                "provide", 1, payload=b'{"service":"svc","commands":[{"name":"x"}]}', coding=1
            )
            service.until("provided")
            caller.say("call", 1, b"svc.x", b"x" * 500_000, coding=2)
            asked = service.until("call")
            service.say("reply", asked["id"], payload=asked["payload"], coding=2)
            assert len(caller.until("reply", id=1)["payload"]) == 500_000
        with connect(daemon.url) as plug:
            plug.sendall(upgrade("askr.1.json"))
            plug.sendall(masked(1, b'{"k":"hello","v":1}') + masked(1, PING))
            assert b'"protocol":"askr/1"' in receive(plug, b'"k":"reply"')
        assert daemon.stop() == 0
