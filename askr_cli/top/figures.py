"""Writes numbers as a person reads them in a narrow column; None is a dash."""

import math

_BYTES = ("B", "kB", "MB", "GB", "TB")


def count(number: int) -> str:
    """Returns ``1 204``; above a million ``3.2M``."""
    return f"{number:,}".replace(",", " ") if number < 1_000_000 else _scaled(number)


def rate(per_s: float | None) -> str:
    """Returns a rate per second: ``0.5``, ``12``, ``1 204``, ``1.2M``; 0 as ``0``."""
    if per_s is None:
        return "–"
    if 0 < per_s < 10:
        return f"{per_s:.1f}"
    return count(round(per_s))


def milliseconds(time_ms: float | None) -> str:
    """Returns a time with two digits that mean something: ``0.42 ms``, ``12 ms``, ``3.1 s``."""
    if time_ms is None:
        return "–"
    unit, amount = ("ms", time_ms) if time_ms < 995 else ("s", time_ms / 1000)
    if amount <= 0:
        return f"0 {unit}"
    places = 1 - math.floor(math.log10(amount))
    rounded = round(amount, places)
    return f"{rounded:.{max(0, 1 - math.floor(math.log10(rounded)))}f} {unit}"


def size(number: int) -> str:
    """Returns ``0``, ``512 B``, ``1.2 MB``."""
    if number == 0:
        return "0"
    amount = float(number)
    for unit in _BYTES:
        if amount < 1000 or unit == _BYTES[-1]:
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if amount >= 100 or unit == "B" else f"{amount:.1f} {unit}"


def uptime(time_ms: float) -> str:
    """Returns ``12 s``, ``4 min 2 s``, ``3 h 5 min``, ``2 d 4 h``."""
    seconds = int(time_ms / 1000)
    for one, other, each in (("d", "h", 86_400), ("h", "min", 3600), ("min", "s", 60)):
        if seconds >= each:
            rest = seconds % each // {"h": 3600, "min": 60, "s": 1}[other]
            return f"{seconds // each} {one} {rest} {other}"
    return f"{seconds} s"


def _scaled(number: float) -> str:
    for unit in ("", "k", "M", "G"):
        if abs(number) < 1000:
            return f"{number:.1f}{unit}"
        number /= 1000
    return f"{number:.1f}T"
