"""Binary frames to bytes and back, and the assembly of frames from whatever chunks arrive."""

import struct
from typing import cast

from askrd.wire import header
from askrd.wire.errors import BadRequest, PayloadTooLarge
from askrd.wire.frames import (
    FLAG_HEAD,
    FLAG_OPTIONS,
    HEADER,
    HEADER_REST_BYTES,
    SECTION,
    SIZE_BYTES,
    Frame,
)
from askrd.wire.limits import HEADER_BYTES, ID_MAX, SECTION_BYTES_MAX, SKIP_BYTES_MAX

Raw = bytes | memoryview
"""Bytes of a frame; a view where a large payload is to stay where it was received."""


def encode(frame: Frame) -> bytes:
    """Returns the bytes of ``frame``.

    The flags HEAD and OPTIONS are set by what the frame has, whatever ``frame.flags`` says.

    Raises:
        ValueError: a field does not fit its place in the frame (a mistake of the caller).
    """
    flags = frame.flags & ~(FLAG_HEAD | FLAG_OPTIONS)
    if (frame.coding | flags | frame.hops) >> 8:
        raise ValueError("coding, flags and hops are 0 to 255")
    parts = [frame.stamp, frame.name]
    for bit, section in ((FLAG_HEAD, frame.head), (FLAG_OPTIONS, frame.options)):
        if section:
            if len(section) > SECTION_BYTES_MAX:
                raise ValueError(f"a section has at most {SECTION_BYTES_MAX} bytes")
            flags |= bit
            parts += (SECTION.pack(len(section)), section)
    parts.append(frame.payload)
    if not 0 <= frame.id <= ID_MAX:
        raise ValueError(f"an id is 0 to {ID_MAX}, not {frame.id}")
    body = b"".join(parts)
    tail = frame.coding | flags << 8 | frame.hops << 16
    size = HEADER_REST_BYTES + len(body)
    lengths = len(frame.stamp), len(frame.name)
    try:
        fixed = HEADER.pack(size, frame.kind, *lengths, frame.id, frame.ttl_ms, tail)
    except struct.error as exc:
        raise ValueError(f"a field does not fit the header: {exc}") from exc
    return fixed + body


def decode(data: Raw) -> Frame:
    """Reads one whole frame.

    Args:
        data: exactly one frame, size field included; of a view the payload is a view as well.

    Raises:
        BadRequest: lengths inside the frame contradict its size, or the id is above 2^53-1.
    """
    if len(data) < HEADER_BYTES:
        raise BadRequest(f"a frame has at least {HEADER_BYTES} bytes")
    if isinstance(data, bytes):
        size, kind, stamp_length, name_length, id_, ttl_ms, tail = header.read(data, 0)
    else:
        size, kind, stamp_length, name_length, id_, ttl_ms, tail = HEADER.unpack_from(data)
    if size + SIZE_BYTES != len(data):
        raise BadRequest("the size field does not fit the frame")
    if id_ > ID_MAX:
        raise BadRequest(f"an id is at most 2^53-1, not {id_}")
    name_at = HEADER_BYTES + stamp_length
    at = name_at + name_length
    flags = tail >> 8 & 0xFF
    head, at = _section(data, at) if flags & FLAG_HEAD else (b"", at)
    options, at = _section(data, at) if flags & FLAG_OPTIONS else (b"", at)
    if at > len(data):
        raise BadRequest("the name and the sections are longer than the frame")
    return Frame(
        kind=kind,
        id=id_,
        name=bytes(data[name_at : name_at + name_length]),
        payload=cast("bytes", data[at:]),
        coding=tail & 0xFF,
        flags=flags,
        ttl_ms=ttl_ms,
        hops=tail >> 16 & 0xFF,
        head=head,
        options=options,
        stamp=bytes(data[HEADER_BYTES:name_at]),
    )


def _section(data: Raw, at: int) -> tuple[bytes, int]:
    if at + SECTION.size > len(data):
        raise BadRequest("the frame ends before its HEAD or OPTIONS section")
    (length,) = SECTION.unpack_from(data, at)
    if length > SECTION_BYTES_MAX:
        raise BadRequest(f"a section has at most {SECTION_BYTES_MAX} bytes, not {length}")
    start = at + SECTION.size
    return bytes(data[start : start + length]), start + length


_PIECES_MAX = 256
"""Small pieces of one frame that are kept before they are joined into one."""


class Oversize(PayloadTooLarge):
    """A frame announces more bytes than the limit; it is being counted away unbuffered.

    Attributes:
        kind: kind of the refused frame.
        id: its id, so that an answer can name it; 0 when it is no id at all.
        size: bytes of the whole frame, header included.
        flags: its flags.
        fatal: whether it is so large that the connection has to close.
    """

    def __init__(
        self, kind: int, id_: int, size: int, frame_bytes_max: int, flags: int = 0
    ) -> None:
        super().__init__(
            f"a frame of {size} bytes is above the limit of {frame_bytes_max}; it was not relayed",
            details={"bytes": size, "bytes_max": frame_bytes_max},
        )
        self.kind = kind
        self.id = id_ if id_ <= ID_MAX else 0
        self.size = size
        self.flags = flags
        self.fatal = size > SKIP_BYTES_MAX


