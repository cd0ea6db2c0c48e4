"""Blocks: whatever is packed comes out again, however it is cut, and never more than may."""

import pytest
from hypothesis import given, strategies as st

from askrd.wire.blocks import LENGTH_BYTES, Packer, Unpacker
from askrd.wire.errors import BadRequest
from askrd.wire.limits import BLOCK_BYTES_MAX, BLOCK_BYTES_MIN


def turned(data: bytes) -> bytes:
    """Stands for compression: backwards, so that it shows."""
    return data[::-1]


def pair() -> tuple[Packer, Unpacker]:
    return Packer(turned), Unpacker(lambda data, most: data[::-1])


@given(st.lists(st.binary(max_size=3 * BLOCK_BYTES_MIN), max_size=6), st.integers(1, 50))
def test_what_is_packed_comes_out_again_however_it_is_cut(writes: list[bytes], by: int) -> None:
    packer, unpacker = pair()
    packed = b"".join(packer.pack(data) for data in writes)
    found = [unpacker.unpack(packed[at : at + by]) for at in range(0, len(packed), by)]
    assert b"".join(found) == b"".join(writes)


def test_small_blocks_travel_as_they_are() -> None:
    packer, _ = pair()
    assert packer.pack(b"x" * (BLOCK_BYTES_MIN - 1))[LENGTH_BYTES:] == b"x" * (BLOCK_BYTES_MIN - 1)
    packed = packer.pack(b"ab" * BLOCK_BYTES_MIN)
    assert packed == (2 * BLOCK_BYTES_MIN | 1 << 31).to_bytes(4, "little") + b"ba" * BLOCK_BYTES_MIN


def test_a_large_write_becomes_several_blocks() -> None:
    packer, unpacker = pair()
    data = bytes(range(256)) * (BLOCK_BYTES_MAX // 256) + b"tail"
    assert unpacker.unpack(packer.pack(data)) == data


@pytest.mark.parametrize("head", [b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\x00\x10\x10\x80"])
def test_a_block_that_announces_too_much_is_refused_at_its_head(head: bytes) -> None:
    _, unpacker = pair()
    with pytest.raises(BadRequest, match="above the limit"):
        unpacker.unpack(head)
    _, unpacker = pair()
    unpacker.unpack(head[:3])
    with pytest.raises(BadRequest, match="above the limit"):
        unpacker.unpack(head[3:])
