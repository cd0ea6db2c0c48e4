"""The daemon that microservices and terminals connect to, and the SDK they are written with.

What a program needs is here and loaded when it is named: `Askr` for a service, `Client` for a
program that asks, and one exception per error code.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from askrd.sdk.askr import Askr as Askr
    from askrd.sdk.client import Client as Client
    from askrd.sdk.context import Caller as Caller, Context as Context
    from askrd.sdk.errors import CannotConnect as CannotConnect
    from askrd.sdk.job import Job as Job
    from askrd.sdk.log import Consumer as Consumer, Log as Log
    from askrd.sdk.middleware import Passage as Passage
    from askrd.sdk.streams import Stream as Stream
    from askrd.sdk.surveys import Survey as Survey
    from askrd.sdk.upload import Upload as Upload
    from askrd.sdk.values import (
        Change as Change,
        Emitted as Emitted,
        Entry as Entry,
        Event as Event,
        Gap as Gap,
        Row as Row,
        Synced as Synced,
    )
    from askrd.sdk.view import View as View
    from askrd.wire.errors import (
        AskrError as AskrError,
        BadRequest as BadRequest,
        Busy as Busy,
        CommandAmbiguous as CommandAmbiguous,
        CommandCancelled as CommandCancelled,
        CommandError as CommandError,
        CommandUnknown as CommandUnknown,
        Conflict as Conflict,
        ConnectionLost as ConnectionLost,
        DeadlineExceeded as DeadlineExceeded,
        Draining as Draining,
        ErrorCode as ErrorCode,
        Forbidden as Forbidden,
        Gone as Gone,
        HandlerError as HandlerError,
        InstanceLost as InstanceLost,
        InternalError as InternalError,
        LimitExceeded as LimitExceeded,
        NoInstance as NoInstance,
        NotFound as NotFound,
        OutcomeUnknown as OutcomeUnknown,
        PayloadTooLarge as PayloadTooLarge,
        SchemaInvalid as SchemaInvalid,
        ServiceUnknown as ServiceUnknown,
        SlowConsumer as SlowConsumer,
        StorageUnavailable as StorageUnavailable,
        SwapFailed as SwapFailed,
        Unauthenticated as Unauthenticated,
        Unavailable as Unavailable,
        UnknownKind as UnknownKind,
        UnsealFailed as UnsealFailed,
        VersionUnsupported as VersionUnsupported,
        WorkspaceUnknown as WorkspaceUnknown,
    )

    __version__: str

_HOMES = {
    "Askr": "askrd.sdk.askr",
    "Caller": "askrd.sdk.context",
    "CannotConnect": "askrd.sdk.errors",
    "Change": "askrd.sdk.values",
    "Client": "askrd.sdk.client",
    "Consumer": "askrd.sdk.log",
    "Context": "askrd.sdk.context",
    "Emitted": "askrd.sdk.values",
    "Entry": "askrd.sdk.values",
    "Event": "askrd.sdk.values",
    "Gap": "askrd.sdk.values",
    "Job": "askrd.sdk.job",
    "Log": "askrd.sdk.log",
    "Passage": "askrd.sdk.middleware",
    "Row": "askrd.sdk.values",
    "Stream": "askrd.sdk.streams",
    "Synced": "askrd.sdk.values",
    "Survey": "askrd.sdk.surveys",
    "Upload": "askrd.sdk.upload",
    "View": "askrd.sdk.view",
}
_ERRORS = (
    "AskrError", "BadRequest", "Busy", "CommandAmbiguous", "CommandCancelled", "CommandError",
    "CommandUnknown", "Conflict", "ConnectionLost", "DeadlineExceeded", "Draining", "ErrorCode",
    "Forbidden", "Gone", "HandlerError", "InstanceLost", "InternalError", "LimitExceeded",
    "NoInstance", "NotFound", "OutcomeUnknown", "PayloadTooLarge", "SchemaInvalid",
    "ServiceUnknown", "SlowConsumer", "StorageUnavailable", "SwapFailed", "Unauthenticated",
    "Unavailable", "UnknownKind", "UnsealFailed", "VersionUnsupported", "WorkspaceUnknown",
)  # fmt: skip
_HOMES.update(dict.fromkeys(_ERRORS, "askrd.wire.errors"))


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "__version__":
        value = import_module("askrd.version").VERSION
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'askrd' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "__version__"})