class Malformed(BadRequest):
    """The bytes cannot be a frame, so where the next one begins is unknown; close."""


class Assembly:
    """Frames that arrive in pieces: keeps the pieces, joins them once, bounded by one frame.

    Usage: `join` each chunk; read whole frames off its result; `hold` the rest. After an
    `Oversize`, ``join(b"")`` returns what followed the refused frame. `split` does all of it.
    """

    __slots__ = ("_have", "_need", "_parts", "_settled", "_skip", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int) -> None:
        """Starts empty; ``frame_bytes_max`` is the largest whole frame, header included."""
        self.frame_bytes_max = frame_bytes_max
        self._parts: list[bytes] = []
        self._settled = 0
        self._have = 0
        self._need = 0
        self._skip = 0

    @property
    def is_empty(self) -> bool:
        """Whether the next byte begins a frame."""
        return not self._parts and not self._skip

    @property
    def is_skipping(self) -> bool:
        """Whether a refused frame is still being counted away."""
        return self._skip > 0

    @property
    def held_bytes(self) -> int:
        """Bytes kept of a frame that is not whole yet."""
        return self._have

    @property
    def missing_bytes(self) -> int:
        """Bytes still to come of the held frame, as far as its size is known; 0 without one."""
        return max(0, self._need - self._have)

    def release(self) -> bytes:
        """Returns what is held and forgets it: the caller puts that frame together itself."""
        held = b"".join(self._parts)
        self._keep(b"")
        return held

    def join(self, data: bytes) -> bytes:
        """Returns ``data`` preceded by what was held.

        The result begins with a frame's header. It is empty while the held frame is not whole,
        or while a refused one is counted away. What the bytes say is looked at by `hold` only,
        so a frame whose header came in two pieces is refused there.
        """
        if self._skip:
            gone = min(self._skip, len(data))
            self._skip -= gone
            return data[gone:]
        if not self._parts:
            return data
        self._parts.append(data)
        self._have += len(data)
        if self._have < self._need:
            self._settle()
            return b""
        whole = b"".join(self._parts)
        self._keep(b"")
        return whole

    def hold(self, rest: bytes) -> None:
        """Keeps ``rest``, the beginning of a frame that is not whole (or is above the limit).

        Raises:
            Oversize: its size is above the limit. Nothing of it is kept and what is still to come
                of it will be skipped, so the connection may go on unless ``fatal``; bytes of
                ``rest`` beyond it are kept for the next `join`.
            Malformed: its lengths contradict each other; nothing is kept.
        """
        if len(rest) < HEADER_BYTES:
            self._keep(rest)
            self._need = HEADER_BYTES
            return
        size, kind, stamp_length, name_length, id_, _, tail = HEADER.unpack_from(rest)
        if size < HEADER_REST_BYTES + stamp_length + name_length:
            raise Malformed("a frame's size is smaller than its header and name")
        need = SIZE_BYTES + size
        if need > self.frame_bytes_max:
            self._skip = max(0, need - len(rest))
            self._keep(rest[need:])
            raise Oversize(kind, id_, need, self.frame_bytes_max, tail >> 8 & 0xFF)
        self._keep(rest)
        self._need = need

    def _keep(self, rest: bytes) -> None:
        self._parts = [rest] if rest else []
        self._have = len(rest)
        self._need = self._settled = 0

    def _settle(self) -> None:
        """Joins many small pieces into one, so that a byte costs about a byte of memory."""
        if len(self._parts) - self._settled >= _PIECES_MAX:
            self._parts[self._settled :] = [b"".join(self._parts[self._settled :])]
            self._settled += 1


def split(assembly: Assembly, data: bytes) -> list[bytes | Oversize | Malformed]:
    """Returns what ``data`` completes, in order; the rest stays in ``assembly``.

    Each item is the bytes of one whole frame, or an `Oversize` where a frame was above the limit,
    or at the very end a `Malformed`, after which the connection cannot go on. Nothing is raised,
    so no frame before a bad one is lost.
    """
    found: list[bytes | Oversize | Malformed] = []
    data = assembly.join(data)
    while data:
        at = 0
        try:
            while end := _next_end(data, at, assembly.frame_bytes_max):
                found.append(data[at:end])
                at = end
            if at < len(data):
                assembly.hold(data[at:])
            return found
        except Oversize as refused:
            found.append(refused)
            data = assembly.join(b"")
        except Malformed as garbage:
            return [*found, garbage]
    return found


def _next_end(data: bytes, at: int, frame_bytes_max: int) -> int:
    """Where the frame at ``at`` ends, or 0 when it is not whole, above the limit or malformed.

    After a 0, `Assembly.hold` tells these apart.
    """
    if len(data) - at < HEADER_BYTES:
        return 0
    size, _, stamp_length, name_length, _, _, _ = HEADER.unpack_from(data, at)
    if size < HEADER_REST_BYTES + stamp_length + name_length:
        return 0
    end = at + SIZE_BYTES + int(size)
    return end if end <= min(len(data), at + frame_bytes_max) else 0
