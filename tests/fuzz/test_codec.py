"""Throws any bytes at the binary codec: frames or documented errors come back, however cut."""

from typing import Any

from hypothesis import given, strategies as st

from askrd.wire.codec import Assembly, Malformed, Oversize, decode, encode, split
from askrd.wire.errors import BadRequest
from askrd.wire.frames import FLAG_HEAD, FLAG_OPTIONS, Frame, Kind
from askrd.wire.limits import HEADER_BYTES
from tests.fuzz.throwing import frames, fuzzed, outcome

LIMIT = 200

garbage = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda size, rest: size.to_bytes(4, "little") + rest,
        st.integers(0, 60),
        st.binary(max_size=80),
    ),
    st.builds(
        lambda data, at, byte: data[:at] + bytes([byte]) + data[at + 1 :],
        frames.map(encode),
        st.integers(0, 40),
        st.integers(0, 255),
    ),
)
streams = st.lists(st.one_of(frames.map(encode), frames.map(encode), garbage), max_size=8).map(
    b"".join
)


@fuzzed
@given(frames)
def test_what_is_written_is_read_back(frame: Frame) -> None:
    sections = (FLAG_HEAD if frame.head else 0) | (FLAG_OPTIONS if frame.options else 0)
    read = decode(encode(frame))
    assert read.flags == frame.flags | sections
    for field in Frame.__struct_fields__:
        if field != "flags":
            assert getattr(read, field) == getattr(frame, field)
    assert encode(read) == encode(frame)


@fuzzed
@given(garbage)
def test_any_bytes_are_a_frame_or_a_bad_request(data: bytes) -> None:
    read = outcome(decode, data, BadRequest)
    if isinstance(read, Frame):
        assert decode(encode(read)).payload == read.payload


def fed(chunks: list[bytes], frame_bytes_max: int) -> list[Any]:
    """What an assembly gives for the chunks until the connection would close."""
    assembly = Assembly(frame_bytes_max)
    found: list[Any] = []
    for chunk in chunks:
        for item in split(assembly, chunk):
            if isinstance(item, Oversize):
                assert item.size > frame_bytes_max
                found.append((item.kind, item.id, item.size, item.fatal))
            else:
                found.append(item if isinstance(item, bytes) else Malformed)
            if isinstance(item, Malformed):
                return found
        assert assembly.held_bytes <= max(frame_bytes_max, HEADER_BYTES)
    return found


@fuzzed
@given(streams, st.lists(st.integers(0, 2000), max_size=20), st.sampled_from([24, 60, LIMIT, 9999]))
def test_where_a_stream_is_cut_makes_no_difference(
    data: bytes, cuts: list[int], limit: int
) -> None:
    ends = [*sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    drops = [data[at : at + 1] for at in range(len(data))]
    whole = fed([data], limit)
    assert fed(chunks, limit) == whole
    assert fed(drops, limit) == whole
    assert all(len(item) <= limit for item in whole if isinstance(item, bytes))


@fuzzed
@given(st.lists(frames, max_size=6))
def test_frames_come_out_as_they_went_in(said: list[Frame]) -> None:
    data = [encode(frame) for frame in said]
    found = fed([b"".join(data)], LIMIT)
    assert [item for item in found if isinstance(item, bytes)] == [
        one for one in data if len(one) <= LIMIT
    ]
    assert len(found) == len(data)


@fuzzed
@given(st.binary(min_size=1, max_size=30), st.integers(100, 5000), st.integers(1, 50))
def test_drops_are_joined_in_linear_work(name: bytes, payload_bytes: int, drop: int) -> None:
    data = encode(Frame(kind=Kind.EMIT, name=name, payload=bytes(payload_bytes)))
    assembly = Assembly(len(data))
    joined = 0
    for at in range(0, len(data), drop):
        chunk = assembly.join(data[at : at + drop])
        joined += len(chunk)
        if chunk and at + drop < len(data):
            assembly.hold(chunk)
    assert chunk == data
    assert joined <= len(data) + 2 * (HEADER_BYTES + drop)
