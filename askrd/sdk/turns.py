"""Commands that wait for nothing share one task; one that has to wait keeps it to itself.

A task per command costs more than most handlers do. So the commands that arrive together run one
after another in one task, each with context variables of its own. When a handler waits for the
first time, the task is its own from there on, and those behind it go on in another one.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context as Variables, copy_context
from types import CoroutineType
from typing import Any, Self

from askrd.sdk.calls import Call
from askrd.sdk.context import CURRENT
from askrd.sdk.work import Work

Turn = deque[Call]
Outcome = asyncio.Task[None]


class Turns:
    """The commands that wait for their handlers, and the tasks these run in.

    Attributes:
        next: the turn that has not begun and takes in more; None when there is none.
    """

    __slots__ = ("_begin", "_end", "_stop", "_suspend", "_work", "next")

    def __init__(
        self,
        work: Work,
        *,
        begin: Callable[[Call], Any],
        suspend: Callable[[Call], None],
        end: Callable[[Call, Any], None],
        stop: Callable[[Call, Outcome | None], None],
    ) -> None:
        """Starts with no commands.

        Args:
            work: owns the tasks.
            begin: returns what carries out a command, as something to await.
            suspend: called when that waits for the first time.
            end: called with what came out.
            stop: called when nothing did: with the task that was cancelled or failed, or None when
                the command was cancelled before it had begun.
        """
        self._work = work
        self._begin = begin
        self._suspend = suspend
        self._end = end
        self._stop = stop
        self.next: Turn | None = None

    def add(self, call: Call) -> None:
        """Has a command carried out; commands begin in the order in which they were added."""
        if call.route.may_wait:
            self.next = None
            self._start(deque((call,)))
        elif self.next is None:
            self.next = self._start(deque((call,)))
        else:
            self.next.append(call)

    def _start(self, turn: Turn) -> Turn:
        self._work.start(self._run(turn), lambda task: self._ended(turn, task))
        return turn

    async def _run(self, turn: Turn) -> None:
        """Carries out a turn. The command that runs stays at its head until it has its answer."""
        if self.next is turn:
            self.next = None
        task = asyncio.current_task()
        assert task is not None
        while turn:
            call = turn[0]
            if call.stopped_because:
                self._stop(call, None)
                turn.popleft()
                continue
            CURRENT.set(call)
            variables = copy_context()
            steps = self._begin(call)
            if type(steps) is not CoroutineType:
                steps = _awaited(steps)
            try:
                waits_for = variables.run(steps.send, None)
            except StopIteration as done:
                if task.cancelling():
                    raise asyncio.CancelledError from None
                self._end(call, done.value)
            else:
                self._keep(turn, task)
                self._end(call, await Isolated(steps, variables, (waits_for,)))
            turn.popleft()

    def _keep(self, turn: Turn, task: asyncio.Task[Any]) -> None:
        """Leaves a task to the command it runs; the others of its turn go on in another."""
        call = turn.popleft()
        if turn:
            self._start(turn.copy())
            turn.clear()
        turn.append(call)
        call.task = task
        call.route.may_wait = True
        if call.stopped_because:
            task.cancel()
        else:
            self._suspend(call)

    def _ended(self, turn: Turn, task: Outcome) -> None:
        """Takes note that a task has ended; a command that was at its head did not come through."""
        if self.next is turn:
            self.next = None
        if turn:
            self._stop(turn.popleft(), task)
        if turn:
            self._start(turn)


async def _awaited(something: Any) -> Any:
    return await something


class Isolated:
    """A coroutine that runs in the task that awaits it, with context variables of its own."""

    __slots__ = ("_first", "_steps", "_variables")

    def __init__(
        self,
        steps: Coroutine[Any, Any, Any],
        variables: Variables | None = None,
        first: tuple[Any, ...] = (),
    ) -> None:
        """Prepares.

        Args:
            steps: the coroutine.
            variables: what it runs with; by default a copy of the present ones.
            first: when it has begun already, what it waits for.
        """
        self._steps = steps
        self._variables = copy_context() if variables is None else variables
        self._first = first

    def __await__(self) -> Self:
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Goes on to the next point where it waits."""
        if self._first:
            (waits_for,), self._first = self._first, ()
            return waits_for
        return self._variables.run(self._steps.send, value)

    def throw(self, *error: Any) -> Any:
        """Goes on with an error."""
        return self._variables.run(self._steps.throw, *error)

    def close(self) -> None:
        """Ends it where it waits."""
        self._variables.run(self._steps.close)
