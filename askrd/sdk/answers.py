"""Reads the daemon's answers into values, and prepares what both kinds of client send."""

from collections.abc import Callable
from typing import Any

import msgspec

from askrd.sdk.keys import options_of
from askrd.sdk.payloads import read_payload, sender_of
from askrd.sdk.requests import GRACE_S, NEVER, error_of
from askrd.sdk.values import Change, Emitted, Entry, Outcome, Row, Touched
from askrd.sdk.watches import change_of
from askrd.wire import bodies
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.frames import FLAG_KEPT, Frame, Kind
from askrd.wire.limits import COLLECT_MS_MAX, TTL_MS_MAX
from askrd.wire.state import EntryOptions

COLLECT_TIMEOUT_S = 2.0
"""How long listeners may take to answer when nothing else is said."""
ANSWERS_MAX = 10_000
"""Answers that may wait for their reader."""


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


def collect_ms_of(timeout: float) -> int:
    """Returns how long to wait for answers, in milliseconds.

    Raises:
        BadRequest: it is not above 0, or more than the daemon waits.
    """
    ms = ttl_ms_of(timeout)
    if ms > COLLECT_MS_MAX:
        raise BadRequest(
            f"timeout={timeout}: answers are collected for at most {COLLECT_MS_MAX // 1000} s"
        )
    return ms


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
    kept = bool(frame.flags & FLAG_KEPT)
    return Outcome(read_payload(frame, as_), service, instance, frame.id, ms, kept)


def without_value(outcome: Outcome) -> Outcome:
    """Returns who took a command of which no value is wanted."""
    return msgspec.structs.replace(outcome, value=None)


def row_in(frame: Frame, as_: Any, ms: float) -> Row:
    """Reads what one member of a survey answered; a value that does not fit is its failure."""
    service, instance = sender_of(frame.stamp)
    if frame.kind == Kind.FAIL:
        return Row(service, instance, ok=False, error=error_of(frame), ms=ms)
    try:
        return Row(service, instance, ok=True, value=read_payload(frame, as_), ms=ms)
    except AskrError as exc:
        exc.instance = f"{service}@{instance}"
        return Row(service, instance, ok=False, error=exc, ms=ms)


def progress_reader(on_progress: Callable[[Any], None] | None) -> Callable[[Frame], None] | None:
    """Returns what takes `progress` frames for a function that takes their values."""
    if on_progress is None:
        return None
    return lambda frame: on_progress(read_payload(frame))


def summary_in(frame: Frame) -> bodies.Summary:
    """Reads the outcome of a survey.

    Raises:
        BadRequest: the daemon said something else.
    """
    return bodies.load(bodies.Summary, frame.payload, "the outcome of a survey")


def emitted_in(frame: Frame) -> Emitted:
    """Reads an `emitted`.

    Raises:
        BadRequest: the daemon said something else.
    """
    body = bodies.load(bodies.Emitted, frame.payload, "emitted")
    return Emitted(body.receivers, body.seq, body.answers or 0)


def entry_in(frame: Frame, as_: Any = None) -> Entry:
    """Reads an `ok` or `change` with a value.

    Raises:
        SchemaInvalid: the value is not JSON, or does not fit ``as_``.
    """
    return _entry(frame, frame.name.decode("utf-8", "replace"), read_payload(frame, as_))


def entries_in(frames: list[Frame]) -> list[Entry]:
    """Reads the entries of a prefix, in key order.

    Raises:
        SchemaInvalid: a value is not JSON.
    """
    return sorted(map(entry_in, frames), key=lambda entry: entry.key)


def changes_in(frames: list[Frame]) -> list[Change]:
    """Reads the history of an entry, newest first."""
    return [change_of(frame, options_of(frame), past=True) for frame in frames]


def written(frame: Frame, key: str, value: Any) -> Entry:
    """Reads the `ok` of a write whose value this side knows."""
    return _entry(frame, key, value)


def merged(frame: Frame, key: str) -> Entry:
    """Reads the `ok` of a write that says what the value has become.

    Raises:
        SchemaInvalid: the value is not JSON.
    """
    return _entry(frame, key, read_payload(frame))


def touched(frame: Frame, key: str) -> Touched:
    """Reads the `ok` of a touch."""
    options = options_of(frame)
    return Touched(key, options.rev, _ttl_of(options), options.ts)


def _entry(frame: Frame, key: str, value: Any) -> Entry:
    options = options_of(frame)
    return Entry(
        key,
        value,
        options.rev,
        options.ts,
        options.changed is not False,
        _ttl_of(options),
        options.ephemeral,
        options.owner,
    )


def _ttl_of(options: EntryOptions) -> float | None:
    return options.ttl_ms / 1000 if options.ttl_ms else None
