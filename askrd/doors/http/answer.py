"""What a request is answered with, and what errors are in HTTP: a status and the CLI's object."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from http import HTTPStatus

from askrd.wire.bodies import Json, dump
from askrd.wire.errors import AskrError, ErrorCode

Pieces = AsyncGenerator[bytes, None]
"""A body that comes bit by bit."""

JSON_TYPE = "application/json"
LINES_TYPE = "application/x-ndjson"
BYTES_TYPE = "application/octet-stream"
SSE_TYPE = "text/event-stream"
TEXT_TYPE = "text/plain; charset=utf-8"

CANCELLED_STATUS = 499
_REASONS = {CANCELLED_STATUS: "Client Closed Request"}
_BODILESS = (204, 304)
RETRY_AFTER_S = 1

STATUS_OF_CODE: dict[ErrorCode, int] = {
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.UNKNOWN_KIND: 400,
    ErrorCode.SCHEMA_INVALID: 422,
    ErrorCode.PAYLOAD_TOO_LARGE: 413,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.WORKSPACE_UNKNOWN: 404,
    ErrorCode.SERVICE_UNKNOWN: 404,
    ErrorCode.COMMAND_UNKNOWN: 404,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.GONE: 410,
    ErrorCode.NO_INSTANCE: 503,
    ErrorCode.COMMAND_AMBIGUOUS: 409,
    ErrorCode.HANDLER_ERROR: 500,
    ErrorCode.UNSEAL_FAILED: 500,
    ErrorCode.INSTANCE_LOST: 502,
    ErrorCode.CONNECTION_LOST: 502,
    ErrorCode.SLOW_CONSUMER: 502,
    ErrorCode.CONFLICT: 409,
    ErrorCode.VERSION_UNSUPPORTED: 426,
    ErrorCode.SWAP_FAILED: 409,
    ErrorCode.BUSY: 429,
    ErrorCode.DRAINING: 503,
    ErrorCode.LIMIT_EXCEEDED: 429,
    ErrorCode.DEADLINE_EXCEEDED: 504,
    ErrorCode.CANCELLED: CANCELLED_STATUS,
    ErrorCode.OUTCOME_UNKNOWN: 502,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
    ErrorCode.STORAGE_UNAVAILABLE: 503,
}
"""Every code of the daemon's own; complete by a test."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response.

    Attributes:
        status: its number.
        body: all of it, or the pieces that follow one after another.
        kind: its content type; empty = it has none.
        headers: further ones.
        closes: whether the connection ends with it.
        reason: why it refuses, for the log.
    """

    status: int
    body: bytes | Pieces = b""
    kind: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    closes: bool = False
    reason: str = ""

    @property
    def has_body(self) -> bool:
        """Whether a body may follow the head."""
        return self.status not in _BODILESS


class Refused(Exception):
    """A request that HTTP itself knows the answer to.

    Attributes:
        answer: what to say.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def head_of(answer: Answer, headers: dict[str, str]) -> bytes:
    """Returns the head of a response, with ``headers`` beside its own."""
    reason = _REASONS.get(answer.status) or HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {reason}"]
    if answer.kind:
        lines.append(f"content-type: {answer.kind}")
    lines += [f"{name}: {value}" for name, value in (answer.headers | headers).items()]
    return "\r\n".join((*lines, "", "")).encode("latin-1", "replace")


def json_answer(body: Json, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """Returns an answer of JSON."""
    return Answer(status, dump(body) + b"\n", JSON_TYPE, headers or {})


def error_object(error: AskrError) -> Json:
    """Returns what `askr --json` prints for ``error``, too."""
    return {
        "ok": False,
        "error": {
            "code": str(error.code),
            "message": str(error),
            "details": error.details,
            "retryable": error.retryable,
            "at": error.at or "daemon",
        },
    }


def error_answer(error: AskrError) -> Answer:
    """Returns the response to a request that failed."""
    status = status_of(error)
    headers = {"retry-after": str(RETRY_AFTER_S)} if error.retryable and status != 500 else {}
    return Answer(status, dump(error_object(error)) + b"\n", JSON_TYPE, headers)


def refusal(
    status: int, code: str, message: str, *, closes: bool = False, allow: str = ""
) -> Answer:
    """Returns the response to a request that did not reach the core."""
    body = {"code": code, "message": message, "details": {}, "retryable": False, "at": "daemon"}
    headers = {"allow": allow} if allow else {}
    data = dump({"ok": False, "error": body}) + b"\n"
    return Answer(status, data, JSON_TYPE, headers, closes=closes, reason=message)


def status_of(error: AskrError) -> int:
    """Returns the status of a failed request; a handler may choose its own, 400 to 599."""
    if error.at == "handler":
        chosen = error.details.get("http_status")
        is_one = isinstance(chosen, int) and 400 <= chosen < 600
        return chosen if is_one and chosen in _STATUSES else 500
    if error.code == ErrorCode.SCHEMA_INVALID and error.at == "response":
        return 500
    try:
        return STATUS_OF_CODE[ErrorCode(error.code)]
    except ValueError:
        return 500


_STATUSES = frozenset({*map(int, HTTPStatus), CANCELLED_STATUS})
