"""The two clocks the daemon hands to the core: one that only rises, and the time of day."""

import time


def monotonic_us() -> int:
    """Returns microseconds on the clock that only rises; every deadline is measured on it."""
    return time.monotonic_ns() // 1000


def wall_offset_us() -> int:
    """Returns what to add to `monotonic_us` to get microseconds since 1970, as of now.

    The time of day may be set by people or by the network, so the offset is worth renewing
    now and then; only stamps depend on it, never a deadline.
    """
    return (time.time_ns() - time.monotonic_ns()) // 1000
