"""Our WebSocket door judges any bytes as the `websockets` library does, over real processes."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from websockets.http11 import Request
from websockets.server import ServerProtocol

from askrd import compression
from askrd.testing.daemon_process import DaemonProcess
from tests.integration.http.web import raw, read_until
from tests.integration.peers import BinaryPeer, connect
from tests.integration.websocket_verdicts import (
    HUNGRY,
    MESSAGE_BYTES_MAX,
    STAYS,
    Verdict,
    WebSocket,
    frame,
    upgrade,
    verdict_of_library,
)
from tests.unit.askrd.test_compression import bomb

pytestmark = pytest.mark.integration

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
PLAIN = BinaryPeer.frame("pong")


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as running:
        yield running
        log = running.log.read_text()
        assert "Traceback" not in log
        assert "failed" not in log


def judged(daemon: DaemonProcess, data: bytes, cuts: list[int], *, is_text: bool) -> Verdict:
    """Returns the daemon's verdict on ``data``, and checks that it is the library's."""
    expected = verdict_of_library(data)
    marks = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    web = WebSocket(daemon.unix_url, is_text=is_text)
    try:
        web.say(*(data[start:end] for start, end in pairwise(marks) if end > start))
        assert web.verdict(expected) == expected
    finally:
        web.close()
    return expected


KNOWN: dict[str, tuple[bytes, Verdict]] = {
    "nothing": (b"", STAYS),
    "a text": (frame(TEXT, b"{}"), STAYS),
    "an empty text": (frame(TEXT), STAYS),
    "an unmasked text": (frame(TEXT, b"{}", is_masked=False), 1002),
    "an unmasked ping": (frame(PING, is_masked=False), 1002),
    "two bytes of an unmasked frame": (b"\x81\x7e", 1002),
    "two bytes of an unknown opcode": (b"\x83\xfe", 1002),
    "an unknown control frame": (frame(11), 1002),
    "the first reserved bit": (frame(TEXT, b"{}", reserved=4), 1002),
    "the second reserved bit": (frame(PING, reserved=2), 1002),
    "the third reserved bit": (frame(CONT, reserved=1), 1002),
    "a compressed message": (frame(TEXT, b"\xaa\x56\x00", reserved=4), 1002),
    "a continuation of nothing": (frame(CONT, b"x"), 1002),
    "a text within a text": (frame(TEXT, b"{", is_last=False) + frame(TEXT, b"}"), 1002),
    "a ping within a text": (
        frame(TEXT, b"{", is_last=False) + frame(PING) + frame(CONT, b"}"),
        STAYS,
    ),
    "a close within a text": (frame(TEXT, b"{", is_last=False) + frame(CLOSE), 1002),
    "a ping in pieces": (frame(PING, b"x", is_last=False), 1002),
    "a ping of 125 bytes": (frame(PING, b"x" * 125), STAYS),
    "a ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "a pong nobody asked for": (frame(PONG, b"x"), STAYS),
    "a length wider than needed": (frame(TEXT, b"{}", wide=8), STAYS),
    "a text that is no UTF-8": (frame(TEXT, b"\xff"), 1007),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "an overlong slash": (frame(TEXT, b"\xc0\xaf"), 1007),
    "a letter cut off": (frame(TEXT, "ö".encode()[:1]), 1007),
    "a letter in two pieces": (
        frame(TEXT, b"\xc3", is_last=False) + frame(CONT, b"\xb6"),
        STAYS,
    ),
    "pieces that are no UTF-8": (frame(TEXT, b"\xc3", is_last=False) + frame(CONT), 1007),
    "a text one byte too long": (frame(TEXT, declared=MESSAGE_BYTES_MAX + 1)[:10], 1009),
    "the longest text begins": (frame(TEXT, declared=MESSAGE_BYTES_MAX)[:10], HUNGRY),
    "four exbibytes": (frame(TEXT, declared=2**62), 1009),
    "all bits of the length": (frame(TEXT, declared=2**64 - 1), 1009),
    "a piece one byte too long": (
        frame(TEXT, b"xxx", is_last=False) + frame(CONT, declared=MESSAGE_BYTES_MAX - 2),
        1009,
    ),
    "goodbye": (frame(CLOSE, b"\x03\xe8"), 1000),
    "goodbye without a word": (frame(CLOSE), 1005),
    "goodbye and more": (frame(CLOSE, b"\x03\xe9bye") + frame(TEXT, b"\xff"), 1001),
    "half a close code": (frame(CLOSE, b"\x03"), 1002),
    "close code 1005": (frame(CLOSE, b"\x03\xed"), 1002),
    "close code 5000": (frame(CLOSE, b"\x13\x88"), 1002),
    "close code 4999": (frame(CLOSE, b"\x13\x87"), 4999),
    "a reason that is no UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
}


@pytest.mark.parametrize("is_dripped", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize(("data", "verdict"), KNOWN.values(), ids=KNOWN)
def test_known_bytes_get_the_verdict_of_the_library(
    daemon: DaemonProcess, data: bytes, verdict: Verdict, is_dripped: bool
) -> None:
    cuts = list(range(len(data))) if is_dripped else []
    assert judged(daemon, data, cuts, is_text=True) == verdict


TEXTS = [b"", b"{}", b'{"k":"ping"}', "ö".encode(), b"\xc3", b"\xb6", b"\xff", b"x" * 126]
CLOSES = [b"", b"\x03"] + [
    code.to_bytes(2, "big") + reason
    for code in (0, 999, 1000, 1003, 1004, 1005, 1006, 1012, 1015, 2999, 3000, 4999, 5000)
    for reason in (b"", b"bye", b"\xff")
]
usual = st.booleans().map(lambda is_odd: not is_odd)
seldom = st.integers(0, 15).map(lambda number: number == 0)


@st.composite
def frames(draw: st.DrawFn, data_opcode: int) -> bytes:
    """One frame: most often what a client may say, now and then bent."""
    opcode = draw(st.sampled_from([data_opcode] * 4 + [CONT] * 4 + [CLOSE, PING, PONG]))
    if draw(seldom):
        opcode = draw(st.sampled_from([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]))
    pieces = TEXTS if data_opcode == TEXT else [b"", PLAIN, PLAIN * 40]
    payload = draw(st.sampled_from(CLOSES if opcode == CLOSE else pieces))
    declared = None
    if draw(seldom):
        declared = draw(st.sampled_from([2**62, 2**64 - 1, len(payload) + 1, 1 << 27]))
    return frame(
        opcode,
        payload,
        is_last=draw(usual),
        reserved=draw(st.sampled_from([0] * 15 + [1, 2, 4])),
        is_masked=not draw(seldom),
        declared=declared,
        wide=draw(st.sampled_from([0, 0, 2, 8])),
    )


several = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@several
@given(data=st.data(), is_text=st.booleans(), cuts=st.lists(st.integers(0, 400), max_size=4))
def test_any_frames_get_the_verdict_of_the_library(
    daemon: DaemonProcess, data: st.DataObject, is_text: bool, cuts: list[int]
) -> None:
    said = b"".join(data.draw(st.lists(frames(TEXT if is_text else BINARY), max_size=6)))
    judged(daemon, said, cuts, is_text=is_text)


@several
@given(
    first=st.integers(0, 255).filter(lambda byte: byte & 15 != BINARY),
    second=st.sampled_from([0, 1, 125, 126, 127, 128, 129, 253, 254, 255]),
    more=st.binary(max_size=8),
)
def test_any_head_gets_the_verdict_of_the_library(
    daemon: DaemonProcess, first: int, second: int, more: bytes
) -> None:
    head = bytes((first, second)) + (more if second & 127 == 127 else more[:4])
    judged(daemon, head, [], is_text=True)


def test_nothing_is_heard_after_goodbye_or_after_a_fault(daemon: DaemonProcess) -> None:
    put = b'{"k":"put","id":1,"key":"after/%d","d":1}'
    ends = (frame(CLOSE), frame(TEXT, b"\xff"), frame(TEXT, b"{}", is_masked=False), frame(3))
    for number, end in enumerate(ends):
        web = WebSocket(daemon.unix_url, is_text=True)
        web.say(end + frame(TEXT, put % number))
        assert isinstance(web.verdict(1000), int)
        web.close()
    web = WebSocket(daemon.unix_url, is_text=True)
    web.say(frame(TEXT, b'{"k":"get","id":9,"key":"after","prefix":true}'))
    while not any(b'"id":9' in text for text in web.said.texts):
        web.said.add(web.plug.recv(1 << 16))
    web.close()
    assert [text for text in web.said.texts if b'"ok"' in text]
    assert not [text for text in web.said.texts if b'"change"' in text]


def test_text_and_binary_do_not_mix(daemon: DaemonProcess) -> None:
    for is_text, opcode in ((True, BINARY), (False, TEXT)):
        web = WebSocket(daemon.unix_url, is_text=is_text)
        web.say(frame(opcode, b"{}"))
        assert web.verdict(1003) == 1003
        web.close()


def memory_kib(daemon: DaemonProcess) -> int:
    for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


@pytest.mark.parametrize("size", [0, 3])
def test_endless_fragments_take_no_memory_and_long_ones_are_refused(
    daemon: DaemonProcess, size: int
) -> None:
    crumbs = frame(CONT, b"x" * size, is_last=False) * 50_000
    web = WebSocket(daemon.unix_url, is_text=True)
    web.say(frame(TEXT, b"[", is_last=False))
    before = memory_kib(daemon)
    web.say(*[crumbs] * (10 if size else 4))
    if size:
        assert web.verdict(1009) == 1009
    else:
        web.say(frame(CONT, b"]"))
        assert web.verdict(STAYS) == STAYS
    web.close()
    assert memory_kib(daemon) - before < 8 * 1024


@pytest.mark.parametrize("kind", compression.kinds())
def test_a_bomb_in_a_compressed_websocket_takes_no_memory(daemon: DaemonProcess, kind: str) -> None:
    message = frame(BINARY, bomb(kind))

    def burst() -> bytes:
        return raw(daemon.unix_url, upgrade(f"askr.1.{kind}") + message)

    assert burst().startswith(b"HTTP/1.1 101")
    before = memory_kib(daemon)
    for _ in range(20):
        burst()
    assert memory_kib(daemon) - before < 2 * 1024
    assert "nobody sends that" in daemon.log.read_text()


def status_of_library(request: bytes) -> int:
    """Returns the status of the library's answer; where it hangs up instead, we say 400."""
    protocol = ServerProtocol()
    protocol.receive_data(request)
    for event in protocol.events_received():
        assert isinstance(event, Request)
        protocol.send_response(protocol.accept(event))
    return int(b"".join(protocol.data_to_send())[9:12] or 400)


