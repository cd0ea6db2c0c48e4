"""What the terminal's exit codes mean, and which error ends with which.

Scripts compare these numbers; they never change.
"""

from enum import IntEnum
from typing import Any

from askrd.sdk.errors import CannotConnect
from askrd.wire.errors import AskrError, ErrorCode

Json = Any


class Exit(IntEnum):
    """How a run of `askr` ended."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BAD_PAYLOAD = 3
    NOT_ALLOWED = 4
    NOBODY = 5
    REMOTE = 6
    UNREACHABLE = 7
    UNKNOWN = 8
    CONFLICT = 9
    BUSY = 75
    DEADLINE = 124
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: dict[Exit, str] = {
    Exit.DONE: "done (listen --count N: N came)",
    Exit.FAILED: "internal failure",
    Exit.USAGE: "usage: wrong flag, argument or verb, refused configuration; nothing was sent",
    Exit.BAD_PAYLOAD: "bad payload: not JSON, refused by the schema, or too large",
    Exit.NOT_ALLOWED: "not authenticated, or not allowed",
    Exit.NOBODY: "nobody there: no such command, service, instance, key or listener",
    Exit.REMOTE: "the service answered with an error, or a row of a survey is not good",
    Exit.UNREACHABLE: "cannot reach the daemon",
    Exit.UNKNOWN: "connection or instance lost after sending: whether it was done is unknown",
    Exit.CONFLICT: "conflict (--if-rev), or no common version of the protocol",
    Exit.BUSY: "busy: queue full, limit reached or draining; try again",
    Exit.DEADLINE: "the deadline passed (--timeout)",
    Exit.INTERRUPTED: "interrupted by Ctrl-C; what was under way was cancelled",
    Exit.TERMINATED: "terminated by SIGTERM; what was under way was cancelled",
}
"""What each exit code means, for people; complete by a test."""

EXIT_OF_CODE: dict[ErrorCode, Exit] = {
    ErrorCode.BAD_REQUEST: Exit.BAD_PAYLOAD,
    ErrorCode.UNKNOWN_KIND: Exit.BAD_PAYLOAD,
    ErrorCode.SCHEMA_INVALID: Exit.BAD_PAYLOAD,
    ErrorCode.PAYLOAD_TOO_LARGE: Exit.BAD_PAYLOAD,
    ErrorCode.UNAUTHENTICATED: Exit.NOT_ALLOWED,
    ErrorCode.FORBIDDEN: Exit.NOT_ALLOWED,
    ErrorCode.WORKSPACE_UNKNOWN: Exit.NOBODY,
    ErrorCode.SERVICE_UNKNOWN: Exit.NOBODY,
    ErrorCode.COMMAND_UNKNOWN: Exit.NOBODY,
    ErrorCode.NOT_FOUND: Exit.NOBODY,
    ErrorCode.GONE: Exit.NOBODY,
    ErrorCode.NO_INSTANCE: Exit.NOBODY,
    ErrorCode.COMMAND_AMBIGUOUS: Exit.USAGE,
    ErrorCode.HANDLER_ERROR: Exit.REMOTE,
    ErrorCode.UNSEAL_FAILED: Exit.REMOTE,
    ErrorCode.INSTANCE_LOST: Exit.UNKNOWN,
    ErrorCode.CONNECTION_LOST: Exit.UNKNOWN,
    ErrorCode.SLOW_CONSUMER: Exit.UNKNOWN,
    ErrorCode.OUTCOME_UNKNOWN: Exit.UNKNOWN,
    ErrorCode.CONFLICT: Exit.CONFLICT,
    ErrorCode.VERSION_UNSUPPORTED: Exit.CONFLICT,
    ErrorCode.SWAP_FAILED: Exit.CONFLICT,
    ErrorCode.BUSY: Exit.BUSY,
    ErrorCode.DRAINING: Exit.BUSY,
    ErrorCode.LIMIT_EXCEEDED: Exit.BUSY,
    ErrorCode.UNAVAILABLE: Exit.BUSY,
    ErrorCode.DEADLINE_EXCEEDED: Exit.DEADLINE,
    ErrorCode.CANCELLED: Exit.INTERRUPTED,
    ErrorCode.INTERNAL: Exit.FAILED,
    ErrorCode.STORAGE_UNAVAILABLE: Exit.FAILED,
}
"""Every code of the daemon's and the SDK's own; complete by a test."""


class Usage(Exception):
    """The command line asks for something that cannot be; nothing was sent.

    Attributes:
        sentence: what is wrong and what to write instead.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Terminated(KeyboardInterrupt):
    """The process was told to end by SIGTERM: like Ctrl-C, what is under way is cancelled first."""


def exit_of(error: AskrError) -> Exit:
    """Returns how a run ends that failed with ``error``."""
    if isinstance(error, CannotConnect):
        return Exit.UNREACHABLE
    if error.at == "handler":
        return Exit.REMOTE
    if error.code == ErrorCode.SCHEMA_INVALID and error.at == "response":
        return Exit.REMOTE
    try:
        return EXIT_OF_CODE[ErrorCode(error.code)]
    except ValueError:
        return Exit.REMOTE  # a word of the service's own


def error_object(error: AskrError) -> Json:
    """Returns what `--json` prints for ``error``."""
    return failure(
        str(error.code),
        str(error),
        details=error.details,
        retryable=error.retryable,
        at=error.at or "client",
    )


def failure(
    code: str, message: str, *, details: Json = None, retryable: bool = False, at: str = "client"
) -> Json:
    """Returns the object that `--json` prints for a failed run."""
    return {
        "ok": False,
        "error": {
            "code": code,
            "message": message,
            "details": details or {},
            "retryable": retryable,
            "at": at,
        },
    }
