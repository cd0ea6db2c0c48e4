"""Holds the framing: frames come out the same however the bytes arrive."""

import base64
import hashlib
from collections.abc import Callable

import pytest

from askrd.sdk.errors import CannotConnect
from askrd.sdk.framing import FRAME_BYTES_MAX, Framing, RawFraming, WebSocketFraming, framing_for
from askrd.wire.addresses import parse_url
from askrd.wire.codec import Malformed, Oversize, decode, encode
from askrd.wire.errors import BadRequest
from askrd.wire.frames import (
    FLAG_HEAD,
    FLAG_KEPT,
    FLAG_MORE,
    FLAG_SEALED,
    HEADER,
    MAGIC,
    Coding,
    Frame,
    Kind,
)

FRAMES = [
    Frame(kind=Kind.REPLY, id=1, payload=b"42", coding=Coding.JSON, stamp=b"agent@p01x7d"),
    Frame(kind=Kind.PING, id=7),
    Frame(
        kind=Kind.OK,
        id=3,
        name=b"config/theme",
        payload=b'"dark"',
        coding=1,
        options=b"{}",
        flags=2,
    ),
]
BYTES = [encode(frame) for frame in FRAMES]
ODD = [
    Frame(
        kind=Kind.CALL, id=2**53 - 1, name=b"agent.fetch", ttl_ms=2**32 - 1, hops=8, stamp=b"a@b"
    ),
    Frame(kind=Kind.EVENT, id=4, name=b"A", payload=b"x", flags=FLAG_KEPT | FLAG_HEAD, head=b"{}"),
    Frame(kind=0xEE, name=b"\xff", payload=b"y", coding=255, flags=FLAG_SEALED),
    Frame(kind=Kind.PONG),
]
"""Frames whose every field says something at least once."""
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@pytest.mark.parametrize("frame", ODD)
def test_every_field_is_read_as_the_codec_reads_it(frame: Frame) -> None:
    data = encode(frame)
    assert RawFraming().receive(data + data) == [decode(data), decode(data)] == [frame, frame]


def test_an_id_above_the_limit_is_refused() -> None:
    with pytest.raises(BadRequest, match="id"):
        RawFraming().receive(HEADER.pack(20, Kind.PING, 0, 0, 2**53, 0, 0))


def parts(frame: bytes, group: int, size: int) -> list[bytes]:
    pieces = [frame[at : at + size] for at in range(0, len(frame), size)]
    return [
        encode(
            Frame(
                kind=Kind.PART,
                id=group,
                payload=piece,
                flags=0 if piece is pieces[-1] else FLAG_MORE,
            )
        )
        for piece in pieces
    ]


def message(payload: bytes, *, opcode: int = 2, fin: bool = True) -> bytes:
    """A WebSocket frame as a server sends it: not masked."""
    head = bytes([opcode | (0x80 if fin else 0)])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    return head + b"\x7e" + len(payload).to_bytes(2, "big") + payload


def welcomed(request: bytes, *, protocol: bytes = b"askr.1") -> bytes:
    """The handshake's answer of a server that takes the subprotocol."""
    key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: "
        + accept
        + b"\r\nSec-WebSocket-Protocol: "
        + protocol
        + b"\r\n\r\n"
    )


def open_websocket() -> WebSocketFraming:
    framing = WebSocketFraming(parse_url("ws://127.0.0.1:8800"))
    assert framing.receive(welcomed(framing.opening())) == []
    return framing


@pytest.fixture(params=["raw", "websocket"])
def opened(request: pytest.FixtureRequest) -> tuple[Framing, Callable[[bytes], bytes]]:
    """A framing past its opening, and how the daemon wraps frames for it."""
    if request.param == "raw":
        return RawFraming(), lambda data: data
    return open_websocket(), message


def test_whole_bytewise_and_glued_chunks_give_the_same_frames(opened) -> None:
    framing, wrap = opened
    stream = b"".join(wrap(frame) for frame in BYTES)

    assert framing.receive(stream) == FRAMES
    assert [f for byte in stream for f in framing.receive(bytes([byte]))] == FRAMES
    assert framing.receive(stream + wrap(BYTES[0])[:9]) == FRAMES
    assert framing.receive(wrap(BYTES[0])[9:]) == FRAMES[:1]


