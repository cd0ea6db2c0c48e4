"""Changes of state over HTTP: `GET /state/PREFIX` as server-sent events."""

from __future__ import annotations

import msgspec

from askrd.doors.exchange import Exchange
from askrd.doors.guest import Guest
from askrd.doors.http.answer import SSE_TYPE, Answer, Pieces
from askrd.doors.http.listening import BEAT, RETRY, place_of
from askrd.doors.http.payloads import sse, text_of
from askrd.doors.http.request import Request
from askrd.wire.bodies import dump, load
from askrd.wire.errors import AskrError, Gone
from askrd.wire.frames import FLAG_KEPT, Frame, Kind
from askrd.wire.state import EntryOptions, Synced


async def watch(request: Request, prefix: str) -> Answer:
    """Streams what is at or below a prefix, then every change, until the client leaves.

    Raises:
        AskrError: the prefix was refused.
    """
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    if request.is_head:
        return Answer(200, b"", SSE_TYPE, headers)
    guest, epoch = request.guest, request.surroundings.board.daemon.epoch
    last = request.header("last-event-id")
    place = place_of(last)
    since = place[1] if place is not None and place[0] == epoch else None
    try:
        watching = guest.watch(prefix, since)
        first = await watching.next()
    except Gone:
        if since is None:
            raise
        since = None
        watching = guest.watch(prefix)
        first = await watching.next()
    lost = last if since is None else ""
    return Answer(200, _changes(guest, watching, first, epoch, lost), SSE_TYPE, headers)


async def _changes(
    guest: Guest, watching: Exchange, first: Frame, epoch: str, lost_after: str
) -> Pieces:
    yield RETRY
    if lost_after:
        body = {"after": lost_after, "reason": "changes may be missing; all entries follow"}
        yield sse(dump(body), event="gap")
    guest.on_beat = watching.nudge
    frame: Frame | None = first
    while True:
        yield BEAT if frame is None else _shown(frame, epoch)
        try:
            frame = await watching.next_or_nudge()
        except AskrError:
            return  # The daemon or the client goes away: the client comes back by itself.


def _shown(frame: Frame, epoch: str) -> bytes:
    if frame.kind == Kind.SYNCED:
        rev = load(Synced, frame.payload, "synced").rev
        return sse(dump({"rev": rev}), event="synced", id_=f"{epoch}:{rev}")
    options = load(EntryOptions, frame.options, "change")
    is_kept = bool(frame.flags & FLAG_KEPT)
    body = {
        "key": frame.name.decode("utf-8", "replace"),
        "value": msgspec.Raw(text_of(frame)),
        "rev": options.rev,
        "ts": options.ts,
        "op": options.op or "set",
        "cause": options.cause,
        "kept": is_kept,
    }
    return sse(dump(body), id_="" if is_kept else f"{epoch}:{options.rev}")
