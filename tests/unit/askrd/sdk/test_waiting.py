"""A thread waits for the loop as long as there is one, and as long as its command runs."""

import asyncio
import threading
from contextvars import copy_context
from typing import Any

import pytest

from askrd.sdk.context import CURRENT, Caller, Context
from askrd.sdk.waiting import threads_waiting, wait_in_thread
from askrd.wire.errors import CommandCancelled, ConnectionLost


class Cancellable(Context):
    """A context that can be cancelled, as that of a command is."""

    is_over = False

    @property
    def is_cancelled(self) -> bool:
        return self.is_over


def cancellable() -> Cancellable:
    return Cancellable(
        service="agent", command="fetch", caller=Caller("me", "k3Tz9a"), id=1, deadline=60.0,
        clock=lambda: 0.0, tell=lambda payload: None,
    )  # fmt: skip


async def in_thread(context: Context | None, ask: Any) -> Any:
    loop = asyncio.get_running_loop()
    variables = copy_context()
    variables.run(CURRENT.set, context)
    return await loop.run_in_executor(None, lambda: variables.run(wait_in_thread, loop, ask))


def test_result_and_error_are_those_of_what_is_awaited() -> None:
    async def five() -> int:
        assert threads_waiting(asyncio.get_running_loop()) == 1
        return 5

    async def fail() -> None:
        raise LookupError("no such thing")

    async def story() -> None:
        assert await in_thread(None, five) == 5
        with pytest.raises(LookupError, match="no such thing"):
            await in_thread(cancellable(), fail)
        assert threads_waiting(asyncio.get_running_loop()) == 0

    asyncio.run(story())


def test_what_a_cancelled_command_waits_for_is_cancelled() -> None:
    async def story() -> None:
        context, began = cancellable(), asyncio.Event()

        async def wait() -> None:
            began.set()
            await asyncio.sleep(60)

        async with asyncio.TaskGroup() as group, asyncio.timeout(10):
            waiting = group.create_task(refused(context, wait))
            await began.wait()
            context.is_over = True
            context.cancel_nested()
        assert waiting.result() is CommandCancelled
        assert await refused(context, wait) is CommandCancelled

    asyncio.run(story())


async def refused(context: Context, ask: Any) -> type[BaseException] | None:
    try:
        await in_thread(context, ask)
    except CommandCancelled as exc:
        return type(exc)
    return None


def test_loop_that_is_gone_is_no_wait_for_ever() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    caught: list[BaseException] = []

    async def never() -> None: ...

    def ask() -> None:
        try:
            wait_in_thread(loop, never)
        except ConnectionLost as exc:
            caught.append(exc)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(10)
    assert [type(exc) for exc in caught] == [ConnectionLost]
