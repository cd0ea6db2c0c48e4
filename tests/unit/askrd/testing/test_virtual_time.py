"""Virtual time jumps when everybody waits, stands still for threads, and names a deadlock."""

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from askrd.testing.virtual_time import VirtualTimeLoop


def run(story: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(story)


def test_an_hour_takes_no_time() -> None:
    async def story() -> float:
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await loop.create_future()
        return loop.time()

    begin = time.monotonic()
    assert run(story()) == 3600.0
    assert time.monotonic() - begin < 60


def test_sleepers_wake_in_order() -> None:
    async def story() -> list[int]:
        woken: list[int] = []

        async def sleeper(seconds: int) -> None:
            await asyncio.sleep(seconds)
            woken.append(seconds)

        await asyncio.gather(*map(sleeper, [30, 10, 20]))
        return woken

    assert run(story()) == [10, 20, 30]


def test_time_stands_still_while_a_thread_works() -> None:
    async def story() -> tuple[str, float]:
        loop = asyncio.get_running_loop()
        go_on = threading.Event()

        def work() -> str:
            loop.call_soon_threadsafe(go_on.set)
            assert go_on.wait(10)
            return "done"

        async with asyncio.timeout(1):
            return await asyncio.to_thread(work), loop.time()

    assert run(story()) == ("done", 0.0)


def test_deadlock_is_an_error_instead_of_a_hang() -> None:
    async def story() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="deadlock"):
        run(story())


def test_waiting_for_ever_beside_a_timer_is_an_error_too() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()

        def again() -> None:
            loop.call_later(10, again)

        again()
        await loop.create_future()

    with pytest.raises(RuntimeError, match="does not come"):
        run(story())
