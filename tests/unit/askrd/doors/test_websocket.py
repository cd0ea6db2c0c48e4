"""Binary messages at the WebSocket door: however they are cut, the bytes are the same."""

import asyncio
import os
import struct
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from askrd.core.session import Phase
from askrd.doors.door import APART_BYTES
from askrd.doors.reception import Reception
from askrd.doors.transcript import EventTexts
from askrd.doors.websocket import PONG_BYTES_MAX, WebSocketDoor
from askrd.wire.codec import encode
from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.doors.hearsay import UPGRADE, Hearing, Wire, open_session

MESSAGE_BYTES_MAX = 2_000_000


def opened(first: bytes = b"", request: bytes = UPGRADE) -> tuple[WebSocketDoor, Wire, Hearing]:
    relay, wire = Hearing(), Wire()
    door = WebSocketDoor(
        relay,
        open_session(),
        wire,
        events=EventTexts(),
        message_bytes_max=MESSAGE_BYTES_MAX,
    )
    wire.protocol = door
    feed(wire, request + first)
    assert wire.pieces[0].startswith(b"HTTP/1.1 101")
    wire.pieces.clear()
    return door, wire, relay


def feed(wire: Wire, data: bytes) -> None:
    """Gives ``data`` to whoever reads the connection, as a transport does."""
    while data:
        reader = wire.protocol
        if isinstance(reader, Reception):
            room = reader.get_buffer(-1)
            count = min(len(room), len(data))
            room[:count] = data[:count]
            reader.buffer_updated(count)
            data = data[count:]
        else:
            assert isinstance(reader, WebSocketDoor)
            chunk, data = data[:256_000], data[256_000:]
            reader.data_received(chunk)


def head(first: int, length: int, masked: int) -> bytes:
    if length < 126:
        return bytes((first, masked | length))
    if length < 65_536:
        return struct.pack(">BBH", first, masked | 126, length)
    return struct.pack(">BBQ", first, masked | 127, length)


def message(payload: bytes, opcode: int = 2, *, is_last: bool = True) -> bytes:
    mask = os.urandom(4)
    size = len(payload)
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    body = (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
    return head(opcode | (0x80 if is_last else 0), size, 0x80) + mask + body


sizes = st.sampled_from([0, 1, 3, 125, 126, 127, 5_000, 65_535, 65_536, 200_000])


@given(
    sizes=st.lists(st.tuples(sizes, st.sampled_from(["plain", "pieces", "ping"])), max_size=8),
    cuts=st.lists(st.integers(0, 300_000), max_size=8),
)
def test_messages_may_be_cut_anywhere(sizes: list[tuple[int, str]], cuts: list[int]) -> None:
    _, wire, relay = opened()
    said, data = b"", b""
    for size, how in sizes:
        payload = os.urandom(size)
        said += payload
        if how == "pieces":
            third = size // 3
            data += message(payload[:third], is_last=False) + message(b"now", 9)
            data += message(payload[third:], 0)
        else:
            data += (message(b"", 9) if how == "ping" else b"") + message(payload)
    marks = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(marks):
        feed(wire, data[start:end])
    assert relay.heard == said
    assert not wire.is_cut


def test_messages_behind_the_request_are_read() -> None:
    _, _, relay = opened(first=message(b"early") + message(b"bird"))
    assert relay.heard == b"earlybird"


def test_a_large_frame_in_one_message_is_handed_over_whole() -> None:
    _, wire, relay = opened()
    frame = encode(Frame(kind=Kind.EMIT, name=b"BIG", payload=os.urandom(1 << 20)))
    feed(wire, message(b"before") + message(frame) + message(b"after"))
    assert relay.heard == b"before" + frame + b"after"
    assert [len(whole) for whole in relay.large] == [len(frame)]


def test_a_large_message_of_other_content_goes_the_usual_way() -> None:
    _, wire, relay = opened()
    payload = os.urandom(4) + bytes(1 << 20)
    feed(wire, message(payload))
    assert relay.heard == payload
    assert not relay.large


@pytest.mark.parametrize("phase", [Phase.OPENING, Phase.CLOSING])
def test_no_room_is_taken_for_a_message_of_a_session_that_is_not_open(phase: Phase) -> None:
    door, wire, _ = opened(first=message(b"first"))
    door.session.phase = phase
    door.data_received(message(bytes(1 << 20))[:400_000])
    assert wire.protocol is door


def test_a_message_above_the_bound_is_not_received_whole() -> None:
    _, wire, relay = opened(first=message(b"first"))
    payload = os.urandom(MESSAGE_BYTES_MAX + 1)
    feed(wire, message(payload))
    assert relay.heard == b"first" + payload
    assert max(relay.reads) <= 256_000


def test_an_unmasked_message_ends_the_connection() -> None:
    _, wire, relay = opened()

    async def story() -> None:
        feed(wire, message(b"good"))
        feed(wire, b"\x82\x03bad")
        await asyncio.sleep(0)

    asyncio.run(story())
    assert relay.heard == b"good"
    assert wire.pieces[0].startswith(b"\x88")


@pytest.mark.parametrize("size", [1, 125, 126, 40_000, 65_535, 65_536, 1 << 20])
def test_frames_leave_as_one_message(size: int) -> None:
    door, wire, _ = opened(first=message(b"first"))
    payload = os.urandom(size)
    door.write([payload])
    assert b"".join(wire.pieces) == head(0x82, size, 0) + payload


def test_large_pieces_leave_in_one_message_too() -> None:
    door, wire, _ = opened(first=message(b"first"))
    large = memoryview(os.urandom(APART_BYTES))
    door.write([b"a", large, b"b"])
    size = APART_BYTES + 2
    assert b"".join(wire.pieces) == head(0x82, size, 0) + b"a" + bytes(large) + b"b"


@pytest.mark.parametrize("opcode", [1, 2])
def test_who_sends_a_large_message_slowly_is_not_silent(opcode: int) -> None:
    _, wire, relay = opened(
        request=UPGRADE.replace(b"askr.1", b"askr.1.json" if opcode == 1 else b"askr.1")
    )
    data = message(bytes(200_000) if opcode == 2 else b'"' * 200_000, opcode)
    for at in range(0, 199_000, 50_000):
        before = len(relay.reads)
        feed(wire, data[at : at + 50_000])
        assert len(relay.reads) > before


def test_who_pings_and_does_not_read_is_let_go() -> None:
    door, wire, _ = opened(first=message(b"first"))
    for _ in range(1_000):
        feed(wire, message(bytes(125), 9))
    assert not wire.is_cut
    door.pause_writing()
    before = len(wire.pieces)
    for _ in range(2 * PONG_BYTES_MAX // 127):
        if not wire.is_cut:
            feed(wire, message(bytes(125), 9))
    assert wire.is_cut
    assert len(wire.pieces) - before <= PONG_BYTES_MAX // 127 + 1


def test_answers_to_pings_that_were_read_are_forgotten() -> None:
    door, wire, _ = opened(first=message(b"first"))
    for _ in range(20):
        door.pause_writing()
        for _ in range(PONG_BYTES_MAX // 127 // 2):
            feed(wire, message(bytes(125), 9))
        door.resume_writing()
    assert not wire.is_cut
