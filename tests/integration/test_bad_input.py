"""Whatever a peer sends: a documented error, and nobody else loses anything."""

import json
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.peers import MAGIC, BinaryPeer, TextPeer, connect

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as running:
        yield running
        log = running.log.read_text()
        assert "Traceback" not in log
        assert "door failed" not in log


@pytest.fixture
def bystander(daemon: DaemonProcess) -> Iterator[TextPeer]:
    """A caller and a service that must not notice anything."""
    with TextPeer(daemon.unix_url, name="calm") as peer:
        peer.provide("calm", "echo")
        yield peer
        peer.call(77, "calm.echo", "still here")
        call = peer.until("call")
        peer.say(k="reply", id=call["id"], d=call["d"])
        assert peer.until("reply", id=77)["d"] == "still here"


@pytest.fixture(params=["unix", "tcp"])
def where(request: pytest.FixtureRequest, daemon: DaemonProcess) -> str:
    return daemon.unix_url if request.param == "unix" else daemon.url


def first_answer(plug: socket.socket) -> dict[str, Any]:
    """Reads until the daemon closes and returns the first text line."""
    data = b""
    while piece := plug.recv(1 << 16):
        data += piece
    found: dict[str, Any] = json.loads(data.partition(b"\n")[0])
    return found


@pytest.mark.parametrize(
    "garbage", [b"garbage\n", b"\xff\xfe", b"\0askr/2\n", b"\x16\x03\x01", b"["]
)
def test_first_bytes_of_no_tongue_are_refused_in_words(
    where: str, garbage: bytes, bystander: TextPeer
) -> None:
    with connect(where) as plug:
        plug.sendall(garbage)
        assert first_answer(plug)["code"] == "bad_request"


