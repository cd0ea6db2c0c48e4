"""The JavaScript client, served as the module it is: `import {connect} from ".../askr.js"`."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from askrd.doors.http.answer import Answer
from askrd.doors.http.request import Request

SCRIPT = (Path(__file__).parents[2] / "browser" / "askr.js").read_bytes()
SCRIPT_TYPE = "text/javascript; charset=utf-8"
_TAG = f'"{sha256(SCRIPT).hexdigest()[:32]}"'
_HEADERS = {
    "etag": _TAG,
    "cache-control": "no-cache",  # kept, and asked for again with its tag
    "x-content-type-options": "nosniff",
}


async def javascript(request: Request) -> Answer:
    """Returns the module, or 304 to who has it already."""
    known = {tag.strip().removeprefix("W/") for tag in request.header("if-none-match").split(",")}
    if known & {_TAG, "*"}:
        return Answer(304, headers=_HEADERS)
    return Answer(200, SCRIPT, SCRIPT_TYPE, _HEADERS)
