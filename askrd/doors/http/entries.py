"""The workspace's state over HTTP: GET, PUT and DELETE of `/state/KEY`, revisions as ETags."""

from __future__ import annotations

import re
from contextlib import aclosing

import msgspec

from askrd.doors.http.answer import LINES_TYPE, SSE_TYPE, Answer, Pieces, json_answer
from askrd.doors.http.payloads import body_of, read_payload, text_of
from askrd.doors.http.request import Request, read_duration_ms
from askrd.doors.http.watching import watch
from askrd.wire.bodies import Json, dump, load
from askrd.wire.errors import BadRequest
from askrd.wire.frames import Frame
from askrd.wire.limits import VALUE_BYTES_MAX
from askrd.wire.state import DelOptions, EntryOptions, PutOptions

QUERY = ("if_rev", "ttl", "fast")
_TAG = re.compile(r'(?:W/)?"([0-9]{1,16})"|([0-9]{1,16})')


async def read(request: Request) -> Answer:
    """Returns an entry, or at a path that ends with `/` all entries below; as SSE, the changes.

    Raises:
        AskrError: there is none, or the key is none.
    """
    key = request.rest
    if request.accepts(SSE_TYPE):
        return await watch(request, key.rstrip("/"))
    if not key or key.endswith("/"):
        if request.is_head:
            return Answer(200, b"", LINES_TYPE)
        rows = _below(request, key.rstrip("/"))
        first = await anext(rows, b"")  # A prefix that is none is refused with a status.
        return Answer(200, _all(first, rows), LINES_TYPE)
    found = await request.guest.get(key)
    options = load(EntryOptions, found.options, "ok")
    headers = _headers(options)
    if _tags(request.header("if-none-match")) & {options.rev}:
        return Answer(304, headers=headers)
    body, kind = body_of(found)
    return Answer(200, body, kind, headers)


async def _below(request: Request, prefix: str) -> Pieces:
    async for change in request.guest.entries(prefix):
        yield _line(change)


async def _all(first: bytes, rest: Pieces) -> Pieces:
    async with aclosing(rest) as rows:
        yield first
        async for row in rows:
            yield row


def _line(change: Frame) -> bytes:
    options = load(EntryOptions, change.options, "change")
    row = {"key": change.name.decode("utf-8", "replace"), "value": msgspec.Raw(text_of(change))}
    return dump(row | _facts(options)) + b"\n"


async def write(request: Request) -> Answer:
    """Writes the body as an entry.

    Raises:
        AskrError: it was refused; nothing was written. Refused: the body came too slowly.
    """
    given = _query(request)
    ttl_ms = read_duration_ms("ttl", given["ttl"]) if "ttl" in given else None
    payload, coding = await read_payload(request, VALUE_BYTES_MAX)
    options = PutOptions(if_rev=_if_rev(request, given), ttl_ms=ttl_ms, fast=_is_fast(given))
    return _written(await request.guest.put(request.rest, payload, coding, options))


async def delete(request: Request) -> Answer:
    """Takes an entry away.

    Raises:
        AskrError: there is none, or it was refused; nothing was written.
    """
    given = _query(request)
    options = DelOptions(if_rev=_if_rev(request, given), fast=_is_fast(given))
    return _written(await request.guest.delete(request.rest, options))


def _written(ok: Frame) -> Answer:
    options = load(EntryOptions, ok.options, "ok")
    return json_answer(_facts(options) | {"changed": options.changed}, headers=_headers(options))


def _facts(options: EntryOptions) -> dict[str, Json]:
    found: dict[str, Json] = {"rev": options.rev, "ts": options.ts}
    if options.ttl_ms:
        found["ttl_ms"] = options.ttl_ms
    if options.owner:
        found["owner"] = options.owner
    return found


def _headers(options: EntryOptions) -> dict[str, str]:
    return {"etag": f'"{options.rev}"', "cache-control": "no-cache"}


def _query(request: Request) -> dict[str, str]:
    found = dict(request.query)
    if unknown := set(found) - set(QUERY):
        raise BadRequest(
            f"the query of a state entry has {', '.join(QUERY)}, not {min(unknown)[:40]!r}",
            at="daemon",
        )
    return found


def _is_fast(given: dict[str, str]) -> bool:
    if given.get("fast", "true") not in {"true", "false"}:
        raise BadRequest("fast is true or false", at="daemon")
    return given.get("fast") == "true"


def _if_rev(request: Request, given: dict[str, str]) -> int | None:
    """The revision that the entry must have: `If-Match`, `If-None-Match: *`, or `?if_rev=`."""
    unless = request.header("if-none-match")
    if unless == "*":
        return 0
    if unless:
        raise BadRequest("If-None-Match of a write is *, or absent; see If-Match", at="daemon")
    text = request.header("if-match") or given.get("if_rev", "")
    if not text:
        return None
    match = _TAG.fullmatch(text.strip())
    if match is None:
        raise BadRequest('If-Match is one ETag, such as "12"; if_rev is a number', at="daemon")
    return int(match[1] or match[2])


def _tags(text: str) -> set[int]:
    return {int(found[1] or found[2]) for found in _TAG.finditer(text)}
