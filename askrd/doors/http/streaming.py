"""Replies that come bit by bit: items of a stream, rows of a survey, as lines or as SSE."""

from __future__ import annotations

import time

import msgspec

from askrd.doors.exchange import Exchange, fault_of
from askrd.doors.http.answer import BYTES_TYPE, SSE_TYPE, Pieces, error_object
from askrd.doors.http.payloads import sender_json, sse, text_of
from askrd.wire.bodies import dump
from askrd.wire.errors import AskrError
from askrd.wire.frames import FLAG_MORE, Frame, Kind


async def item_pieces(exchange: Exchange, first: Frame, kind: str) -> Pieces:
    """Gives the items of a stream as pieces of a body of that content type.

    A stream that fails is cut; as SSE it ends with an event `error` in place of `end`.

    Raises:
        AskrError: it failed, and the content type has no words for that.
    """
    frame = first
    try:
        while frame.kind != Kind.REPLY:
            if frame.kind == Kind.ITEM:
                yield _item(frame, kind)
            frame = await exchange.next()
    except AskrError as error:
        if kind != SSE_TYPE:
            raise
        yield sse(dump(error_object(error)), event="error")
    else:
        if kind == SSE_TYPE:
            yield sse(text_of(frame), event="end")
    finally:
        exchange.leave()


def _item(frame: Frame, kind: str) -> bytes:
    if kind == BYTES_TYPE:
        return frame.payload
    return sse(text_of(frame)) if kind == SSE_TYPE else text_of(frame) + b"\n"


async def row_pieces(exchange: Exchange, first: Frame, *, as_sse: bool) -> Pieces:
    """Gives the rows of a survey and its summary, one JSON object each."""
    began_s = time.monotonic()
    frame = first
    try:
        while frame.flags & FLAG_MORE:
            yield _shown(_row(frame, began_s), as_sse=as_sse)
            frame = await exchange.next()
        yield _shown(b'{"summary":' + text_of(frame) + b"}", as_sse=as_sse)
    finally:
        exchange.leave()


def _row(frame: Frame, began_s: float) -> bytes:
    ms = round((time.monotonic() - began_s) * 1000, 1)
    if frame.kind == Kind.FAIL:
        error = error_object(fault_of(frame))["error"]
        return dump({"from": sender_json(frame), "ok": False, "error": error, "ms": ms})
    value = msgspec.Raw(text_of(frame))
    return dump({"from": sender_json(frame), "ok": True, "value": value, "ms": ms})


def _shown(row: bytes, *, as_sse: bool) -> bytes:
    return sse(row) if as_sse else row + b"\n"
