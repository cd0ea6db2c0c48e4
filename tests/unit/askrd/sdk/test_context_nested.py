"""Commands of commands: cancelled with their parent, in its trace, and within its time."""

import asyncio
import threading
from typing import Any

import pytest

from askrd import Askr, Context
from askrd.sdk.work import THREADS_MAX
from askrd.testing import TestAskr, run
from askrd.wire.errors import DeadlineExceeded

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def inner() -> tuple[Askr, list[Any]]:
    """Returns a service with a command that waits for ever, and what became of it."""
    service, told = Askr("inner"), []

    @service.command
    async def wait(ctx: Context) -> None:
        told.append("began")
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    @service.command
    async def about(ctx: Context) -> dict[str, Any]:
        return {
            "trace": ctx.traceparent, "came": ctx.headers.get("traceparent"),
            "state": ctx.headers.get("tracestate"), "hops": ctx.hops,
            "chain": ctx.correlation_id, "remaining": ctx.remaining,
        }  # fmt: skip

    return service, told


def outer() -> Askr:
    service = Askr("outer")

    @service.command
    async def wait() -> None:
        await service.send("inner.wait")

    @service.command
    def wait_in_thread() -> None:
        service.sync.send("inner.wait")

    @service.command
    async def stream() -> Any:
        yield 1
        await service.send("inner.wait")

    @service.command
    async def about(ctx: Context) -> list[Any]:
        return [ctx.traceparent, *[await service.send("inner.about") for _ in range(2)]]

    @service.command
    def about_in_thread(ctx: Context) -> list[Any]:
        return [ctx.traceparent, service.sync.send("inner.about", timeout=2)]

    return service


@pytest.mark.parametrize("name", ["wait", "wait_in_thread", "stream"])
def test_nested_command_is_cancelled_with_its_parent(name) -> None:
    service, told = inner()

    async def story() -> None:
        async with TestAskr(service, outer()) as askr:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await askr.send(f"outer.{name}")
            await askr.advance(1)
            assert told == ["began", "cancelled"]

    run(story())


@pytest.mark.parametrize("name", ["wait", "wait_in_thread"])
def test_nested_command_ends_by_the_deadline_of_its_parent(name) -> None:
    service, told = inner()

    async def story() -> None:
        async with TestAskr(service, outer()) as askr:
            with pytest.raises(DeadlineExceeded):
                await askr.send(f"outer.{name}", timeout=3)
            await askr.advance(1)
            assert told == ["began", "cancelled"]

    run(story())


def test_nested_commands_stay_in_the_trace() -> None:
    service, _ = inner()

    async def story() -> None:
        async with TestAskr(service, outer()) as askr:
            headers = {"traceparent": PARENT, "tracestate": "a=1", "askr-correlation": "chain"}
            own, first, second = await askr.send("outer.about", headers=headers, timeout=5)
            spans = {one.split("-")[2] for one in (PARENT, own, first["trace"], second["trace"])}
            assert len(spans) == 4
            for nested in (first, second):
                assert nested["came"] == own
                assert nested["trace"].split("-")[1] == TRACE
                assert (nested["state"], nested["hops"], nested["chain"]) == ("a=1", 1, "chain")
                assert 0 < nested["remaining"] <= 5

    run(story())


def test_command_without_a_trace_begins_one_also_for_threads() -> None:
    service, _ = inner()

    async def story() -> None:
        async with TestAskr(service, outer()) as askr:
            own, nested = await askr.send("outer.about_in_thread")
            assert nested["came"] == own
            assert nested["remaining"] <= 2
            again, _ = await askr.send("outer.about_in_thread")
            assert again.split("-")[1] != own.split("-")[1]

    run(story())


def test_shielded_command_goes_on_when_its_parent_is_cancelled() -> None:
    service, told = inner()
    front = Askr("front")

    @service.command
    async def save() -> str:
        await asyncio.sleep(10)
        told.append("saved")
        return "saved"

    @front.command
    async def careful(ctx: Context) -> None:
        await ctx.shield(front.send("inner.save", timeout=20))

    async def story() -> None:
        async with TestAskr(service, front) as askr:
            with pytest.raises(DeadlineExceeded):
                await askr.send("front.careful", timeout=1)
            await askr.advance(20)
            assert told == ["saved"]

    run(story())


def test_plain_function_cannot_shield_and_is_told_so(caplog) -> None:
    front = Askr("front")
    told: list[str] = []

    @front.command
    def careless(ctx: Context) -> None:
        with pytest.raises(RuntimeError, match="a plain function is never interrupted"):
            ctx.shield(asyncio.sleep(1))
        told.append(f"{ctx.is_cancelled}")

    async def story() -> None:
        async with TestAskr(front) as askr:
            await askr.send("front.careless")

    run(story())
    assert told == ["False"]


def test_command_whose_time_is_over_before_there_is_a_thread_never_runs() -> None:
    front = Askr("front")
    told: list[str] = []
    release = threading.Event()

    @front.command
    def hold() -> None:
        told.append("held")
        release.wait(10)

    @front.command
    def late() -> None:
        told.append("late")

    @front.command
    async def ping() -> None:
        """Comes behind everything that was said before it."""

    async def story() -> None:
        async with TestAskr(front) as askr, asyncio.TaskGroup() as group:
            for _ in range(THREADS_MAX):
                group.create_task(askr.send("front.hold", timeout=60))
            async with asyncio.timeout(10):
                while len(told) < THREADS_MAX:
                    await asyncio.sleep(0.01)
            with pytest.raises(DeadlineExceeded):
                await askr.send("front.late", timeout=0.1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await askr.send("front.late")
            await askr.send("front.ping")
            release.set()

    asyncio.run(story())
    assert told == ["held"] * THREADS_MAX