def test_another_http_method_is_refused_in_http(where: str, bystander: TextPeer) -> None:
    with connect(where) as plug:
        plug.sendall(b"PATCH / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert plug.recv(1000).startswith(b"HTTP/1.1 405 ")


BAD_LINES = [
    (b"{nope", "bad_request"),
    (b"[1,2]", "bad_request"),
    (b'"text"', "bad_request"),
    (b'{"k":"call","id":1,"to":"calm.echo","d":NaN}', "bad_request"),
    (b'{"k":"call","id":1,"to":"calm.echo","d":Infinity}', "bad_request"),
    (b'{"k":"call","id":1,"to":"calm.echo","d":"\xff"}', "bad_request"),
    (b'{"k":"call","id":1,"to":"calm.echo","d":"\\ud800"}', "bad_request"),
    (b'{"k":"call","id":1,"to":"calm.echo","d":{"a":1,"a":2}}', "bad_request"),
    (b'{"k":"call","id":1,"to":"calm.echo","d":' + b"[" * 100_000, "bad_request"),
    (b'{"k":"call","id":1,"to":"calm.echo","d":' + b"[" * 65 + b"]" * 65 + b"}", "bad_request"),
    (b'{"k":"call","id":1,"to":"calm.echo","d":' + b"1" * 5000 + b"}", "bad_request"),
    (b'{"k":"dance","id":4}', "unknown_kind"),
    (b'{"k":"welcome"}', "unknown_kind"),
    (b'{"k":"call","id":-1,"to":"calm.echo"}', "bad_request"),
    (b'{"k":"call","id":9007199254740992,"to":"calm.echo"}', "bad_request"),
    (b'{"k":"call","id":1.5,"to":"calm.echo"}', "bad_request"),
    (b'{"k":"call","to":"calm.echo"}', "bad_request"),
    (b'{"k":"call","id":1}', "bad_request"),
    (b'{"k":"call","id":1,"to":"calm.echo","b":"%%%"}', "bad_request"),
    (b'{"k":"reply","id":5,"d":1}', "bad_request"),
    (b'{"k":"emit","event":"a b"}', "bad_request"),
    (b'{"k":"emit","event":"a\\u001b[31mb"}', "bad_request"),
    (b'{"k":"emit","event":"$askr.fake"}', "bad_request"),
    (b'{"k":"unsub","id":9}', "not_found"),
    (b'{"k":"hello","v":1}', "unknown_kind"),
]


@pytest.mark.parametrize(("line", "code"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_is_an_error_and_the_conversation_goes_on(
    where: str, line: bytes, code: str, bystander: TextPeer
) -> None:
    with TextPeer(where) as peer:
        peer.raw(line + b"\n")
        error = peer.until("error")
        assert (error["code"], error["message"] != "") == (code, True)
        assert "\x1b" not in error["message"]
        peer.call(2, "$askr.ping")
        assert peer.until("reply", id=2)["from"]["service"] == "$askr"


FAILING_REQUESTS: list[tuple[dict[str, Any], str]] = [
    ({"k": "call", "id": 3, "to": "no such.name"}, "bad_request"),
    ({"k": "call", "id": 3, "to": "calm.\x1b[2J"}, "bad_request"),
    ({"k": "call", "id": 3, "to": "x" * 201}, "bad_request"),
    ({"k": "call", "id": 3, "to": "nope"}, "command_unknown"),
    ({"k": "call", "id": 3, "to": "calm.nope"}, "command_unknown"),
    ({"k": "call", "id": 3, "to": "nosuch.echo"}, "service_unknown"),
    ({"k": "call", "id": 3, "to": "calm@zzzzzz.echo"}, "no_instance"),
    ({"k": "call", "id": 3, "to": "calm@*.nope"}, "command_unknown"),
    ({"k": "call", "id": 3, "to": "calm@*.echo", "reply": "stream"}, "bad_request"),
    ({"k": "call", "id": 3, "to": "calm.echo", "reply": "stream"}, "bad_request"),
    ({"k": "call", "id": 3, "to": "calm.echo", "upload": "items"}, "bad_request"),
    ({"k": "call", "id": 3, "to": "calm.echo", "version": ">=1"}, "bad_request"),
    ({"k": "call", "id": 3, "to": "calm.echo", "exclude": ["no word"]}, "bad_request"),
    ({"k": "call", "id": 3, "to": "calm.echo", "idempotency_key": "x" * 201}, "bad_request"),
    ({"k": "call", "id": 3, "to": "calm.echo", "hops": 8}, "bad_request"),
    ({"k": "call", "id": 3, "to": "$askr.nope"}, "command_unknown"),
    ({"k": "sub", "id": 3, "pattern": "a.**.b"}, "bad_request"),
    ({"k": "sub", "id": 3, "pattern": "a..b"}, "bad_request"),
    ({"k": "get", "id": 3, "key": "nothing/here"}, "not_found"),
    ({"k": "put", "id": 3, "key": "a//b", "d": 1}, "bad_request"),
    ({"k": "put", "id": 3, "key": "$askr/x", "d": 1}, "forbidden"),
    ({"k": "put", "id": 3, "key": "@calm/x", "d": 1}, "forbidden"),
    ({"k": "put", "id": 3, "key": "k", "d": 1, "if_rev": 99}, "conflict"),
    ({"k": "put", "id": 3, "key": "k", "d": "x" * (256 * 1024)}, "payload_too_large"),
    ({"k": "provide", "id": 3, "service": "bad name"}, "bad_request"),
    ({"k": "provide", "id": 3, "service": "s", "commands": [{"name": "a"}, {"name": "a"}]}, "bad_request"),
    ({"k": "provide", "id": 3, "service": "s", "commands": [{"name": "a", "reply": "perhaps"}]}, "bad_request"),
    ({"k": "withdraw", "id": 3, "service": "s"}, "not_found"),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "code"), FAILING_REQUESTS, ids=range(len(FAILING_REQUESTS)))
def test_a_bad_request_fails_under_its_own_id(
    daemon: DaemonProcess, frame: dict[str, Any], code: str, bystander: TextPeer
) -> None:
    with TextPeer(daemon.unix_url) as peer:
        peer.say(**frame)
        fail = peer.until("fail", id=3)
        assert (fail["code"], fail["at"]) == (code, "daemon")
        assert "\x1b" not in fail["message"]


def test_a_second_use_of_an_id_is_refused_and_the_first_goes_on(
    bystander: TextPeer, where: str
) -> None:
    with TextPeer(where) as peer:
        peer.call(5, "calm.echo", "first")
        first = bystander.until("call")
        peer.call(5, "calm.echo", "second")
        assert peer.until("error", id=5)["code"] == "bad_request"
        bystander.say(k="reply", id=first["id"], d="answer to the first")
        assert peer.next() == {
            "k": "reply",
            "id": 5,
            "d": "answer to the first",
            "from": {"service": "calm", "instance": bystander.welcome["instance"]},
        }


def test_ten_thousand_forged_replies_reach_nobody(bystander: TextPeer, where: str) -> None:
    with TextPeer(where) as caller, TextPeer(where, name="forger") as forger:
        caller.call(1, "calm.echo", "mine")
        asked = bystander.until("call")
        forger.raw(b"".join(b'{"k":"reply","id":%d,"d":"forged"}\n' % n for n in range(1, 10_001)))
        errors = [forger.until("error")["code"] for _ in range(10_000)]
        assert set(errors) == {"bad_request"}
        bystander.say(k="reply", id=asked["id"], d="true")
        assert caller.until("reply", id=1)["d"] == "true"
        caller.call(2, "$askr.stats")
        assert caller.until("reply", id=2)["d"]["totals"]["forged_replies"] >= 10_000


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        ({"k": "hello", "v": 7}, "version_unsupported"),
        ({"k": "hello", "v": [2, 3]}, "version_unsupported"),
        ({"k": "hello"}, "bad_request"),
        ({"k": "hello", "v": 1, "name": "a b"}, "bad_request"),
        ({"k": "hello", "v": 1, "workspace": "UPPER"}, "bad_request"),
        ({"k": "hello", "v": 1, "method": "psk"}, "unauthenticated"),
        ({"k": "call", "id": 1, "to": "calm.echo"}, "bad_request"),
    ],
    ids=str,
)
def test_a_bad_opening_is_answered_and_closed(
    where: str, hello: dict[str, Any], code: str, bystander: TextPeer
) -> None:
    with TextPeer(where, name=None) as peer:
        peer.say(**hello)
        assert peer.until("error")["code"] == code
        assert peer.closed()


