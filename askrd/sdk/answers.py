"""Reads the daemon's answers into values, and prepares what both kinds of client send."""

from typing import Any

from askrd.sdk.conversation import GRACE_S
from askrd.sdk.keys import options_of
from askrd.sdk.requests import NEVER
from askrd.sdk.values import Emitted, Entry, Outcome, read_payload, sender_of
from askrd.wire import bodies
from askrd.wire.errors import BadRequest
from askrd.wire.frames import Frame
from askrd.wire.limits import TTL_MS_MAX


def ttl_ms_of(timeout: float | None) -> int:
    """Returns a timeout in seconds as what a call carries; 0 means the service's own.

    Raises:
        BadRequest: it is not above 0, or above 49 days.
    """
    if timeout is None:
        return 0
    if not 0 < timeout * 1000 <= TTL_MS_MAX:
        raise BadRequest(f"timeout={timeout}: a timeout is above 0 and at most 49 days, in seconds")
    return max(1, round(timeout * 1000))


def guard_of(now: float, timeout: float | None) -> float:
    """Returns when to give up a command although the daemon has not, on the clock of ``now``.

    Without a timeout it is the daemon that knows the deadline; then only its silence counts.
    """
    return NEVER if timeout is None else now + timeout + GRACE_S


def outcome_in(frame: Frame, as_: Any, ms: float) -> Outcome:
    """Reads a `reply`.

    Raises:
        SchemaInvalid: its payload is not JSON, or does not fit ``as_``.
    """
    service, instance = sender_of(frame.stamp)
    return Outcome(read_payload(frame, as_), service, instance, frame.id, ms)


def emitted_in(frame: Frame) -> Emitted:
    """Reads an `emitted`.

    Raises:
        BadRequest: the daemon said something else.
    """
    body = bodies.load(bodies.Emitted, frame.payload, "emitted")
    return Emitted(body.receivers, body.seq)


def entry_in(frame: Frame, as_: Any = None) -> Entry:
    """Reads an `ok` or `change` with a value.

    Raises:
        SchemaInvalid: the value is not JSON, or does not fit ``as_``.
    """
    options = options_of(frame)
    key = frame.name.decode("utf-8", "replace")
    return Entry(key, read_payload(frame, as_), options.rev, options.ts)


def entries_in(frames: list[Frame]) -> list[Entry]:
    """Reads the entries of a prefix, in key order.

    Raises:
        SchemaInvalid: a value is not JSON.
    """
    return sorted(map(entry_in, frames), key=lambda entry: entry.key)


def written(frame: Frame, key: str, value: Any) -> Entry:
    """Reads the `ok` of a write."""
    options = options_of(frame)
    return Entry(key, value, options.rev, options.ts, options.changed is not False)
