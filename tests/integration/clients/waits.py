"""Waiting for something to happen, with and without a loop, never for ever."""

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE_S = 15.0


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Runs a test's coroutine, with a deadline."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S * 2):
            await main()

    asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


def blocking_until(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)
