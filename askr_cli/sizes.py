"""Sizes in bytes as people write and read them: `512k`, `64M`, `64 MiB`."""

import re

from askr_cli.exits import Usage
from askrd.wire.names import shown

_SIZE = re.compile(r"([0-9]{1,15})(?:([kmg])(?:i?b)?|b)?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def size_bytes(text: str | int) -> int:
    """Reads a size.

    Args:
        text: a whole number, alone or with `k`, `M` or `G` (also `KiB`, `MB`, ...), which count
            1024 each. What is a number already (an option's default) is taken as it is.

    Returns:
        Bytes, 1 or more.

    Raises:
        Usage: it is no size, or zero.
    """
    if isinstance(text, int):
        return text
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise Usage(f"{shown(text)} is no size: write 512k, 64M or 1G; a bare number is bytes")
    number = int(match[1]) * _FACTORS[(match[2] or "").lower()]
    if number < 1:
        raise Usage(f"{shown(text)} is too small: the smallest size is 1 byte")
    return number


def size_text(number: int) -> str:
    """Returns a size for people: `0 B`, `1.5 KiB`, `64 MiB`."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= factor:
            return f"{number / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{number} B"
