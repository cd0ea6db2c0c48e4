"""The two clocks."""

import time

from askrd.host.clock import monotonic_us, wall_offset_us


def test_monotonic_clock_counts_microseconds_and_never_falls() -> None:
    before = time.monotonic_ns() // 1000
    readings = [monotonic_us() for _ in range(1000)]
    after = time.monotonic_ns() // 1000
    assert [before, *readings, after] == sorted([before, *readings, after])


def test_offset_turns_monotonic_into_the_time_of_day() -> None:
    before = time.time_ns() // 1000
    now = monotonic_us() + wall_offset_us()
    assert abs(now - before) < 1_000_000
