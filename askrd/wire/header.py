"""The fixed header of a frame, read and written: what the relay does most.

`header.pxd` says the same in C for the compiled build. Call these as attributes of this module;
that is what lets the compiler put the C ones in their place.
"""

from askrd.wire.frames import HEADER

read = HEADER.unpack_from
"""``read(data, at)``: size, kind, stamp length, name length, id, ttl_ms, tail."""

_pack = HEADER.pack


def stamped(
    size: int,
    kind: int,
    name_length: int,
    id_: int,
    ttl_ms: int,
    tail: int,
    stamp: bytes,
    data: bytes,
    at: int,
    end: int,
) -> bytes:
    """Returns a frame made of a new header, ``stamp``, and ``data[at:end]`` as it is.

    ``size`` counts what the size field would without the stamp.
    """
    length = len(stamp)
    return _pack(size + length, kind, length, name_length, id_, ttl_ms, tail) + stamp + data[at:end]