def test_parts_are_joined_while_other_frames_stand_between(opened) -> None:
    framing, wrap = opened
    large = Frame(kind=Kind.EVENT, id=9, name=b"big", payload=bytes(range(256)) * 40, coding=2)
    pieces = parts(encode(large), group=5, size=4096)
    assert len(pieces) == 3

    stream = [pieces[0], BYTES[1], pieces[1], pieces[2]]

    assert framing.receive(b"".join(map(wrap, stream))) == [FRAMES[1], large]


def test_too_many_open_groups_of_parts_are_refused() -> None:
    framing = RawFraming()
    opening = [parts(BYTES[0], group, 20)[0] for group in range(1, 6)]
    framing.receive(b"".join(opening[:4]))

    with pytest.raises(Malformed):
        framing.receive(opening[4])


def test_a_raw_connection_opens_with_the_magic_and_joins_frames() -> None:
    framing = RawFraming()

    assert framing.opening() == MAGIC
    assert framing.send(BYTES) == b"".join(BYTES)
    assert (framing.answer(), framing.close()) == (b"", b"")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (HEADER.pack(3, 0x10, 0, 0, 1, 0, 0), Malformed),
        (HEADER.pack(FRAME_BYTES_MAX, 0x10, 0, 0, 1, 0, 0), Oversize),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", BadRequest),
    ],
)
def test_what_cannot_be_a_frame_is_an_error(data: bytes, error: type[Exception]) -> None:
    with pytest.raises((error, Oversize)):
        RawFraming().receive(data)


def test_frames_wait_for_the_websocket_handshake() -> None:
    framing = WebSocketFraming(parse_url("http://localhost:8800/askr"))
    request = framing.opening()

    assert request.startswith(b"GET /askr HTTP/1.1\r\n")
    assert b"Sec-WebSocket-Protocol: askr.1\r\n" in request
    assert b"Sec-WebSocket-Extensions" not in request
    assert framing.send(BYTES) == b""
    framing.receive(welcomed(request))
    assert len(framing.answer()) == sum(map(len, BYTES)) + 6  # one masked message
    assert framing.answer() == b""


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"]
)
def test_a_refused_handshake_says_so(answer: bytes) -> None:
    framing = WebSocketFraming(parse_url("ws://127.0.0.1:8800"))
    framing.opening()

    with pytest.raises(CannotConnect, match="handshake failed"):
        framing.receive(answer)


def test_a_foreign_websocket_server_is_recognised() -> None:
    framing = WebSocketFraming(parse_url("ws://127.0.0.1:8800"))
    request = framing.opening()
    foreign = welcomed(request).replace(b"Sec-WebSocket-Protocol: askr.1\r\n", b"")

    with pytest.raises(CannotConnect, match="no askrd"):
        framing.receive(foreign)


def test_a_fragmented_message_is_joined() -> None:
    framing = open_websocket()
    data = BYTES[0]

    assert framing.receive(message(data[:10], fin=False)) == []
    assert framing.receive(message(b"?", opcode=9)) == []
    assert framing.answer()[:1] == b"\x8a"  # pong
    assert framing.receive(message(data[10:], opcode=0)) == FRAMES[:1]


@pytest.mark.parametrize("data", [message(b"{}", opcode=1), message(BYTES[0][:-1])])
def test_a_message_of_another_kind_or_with_half_a_frame_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        open_websocket().receive(data)


@pytest.mark.parametrize(("code", "may_return"), [(4001, True), (1000, True), (4505, False)])
def test_the_close_code_says_whether_to_come_back(code: int, may_return: bool) -> None:
    framing = open_websocket()
    framing.receive(message(code.to_bytes(2, "big"), opcode=8))

    assert framing.may_return is may_return


def test_each_scheme_has_its_framing() -> None:
    assert isinstance(framing_for(parse_url("unix:/run/askrd.sock")), RawFraming)
    assert isinstance(framing_for(parse_url("tcp://127.0.0.1:8800")), RawFraming)
    assert isinstance(framing_for(parse_url("wss://example.org")), WebSocketFraming)
    assert isinstance(framing_for(parse_url("askrs://example.org")), RawFraming)
