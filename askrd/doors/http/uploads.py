"""Bodies that travel as a stream: items for a command that takes them, pieces of one large value."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from askrd.doors.exchange import Exchange
from askrd.doors.http.answer import LINES_TYPE, Refused
from askrd.doors.http.payloads import json_lines
from askrd.doors.http.request import Request
from askrd.doors.http.wishes import Wishes
from askrd.wire.codec import Raw
from askrd.wire.errors import AskrError, BadRequest, PayloadTooLarge
from askrd.wire.frames import Coding
from askrd.wire.limits import GATHERED_BYTES_MAX, STREAM_ITEM_BYTES


def begin_items(request: Request, wishes: Wishes, payload: Raw, coding: int) -> Exchange:
    """Sends a command whose upload is the body: its lines of JSON, or its bytes in pieces."""
    exchange = _begin(request, wishes, payload, coding, "items")
    if request.content_type == LINES_TYPE:
        request.attend(_pump(exchange, json_lines(request), Coding.JSON))
    else:
        request.attend(_pump(exchange, _pieces(request), Coding.BYTES))
    return exchange


def begin_payload(request: Request, wishes: Wishes, beginning: bytes) -> Exchange:
    """Sends a command whose argument is bytes above the limit of a frame."""
    exchange = _begin(request, wishes, beginning, Coding.BYTES, "payload")
    room = GATHERED_BYTES_MAX - len(beginning)
    request.attend(_pump(exchange, _pieces(request, room), Coding.BYTES))
    return exchange


def _begin(request: Request, wishes: Wishes, payload: Raw, coding: int, how: str) -> Exchange:
    return request.guest.call(
        request.rest,
        payload,
        coding,
        ttl_ms=wishes.ttl_ms,
        options=msgspec.structs.replace(wishes.options, upload=how),
        headers=wishes.headers,
        silent=wishes.silent,
    )


async def _pieces(request: Request, bytes_max: int | None = None) -> AsyncIterator[bytes]:
    came = 0
    while data := await request.body.piece():
        came += len(data)
        if bytes_max is not None and came > bytes_max:
            raise PayloadTooLarge(
                f"an argument has at most {GATHERED_BYTES_MAX} bytes; larger ones are for a "
                "command that takes an upload",
                at="daemon",
            )
        for at in range(0, len(data), STREAM_ITEM_BYTES):
            yield data[at : at + STREAM_ITEM_BYTES]


async def _pump(exchange: Exchange, pieces: AsyncIterator[bytes], coding: Coding) -> None:
    """Sends the body as fast as it is taken; takes the command back when the body breaks off."""
    try:
        async for piece in pieces:
            if not await exchange.send_up(piece, coding):
                return
    except AskrError as error:
        _break_off(exchange, error)
    except Refused as refused:
        said = "the body broke off" if refused.answer.status == 400 else "the body came too slowly"
        _break_off(exchange, BadRequest(f"{said}; the command was taken back", at="daemon"))
    else:
        exchange.end_up()


def _break_off(exchange: Exchange, error: AskrError) -> None:
    exchange.cancel()
    exchange.give_up(error)