def test_ten_mebibytes_of_hello_are_cut_off(where: str, bystander: TextPeer) -> None:
    with TextPeer(where, name=None) as peer:
        peer.raw(b'{"k":"hello","v":1,"name":"')
        sent = 0
        try:
            while sent < 10 << 20:
                peer.raw(b"x" * 65_536)
                sent += 65_536
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert peer.closed()
        assert sent < 10 << 20


def test_ten_mebibytes_of_http_header_are_cut_off(where: str, bystander: TextPeer) -> None:
    with connect(where) as plug:
        sent = 0
        try:
            plug.sendall(b"GET / HTTP/1.1\r\nx: ")
            while sent < 10 << 20:
                plug.sendall(b"y" * 65_536)
                sent += 65_536
            while plug.recv(1 << 16):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert sent < 10 << 20


def memory_kib(daemon: DaemonProcess) -> int:
    for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError


def test_a_header_that_announces_four_gibibytes_takes_no_memory(
    daemon: DaemonProcess, where: str, bystander: TextPeer
) -> None:
    before = memory_kib(daemon)
    with BinaryPeer(where) as peer:
        peer.socket.sendall(struct.pack("<IBBHQII", 2**32 - 1, 0x10, 0, 4, 1, 0, 0) + b"x" * 100)
        assert peer.body("fail", id=1)["code"] == "payload_too_large"
        assert peer.closed()
    assert memory_kib(daemon) - before < 1024


def test_an_oversize_frame_is_answered_counted_away_and_the_connection_stays(
    where: str, bystander: TextPeer
) -> None:
    with BinaryPeer(where) as peer:
        peer.say("call", 1, b"calm.echo", b"x" * (3 << 20), coding=2)
        assert peer.body("fail", id=1)["code"] == "payload_too_large"
        peer.say("call", 2, b"$askr.ping")
        assert peer.until("reply", id=2)["coding"] == 1


def test_a_payload_of_exactly_the_limit_passes_and_one_byte_more_does_not(
    where: str, bystander: TextPeer
) -> None:
    limit = 1 << 20
    with BinaryPeer(where, name="big") as peer:
        peer.say("provide", 1, payload=b'{"service":"big","commands":[{"name":"echo"}]}', coding=1)
        peer.until("provided")
        peer.say("call", 2, b"big.echo", b"x" * limit, coding=2)
        asked = peer.until("call")
        assert len(asked["payload"]) == limit
        peer.say("reply", asked["id"], payload=asked["payload"], coding=2)
        assert len(peer.until("reply", id=2)["payload"]) == limit
        peer.say("call", 3, b"big.echo", b"x" * (limit + 1), coding=2)
        assert peer.body("fail", id=3)["code"] == "payload_too_large"


@pytest.mark.parametrize(
    ("data", "code", "stays"),
    [
        (BinaryPeer.frame("call", 1, b"calm.echo", flags=0x08), "bad_request", True),
        (BinaryPeer.frame("call", 1, b"calm.echo", flags=0x02, payload=b"\x05\0"), "bad_request", True),
        (struct.pack("<IBBHQII", 20, 0x77, 0, 0, 1, 0, 0), "unknown_kind", True),
        (struct.pack("<IBBHQII", 20, 0x04, 0, 0, 1, 0, 0), "unknown_kind", True),
        (struct.pack("<IBBHQII", 24, 0x33, 4, 0, 0, 0, 0) + b"a@bc", "bad_request", True),
        (struct.pack("<IBBHQII", 20, 0x10, 0, 0, 2**60, 0, 0), "bad_request", True),
        (struct.pack("<IBBHQII", 20, 0x10, 0, 9, 1, 0, 0), "bad_request", False),
        (struct.pack("<IBBHQII", 3, 0x10, 0, 0, 1, 0, 0), "bad_request", False),
    ],
    ids=range(8),
)  # fmt: skip
def test_a_bad_binary_frame_is_answered_and_keeps_or_closes_as_documented(
    where: str, data: bytes, code: str, stays: bool, bystander: TextPeer
) -> None:
    with BinaryPeer(where) as peer:
        peer.socket.sendall(data)
        answer = peer.next()
        assert answer["k"] in {"error", "fail"}
        assert json.loads(answer["payload"])["code"] == code
        if stays:
            peer.say("call", 9, b"$askr.ping")
            assert peer.until("reply", id=9)["coding"] == 1
        else:
            assert peer.closed()


def test_half_a_frame_and_a_hang_up_leave_nothing_behind(where: str, bystander: TextPeer) -> None:
    for cut in (3, 8, 20, 40):
        with connect(where) as plug:
            plug.sendall((MAGIC + BinaryPeer.frame("hello", payload=b'{"v":1}', coding=1))[:cut])
    until = time.monotonic() + 10
    names, id_ = [""], 3
    while names != ["calm"]:
        assert time.monotonic() < until, names
        bystander.call(id_, "$askr.peers")
        names = [row["name"] for row in bystander.until("reply", id=id_)["d"]]
        id_ += 1