GOOD = upgrade("askr.1").decode()
REQUESTS = {
    "a good one": GOOD,
    "no key": GOOD.replace("Sec-WebSocket-Key", "X"),
    "a short key": GOOD.replace("Sec-WebSocket-Key: ", "Sec-WebSocket-Key: A"),
    "two keys": GOOD.replace("\r\n\r\n", "\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"),
    "another version": GOOD.replace("Version: 13", "Version: 8"),
    "no version": GOOD.replace("Sec-WebSocket-Version", "X"),
    "no connection": GOOD.replace("Connection: Upgrade", "Connection: close"),
    "HTTP/1.0": GOOD.replace("HTTP/1.1", "HTTP/1.0"),
    "a body in chunks": GOOD.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "a body": GOOD.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello"),
    "a header without a colon": GOOD.replace("\r\n\r\n", "\r\nnothing\r\n\r\n"),
    "a space in a name": GOOD.replace("\r\n\r\n", "\r\na b: c\r\n\r\n"),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_request_for_a_websocket_gets_the_status_of_the_library(
    daemon: DaemonProcess, request_: str
) -> None:
    said = request_.encode()
    expected = status_of_library(said)
    with connect(daemon.unix_url) as plug:
        plug.sendall(said)
        answer = read_until(plug, b"\r\n\r\n")
    assert int(answer[9:12]) == expected
