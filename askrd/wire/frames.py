"""What a frame is: its kinds, its fixed header, and its parts as one value.

A frame is 24 bytes of header, then stamp, name, optional HEAD and OPTIONS sections, and an
opaque payload. docs/PROTOCOL.md describes every kind.
"""

from enum import IntEnum
from struct import Struct as Packing

import msgspec

HEADER = Packing("<IBBHQII")
"""size, kind, stamp length, name length, id, ttl_ms, tail (coding, flags, hops, 0)."""
STAMP_TIME = Packing("<Q")
"""Microseconds since 1970 in front of an event's stamp."""
SECTION = Packing("<H")
"""Length in front of HEAD and OPTIONS."""
SIZE_BYTES = 4
"""Length of the size field, which does not count itself."""
HEADER_REST_BYTES = 20
"""What the size field counts of the header."""

MAGIC = b"\0askr/1\n"
"""First bytes of a raw binary connection: cannot begin TLS, HTTP or JSON."""
MAGIC_COMPRESSED = b"\0askr/1 "
"""The same of a peer that would like to compress: its kinds follow, and a newline."""
SUBPROTOCOL_BINARY = "askr.1"
SUBPROTOCOL_TEXT = "askr.1.json"


class Kind(IntEnum):
    """What a frame says; the high nibble is its family."""

    HELLO = 0x01
    CHALLENGE = 0x02
    PROOF = 0x03
    WELCOME = 0x04
    PING = 0x05
    PONG = 0x06
    BYE = 0x07
    ERROR = 0x08
    DRAIN = 0x09
    PART = 0x0A
    RESUME = 0x0B
    RESUMED = 0x0C

    CALL = 0x10
    PROGRESS = 0x11
    REPLY = 0x12
    FAIL = 0x13
    CANCEL = 0x14

    CREDIT = 0x20
    ITEM = 0x21
    END = 0x22
    RESET = 0x23

    SUB = 0x30
    SUBBED = 0x31
    UNSUB = 0x32
    EMIT = 0x33
    EMITTED = 0x34
    EVENT = 0x35
    ACK = 0x36
    NAK = 0x37
    GAP = 0x38
    ANSWER = 0x39

    GET = 0x40
    PUT = 0x41
    DEL = 0x42
    WATCH = 0x43
    CHANGE = 0x44
    SYNCED = 0x45
    UNWATCH = 0x46
    OK = 0x47

    PROVIDE = 0x50
    PROVIDED = 0x51
    UPDATE = 0x52
    WITHDRAW = 0x53
    ROSTER = 0x54


class Coding(IntEnum):
    """What the payload's bytes are; 3 is reserved."""

    NONE = 0
    JSON = 1
    BYTES = 2


FLAG_HEAD = 0x01
FLAG_OPTIONS = 0x02
FLAG_UP = 0x04
FLAG_MORE = 0x08
FLAG_SEALED = 0x10
FLAG_SILENT = 0x20
FLAG_KEPT = 0x40
FLAG_RESERVED = 0x80


class Frame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One frame in parts; what the relay's fast path never builds.

    Attributes:
        kind: a `Kind`, or a number this version does not know.
        id: 0 … 2^53-1; its meaning depends on the kind.
        name: address, subject, pattern or key in UTF-8; empty where the kind has none.
        payload: opaque bytes.
        coding: a `Coding`.
        flags: bits ``FLAG_*``; HEAD and OPTIONS follow ``head`` and ``options`` when encoding.
        ttl_ms: remaining milliseconds; 0 = none given.
        hops: depth of nested commands.
        head: JSON object of strings, or empty: headers the relay carries and never reads.
        options: JSON object, or empty: what the relay must read.
        stamp: who sent it, written by the daemon only.
    """

    kind: int
    id: int = 0
    name: bytes = b""
    payload: bytes = b""
    coding: int = Coding.NONE
    flags: int = 0
    ttl_ms: int = 0
    hops: int = 0
    head: bytes = b""
    options: bytes = b""
    stamp: bytes = b""
