"""Whether and when to come back: later each time, and never all clients at once."""

from collections.abc import Iterator
from typing import Protocol

from askrd.wire.errors import ErrorCode

DELAY_MIN_S = 0.1
DELAY_MAX_S = 10.0
FINAL = frozenset(
    {
        ErrorCode.BAD_REQUEST,
        ErrorCode.FORBIDDEN,
        ErrorCode.UNAUTHENTICATED,
        ErrorCode.VERSION_UNSUPPORTED,
        ErrorCode.WORKSPACE_UNKNOWN,
    }
)
"""Refusals after which coming back unchanged makes no sense."""


class Chance(Protocol):
    """Where the jitter comes from; `random.Random` is one."""

    def uniform(self, a: float, b: float, /) -> float:
        """Returns a number between ``a`` and ``b``."""
        ...


def delays(chance: Chance) -> Iterator[float]:
    """Yields seconds to wait before each attempt, without end: full jitter from 0.1 to 10 s."""
    ceiling = DELAY_MIN_S
    while True:
        ceiling = min(DELAY_MAX_S, ceiling * 2)
        yield chance.uniform(DELAY_MIN_S, ceiling)
