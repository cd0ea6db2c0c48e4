"""Events over HTTP: `POST /emit/EVENT`, and `GET /listen/PATTERN` as server-sent events."""

from __future__ import annotations

import re

import msgspec

from askrd.doors.exchange import Exchange
from askrd.doors.guest import Guest
from askrd.doors.http.answer import SSE_TYPE, Answer, Pieces, json_answer
from askrd.doors.http.payloads import read_payload, sender_json, sse, text_of
from askrd.doors.http.request import Request
from askrd.wire.bodies import EventOptions, Gap, Json, dump, load
from askrd.wire.errors import AskrError, BadRequest, Gone
from askrd.wire.frames import STAMP_TIME, Frame, Kind
from askrd.wire.limits import ID_MAX

GREETING = b": listening\n\n"
BEAT = b":\n\n"
RETRY = b"retry: 1000\n\n"
_NUMBER = re.compile("[0-9]{1,16}")


async def emit(request: Request) -> Answer:
    """Emits the body as an event.

    Raises:
        AskrError: it was refused. Refused: the body came too slowly.
    """
    payload, coding = await read_payload(request, request.surroundings.limits.payload_bytes_max)
    return json_answer(await request.guest.emit(request.rest, payload, coding))


async def listen(request: Request) -> Answer:
    """Streams the events of a pattern until the client leaves.

    Raises:
        AskrError: the pattern was refused.
    """
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    if request.is_head:
        return Answer(200, b"", SSE_TYPE, headers)
    last = request.header("last-event-id")
    guest = request.guest
    behind = _behind(last)
    try:
        hearing = await guest.listen(request.rest, behind)
    except (BadRequest, Gone):
        if not behind:
            raise
        behind = b""  # The place is of another life of the daemon: the client is told below.
        hearing = await guest.listen(request.rest, _place(guest.epoch, 0))
    lost_after = "" if behind else last
    events = _events(guest, hearing, lost_after)
    return Answer(200, events, SSE_TYPE, headers)


def place_of(last: str) -> tuple[str, int] | None:
    """Returns epoch and number of a `Last-Event-ID`; None when it is no such thing."""
    epoch, _, number = last.partition(":")
    if not epoch or not _NUMBER.fullmatch(number) or int(number) > ID_MAX:
        return None
    return epoch, int(number)


def _behind(last: str) -> bytes:
    """Returns the OPTIONS of a `sub` that goes on behind the event with that id."""
    place = place_of(last)
    return b"" if place is None else _place(*place)


def _place(epoch: str, seq: int) -> bytes:
    return dump({"after": {"epoch": epoch, "seq": seq}, "retained": False})


async def _events(guest: Guest, hearing: Exchange, lost_after: str) -> Pieces:
    yield RETRY + GREETING
    if lost_after:
        yield sse(dump({"after": lost_after, "reason": "earlier events are not kept"}), event="gap")
    guest.on_beat = hearing.nudge
    while True:
        try:
            frame = await hearing.next_or_nudge()
        except AskrError:
            return  # The daemon or the client goes away: the client comes back by itself.
        yield BEAT if frame is None else _shown(frame, guest.epoch)


def _shown(frame: Frame, epoch: str) -> bytes:
    if frame.kind == Kind.GAP:
        return sse(dump(load(Gap, frame.payload, "gap")), event="gap")
    (micros,) = STAMP_TIME.unpack_from(frame.stamp)
    told: dict[str, Json | msgspec.Raw] = {
        "event": frame.name.decode("utf-8", "replace"),
        "payload": msgspec.Raw(text_of(frame)),
        "from": sender_json(frame),
        "seq": frame.id,
        "ts": micros // 1000,
    }
    if frame.options and load(EventOptions, frame.options, "options").retained:
        # It is older than what was heard: no place to come back to.
        return sse(dump(told | {"retained": True}))
    return sse(dump(told), id_=f"{epoch}:{frame.id}")
