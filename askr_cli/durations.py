"""Durations as people write them: `300ms 5s 2m 1h`, and a bare number of seconds."""

import re

from askr_cli.exits import Usage
from askrd.wire.limits import TTL_MS_MAX
from askrd.wire.names import shown

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h)?")
_SPAN = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)?")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(text: str | int) -> int:
    """Reads a duration.

    Args:
        text: a number with `ms`, `s`, `m` or `h`; without a unit it is seconds. What is a
            number already (an option's default) is milliseconds.

    Returns:
        Milliseconds, 1 to 2^32-1, rounded up.

    Raises:
        Usage: it is no duration, or zero, or longer than 1193 hours.
    """
    if isinstance(text, int):
        return text
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise Usage(f"{shown(text)} is not a duration: write 300ms, 5s, 2m or 1h")
    milliseconds = -int(-(float(match[1]) * _UNIT_MS[match[2] or "s"]) // 1)
    if milliseconds < 1:
        raise Usage(f"{shown(text)} is too short: the shortest duration is 1ms")
    if milliseconds > TTL_MS_MAX:
        raise Usage(f"{shown(text)} is too long: the longest duration is 1193h")
    return milliseconds


def span_ms(text: str | int) -> int:
    """Reads how long something is kept: a duration that may have days, or 0 for no limit.

    Args:
        text: a number with `ms`, `s`, `m`, `h` or `d`; without a unit it is seconds. What is a
            number already (an option's default) is milliseconds.

    Returns:
        Milliseconds, rounded up; 0 = no limit.

    Raises:
        Usage: it is none of those.
    """
    if isinstance(text, int):
        return text
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise Usage(f"{shown(text)} is no time to keep: write 7d, 12h or 30m; 0 is no limit")
    return -int(-(float(match[1]) * _UNIT_MS[match[2] or "s"]) // 1)


def span_text(milliseconds: int) -> str:
    """Returns how long something is kept, for people: `7 d`, `12 h`, `no limit`."""
    day_ms = _UNIT_MS["d"]
    if not milliseconds:
        return "no limit"
    if milliseconds < day_ms:
        return duration_text(milliseconds)
    return f"{milliseconds / day_ms:.1f}".removesuffix(".0") + " d"


def duration_text(milliseconds: float) -> str:
    """Returns a duration for people: `0.21 ms`, `12.4 ms`, `100 ms`, `1.5 s`, `2 m`, `3.1 h`."""
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if milliseconds >= size:
            return f"{milliseconds / size:.1f}".removesuffix(".0") + f" {unit}"
    digits = 0 if isinstance(milliseconds, int) else 2 if milliseconds < 1 else 1
    return f"{milliseconds:.{digits}f} ms"
