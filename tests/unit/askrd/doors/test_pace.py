"""Messages written one by one, some time apart: order, bounds, and the time between writes."""

import asyncio
from collections.abc import Callable

import pytest

from askrd.doors.pace import Pace
from askrd.host import clock
from askrd.wire.limits import NODE_ASKR_EVENTS_MAX, NODE_ASKR_SPACING_MS
from tests.unit.askrd.doors.hearsay import Wire

PATIENCE_S = 10.0


class TimedWire(Wire):
    """A transport that knows when it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.times_us: list[int] = []
        self.high: int | None = None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.times_us.append(clock.monotonic_us())
        super().write(data)


async def until(is_so: Callable[[], bool]) -> None:
    """Returns once something is so, looking again each turn of the loop."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            await asyncio.sleep(0)


def test_messages_leave_one_by_one_and_some_time_apart() -> None:
    async def main() -> None:
        wire = TimedWire()
        pace = Pace(wire)
        for number in range(6):
            pace.put(b"%d" % number)
        await until(lambda: len(wire.pieces) == 6)
        assert wire.pieces == [b"0", b"1", b"2", b"3", b"4", b"5"]
        gaps = [
            after - before for before, after in zip(wire.times_us, wire.times_us[1:], strict=False)
        ]
        assert min(gaps) >= NODE_ASKR_SPACING_MS * 1000
        assert wire.high == 0

    asyncio.run(main())


def test_urgent_messages_go_before_events() -> None:
    async def main() -> None:
        wire = TimedWire()
        pace = Pace(wire)
        pace.put(b"first")
        pace.put_event(b"event")
        pace.put(b"second")
        await until(lambda: len(wire.pieces) == 3)
        assert wire.pieces == [b"first", b"second", b"event"]

    asyncio.run(main())


def test_events_that_are_held_back_wait_and_urgent_messages_do_not() -> None:
    async def main() -> None:
        wire = TimedWire()
        pace = Pace(wire)
        pace.hold_events()
        pace.put_event(b"event")
        pace.put(b"one")
        pace.put(b"two")
        await until(lambda: len(wire.pieces) == 2)
        pace.let_events_go()
        await until(lambda: len(wire.pieces) == 3)
        assert wire.pieces == [b"one", b"two", b"event"]

    asyncio.run(main())


@pytest.mark.parametrize("size", [1, 1_048_576])
def test_the_oldest_events_are_dropped_and_counted(size: int) -> None:
    async def main() -> None:
        wire = TimedWire()
        pace = Pace(wire)
        pace.hold_events()
        kept = NODE_ASKR_EVENTS_MAX if size == 1 else 8
        dropped = [pace.put_event(b"%7d" % n + b"." * (size - 7)) for n in range(kept + 2)]
        assert (sum(dropped), pace.dropped) == (2, 2)
        pace.let_events_go()
        assert wire.pieces[0].startswith(b"      2")
        pace.stop()

    asyncio.run(main())


def test_nothing_is_written_while_the_last_message_is_on_its_way() -> None:
    async def main() -> None:
        wire = TimedWire()
        pace = Pace(wire)
        pace.put(b"one")
        pace.pause()
        pace.put(b"two")
        pace.go_on()
        assert wire.pieces == [b"one"]
        resumed_us = clock.monotonic_us()
        pace.resume()
        await until(lambda: len(wire.pieces) == 2)
        assert wire.times_us[1] - resumed_us >= NODE_ASKR_SPACING_MS * 1000

    asyncio.run(main())


def test_the_connection_ends_after_the_last_urgent_message() -> None:
    async def main() -> None:
        wire = TimedWire()
        pace = Pace(wire)
        pace.put(b"one")
        pace.put_event(b"event")
        pace.put(b"two")
        pace.end()
        assert not wire.is_cut
        await until(lambda: wire.is_cut)
        assert wire.pieces == [b"one", b"two"]

    asyncio.run(main())


def test_a_stopped_pace_writes_nothing_more() -> None:
    async def main() -> None:
        wire = TimedWire()
        pace = Pace(wire)
        pace.put(b"one")
        pace.put(b"two")
        pace.stop()
        assert pace.urgent_waiting == (0, 0)
        assert wire.pieces == [b"one"]

    asyncio.run(main())
