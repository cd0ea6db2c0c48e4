"""Holds the binary codec: what it writes, what it refuses, what it keeps of half a frame."""

import tracemalloc

import msgspec
import pytest

from askrd.wire.codec import Assembly, Malformed, Oversize, decode, encode, split
from askrd.wire.errors import BadRequest, PayloadTooLarge
from askrd.wire.frames import FLAG_HEAD, FLAG_OPTIONS, FLAG_SEALED, HEADER, Coding, Frame, Kind
from askrd.wire.limits import HEADER_BYTES, ID_MAX, MIB, SECTION_BYTES_MAX, SKIP_BYTES_MAX

CALL = Frame(
    kind=Kind.CALL,
    id=7,
    name=b"agent.fetch",
    payload=b"[1,2]",
    coding=Coding.JSON,
    flags=FLAG_SEALED,
    ttl_ms=500,
    hops=3,
)
PING = encode(Frame(kind=Kind.PING, id=1))
PONG = encode(Frame(kind=Kind.PONG, id=2))
LIMIT = 1000


def header(size: int, *, stamp: int = 0, name: int = 0, id_: int = 5) -> bytes:
    return HEADER.pack(size, Kind.CALL, stamp, name, id_, 0, 0)


def large(frame_bytes: int) -> bytes:
    """A whole frame of exactly so many bytes."""
    return encode(Frame(kind=Kind.CALL, id=5, payload=bytes(frame_bytes - HEADER_BYTES)))


# --- one frame -----------------------------------------------------------------------------------


def test_a_frame_is_its_header_and_its_parts() -> None:
    frame = msgspec.structs.replace(CALL, stamp=b"me@1", head=b'{"a":"b"}', options=b"{}")
    data = encode(frame)
    assert data == bytes.fromhex("37000000 10 04 0b00 0700000000000000 f4010000 01 13 03 00") + (
        b"me@1" + b"agent.fetch" + b'\x09\x00{"a":"b"}' + b"\x02\x00{}" + b"[1,2]"
    )
    both = FLAG_SEALED | FLAG_HEAD | FLAG_OPTIONS
    assert decode(data) == msgspec.structs.replace(frame, flags=both)


def test_section_flags_follow_the_sections() -> None:
    claimed = msgspec.structs.replace(CALL, flags=FLAG_SEALED | FLAG_HEAD | FLAG_OPTIONS)
    assert encode(claimed) == encode(CALL)


def test_an_empty_section_is_read_as_none() -> None:
    data = HEADER.pack(22, Kind.CALL, 0, 0, 1, 0, FLAG_HEAD << 8) + b"\0\0"
    assert decode(data).head == b""


def test_the_last_byte_of_the_header_is_ignored() -> None:
    data = bytearray(encode(CALL))
    data[23] = 0xFF
    assert decode(bytes(data)) == CALL


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": -1}, "an id is 0 to"),
        ({"id": ID_MAX + 1}, "an id is 0 to"),
        ({"kind": -1}, "does not fit the header"),
        ({"kind": 256}, "does not fit the header"),
        ({"ttl_ms": -1}, "does not fit the header"),
        ({"ttl_ms": 2**32}, "does not fit the header"),
        ({"name": bytes(2**16)}, "does not fit the header"),
        ({"stamp": bytes(2**8)}, "does not fit the header"),
        ({"coding": 256}, "0 to 255"),
        ({"coding": -1}, "0 to 255"),
        ({"flags": 256}, "0 to 255"),
        ({"hops": 256}, "0 to 255"),
        ({"hops": -1}, "0 to 255"),
        ({"head": bytes(SECTION_BYTES_MAX + 1)}, "a section has at most"),
        ({"options": bytes(SECTION_BYTES_MAX + 1)}, "a section has at most"),
    ],
)
def test_a_field_that_does_not_fit_is_a_mistake_of_the_caller(wrong: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        encode(msgspec.structs.replace(CALL, **wrong))


def test_the_largest_section_fits() -> None:
    head = bytes(SECTION_BYTES_MAX)
    assert decode(encode(Frame(kind=Kind.CALL, head=head))).head == head


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "at least 24 bytes"),
        (PING[:-1], "at least 24 bytes"),
        (PING + b"x", "the size field"),
        (encode(CALL)[:-1], "the size field"),
        (header(20, id_=ID_MAX + 1), "2\\^53-1"),
        (header(20, name=1), "longer than the frame"),
        (header(20, stamp=1), "longer than the frame"),
        (HEADER.pack(20, 0x10, 0, 0, 1, 0, 0x100), "before its HEAD"),
        (HEADER.pack(20, 0x10, 255, 0, 1, 0, 0x100), "before its HEAD"),
        (HEADER.pack(22, 0x10, 0, 0, 1, 0, 0x100) + b"\1\0", "longer than the frame"),
        (HEADER.pack(22, 0x10, 0, 0, 1, 0, 0x200) + b"\1\x80", "at most 32768 bytes, not 32769"),
    ],
)
def test_contradictions_inside_a_frame_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        decode(data)


