"""What an agent does again and again: ``agent.every`` and ``agent.cancel``."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

from askrd.sdk.signature import is_async
from askrd.sdk.work import Work, logged, outside_commands
from askrd.wire.errors import BadRequest

TIMERS_MAX = 10_000
"""Timers of one agent."""


class Timer:
    """One callback that is called every so many seconds, never twice at once.

    Attributes:
        key: its name for `cancel`.
        seconds: between two calls.
        callback: what is called.
        is_standing: whether it was added before the agent ran, and belongs to its next run too.
        due: when the last call was to begin, on the loop's clock.
        handle: the next call.
        is_over: whether it was cancelled.
    """

    __slots__ = ("callback", "due", "handle", "is_over", "is_standing", "key", "seconds")

    def __init__(
        self, key: str, seconds: float, callback: Callable[[], Any], *, is_standing: bool
    ) -> None:
        self.is_standing = is_standing
        self.key = key
        self.seconds = seconds
        self.callback = callback
        self.due = 0.0
        self.handle: asyncio.TimerHandle | None = None
        self.is_over = False

    def stop(self) -> None:
        """Ends it; a tick that is running goes on to its end."""
        self.is_over = True
        if self.handle is not None:
            self.handle.cancel()


class Timers:
    """The timers of one agent, by key; they tick only between `start` and `stop`."""

    __slots__ = ("_keys", "_loop", "_timers", "_work")

    def __init__(self) -> None:
        """Starts with no timer, not ticking."""
        self._timers: dict[str, Timer] = {}
        self._keys = count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: Work | None = None

    def __len__(self) -> int:
        return len(self._timers)

    def every(self, seconds: float, callback: Callable[[], Any], key: str | None = None) -> str:
        """Adds a timer, in place of the one with the same key; see `Askr.every`.

        Raises:
            BadRequest: ``seconds`` is not above 0, ``callback`` cannot be called, or there are
                10 000 timers already.
        """
        if not 0 < seconds < float("inf"):
            raise BadRequest(f"every({seconds}): the time between two ticks is above 0 seconds")
        if not callable(callback):
            raise BadRequest("every(): the callback is a function without parameters")
        if key is None:
            key = f"every-{next(self._keys)}"
        self.cancel(key)
        if len(self._timers) >= TIMERS_MAX:
            raise BadRequest(f"an agent has at most {TIMERS_MAX} timers; cancel some by their key")
        timer = self._timers[key] = Timer(
            key, float(seconds), callback, is_standing=self._loop is None
        )
        if self._loop is not None:
            self._arm(timer, self._loop.time() + timer.seconds)
        return key

    def cancel(self, key: str) -> bool:
        """Ends the timer of this key; returns whether there was one."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.stop()
        return timer is not None

    def start(self, loop: asyncio.AbstractEventLoop, work: Work) -> None:
        """Lets all timers tick, also those that are added from now on."""
        self._loop, self._work = loop, work
        for timer in self._timers.values():
            self._arm(timer, loop.time() + timer.seconds)

    def stop(self) -> None:
        """Ends all timers; those that were added before `start` tick again after the next one."""
        self._loop = None
        for timer in list(self._timers.values()):
            self.cancel(timer.key)
            if timer.is_standing:
                self.every(timer.seconds, timer.callback, timer.key)

    def _arm(self, timer: Timer, due: float) -> None:
        assert self._loop is not None
        timer.due = due
        timer.handle = self._loop.call_at(due, self._tick, timer, context=outside_commands())

    def _tick(self, timer: Timer) -> None:
        assert self._work is not None
        name = getattr(timer.callback, "__qualname__", "its callback")
        log = logged(f"a tick of the timer '{timer.key}' ({name})")

        def done(task: asyncio.Task[Any]) -> None:
            log(task)
            if self._loop is not None and not timer.is_over:
                self._arm(timer, max(timer.due + timer.seconds, self._loop.time()))

        self._work.start(self._run(timer), done)

    async def _run(self, timer: Timer) -> None:
        assert self._work is not None
        if is_async(timer.callback):
            await timer.callback()
        else:
            await self._work.call(timer.callback)
