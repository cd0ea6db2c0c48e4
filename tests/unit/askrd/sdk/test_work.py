"""Tasks and threads have an owner that sees their end."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from askrd.sdk.context import CURRENT, Caller, Context
from askrd.sdk.work import NotBegun, Work, logged
from askrd.testing.virtual_time import VirtualTimeLoop

VARIABLE: ContextVar[str] = ContextVar("variable", default="nothing")


def live(story: Callable[[Work], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        work = Work("test", asyncio.get_running_loop())
        try:
            return await story(work)
        finally:
            work.close()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(whole())


async def nap(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "rested"


def test_finish_waits_for_what_ends_in_time_and_cancels_the_rest() -> None:
    async def story(work: Work) -> tuple[int, list[Any]]:
        ends: list[Any] = []

        def done(task: asyncio.Task[Any]) -> None:
            ends.append("cancelled" if task.cancelled() else task.result())

        work.start(nap(5), done)
        work.start(nap(50), done)
        assert len(work) == 2
        cancelled = await work.finish(20)
        assert len(work) == 0
        assert asyncio.get_running_loop().time() == 20
        return cancelled, ends

    assert live(story) == (1, ["rested", "cancelled"])


def test_synchronous_function_runs_in_a_thread_with_the_callers_variables() -> None:
    async def story(work: Work) -> tuple[str, bool, list[str]]:
        VARIABLE.set("something")

        def function(word: str) -> tuple[str, bool, list[str]]:
            elsewhere = threading.current_thread() is not threading.main_thread()
            return f"{VARIABLE.get()} {word}", elsewhere, work.busy

        return await work.call(function, word="else")

    text, elsewhere, busy = live(story)
    assert (text, elsewhere) == ("something else", True)
    assert [name.rpartition(".")[2] for name in busy] == ["function"]


def test_coroutine_that_a_function_returns_is_awaited() -> None:
    async def story(work: Work) -> str:
        return await work.call(lambda: nap(1.0))

    assert live(story) == "rested"


def test_stop_iteration_of_a_thread_is_an_error_not_a_hang() -> None:
    async def story(work: Work) -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await work.call(lambda: next(iter(())))
        assert work.busy == []

    live(story)


def test_error_of_a_task_is_logged_with_its_traceback(caplog) -> None:
    async def fail() -> None:
        raise LookupError("no such thing")

    async def story(work: Work) -> None:
        work.start(fail(), logged("looking"))
        await work.finish(1)

    live(story)
    (record,) = caplog.records
    assert record.getMessage() == "looking failed: no such thing"
    assert record.exc_info is not None


def test_function_of_a_command_whose_time_is_over_is_not_run() -> None:
    told: list[str] = []

    async def story(work: Work) -> None:
        context = Context(
            service="agent", command="fetch", caller=Caller("me", "k3Tz9a"), id=1, deadline=1.0,
            clock=asyncio.get_running_loop().time, tell=lambda payload: None,
        )  # fmt: skip
        CURRENT.set(context)
        await work.call(told.append, "in time")
        await asyncio.sleep(1)
        with pytest.raises(NotBegun, match=r"agent\.fetch was not run"):
            await work.call(told.append, "too late")

    live(story)
    assert told == ["in time"]


def test_work_that_is_kept_is_waited_for_and_can_be_awaited() -> None:
    ended: list[str] = []

    async def story(work: Work) -> str:
        variables = copy_context()
        variables.run(VARIABLE.set, "kept")

        async def rest() -> str:
            return f"{await nap(1.0)} {VARIABLE.get()}"

        task = work.keep(rest(), lambda task: ended.append("done"), variables=variables)
        assert await work.wait(10)
        return await task

    assert live(story) == "rested kept"
    assert ended == ["done"]
