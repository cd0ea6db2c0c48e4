"""Functions that are told of changes: each gets them in order, one at a time, the newest per key."""

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from askrd.sdk.backlog import ChangeBacklog
from askrd.sdk.listening import takes_of
from askrd.sdk.signature import is_async
from askrd.sdk.values import Change
from askrd.sdk.work import Work, logged, outside_commands


class Follower:
    """One function that is called with changes.

    When it is slow it gets only the newest change of a key. What it raises is logged, and the
    next change comes.
    """

    __slots__ = ("_function", "_in_thread", "_is_busy", "_takes", "_waiting", "_work", "name")

    def __init__(self, function: Callable[..., Any], *, in_thread: bool = False) -> None:
        """Reads the function's signature.

        Args:
            function: takes the `Change`, or nothing.
            in_thread: whether a plain function runs in a thread, and not in the loop.

        Raises:
            BadRequest: it takes something else.
        """
        self.name = getattr(function, "__qualname__", "a function")
        self._takes = takes_of(function, self.name)[0]
        self._function = function
        self._in_thread = in_thread and not is_async(function)
        self._waiting = ChangeBacklog()
        self._is_busy = False
        self._work: Work | None = None

    def start(self, work: Work) -> None:
        """Lets it be called from now on."""
        self._work = work

    def stop(self) -> None:
        """Drops what waits; a call that runs goes on."""
        self._work = None
        self._waiting = ChangeBacklog()

    def take(self, change: Change) -> None:
        """Has the function called with a change, once it is done with those before."""
        if self._work is None:
            return
        self._waiting.put(change)
        if not self._is_busy:
            self._begin(self._work)

    def _begin(self, work: Work) -> None:
        self._is_busy = True
        work.start(self._work_off(work), self._done, variables=outside_commands())

    def _done(self, task: asyncio.Task[Any]) -> None:
        logged(f"{self.name}, which is told of changes,")(task)
        self._is_busy = False
        if self._waiting and self._work is not None:
            self._begin(self._work)

    async def _work_off(self, work: Work) -> None:
        while self._waiting:
            change = self._waiting.take()
            args = () if self._takes == "nothing" else (change,)
            if self._in_thread:
                await work.call(self._function, *args)
            else:
                result = self._function(*args)
                if isawaitable(result):
                    await result
