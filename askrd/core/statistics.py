"""What the core counts: calls, errors and latency per command, totals per daemon."""

from array import array
from math import ceil

from askrd.wire.bodies import Json

RECENT_REPLIES = 256
"""Replies whose times are kept per command; a power of two."""
RECENT_MASK = RECENT_REPLIES - 1


class CommandStatistics:
    """Counters of one command of one service, over all its instances.

    Attributes:
        calls: commands given to an instance. errors: those that ended in anything but a reply.
        replies: those that ended in one.
        recent_us: how long the last replies took, in a ring: the next goes to
            ``replies & RECENT_MASK``.
    """

    __slots__ = ("calls", "errors", "recent_us", "replies")

    def __init__(self) -> None:
        self.calls = 0
        self.errors = 0
        self.replies = 0
        self.recent_us = array("Q", bytes(8 * RECENT_REPLIES))

    def quantile_ms(self, share: float) -> float | None:
        """Returns the time that ``share`` (0 … 1) of the last replies did not exceed.

        None when there was no reply.
        """
        count = min(self.replies, RECENT_REPLIES)
        if not count:
            return None
        times = sorted(self.recent_us[:count])
        rank = min(count, max(1, ceil(share * count)))
        return times[rank - 1] / 1000


class Totals:
    """Counters of the whole daemon since it started.

    Attributes:
        departed_calls: commands given to services that are no longer remembered.
    """

    __slots__ = (
        "datagrams",
        "datagrams_dropped",
        "deliveries",
        "departed_calls",
        "dropped",
        "events",
        "fails",
        "forged_replies",
        "late_replies",
        "replies",
        "sessions",
    )

    def __init__(self) -> None:
        self.datagrams = 0
        self.datagrams_dropped = 0
        self.deliveries = 0
        self.departed_calls = 0
        self.dropped = 0
        self.events = 0
        self.fails = 0
        self.forged_replies = 0
        self.late_replies = 0
        self.replies = 0
        self.sessions = 0

    def add(self, replies: int, events: int, deliveries: int) -> None:
        """Counts what the fast path did in one go."""
        self.replies += replies
        self.events += events
        self.deliveries += deliveries

    def as_json(self) -> dict[str, Json]:
        """Returns the counters as a JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}
