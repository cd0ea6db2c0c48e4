"""WebSocket messages as bytes: heads, and the plain masked messages that a read is full of.

`messages.pxd` types the loop for the compiled build.
"""

from __future__ import annotations

import struct

try:
    from websockets.speedups import apply_mask
except ImportError:  # the library's own fallback where it was built without C
    from websockets.utils import apply_mask

__all__ = [
    "FIN_BINARY", "FIN_TEXT", "LARGE_HEAD_BYTES", "MASKED", "REASON_BYTES_MAX", "apply_mask", "binary", "head",
    "take_plain",
]  # fmt: skip

FIN_TEXT, FIN_BINARY = 0x81, 0x82
MASKED = 0x80
REASON_BYTES_MAX = 123
"""Words that a close frame has room for."""
LARGE_HEAD_BYTES = 14
"""Head of a masked message of 64 KiB and more."""
_VIEWED_BYTES = 32 * 1024
"""Payloads of this size are not copied before they are unmasked."""
_MEDIUM_HEAD = struct.Struct(">BBH")
_SMALL_HEADS = [bytes((FIN_BINARY, length)) for length in range(126)]


def take_plain(data: bytes, at: int, payloads: list[bytes]) -> int:
    """Adds the payloads of the whole plain binary messages from ``at`` on to ``payloads``.

    Returns:
        Where the last of them ends: at the end of ``data``, or at a message that is not whole or
        not plain.
    """
    end_of = len(data)
    raw = data
    while end_of - at >= 6 and data[at] == FIN_BINARY:
        length = data[at + 1] ^ MASKED
        start = at + 6
        if length == 126 and end_of - at >= 8:
            start, length = at + 8, data[at + 2] << 8 | data[at + 3]
        elif length > 125:
            start, length = _large_head(data, at, length)
        end = start + length
        if end > end_of:
            break
        mask = raw[start - 4 : start]
        if length < _VIEWED_BYTES:
            payloads.append(apply_mask(raw[start:end], mask))
        else:
            payloads.append(apply_mask(memoryview(data)[start:end], mask))
        at = end
    return at


def _large_head(data: bytes, at: int, length: int) -> tuple[int, int]:
    """Returns start and length of a masked payload of 64 KiB and more.

    Without a whole head, or without a mask, it starts behind all that came.
    """
    if length == 127 and len(data) - at >= LARGE_HEAD_BYTES:
        return at + LARGE_HEAD_BYTES, int.from_bytes(data[at + 2 : at + 10], "big")
    return len(data) + 1, 0


def head(first: int, length: int) -> bytes:
    """Returns the head of an unmasked message."""
    if length < 126:
        return bytes((first, length))
    if length < 65_536:
        return _MEDIUM_HEAD.pack(first, 126, length)
    return bytes((first, 127)) + length.to_bytes(8, "big")


def binary(payload: bytes | memoryview) -> bytes:
    """Returns an unmasked binary message of less than 64 KiB."""
    length = len(payload)
    if length < 126:
        return _SMALL_HEADS[length] + payload
    return _MEDIUM_HEAD.pack(FIN_BINARY, 126, length) + payload
