"""A log as programs see it, and how it is defined."""

from typing import Any, TypeVar

import msgspec

from askrd.wire.errors import BadRequest

T = TypeVar("T")


class Log(msgspec.Struct, frozen=True):
    """Events that are kept, by what they are called.

    Attributes:
        name: a word.
        patterns: of the events it keeps.
        age_ms: how long it keeps them; 0 = as long as there is room.
        count: how many events at most; the oldest go.
        bytes: how many bytes of events at most.
        ack_wait_ms: how long a consumer may take to acknowledge one.
        deliveries_max: how often a consumer gets one before it is given up.
        events: how many there are.
        events_bytes: how many bytes they have.
        first_seq: number of the oldest one; 0 = there is none.
        last_seq: number of the newest one that ever was; 0 = there was none.
        refused: how many events were too large to be kept.
        consumers: how many names remember a place in it.
        readers: how many others read it now.
    """

    name: str
    patterns: list[str] = []
    age_ms: int = 0
    count: int = 0
    bytes: int = 0
    ack_wait_ms: int = 0
    deliveries_max: int = 0
    events: int = 0
    events_bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0
    refused: int = 0
    consumers: int = 0
    readers: int = 0


class Consumer(msgspec.Struct, frozen=True):
    """A name under which a log remembers a place.

    Attributes:
        consumer: the name.
        seq: everything up to this number is done.
        waiting: how many events are still to be done.
        unacked: how many of them are on their way.
        members: how many listen under the name.
        redelivered: how many events were told again.
        dead: how many were given up.
        pattern: which events it wants; empty = it was never said.
    """

    consumer: str
    seq: int = 0
    waiting: int = 0
    unacked: int = 0
    members: int = 0
    redelivered: int = 0
    dead: int = 0
    pattern: str = ""


def definition(
    name: str,
    patterns: tuple[str, ...],
    *,
    age: float | None,
    count: int | None,
    bytes: int | None,  # noqa: A002  # the wire calls it so
    ack_wait: float | None,
    max_deliveries: int | None,
) -> dict[str, Any]:
    """Returns what `$askr.logs.create` takes; see `Logs.create` for the arguments.

    Raises:
        BadRequest: there is no pattern.
    """
    if not patterns:
        raise BadRequest(f"the log {name} needs a pattern of events to keep, as 'orders.**'")
    given = {
        "age_ms": None if age is None else round(age * 1000),
        "count": count,
        "bytes": bytes,
        "ack_wait_ms": None if ack_wait is None else round(ack_wait * 1000),
        "deliveries_max": max_deliveries,
    }
    said = {member: value for member, value in given.items() if value is not None}
    return {"name": name, "patterns": list(patterns), **said}


def read(kind: type[T], row: object) -> T:
    """Reads a row of the daemon.

    Raises:
        BadRequest: the daemon said something else.
    """
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as exc:
        raise BadRequest(f"the daemon's row of a log: {exc}") from exc
