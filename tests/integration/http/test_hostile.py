"""HTTP as nobody should send it: ambiguous, endless, slow, piled up; others lose nothing."""

import asyncio
import socket
from contextlib import ExitStack

import pytest
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.http.web import ask, everything, raw, read_until, statuses
from tests.integration.peers import connect

pytestmark = pytest.mark.integration

HOST = b"Host: here\r\n"
PING = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"

AMBIGUOUS = {
    "length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "the same length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": b"Content-Length: +5\r\n\r\nhello",
    "a negative length": b"Content-Length: -5\r\n\r\nhello",
    "a hexadecimal length": b"Content-Length: 0x5\r\n\r\nhello",
    "two codings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a coding after chunks": b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a coding misspelled": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a folded header": b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a folded length": b"Content-Length:\r\n 5\r\n\r\nhello",
    "space before the colon": b"Content-Length : 5\r\n\r\nhello",
    "a lone line feed": b"X: a\nContent-Length: 0\r\n\r\n",
    "a lone carriage return": b"X: a\rContent-Length: 0\r\n\r\n",
    "a null": b"X: a\0b\r\n\r\n",
    "a header without a name": b": x\r\n\r\n",
    "two hosts": b"Host: there\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("rest", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_request_that_could_be_read_in_two_ways_is_refused_and_closes(
    daemon: DaemonProcess, rest: bytes
) -> None:
    answer = raw(daemon.url, b"POST /emit/X HTTP/1.1\r\n" + HOST + rest + PING)
    assert statuses(answer)[0] in {400, 501}
    assert len(statuses(answer)) == 1
    assert b"connection: close" in answer


@pytest.mark.parametrize("rest", list(AMBIGUOUS.values())[:4], ids=list(AMBIGUOUS)[:4])
def test_the_second_request_is_read_as_strictly_as_the_first(
    daemon: DaemonProcess, rest: bytes
) -> None:
    answer = raw(daemon.url, PING + b"POST /emit/X HTTP/1.1\r\n" + HOST + rest + PING)
    assert statuses(answer) == [200, 400]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz\r\n\r\n", 400),
        (b"GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT here:80 HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"x: y\r\n" * 200 + b"\r\n", 431),
        (b"GET /" + b"x" * 20_000, 431),
        (b"GET /listen/%zz%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /healthz?a=%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\nHost: a\n\n", 400),
        (b"BREW /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"get /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ],
)
def test_a_bad_head_is_answered(daemon: DaemonProcess, head: bytes, status: int) -> None:
    with connect(daemon.url) as plug:
        plug.sendall(head)
        assert read_until(plug, b"\r\n\r\n").startswith(b"HTTP/1.1 %d " % status)


def test_a_method_that_a_place_does_not_take_is_405_and_says_which(port: int) -> None:
    for method, path, allow in (
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("PATCH", "/state/x", "GET, PUT, DELETE, HEAD, OPTIONS"),
        ("DELETE", "/call/lab.add", "GET, POST, HEAD, OPTIONS"),
    ):
        answer = ask(port, method, path)
        assert (answer.status, answer.headers["allow"]) == (405, allow)


def test_requests_in_a_row_are_answered_in_order(port: int, daemon: DaemonProcess) -> None:
    bodies = [b'{"a":%d}' % number for number in range(50)]
    row = b"".join(
        b"POST /call/lab.add HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (HOST, len(b), b)
        for b in bodies
    )
    with connect(daemon.url) as plug:
        plug.sendall(row)
        answers = read_until(plug, b'{"sum":50,')
    places = [answers.find(b'{"sum":%d,' % number) for number in range(1, 51)]
    assert -1 not in places
    assert places == sorted(places)


def test_a_request_may_drip(port: int, daemon: DaemonProcess) -> None:
    with connect(daemon.url) as plug:
        for byte in b'POST /call/lab.add HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{"a":1}':
            plug.sendall(bytes((byte,)))
        assert b'"sum":2' in read_until(plug, b'"note":""}')


