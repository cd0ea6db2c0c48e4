"""Commands over HTTP: `POST /call/agent.fetch`, and GET for those that are idempotent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from askrd.doors.exchange import Exchange
from askrd.doors.http import uploads
from askrd.doors.http.answer import (
    BYTES_TYPE,
    JSON_TYPE,
    LINES_TYPE,
    SSE_TYPE,
    Answer,
    Refused,
    json_answer,
    refusal,
)
from askrd.doors.http.payloads import as_json, body_of, is_json, sender_of
from askrd.doors.http.request import Request
from askrd.doors.http.streaming import item_pieces, row_pieces
from askrd.doors.http.wishes import Wishes, read_wishes
from askrd.wire.bodies import Json, dump
from askrd.wire.codec import Raw
from askrd.wire.errors import AskrError, BadRequest, CommandUnknown
from askrd.wire.frames import Coding, Frame
from askrd.wire.limits import NAME_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a command before it is sent.

    Attributes:
        reply: its reply mode. upload: whether it takes items. idempotent: whether twice does no
            harm. is_survey: whether the plain name asks everyone. arguments: JSON Schemas by name.
    """

    reply: str = "value"
    upload: bool = False
    idempotent: bool = False
    is_survey: bool = False
    arguments: Mapping[str, Json] | None = None


async def call(request: Request) -> Answer:
    """Sends a command with the body as its argument.

    Raises:
        AskrError: it failed, or says its argument twice. Refused: the body came too slowly.
    """
    facts = await _facts(request)
    wishes = read_wishes(request)
    sent = _as_sent(request, facts, wishes)
    if facts.upload and (not is_json(request) or request.content_type == LINES_TYPE):
        payload, coding = _arguments(request, facts)
        exchange = uploads.begin_items(request, sent, payload, coding)
    elif request.content_type == LINES_TYPE:
        raise BadRequest(f"{request.rest} takes no upload; send one JSON value", at="daemon")
    elif request.query:
        said = "a POST has its argument in the body; only GET and uploads take some from the query"
        raise BadRequest(said, at="daemon")
    elif is_json(request):
        data = await request.body.whole(request.surroundings.limits.payload_bytes_max)
        payload, coding = as_json(data, request.content_type)
        exchange = _send(request, sent, payload, coding)
    else:
        bytes_max = request.surroundings.limits.payload_bytes_max
        beginning, has_more = await request.body.beginning(bytes_max)
        if has_more:
            exchange = uploads.begin_payload(request, sent, beginning)
        else:
            exchange = _send(request, sent, beginning, Coding.BYTES)
    return await _answer(request, facts, wishes, exchange)


async def ask(request: Request) -> Answer:
    """Sends an idempotent command with the query as its arguments.

    Raises:
        AskrError: it failed. Refused: it is not declared idempotent.
    """
    facts = await _facts(request, must_exist=True)
    if not facts.idempotent:
        said = f"{request.rest} is not declared idempotent, so that GET may not send it: use POST"
        raise Refused(refusal(405, "bad_request", said, allow="POST, OPTIONS"))
    wishes = read_wishes(request)
    payload, coding = _arguments(request, facts)
    exchange = _send(request, _as_sent(request, facts, wishes), payload, coding)
    return await _answer(request, facts, wishes, exchange)


async def _facts(request: Request, *, must_exist: bool = False) -> Facts:
    """Asks the daemon about the command; unknown ones may come while the request waits."""
    address = request.rest
    if not address or len(address.encode()) > NAME_BYTES_MAX:
        raise CommandUnknown("say which command: /call/agent.fetch", at="daemon")
    try:
        known = await request.guest.ask("$askr.describe", {"target": address})
    except AskrError:
        if must_exist:
            raise
        return Facts(is_survey="*." in address)
    if known.get("reply") is None:  # A service or an event of that name, and no command.
        return Facts()
    schema = known["request"]
    properties = schema.get("properties") if isinstance(schema, dict) else None
    instances = address.partition("@")[2].partition(".")[0]
    return Facts(
        reply=known["reply"],
        upload=known.get("upload", False),
        idempotent=known["idempotent"],
        is_survey=known.get("mode") == "broadcast" or (instances != "" and _asks_many(instances)),
        arguments=properties if isinstance(properties, dict) else None,
    )