# --- a stream of frames --------------------------------------------------------------------------


def test_whole_frames_are_cut_out_of_a_stream() -> None:
    assembly = Assembly(LIMIT)
    assert split(assembly, PING + encode(CALL) + PONG) == [PING, encode(CALL), PONG]
    assert assembly.is_empty


def test_the_limit_is_the_largest_frame_that_passes() -> None:
    assert split(Assembly(LIMIT), large(LIMIT)) == [large(LIMIT)]
    (refused,) = split(Assembly(LIMIT), large(LIMIT + 1))
    assert isinstance(refused, Oversize)


def test_contradicting_lengths_are_malformed() -> None:
    (garbage,) = split(Assembly(LIMIT), header(19))
    assert isinstance(garbage, Malformed)
    assert isinstance(garbage, BadRequest)
    assert "smaller than its header and name" in garbage.message


# --- frames in pieces ----------------------------------------------------------------------------


def test_an_assembly_begins_empty() -> None:
    assembly = Assembly(LIMIT)
    assert assembly.is_empty
    assert assembly.held_bytes == 0
    assert split(assembly, b"") == []
    assert assembly.is_empty


def test_what_is_not_whole_is_held_and_joined() -> None:
    assembly = Assembly(LIMIT)
    assembly.hold(PING[:5])
    assert (assembly.is_empty, assembly.held_bytes) == (False, 5)
    assert assembly.join(PING[5:10]) == b""
    assert assembly.held_bytes == 10
    assert assembly.join(PING[10:] + PONG) == PING + PONG
    assert (assembly.is_empty, assembly.held_bytes) == (True, 0)


def test_a_header_in_two_pieces_that_announces_too_much_is_refused() -> None:
    assembly = Assembly(LIMIT)
    data = large(LIMIT + 1)
    assert split(assembly, data[:3]) == []
    (refused,) = split(assembly, data[3:40])
    assert isinstance(refused, Oversize)
    assert (refused.kind, refused.id, refused.size, refused.fatal) == (0x10, 5, LIMIT + 1, False)
    assert refused.details == {"bytes": LIMIT + 1, "bytes_max": LIMIT}
    assert "was not relayed" in refused.message
    assert (assembly.is_empty, assembly.held_bytes) == (False, 0)
    assert split(assembly, data[40:]) == []
    assert assembly.is_empty
    assert split(assembly, PING) == [PING]


def test_a_header_in_two_pieces_with_contradicting_lengths_is_malformed() -> None:
    assembly = Assembly(LIMIT)
    assert split(assembly, header(19)[:3]) == []
    (garbage,) = split(assembly, header(19)[3:])
    assert isinstance(garbage, Malformed)


