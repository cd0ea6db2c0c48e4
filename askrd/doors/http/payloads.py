"""Payloads between frames and HTTP: which bytes of a body mean what, and the way back."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator

import msgspec

from askrd.doors.http.answer import BYTES_TYPE, JSON_TYPE
from askrd.doors.http.request import Request
from askrd.wire import strict_json
from askrd.wire.bodies import Json, dump
from askrd.wire.errors import BadRequest, PayloadTooLarge
from askrd.wire.frames import STAMP_TIME, Coding, Frame, Kind
from askrd.wire.limits import KIB

FORM_TYPE = "application/x-www-form-urlencoded"
"""What curl calls a body when nobody says its type; taken as JSON."""
LINE_BYTES_MAX = 256 * KIB
"""Longest line of an upload of JSON lines."""


def is_json(request: Request) -> bool:
    """Says whether a request's body is meant as JSON."""
    kind = request.content_type
    return kind in {"", JSON_TYPE, FORM_TYPE} or kind.endswith("+json")


async def read_payload(request: Request, bytes_max: int) -> tuple[bytes, Coding]:
    """Returns a body as payload and coding; an empty one of JSON is null.

    Raises:
        BadRequest: it says that it is JSON and is not.
        PayloadTooLarge: it is larger than ``bytes_max``.
        Refused: it came too slowly.
    """
    data = await request.body.whole(bytes_max)
    if not is_json(request):
        return data, Coding.BYTES
    return as_json(data, request.content_type)


def as_json(data: bytes, kind: str) -> tuple[bytes, Coding]:
    """Returns the text of a JSON body as payload and coding.

    Raises:
        BadRequest: it is not strict JSON.
    """
    text = data.strip()
    if not text:
        return b"", Coding.NONE
    try:
        strict_json.check(text)
    except BadRequest as exc:
        hint = "; for bytes say Content-Type: application/octet-stream" if kind != JSON_TYPE else ""
        raise BadRequest(f"the body is {exc.message}{hint}", at="daemon") from exc
    return text, Coding.JSON


async def json_lines(request: Request) -> AsyncIterator[bytes]:
    """Gives the lines of a body, each strict JSON.

    Raises:
        BadRequest: a line is not.
        PayloadTooLarge: a line is too long.
        Refused: the body came too slowly.
    """
    rest = b""
    while piece := await request.body.piece():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.strip():
                yield _line(line)
        if len(rest) > LINE_BYTES_MAX:
            raise PayloadTooLarge(f"a line has at most {LINE_BYTES_MAX} bytes", at="daemon")
    if rest.strip():
        yield _line(rest)


def _line(line: bytes) -> bytes:
    text = line.strip()
    strict_json.check(text)
    return text


def text_of(frame: Frame) -> bytes:
    """Returns a frame's payload as JSON on one line; bytes as ``{"b": base64}``."""
    if frame.coding == Coding.NONE and not frame.payload:
        return b"null"
    if frame.coding == Coding.JSON:
        try:
            msgspec.json.decode(frame.payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # A binary peer called it JSON and it is not: it travels as the bytes it is.
        else:
            return frame.payload.translate(None, b"\r\n")
    return dump({"b": b64encode(frame.payload).decode()})


def body_of(frame: Frame) -> tuple[bytes, str]:
    """Returns a frame's payload as a body, and its content type."""
    if frame.coding == Coding.BYTES:
        return frame.payload, BYTES_TYPE
    return text_of(frame) + b"\n", JSON_TYPE


def sender_of(frame: Frame) -> tuple[str, str]:
    """Returns the service and the instance that sent a frame."""
    stamp = frame.stamp[STAMP_TIME.size :] if frame.kind == Kind.EVENT else frame.stamp
    service, _, instance = stamp.decode("utf-8", "replace").partition("@")
    return service, instance


def sender_json(frame: Frame) -> Json:
    """Returns who sent a frame, as the command line shows it."""
    service, instance = sender_of(frame)
    return {"service": service, "instance": instance}


def sse(data: bytes, *, event: str = "", id_: str = "") -> bytes:
    """Returns one server-sent event; ``data`` is one line."""
    head = (f"id: {id_}\n" if id_ else "") + (f"event: {event}\n" if event else "")
    return head.encode() + b"data: " + data + b"\n\n"