def _asks_many(instances: str) -> bool:
    return not instances.startswith("{") and ("*" in instances or "," in instances)


def _as_sent(request: Request, facts: Facts, wishes: Wishes) -> Wishes:
    """Returns the wishes with the word that the answer is to come item by item, where it is."""
    if not _wants_stream(request, facts, wishes):
        return wishes
    return replace(wishes, options=msgspec.structs.replace(wishes.options, reply="stream"))


def _send(request: Request, wishes: Wishes, payload: Raw, coding: int) -> Exchange:
    return request.guest.call(
        request.rest,
        payload,
        coding,
        ttl_ms=wishes.ttl_ms,
        options=wishes.options,
        headers=wishes.headers,
        silent=wishes.silent,
    )


def _wants_stream(request: Request, facts: Facts, wishes: Wishes) -> bool:
    """A stream is answered as it comes, unless one JSON value is asked for."""
    one_value = request.accepts(JSON_TYPE) or wishes.silent or wishes.options.reply
    return facts.reply == "stream" and not one_value and not request.is_head


async def _answer(request: Request, facts: Facts, wishes: Wishes, exchange: Exchange) -> Answer:
    if facts.is_survey or wishes.is_survey:
        first = await exchange.next()
        kind = SSE_TYPE if request.accepts(SSE_TYPE) else LINES_TYPE
        if request.is_head:
            exchange.leave()
            return Answer(200, b"", kind, _NO_CACHE)
        return Answer(200, row_pieces(exchange, first, as_sse=kind == SSE_TYPE), kind, _NO_CACHE)
    if _wants_stream(request, facts, wishes):
        first = await exchange.next()
        kind = _stream_type(request, first)
        return Answer(200, item_pieces(exchange, first, kind), kind, _from(first) | _NO_CACHE)
    reply = await exchange.value()
    if wishes.silent or wishes.options.reply == "ack" or facts.reply in {"none", "ack"}:
        return json_answer(None, 202, _from(reply))
    body, kind = body_of(reply)
    return Answer(200, body, kind, _from(reply))


_NO_CACHE = {"cache-control": "no-store", "x-accel-buffering": "no"}


def _stream_type(request: Request, first: Frame) -> str:
    if request.accepts(SSE_TYPE):
        return SSE_TYPE
    return BYTES_TYPE if first.coding == Coding.BYTES else LINES_TYPE


def _from(reply: Frame) -> dict[str, str]:
    service, instance = sender_of(reply)
    return {"askr-from": f"{service}@{instance}"} if instance else {}


def _arguments(request: Request, facts: Facts) -> tuple[bytes, Coding]:
    """Returns the query as an object of arguments, each of the type its schema names.

    Raises:
        BadRequest: a name stands twice, or a value is not of its type.
    """
    found: dict[str, Json] = {}
    for name, text in request.query:
        if name in found:
            raise BadRequest(f"the argument {name!r} stands twice; send it by POST", at="daemon")
        found[name] = _typed(name, text, (facts.arguments or {}).get(name))
    return (dump(found), Coding.JSON) if found else (b"", Coding.NONE)


def _typed(name: str, text: str, schema: Json) -> Json:
    """A value is text where its schema says so, else JSON; where nothing is said, what it can be."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind == "string":
        return text
    try:
        return msgspec.json.decode(as_json(text.encode(), "")[0] or b"null")
    except BadRequest as exc:
        if kind is None or (isinstance(kind, list) and "string" in kind):
            return text
        raise BadRequest(f"{name}={text[:100]!r} is no {kind}", at="daemon") from exc
