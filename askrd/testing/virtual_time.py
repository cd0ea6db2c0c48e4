"""An event loop whose time jumps: when nothing can happen before the next timer, it is now.

A test of a 30 second deadline takes no time. Threads are real: while one works, time stands still.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from askrd.sdk.waiting import threads_waiting

DAY_S = 24 * 3600.0
"""A test that has waited a virtual day waits for something that does not come."""
THREAD_WAIT_S = 30.0
"""How long, in real seconds, the loop waits for a thread before it reports a hang."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop for tests without sockets, whose clock advances only when everybody waits for it."""

    def __init__(self) -> None:
        self._now = 0.0
        self._threads_busy = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Returns virtual seconds; 0 at the start."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Moves the clock forward; what becomes due runs in this turn of the loop.

        Raises:
            RuntimeError: a day has passed since the start.
        """
        self._now += seconds
        if self._now > DAY_S:
            raise RuntimeError("a virtual day has passed: what is waited for does not come")

    @property
    def threads_busy(self) -> int:
        """Functions that threads are carrying out, those left out that wait for this loop."""
        return max(0, self._threads_busy - threads_waiting(self))

    def run_in_executor(  # type: ignore[override]  # typeshed says it in overlapping ways
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Runs ``func`` in a thread; the clock stands still until its result has arrived."""
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self._threads_busy += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Waits for the threads of `asyncio.to_thread` to end; the clock stands still meanwhile."""
        self._threads_busy += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._threads_busy -= 1

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self._threads_busy -= 1


class _JumpingSelector(selectors.DefaultSelector):
    """Turns "wait until the next timer" into "it is then", unless a thread is at work."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout <= 0:
            return list(super().select(0))
        ready = list(super().select(0))
        if ready:
            return ready
        if self._loop.threads_busy:
            return self._wait_for_threads()
        if timeout is None:
            raise RuntimeError("everybody waits, and no timer will ever wake anybody: a deadlock")
        self._loop.jump(timeout)
        return []

    def _wait_for_threads(self) -> list[Any]:
        ready = list(super().select(THREAD_WAIT_S))
        if not ready:
            raise RuntimeError(f"a thread has worked for more than {THREAD_WAIT_S} seconds")
        return ready
