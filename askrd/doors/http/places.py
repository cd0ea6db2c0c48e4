"""Which path and method lead where: the one table of what is served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from askrd.doors.http import asyncapi, calls, entries, health, javascript, listening, metrics
from askrd.doors.http.answer import TEXT_TYPE, Answer, Refused, refusal
from askrd.doors.http.origins import preflight_headers
from askrd.doors.http.request import Request
from askrd.wire.names import nearest

Place = Callable[[Request], Awaitable[Answer]]


async def index(_request: Request) -> Answer:
    """Says in plain text what is here."""
    lines = "".join(f"{', '.join(methods)} {path}\n" for path, methods in _SHOWN.items())
    return Answer(200, f"askrd\n\n{lines}".encode(), TEXT_TYPE)


FIXED: dict[str, Mapping[str, Place]] = {
    "": {"GET": index},
    "healthz": {"GET": health.healthz},
    "readyz": {"GET": health.readyz},
    "metrics": {"GET": metrics.metrics},
    "asyncapi.json": {"GET": asyncapi.asyncapi},
    "askr.js": {"GET": javascript.javascript},
}
"""Paths of one part."""

NAMED: dict[str, Mapping[str, Place]] = {
    "call": {"GET": calls.ask, "POST": calls.call},
    "emit": {"POST": listening.emit},
    "listen": {"GET": listening.listen},
    "state": {"GET": entries.read, "PUT": entries.write, "DELETE": entries.delete},
}
"""First parts of paths whose rest is a name."""

_SHOWN = {f"/{path}": methods for path, methods in FIXED.items() if path} | {
    "/call/COMMAND": NAMED["call"],
    "/emit/EVENT": NAMED["emit"],
    "/listen/PATTERN": NAMED["listen"],
    "/state/KEY": NAMED["state"],
}


async def answer_for(request: Request) -> Answer:
    """Answers a request.

    Raises:
        AskrError: the core refused or failed it.
        Refused: HTTP knows the answer: no such path, or not that method.
    """
    first = request.segments[0]
    methods = FIXED.get(first) if len(request.segments) == 1 else NAMED.get(first)
    if methods is None:
        raise Refused(refusal(404, "not_found", _no_such(request.path)))
    allow = ", ".join((*methods, "HEAD", "OPTIONS") if "GET" in methods else (*methods, "OPTIONS"))
    if request.method == "OPTIONS":
        return Answer(204, headers=preflight_headers(request.head.headers, allow))
    place = methods.get(request.method)
    if place is None:
        said = f"{request.method[:20]} means nothing at {request.path[:200]}; it takes {allow}"
        raise Refused(refusal(405, "bad_request", said, allow=allow))
    if request.header("content-encoding").lower() not in {"", "identity"}:
        said = "the body is compressed, and this daemon takes it as it is only"
        raise Refused(refusal(415, "bad_request", said))
    if first in NAMED:
        request.say_hello()
    return await place(request)


def _no_such(path: str) -> str:
    close = nearest(path[:200], _SHOWN)
    hint = f" Did you mean: {', '.join(close)}?" if close else f" There is: {', '.join(_SHOWN)}"
    return f"nothing is at {path[:200]}.{hint}"
