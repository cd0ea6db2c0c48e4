"""The tasks and threads of one agent: started here, watched here, ended here."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context as Variables, copy_context
from functools import partial
from inspect import isawaitable
from typing import Any

from askrd.sdk.context import CURRENT
from askrd.sdk.errands import DROPPED, refuse_dropped
from askrd.wire.errors import DeadlineExceeded

LOG = logging.getLogger("askrd.sdk")
THREADS_MAX = 32
"""Synchronous handlers that run at once; further ones wait for a thread, under their deadline."""

Done = Callable[[asyncio.Task[Any]], None]
Ending = Callable[[], bool]
"""Cancels the task."""


class NotBegun(DeadlineExceeded):
    """A plain function was not run: its command ended before there was a thread for it."""


class Work:
    """What an agent is doing; every task of it has an end that somebody looks at."""

    __slots__ = ("_busy", "_loop", "_name", "_rest", "_tasks", "_threads")

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        """Starts with nothing to do; ``name`` is for thread names."""
        self._name = name
        self._loop = loop
        self._tasks: set[asyncio.Task[Any]] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._busy: dict[object, str] = {}
        self._rest = asyncio.Event()

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def busy(self) -> list[str]:
        """Names of the synchronous functions that are running; a thread cannot be cancelled."""
        return list(self._busy.values())

    def start(
        self,
        coroutine: Coroutine[Any, Any, Any],
        done: Done,
        *,
        variables: Variables | None = None,
    ) -> Ending:
        """Starts a task that belongs to this object, and returns the way to end it early.

        Args:
            coroutine: what to run.
            done: called with the ended task; it looks at its outcome.
            variables: context variables to run with; by default a copy of the caller's.
        """
        task = self._loop.create_task(coroutine, context=variables)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(done)
        return task.cancel

    def keep(self, work: Awaitable[Any], done: Done, *, variables: Variables) -> asyncio.Task[Any]:
        """Starts a task like `start` and returns it, for who awaits it."""

        async def finish() -> Any:
            return await work

        task = self._loop.create_task(finish(), context=variables)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(done)
        return task

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Returns what a synchronous function returns; it runs in a thread.

        When that is something to await, as the coroutine of ``lambda: tick()`` is, it is awaited.
        Cancelling it leaves the function running; its result is dropped.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS_MAX, f"askr-{self._name}")
        inside = partial(copy_context().run, self._in_thread, function, args, kwargs)
        result = await self._loop.run_in_executor(self._threads, inside)
        return await result if isawaitable(result) else result

    def _in_thread(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        context = CURRENT.get()
        if context is not None and (context.is_cancelled or context.remaining <= 0):
            raise NotBegun(
                f"{context.service}.{context.command} was not run: it ended before there was a "
                "thread for it",
                at="handler",
            )
        token = object()
        name = self._busy[token] = getattr(function, "__qualname__", "a function")
        dropped: list[str] = []
        DROPPED.set(dropped)
        try:
            result = function(*args, **kwargs)
            refuse_dropped(name, dropped)
            return result
        except StopIteration as exc:
            raise RuntimeError("StopIteration cannot leave a thread") from exc
        finally:
            del self._busy[token]
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self._rest.set)

    async def wait(self, timeout: float) -> bool:
        """Waits until everything has ended, at most ``timeout`` seconds; says whether it has.

        It waits for threads too, also for those whose task was cancelled.
        """
        end = self._loop.time() + timeout
        while (running := self._others()) and self._loop.time() < end:
            await asyncio.wait(running, timeout=end - self._loop.time())
        with suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                while self._busy:
                    self._rest.clear()
                    await self._rest.wait()
        return not running and not self._busy

    async def finish(self, timeout: float) -> int:
        """Waits like `wait`, then cancels what is left, and returns how much that was."""
        if self._others():
            await self.wait(timeout)
        late = self._others()
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1.0)
        return len(late)

    def _others(self) -> set[asyncio.Task[Any]]:
        return {task for task in self._tasks if task is not asyncio.current_task()}

    def close(self) -> None:
        """Takes no more synchronous functions; those that run are left to themselves."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def outside_commands() -> Variables:
    """Returns the current context variables without the command that is being answered.

    What outlives a command must not inherit its deadline.
    """
    variables = copy_context()
    variables.run(CURRENT.set, None)
    return variables


def logged(what: str) -> Done:
    """Returns a callback that logs, with its traceback, what a task died of."""

    def done(task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (exc := task.exception()) is not None:
            LOG.error("%s failed: %s", what, exc, exc_info=exc)

    return done
