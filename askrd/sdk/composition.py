"""The frames a peer writes, as bytes; each request of the conversation has its function here."""

import struct
from collections.abc import Mapping
from functools import lru_cache

from askrd.wire.bodies import ErrorBody, Json, dump
from askrd.wire.codec import encode
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.frames import HEADER, HEADER_REST_BYTES, Coding, Frame, Kind
from askrd.wire.limits import PART_BYTES, SECTION_BYTES_MAX
from askrd.wire.names import (
    check_key,
    check_pattern,
    check_prefix,
    check_subject,
    parse_address,
    shown,
)

_CACHED = 4096
_MESSAGE_CHARS_MAX = 8 * 1024
_CALL = int(Kind.CALL)
_pack = HEADER.pack


@lru_cache(_CACHED)
def address_bytes(target: str) -> bytes:
    """Returns the checked address of one instance as it stands in a frame.

    Raises:
        BadRequest: it is no address, or one that asks several instances.
    """
    if parse_address(target).is_survey:
        raise BadRequest(
            f"{shown(target)} asks several instances: use survey(), which gives a row of each"
        )
    return target.encode()


@lru_cache(_CACHED)
def any_address_bytes(target: str) -> bytes:
    """Returns a checked address as it stands in a frame, also of several instances.

    Raises:
        BadRequest: it is no address.
    """
    parse_address(target)
    return target.encode()


@lru_cache(_CACHED)
def subject_bytes(subject: str) -> bytes:
    """Returns the checked name of an event as it stands in a frame.

    Raises:
        BadRequest: no event can be called so.
    """
    return _utf8(check_subject(subject))


def pattern_bytes(pattern: str) -> bytes:
    """Returns a checked pattern as it stands in a frame.

    Raises:
        BadRequest: it is no pattern.
    """
    return _utf8(check_pattern(pattern))


def key_bytes(key: str) -> bytes:
    """Returns a checked state key as it stands in a frame.

    Raises:
        BadRequest: no entry can lie there.
    """
    return _utf8(check_key(key))


def prefix_bytes(prefix: str) -> bytes:
    """Returns a checked prefix as it stands in a frame.

    Raises:
        BadRequest: it is neither empty nor a key.
    """
    return _utf8(check_prefix(prefix))


def head_bytes(headers: Mapping[str, str] | None) -> bytes:
    """Returns the peers' own headers as a HEAD section.

    Raises:
        BadRequest: they are no object of strings, or larger than a section may be.
    """
    if not headers:
        return b""
    if any(not isinstance(part, str) for pair in headers.items() for part in pair):
        raise BadRequest("headers are strings by name: {'traceparent': '00-…'}")
    try:
        head = dump(headers)
    except UnicodeEncodeError as exc:
        raise BadRequest(f"headers are not UTF-8: {exc}") from exc
    if len(head) > SECTION_BYTES_MAX:
        raise BadRequest(f"headers have {len(head)} bytes; the limit is {SECTION_BYTES_MAX}")
    return head


def call_frame(
    id_: int,
    address: bytes,
    payload: bytes,
    coding: int,
    ttl_ms: int,
    head: bytes = b"",
    hops: int = 0,
    options: bytes = b"",
    flags: int = 0,
) -> bytes:
    """Returns a command; the case without headers, options and flags is the short way."""
    if head or options or flags:
        return encode(
            Frame(
                kind=Kind.CALL,
                id=id_,
                name=address,
                payload=payload,
                coding=coding,
                ttl_ms=ttl_ms,
                hops=hops,
                head=head,
                options=options,
                flags=flags,
            )
        )
    name_length = len(address)
    size = HEADER_REST_BYTES + name_length + len(payload)
    return _pack(size, _CALL, 0, name_length, id_, ttl_ms, coding | hops << 16) + address + payload


def plain_frame(kind: int, id_: int, name: bytes, payload: bytes, coding: int) -> bytes:
    """Returns a frame without sections: most kinds need no more."""
    size = HEADER_REST_BYTES + len(name) + len(payload)
    return _pack(size, kind, 0, len(name), id_, 0, coding) + name + payload


def flow_frame(
    kind: int, id_: int, payload: bytes = b"", coding: int = Coding.NONE, *, flags: int = 0
) -> bytes:
    """Returns a frame of a stream: an item, its end, its failure, or credit."""
    return (
        _pack(HEADER_REST_BYTES + len(payload), kind, 0, 0, id_, 0, coding | flags << 8) + payload
    )


def json_frame(kind: Kind, id_: int, body: Json, name: bytes = b"") -> bytes:
    """Returns an administrative frame with a JSON body."""
    return plain_frame(kind, id_, name, dump(body), Coding.JSON)


def json_bytes_frame(kind: Kind, id_: int, body: bytes) -> bytes:
    """Returns an administrative frame whose JSON body is encoded already."""
    return plain_frame(kind, id_, b"", body, Coding.JSON)


def option_frame(
    kind: Kind, id_: int, name: bytes, options: Json, payload: bytes = b"", coding: int = 0
) -> bytes:
    """Returns a frame with an OPTIONS section; empty options are left out."""
    return encode(
        Frame(
            kind=kind,
            id=id_,
            name=name,
            payload=payload,
            coding=coding,
            options=dump(options) if options else b"",
        )
    )


def fail_frame(id_: int, error: AskrError) -> bytes:
    """Returns the failing answer to a command; details that JSON cannot say are left out."""
    return plain_frame(Kind.FAIL, id_, b"", error_bytes(error), Coding.JSON)


def error_bytes(error: AskrError) -> bytes:
    """Returns an error as the body of a frame; details that JSON cannot say are left out."""
    body = ErrorBody(
        code=str(error.code),
        message=error.message[:_MESSAGE_CHARS_MAX].encode("utf-8", "replace").decode(),
        details=error.details,
        retryable=error.retryable,
        at=error.at or "handler",
    )
    try:
        payload = dump(body)
    except (TypeError, ValueError, OverflowError, RecursionError):
        payload = b""
    if not payload or len(payload) > PART_BYTES:
        body.details = {}
        payload = dump(body)
    return payload


def id_of(frame: bytes) -> int:
    """Returns the id of a whole frame."""
    return int(struct.unpack_from("<Q", frame, 8)[0])


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise BadRequest(f"a name is not UTF-8: {exc}") from exc
