"""Compression: small for what repeats, whole for everything, and no bomb goes off."""

import json
import os
import tracemalloc
import zlib

import pytest

from askrd import compression
from askrd.wire.errors import BadRequest
from askrd.wire.limits import BLOCK_BYTES_MAX, MIB

KINDS = pytest.mark.parametrize("kind", compression.kinds())


def rows(count: int) -> list[bytes]:
    return [
        json.dumps({"type": "FETCHED_TIME", "payload": {"id": i, "unit": "celsius", "value": i / 7}})
        .encode()
        for i in range(count)
    ]  # fmt: skip


@KINDS
def test_repetitive_json_becomes_less_than_30_percent(kind: str) -> None:
    packer, unpacker = compression.packer(kind), compression.unpacker(kind)
    plain = rows(200)
    packed = [packer.pack(row) for row in plain]
    assert [unpacker.unpack(block) for block in packed] == plain
    assert sum(map(len, packed)) < 0.3 * sum(map(len, plain))


@KINDS
def test_what_cannot_be_compressed_comes_out_whole(kind: str) -> None:
    packer, unpacker = compression.packer(kind), compression.unpacker(kind)
    for data in (os.urandom(3 * MIB), bytes(3 * MIB), b"x", os.urandom(100)):
        assert unpacker.unpack(packer.pack(data)) == data


def bomb(kind: str) -> bytes:
    """A block that becomes 100 MiB."""
    if kind == compression.DEFLATE:
        stream = zlib.compressobj(9, zlib.DEFLATED, -15)
        content = stream.compress(bytes(100 * MIB)) + stream.flush(zlib.Z_SYNC_FLUSH)
    else:
        zstd = compression.zstd_module()
        assert zstd is not None
        stream = zstd.ZstdCompressor()
        content = stream.compress(bytes(100 * MIB), mode=stream.FLUSH_BLOCK)
    return (len(content) | 1 << 31).to_bytes(4, "little") + content


@KINDS
def test_a_bomb_is_refused_before_it_takes_room(kind: str) -> None:
    data, unpacker = bomb(kind), compression.unpacker(kind)
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest, match="nobody sends that"):
            unpacker.unpack(data)
        assert tracemalloc.get_traced_memory()[1] < 4 * BLOCK_BYTES_MAX
    finally:
        tracemalloc.stop()


@KINDS
def test_garbage_and_ended_streams_are_refused(kind: str) -> None:
    garbage = b"\x80\x00\x00\x80" + b"\xff" * 128
    with pytest.raises(BadRequest, match=f"is no {kind} stream"):
        compression.unpacker(kind).unpack(garbage)


def test_a_deflate_stream_that_ends_is_refused() -> None:
    stream = zlib.compressobj(1, zlib.DEFLATED, -15)
    content = stream.compress(b"x" * 100) + stream.flush(zlib.Z_FINISH)
    block = (len(content) | 1 << 31).to_bytes(4, "little") + content
    with pytest.raises(BadRequest, match="ends in the middle"):
        compression.unpacker(compression.DEFLATE).unpack(block)


def test_the_first_known_kind_of_an_offer_is_chosen() -> None:
    assert compression.chosen(["brotli", "deflate", "zstd"]) == "deflate"
    assert compression.chosen(["brotli"]) == ""
    assert "deflate" in compression.kinds()