def test_a_client_of_http_1_0_is_answered_and_let_go(port: int, daemon: DaemonProcess) -> None:
    answer = raw(daemon.url, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    stream = raw(daemon.url, b'POST /call/lab.count HTTP/1.0\r\nContent-Length: 8\r\n\r\n{"to":2}')
    assert stream.endswith(b"\r\n\r\n1\n2\n")
    assert b"chunked" not in stream


def test_a_client_that_waits_for_a_word_is_told_to_go_on(port: int, daemon: DaemonProcess) -> None:
    with connect(daemon.url) as plug:
        plug.sendall(
            b"POST /call/lab.add HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert read_until(plug, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        plug.sendall(b'{"a":1}')
        assert b'"sum":2' in read_until(plug, b'"note":""}')


def test_a_head_that_does_not_end_is_given_up() -> None:
    with DaemonProcess(config="[limits]\nhandshake_timeout_ms = 200\n") as daemon:
        assert raw(daemon.url, b"GET /healthz HTTP/1.1\r\nHost:").startswith(b"HTTP/1.1 408 ")
        emit = b"POST /emit/X HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
        for first in (PING, emit):
            assert statuses(raw(daemon.url, first + b"GET /healthz HT")) == [200, 408]


def test_a_body_that_does_not_come_is_given_up(port: int, daemon: DaemonProcess) -> None:
    heads = (b"POST /call/lab.add", b"POST /emit/X", b"PUT /state/x")
    with ExitStack() as stack:
        plugs = [stack.enter_context(connect(daemon.url)) for _ in heads]
        for head, plug in zip(heads, plugs, strict=True):
            plug.settimeout(30)
            plug.sendall(head + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{")
        for plug in plugs:
            assert everything(plug).startswith(b"HTTP/1.1 408 ")
    assert "request refused address=127.0.0.1:" in daemon.log.read_text()
    assert daemon.log.read_text().count('reason="the body came too slowly') == len(heads)


def test_a_body_above_every_limit_is_refused_while_it_is_sent(
    port: int, daemon: DaemonProcess
) -> None:
    with connect(daemon.url) as plug:
        plug.sendall(b"PUT /state/x HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n")
        plug.sendall(b"1" * 400_000)
        assert read_until(plug, b"\r\n\r\n").startswith(b"HTTP/1.1 413 ")


def test_a_compressed_body_is_not_taken_for_what_it_is_not(port: int) -> None:
    answer = ask(port, "POST", "/emit/X", b"\x1f\x8b", {"content-encoding": "gzip"})
    assert (answer.status, answer.code) == (415, "bad_request")


def test_bad_chunks_are_refused(port: int, daemon: DaemonProcess) -> None:
    start = b"POST /emit/X HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for chunk in (b"zz\r\n", b"-1\r\n", b"5\r\nhelloX", b"ffffffffffffffffffffffff\r\n", b"5;" + b"x" * 20_000):  # fmt: skip
        assert raw(daemon.url, start + chunk + b"\r\n0\r\n\r\n" + PING).startswith(b"HTTP/1.1 400 ")


def test_a_web_page_is_refused_unless_it_is_allowed(port: int, daemon: DaemonProcess) -> None:
    page = {"origin": "https://evil.example"}
    for method, path in (("POST", "/emit/X"), ("GET", "/healthz"), ("OPTIONS", "/emit/X")):
        answer = ask(port, method, path, headers=page)
        assert (answer.status, answer.code) == (403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers
    assert "web pages of 'https://evil.example' may not" in daemon.log.read_text()
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-origin", "host": "rebound.example"},
    ):
        assert ask(port, "GET", "/state/", headers=headers).code == "forbidden"
    assert ask(port, "GET", "/healthz", headers={"sec-fetch-site": "same-origin"}).status == 200
    assert ask(port, "GET", "/healthz", headers={"sec-fetch-site": "none"}).status == 200


def test_an_allowed_page_is_answered_and_told_so() -> None:
    page = {"origin": "https://console.example.org"}
    with DaemonProcess(config='allow_origins = ["https://console.example.org"]\n') as daemon:
        answer = ask(daemon.port, "POST", "/emit/X", 1, page)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (
            200,
            page["origin"],
        )
        assert answer.headers["vary"] == "origin"
        wish = {
            "access-control-request-method": "POST",
            "access-control-request-headers": "askr-timeout",
        }
        before = ask(daemon.port, "OPTIONS", "/emit/X", headers=page | wish)
        assert (before.status, before.headers["access-control-allow-headers"]) == (
            204,
            "askr-timeout",
        )
        assert ask(daemon.port, "GET", "/healthz", headers={"origin": "null"}).status == 403


def test_a_websocket_of_a_page_is_taken_where_its_origin_is_allowed() -> None:
    async def open_from(daemon: DaemonProcess, origin: str) -> None:
        async with connect_websocket(daemon.url, origin=Origin(origin)) as peer:
            await peer.send('{"k":"hello","v":1}')
            assert '"welcome"' in str(await peer.recv())

    with DaemonProcess(config='allow_origins = ["https://console.example.org"]\n') as daemon:
        asyncio.run(open_from(daemon, "https://console.example.org"))
        with pytest.raises(InvalidStatus):
            asyncio.run(open_from(daemon, "https://evil.example"))


def test_tongues_do_not_mix_on_one_connection(daemon: DaemonProcess) -> None:
    assert statuses(raw(daemon.url, PING + b'{"k":"hello","v":1}\n\r\n\r\n')) == [200, 400]
    assert statuses(raw(daemon.url, PING + b"\0askr/1\n\r\n\r\n")) == [200, 400]
    with connect(daemon.url) as plug:
        plug.sendall(b"GET /")
        plug.shutdown(socket.SHUT_WR)
        assert everything(plug) == b""


def test_a_websocket_is_not_opened_on_a_connection_that_spoke_http(daemon: DaemonProcess) -> None:
    upgrade = (
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    answer = raw(daemon.url, PING + upgrade.replace(b", close", b""))
    assert statuses(answer) == [200, 400]
    assert b"open another one" in answer
