"""How a thread waits for something that happens in the loop, and stops when its command ends."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future, wait
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from askrd.sdk.context import CURRENT, Context
from askrd.sdk.errors import lost
from askrd.wire.errors import CommandCancelled

Result = TypeVar("Result")

LOOK_S = 1.0
"""How often a thread that waits looks whether the loop is still there to answer it."""
_WAITING: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


def threads_waiting(loop: asyncio.AbstractEventLoop) -> int:
    """Returns how many threads wait for something that happens in ``loop``."""
    return _WAITING.get(loop, 0)


def wait_in_thread(
    loop: asyncio.AbstractEventLoop, ask: Callable[[], Coroutine[Any, Any, Result]]
) -> Result:
    """Has the loop carry something out and waits for it; it ends as what is awaited does.

    When the command that the thread answers is cancelled, so is this.

    Raises:
        ConnectionLost: the loop has gone.
        CommandCancelled: the command that the thread answers was cancelled.
    """
    gone = lost("the agent has stopped")
    asked = _counted(loop, ask)
    try:
        future: Future[Result] = asyncio.run_coroutine_threadsafe(asked, loop)
    except RuntimeError as exc:  # the loop is closed
        asked.close()
        raise gone from exc
    while not wait([future], LOOK_S).done:
        if loop.is_closed():
            raise gone
    try:
        return future.result()
    except CancelledError:
        context = CURRENT.get()
        if context is not None and context.is_cancelled:
            raise _cancelled(context) from None
        raise gone from None


def _cancelled(context: Context) -> CommandCancelled:
    return CommandCancelled(
        f"{context.service}.{context.command} was cancelled, and what it waited for too",
        at="client",
    )


async def _counted(
    loop: asyncio.AbstractEventLoop, ask: Callable[[], Coroutine[Any, Any, Result]]
) -> Result:
    """Carries it out in the loop, on behalf of the command that the thread answers."""
    context, task = CURRENT.get(), asyncio.current_task()
    assert task is not None
    _WAITING[loop] = _WAITING.get(loop, 0) + 1
    try:
        if context is None:
            return await ask()
        if context.is_cancelled:
            raise _cancelled(context)
        with context.adopting(task):
            return await ask()
    finally:
        _WAITING[loop] -= 1
