"""What a request's `askr-*` headers ask for, and which of them are for the service."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from askrd.doors.http.request import Request
from askrd.wire.bodies import CallOptions
from askrd.wire.errors import BadRequest

PREFIX = "askr-"
OWN = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "all", "exclude", "first", "idempotency-key", "key", "quorum", "reply", "timeout",
        "version", "wait", "workspace",
    )
)  # fmt: skip
"""Headers that the daemon reads; every other one that begins so is the service's."""
TRACE = ("traceparent", "tracestate")
_WHOLE = re.compile("[0-9]{1,9}")
REPLIES = {"": "", "value": "value", "ack": "ack", "none": ""}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller wants of a command.

    Attributes:
        ttl_ms: how long it may take; 0 = as the service says.
        silent: whether nobody is to answer.
        options: what stands beside the payload.
        headers: for the service.
    """

    ttl_ms: int
    silent: bool
    options: CallOptions
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_survey(self) -> bool:
        """Whether it asks several instances by its options."""
        return self.options.all or self.options.first or bool(self.options.quorum)


def read_wishes(request: Request) -> Wishes:
    """Reads the headers of a request.

    Raises:
        BadRequest: one of them says what cannot be.
    """
    reply = request.header("askr-reply").lower()
    if reply not in REPLIES:
        raise BadRequest("askr-reply is value, ack or none", at="daemon")
    excluded = request.header("askr-exclude")
    return Wishes(
        ttl_ms=request.duration_ms("askr-timeout"),
        silent=reply == "none",
        options=CallOptions(
            reply=REPLIES[reply],
            all=_is_yes(request, "askr-all"),
            first=_is_yes(request, "askr-first"),
            quorum=_number(request, "askr-quorum"),
            exclude=[each.strip() for each in excluded.split(",") if each.strip()],
            key=request.header("askr-key"),
            idempotency_key=request.header("askr-idempotency-key")
            or request.header("idempotency-key"),
            version=request.header("askr-version"),
            wait_ms=request.duration_ms("askr-wait"),
        ),
        headers=headers_for_service(request),
    )


def headers_for_service(request: Request) -> dict[str, str]:
    """Returns what the service sees: `askr-user: ada` is its header `user`."""
    given = request.head.headers
    found = {
        name.removeprefix(PREFIX): _text(text)
        for name, text in given.items()
        if name.startswith(PREFIX) and name not in OWN
    }
    return found | {name: given[name] for name in TRACE if name in given}


def _text(text: str) -> str:
    """Returns a header's value as UTF-8 where it is that; HTTP's own letters are Latin-1."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeDecodeError:
        return text


def _is_yes(request: Request, name: str) -> bool:
    word = request.header(name).lower()
    if word not in {"", "true", "false", "1", "0"}:
        raise BadRequest(f"{name} is true or false", at="daemon")
    return word in {"true", "1"}


def _number(request: Request, name: str) -> int:
    text = request.header(name)
    if text and not _WHOLE.fullmatch(text):
        raise BadRequest(f"{name} is a number of at most nine digits", at="daemon")
    return int(text or "0")
