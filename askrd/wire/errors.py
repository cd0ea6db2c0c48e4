"""Every way askr says no: one code per cause, and one tree of exceptions that carry it.

A code travels in `fail` and `error` frames, in the terminal's JSON and in HTTP bodies.
The exceptions map to the codes one to one, so a program catches `NoInstance` where a
script reads `no_instance`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar


class ErrorCode(StrEnum):
    """The words for what went wrong; fixed, because scripts compare them."""

    BAD_REQUEST = "bad_request"
    UNKNOWN_KIND = "unknown_kind"
    VERSION_UNSUPPORTED = "version_unsupported"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    WORKSPACE_UNKNOWN = "workspace_unknown"
    SERVICE_UNKNOWN = "service_unknown"
    COMMAND_UNKNOWN = "command_unknown"
    COMMAND_AMBIGUOUS = "command_ambiguous"
    NO_INSTANCE = "no_instance"
    BUSY = "busy"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    CANCELLED = "cancelled"
    INSTANCE_LOST = "instance_lost"
    CONNECTION_LOST = "connection_lost"
    HANDLER_ERROR = "handler_error"
    SCHEMA_INVALID = "schema_invalid"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    CONFLICT = "conflict"
    NOT_FOUND = "not_found"
    GONE = "gone"
    DRAINING = "draining"
    SLOW_CONSUMER = "slow_consumer"
    SWAP_FAILED = "swap_failed"
    INTERNAL = "internal"
    UNSEAL_FAILED = "unseal_failed"
    LIMIT_EXCEEDED = "limit_exceeded"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    UNAVAILABLE = "unavailable"
    OUTCOME_UNKNOWN = "outcome_unknown"


RETRYABLE = frozenset(
    {
        ErrorCode.NO_INSTANCE,
        ErrorCode.BUSY,
        ErrorCode.DRAINING,
        ErrorCode.LIMIT_EXCEEDED,
        ErrorCode.STORAGE_UNAVAILABLE,
        ErrorCode.UNAVAILABLE,
    }
)
"""Codes after which the same request may succeed later, because it was not carried out."""


class AskrError(Exception):
    """A request that was not fulfilled, with what a program needs to react to it.

    Attributes:
        code: one of `ErrorCode`, or a word of the service's own when a handler chose it.
        message: one or more sentences: what happened, what was or was not done, what to do.
        details: JSON object with the facts of the message.
        retryable: whether the same request may succeed later; it was not carried out.
        at: where it was raised: `daemon`, `handler`, `request`, `response` or `client`.
        instance: `service@instance` that raised it, when one did.
    """

    code: ClassVar[str] = ErrorCode.INTERNAL

    def __init__(
        self,
        message: str = "",
        *,
        details: Mapping[str, Any] | None = None,
        retryable: bool | None = None,
        at: str | None = None,
        instance: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message or self.code.replace("_", " ")
        self.details: dict[str, Any] = dict(details or {})
        self.retryable = self.code in RETRYABLE if retryable is None else retryable
        self.at = at
        self.instance = instance

    def __str__(self) -> str:
        return self.message


class BadRequest(AskrError):
    """The request breaks a rule of the protocol; nothing was done."""

    code = ErrorCode.BAD_REQUEST


class UnknownKind(AskrError):
    """The daemon does not know this kind of frame; nothing was done."""

    code = ErrorCode.UNKNOWN_KIND


class VersionUnsupported(AskrError):
    """No version of the protocol is spoken by both sides."""

    code = ErrorCode.VERSION_UNSUPPORTED


class Unauthenticated(AskrError):
    """The daemon wants a proof of identity."""

    code = ErrorCode.UNAUTHENTICATED


class Forbidden(AskrError):
    """The request is not allowed to this peer; nothing was done."""

    code = ErrorCode.FORBIDDEN


class WorkspaceUnknown(AskrError):
    """The daemon has no such workspace."""

    code = ErrorCode.WORKSPACE_UNKNOWN


class ServiceUnknown(AskrError):
    """No service of that name is or was recently in the workspace."""

    code = ErrorCode.SERVICE_UNKNOWN


class CommandUnknown(AskrError):
    """No service offers that command."""

    code = ErrorCode.COMMAND_UNKNOWN


class CommandAmbiguous(AskrError):
    """Several services offer a command of that bare name."""

    code = ErrorCode.COMMAND_AMBIGUOUS


class NoInstance(AskrError):
    """The service is known, and no instance of it can take the command now."""

    code = ErrorCode.NO_INSTANCE


class Busy(AskrError):
    """Every instance is saturated and the waiting queue is full; nothing was done."""

    code = ErrorCode.BUSY


class DeadlineExceeded(AskrError):
    """The deadline passed before an outcome came; the handler was cancelled."""

    code = ErrorCode.DEADLINE_EXCEEDED


class CommandCancelled(AskrError):
    """The command was cancelled before it ended."""

    code = ErrorCode.CANCELLED


class InstanceLost(AskrError):
    """The instance went away while it had the command; `details.delivered` says how far it got."""

    code = ErrorCode.INSTANCE_LOST


class ConnectionLost(AskrError):
    """The connection to the daemon broke after the request was sent; its outcome is unknown."""

    code = ErrorCode.CONNECTION_LOST


class HandlerError(AskrError):
    """The handler raised something unexpected; its internals stay with the service."""

    code = ErrorCode.HANDLER_ERROR


class SchemaInvalid(AskrError):
    """A payload does not fit its schema; `at` says whether the request or the response."""

    code = ErrorCode.SCHEMA_INVALID


class PayloadTooLarge(AskrError):
    """A payload is above the limit; it was not relayed."""

    code = ErrorCode.PAYLOAD_TOO_LARGE


class Conflict(AskrError):
    """The entry has another revision than the writer expected; nothing was written."""

    code = ErrorCode.CONFLICT


class NotFound(AskrError):
    """There is no such key or thing."""

    code = ErrorCode.NOT_FOUND


class Gone(AskrError):
    """The thing was there and is no more."""

    code = ErrorCode.GONE


class Draining(AskrError):
    """The daemon or the instance is shutting down and takes nothing new."""

    code = ErrorCode.DRAINING


class SlowConsumer(AskrError):
    """The session did not read fast enough and was closed."""

    code = ErrorCode.SLOW_CONSUMER


class SwapFailed(AskrError):
    """A hot swap was rolled back."""

    code = ErrorCode.SWAP_FAILED


class InternalError(AskrError):
    """Something failed that should not; the daemon's log says more."""

    code = ErrorCode.INTERNAL