def test_holding_refuses_and_skips_what_is_still_to_come() -> None:
    assembly = Assembly(LIMIT)
    data = large(LIMIT + 7)
    with pytest.raises(Oversize):
        assembly.hold(data[:HEADER_BYTES])
    assert assembly.join(data[HEADER_BYTES:500]) == b""
    assert assembly.join(data[500:] + PING) == PING


def test_holding_keeps_what_follows_a_refused_frame_for_the_next_join() -> None:
    assembly = Assembly(LIMIT)
    with pytest.raises(Oversize):
        assembly.hold(large(LIMIT + 1) + PING[:4])
    assert (assembly.is_empty, assembly.held_bytes) == (False, 4)
    assert assembly.join(PING[4:]) == PING


def test_holding_refuses_contradicting_lengths_and_keeps_nothing() -> None:
    assembly = Assembly(LIMIT)
    with pytest.raises(Malformed):
        assembly.hold(header(20, stamp=1))
    assert assembly.is_empty


@pytest.mark.parametrize(
    ("size", "fatal"), [(SKIP_BYTES_MAX - 4, False), (SKIP_BYTES_MAX - 3, True), (2**32 - 1, True)]
)
def test_only_a_monstrous_frame_is_fatal(size: int, fatal: bool) -> None:
    (refused,) = split(Assembly(LIMIT), header(size))
    assert isinstance(refused, Oversize)
    assert refused.fatal is fatal
    assert isinstance(refused, PayloadTooLarge)


def test_an_oversize_frame_under_an_impossible_id_is_answered_under_none() -> None:
    (refused,) = split(Assembly(LIMIT), header(5000, id_=2**62))
    assert isinstance(refused, Oversize)
    assert refused.id == 0


def test_refused_frames_stand_in_their_place() -> None:
    big = large(LIMIT + 1)
    items = split(Assembly(LIMIT), PING + big + PONG + big + big + PING + header(19) + PING)
    kinds = [item if isinstance(item, bytes) else type(item) for item in items]
    assert kinds == [PING, Oversize, PONG, Oversize, Oversize, PING, Malformed]


def test_a_refused_frame_that_ends_with_the_chunk_leaves_nothing() -> None:
    assembly = Assembly(LIMIT)
    assert len(split(assembly, large(LIMIT + 1))) == 1
    assert assembly.is_empty


def test_the_limit_may_be_raised_after_the_handshake() -> None:
    assembly = Assembly(LIMIT)
    assert split(assembly, PING[:4]) == []
    assembly.frame_bytes_max = 5000
    assert split(assembly, PING[4:] + large(5000)) == [PING, large(5000)]


# --- drops ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("drop", [1, 2, 3, 23, 24, 25, 100, 4096])
def test_a_frame_in_drops_is_joined_once(drop: int) -> None:
    data = large(100_000)
    assembly = Assembly(len(data))
    joined = 0
    for at in range(0, len(data), drop):
        chunk = assembly.join(data[at : at + drop])
        joined += len(chunk)
        if chunk and chunk != data:
            assembly.hold(chunk)
        assert assembly.held_bytes <= len(data)
    assert chunk == data
    assert joined <= len(data) + 2 * (HEADER_BYTES + drop)


def test_a_byte_in_a_drop_costs_about_a_byte() -> None:
    data = large(MIB)
    drops = [data[at : at + 2] for at in range(0, len(data), 2)]
    assembly = Assembly(MIB)
    tracemalloc.start()
    for drop in drops[:-1]:
        split(assembly, bytes(bytearray(drop)))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert assembly.held_bytes == MIB - 2
    assert held < 2 * MIB
    assert split(assembly, drops[-1]) == [data]


def test_a_skipped_frame_costs_nothing() -> None:
    assembly = Assembly(LIMIT)
    split(assembly, header(32 * MIB))
    chunk = bytes(MIB)
    tracemalloc.start()
    for _ in range(31):
        assert split(assembly, chunk) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 1024
