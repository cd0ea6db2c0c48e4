"""Timers tick again and again, never twice at once, and survive their own errors."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import Any

import pytest

from askrd.sdk.context import CURRENT
from askrd.sdk.timers import Timers
from askrd.sdk.work import Work
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.errors import BadRequest


def live(story: Callable[[Timers], Awaitable[Any]]) -> Any:
    """Runs a story with ticking timers, in virtual time."""

    async def whole() -> Any:
        timers = Timers()
        loop = asyncio.get_running_loop()
        work = Work("test", loop)
        timers.start(loop, work)
        try:
            return await story(timers)
        finally:
            timers.stop()
            await work.finish(1.0)
            work.close()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(whole())


async def passing(seconds: float) -> None:
    """Lets virtual time pass."""
    await asyncio.sleep(seconds)


def test_timer_ticks_at_its_interval() -> None:
    async def story(timers: Timers) -> list[float]:
        loop = asyncio.get_running_loop()
        begin, ticks = loop.time(), list[float]()

        async def tick() -> None:
            ticks.append(round(loop.time() - begin, 3))

        timers.every(1.0, tick)
        await passing(3.5)
        return ticks

    assert live(story) == [1.0, 2.0, 3.0]


def test_slow_tick_is_never_overlapped() -> None:
    async def story(timers: Timers) -> list[float]:
        loop = asyncio.get_running_loop()
        begin, ticks = loop.time(), list[float]()

        async def tick() -> None:
            ticks.append(round(loop.time() - begin, 3))
            await asyncio.sleep(2.5)
            ticks.append(round(loop.time() - begin, 3))

        timers.every(1.0, tick)
        await passing(6.2)
        return ticks

    assert live(story) == [1.0, 3.5, 3.5, 6.0, 6.0]


def test_same_key_replaces() -> None:
    async def story(timers: Timers) -> list[str]:
        ticks: list[str] = []

        async def one() -> None:
            ticks.append("one")

        async def two() -> None:
            ticks.append("two")

        timers.every(1.0, one, "tick")
        assert timers.every(1.0, two, "tick") == "tick"
        await passing(2.5)
        assert len(timers) == 1
        return ticks

    assert live(story) == ["two", "two"]


def test_cancelled_timer_ticks_no_more() -> None:
    async def story(timers: Timers) -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            ticks += 1
            timers.cancel("tick")

        timers.every(1.0, tick, "tick")
        await passing(5.0)
        assert timers.cancel("tick") is False
        return ticks

    assert live(story) == 1


def test_error_in_a_tick_is_logged_once_and_the_timer_goes_on(caplog) -> None:
    async def story(timers: Timers) -> None:
        async def tick() -> None:
            raise LookupError("no such thing")

        timers.every(1.0, tick, "tick")
        await passing(2.5)

    with caplog.at_level(logging.ERROR):
        live(story)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "timer 'tick'" in messages[0]
    assert "no such thing" in messages[0]


def test_synchronous_tick_runs_in_a_thread() -> None:
    async def story(timers: Timers) -> set[str]:
        import threading

        names: set[str] = set()
        timers.every(1.0, lambda: names.add(threading.current_thread().name))
        await passing(1.5)
        return names

    (name,) = live(story)
    assert name.startswith("askr-test")


def test_timer_of_a_command_does_not_inherit_its_context() -> None:
    async def story(timers: Timers) -> list[Any]:
        seen: list[Any] = []

        async def tick() -> None:
            seen.append(CURRENT.get())

        @contextmanager
        def inside_a_command():
            token = CURRENT.set("a command")  # type: ignore[arg-type]
            yield
            CURRENT.reset(token)

        with inside_a_command():
            timers.every(1.0, tick)
            assert CURRENT.get() == "a command"
        await passing(1.5)
        return seen

    assert live(story) == [None]


def test_timer_that_was_added_early_ticks_whenever_the_agent_runs() -> None:
    async def story() -> int:
        timers, ticks = Timers(), 0
        loop = asyncio.get_running_loop()

        async def tick() -> None:
            nonlocal ticks
            ticks += 1

        timers.every(1.0, tick)
        await passing(3.0)
        assert ticks == 0
        work = Work("test", loop)
        timers.start(loop, work)
        await passing(2.5)
        timers.stop()
        await passing(5.0)
        timers.start(loop, work)
        await passing(1.5)
        timers.stop()
        work.close()
        return ticks

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(story()) == 3


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_impossible_interval_is_refused(seconds) -> None:
    with pytest.raises(BadRequest, match="above 0 seconds"):
        Timers().every(seconds, print)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(BadRequest, match="callback"):
        Timers().every(1.0, "tick")  # type: ignore[arg-type]
