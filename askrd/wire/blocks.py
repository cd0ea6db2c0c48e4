"""Blocks: how bytes travel on a connection that compresses, and how much one may become.

A block is four bytes, little-endian, and its content. The highest bit says that the content is
compressed; the others are its length. Compression goes on from block to block, so that what
repeats is small even in small blocks; those that are smaller still travel as they are.
"""

from collections.abc import Callable

from askrd.wire.errors import BadRequest
from askrd.wire.limits import BLOCK_BYTES_MAX, BLOCK_BYTES_MIN

LENGTH_BYTES = 4
_COMPRESSED = 0x8000_0000
_SLACK_BYTES = 1024
"""What compression may add to a block that cannot be compressed."""

Compress = Callable[[bytes], bytes]
"""Returns what the next bytes become, everything that was taken in included."""
Decompress = Callable[[bytes, int], bytes]
"""Returns what a block was, at most so many bytes.

Raises:
    BadRequest: it is not compressed as agreed, or becomes more.
"""


class Packer:
    """Bytes into blocks."""

    __slots__ = ("_compress",)

    def __init__(self, compress: Compress) -> None:
        self._compress = compress

    def pack(self, data: bytes) -> bytes:
        """Returns ``data`` as blocks."""
        if len(data) < BLOCK_BYTES_MIN:
            return len(data).to_bytes(LENGTH_BYTES, "little") + data
        blocks: list[bytes] = []
        for at in range(0, len(data), BLOCK_BYTES_MAX):
            content = self._compress(data[at : at + BLOCK_BYTES_MAX])
            blocks += ((len(content) | _COMPRESSED).to_bytes(LENGTH_BYTES, "little"), content)
        return b"".join(blocks)


class Unpacker:
    """Blocks, cut anywhere, into bytes."""

    __slots__ = ("_decompress", "_have", "_parts")

    def __init__(self, decompress: Decompress) -> None:
        self._decompress = decompress
        self._parts: list[bytes] = []
        self._have = 0

    def unpack(self, data: bytes) -> bytes:
        """Returns what the blocks hold that ``data`` completes.

        Raises:
            BadRequest: a block is too large, becomes too large, or is not compressed as agreed;
                nothing more can be read.
        """
        self._parts.append(data)
        self._have += len(data)
        if self._have < LENGTH_BYTES:
            return b""
        if len(self._parts) > 1:
            missing = self._missing()
            if missing > 0:
                return b""
            data = b"".join(self._parts)
        found: list[bytes] = []
        at, end_of = 0, len(data)
        while end_of - at >= LENGTH_BYTES:
            length = _length_of(data[at : at + LENGTH_BYTES])
            start = at + LENGTH_BYTES
            if end_of - start < length:
                break
            content = data[start : start + length]
            is_compressed = data[at + 3] & 0x80
            found.append(self._decompress(content, BLOCK_BYTES_MAX) if is_compressed else content)
            at = start + length
        self._parts = [data[at:]] if at < end_of else []
        self._have = end_of - at
        return found[0] if len(found) == 1 else b"".join(found)

    def _missing(self) -> int:
        """How many bytes the first block lacks."""
        head = self._parts[0]
        if len(head) < LENGTH_BYTES:
            head = self._parts[0] = b"".join(self._parts)
            self._parts[1:] = []
        return LENGTH_BYTES + _length_of(head[:LENGTH_BYTES]) - self._have


def _length_of(head: bytes) -> int:
    length = int.from_bytes(head, "little") & ~_COMPRESSED
    if length > BLOCK_BYTES_MAX + _SLACK_BYTES:
        raise BadRequest(f"a block of {length} bytes is above the limit of {BLOCK_BYTES_MAX}")
    return length
