"""The W3C trace context of a command: which trace it belongs to, and its own span in it."""

import re
import secrets
from collections.abc import Mapping

TRACEPARENT = "traceparent"
"""Header that names the trace and the span a command was sent from."""
TRACESTATE = "tracestate"
"""Header with what tracing systems add; passed on as it is."""

_PARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_SAMPLED = "01"


def span_below(headers: Mapping[str, str]) -> str:
    """Returns the `traceparent` of a command that came with these headers.

    It has the trace id and the flags of the caller's and a new span id. Without a valid one a
    new trace begins.

    Source: https://www.w3.org/TR/trace-context/
    """
    trace, flags = _trace_of(headers.get(TRACEPARENT, ""))
    return f"00-{trace or secrets.token_hex(16)}-{secrets.token_hex(8)}-{flags}"


def _trace_of(parent: str) -> tuple[str, str]:
    """Returns trace id and flags; an empty id when ``parent`` names no trace."""
    found = _PARENT.fullmatch(parent)
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return "", _SAMPLED
    if not found["trace"].strip("0") or not found["span"].strip("0"):
        return "", _SAMPLED
    return found["trace"], found["flags"]
