"""What a log is defined by: which events it keeps, for how long, and how they are handed out."""

from typing import Any

from askrd.wire.bodies import Body, load
from askrd.wire.errors import BadRequest
from askrd.wire.limits import (
    ACK_WAIT_MS,
    ACK_WAIT_MS_MAX,
    DELIVERIES,
    DELIVERIES_MAX,
    LOG_AGE_MS,
    LOG_AGE_MS_MAX,
    LOG_BYTES,
    LOG_BYTES_MAX,
    LOG_EVENTS,
    LOG_EVENTS_MAX,
    LOG_PATTERNS_MAX,
)
from askrd.wire.names import check_pattern, check_word


class LogDefinition(Body, omit_defaults=False, forbid_unknown_fields=True):
    """A log, as it is created and shown.

    Attributes:
        name: of the log. patterns: of the events it keeps.
        age_ms: how long it keeps them; 0 = as long as there is room.
        count, bytes: how many events, and how many bytes of them; the oldest go first.
        ack_wait_ms: how long a consumer may take to acknowledge an event.
        deliveries_max: how often it gets one before it is given up.
    """

    name: str
    patterns: list[str]
    age_ms: int = LOG_AGE_MS
    count: int = LOG_EVENTS
    bytes: int = LOG_BYTES
    ack_wait_ms: int = ACK_WAIT_MS
    deliveries_max: int = DELIVERIES


_RANGES = {
    "age_ms": (0, LOG_AGE_MS_MAX),
    "count": (1, LOG_EVENTS_MAX),
    "bytes": (1024, LOG_BYTES_MAX),
    "ack_wait_ms": (1, ACK_WAIT_MS_MAX),
    "deliveries_max": (1, DELIVERIES_MAX),
}


def read_definition(payload: bytes) -> LogDefinition:
    """Reads and checks a definition.

    Raises:
        BadRequest: it is none.
    """
    return check_definition(load(LogDefinition, payload, "a log's definition"))


def check_definition(definition: LogDefinition) -> LogDefinition:
    """Returns ``definition`` when a log can be like that; a pattern that is there twice counts once.

    Raises:
        BadRequest: it cannot.
    """
    check_word(definition.name, "log")
    patterns = definition.patterns = list(dict.fromkeys(definition.patterns))
    if not 1 <= len(patterns) <= LOG_PATTERNS_MAX:
        raise BadRequest(f"a log has 1 to {LOG_PATTERNS_MAX} patterns; an example: orders.**")
    for pattern in patterns:
        check_pattern(pattern)
    for name, (least, most) in _RANGES.items():
        value: Any = getattr(definition, name)
        if not least <= value <= most:
            raise BadRequest(f"{name} of a log is {least} to {most}, not {value}")
    return definition