class UnsealFailed(AskrError):
    """A sealed payload could not be opened with the keys at hand."""

    code = ErrorCode.UNSEAL_FAILED


class LimitExceeded(AskrError):
    """The request would pass a named limit; nothing was done."""

    code = ErrorCode.LIMIT_EXCEEDED


class StorageUnavailable(AskrError):
    """The store cannot write now; nothing was written."""

    code = ErrorCode.STORAGE_UNAVAILABLE


class Unavailable(AskrError):
    """What the request needs is not there now; nothing was done."""

    code = ErrorCode.UNAVAILABLE


class OutcomeUnknown(AskrError):
    """A write is in doubt: it may or may not have happened."""

    code = ErrorCode.OUTCOME_UNKNOWN


class CommandError(AskrError):
    """An error a handler raises on purpose; it crosses the wire as it is.

    Args:
        code: any word `[a-z0-9_]{1,64}`; the service's own vocabulary is welcome.
        message: a sentence for people.
        details: JSON object with facts for programs.
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        details: Mapping[str, Any] | None = None,
        retryable: bool = False,
        at: str | None = "handler",
        instance: str | None = None,
    ) -> None:
        self.code = code  # type: ignore[misc]  # the only class whose code is the raiser's
        super().__init__(message, details=details, retryable=retryable, at=at, instance=instance)


ERROR_CLASSES: dict[str, type[AskrError]] = {
    str(error.code): error for error in AskrError.__subclasses__() if error is not CommandError
}
"""Code to exception class, one to one; complete by a test."""


def error_from(
    code: str,
    message: str,
    *,
    details: Mapping[str, Any] | None = None,
    retryable: bool | None = None,
    at: str | None = None,
    instance: str | None = None,
) -> AskrError:
    """Builds the exception for an error that came over the wire.

    An error raised by a handler becomes `CommandError`, whatever its code, so that a
    service's `not_found` is never taken for the daemon's.
    """
    known = ERROR_CLASSES.get(code)
    if known is None or (at == "handler" and code != ErrorCode.HANDLER_ERROR):
        return CommandError(
            code, message, details=details, retryable=bool(retryable), at=at, instance=instance
        )
    return known(message, details=details, retryable=retryable, at=at, instance=instance)
