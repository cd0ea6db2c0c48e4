"""Plain functions ask and tell through the agent, and their mistakes are seen."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from askrd import Askr, ConnectionLost, Context, DeadlineExceeded, HandlerError, NotFound
from askrd.sdk.from_thread import FromThread, Home
from askrd.sdk.waiting import threads_waiting
from askrd.testing import TestAskr, run


def live(story: Callable[[TestAskr], Awaitable[Any]], *agents: Askr) -> Any:
    async def whole() -> Any:
        async with TestAskr(*agents) as askr:
            return await story(askr)

    return run(whole())


def make_front() -> Askr:
    front = Askr("front")

    @front.command
    async def nap(seconds: float, ctx: Context) -> list[Any]:
        await asyncio.sleep(seconds)
        return [ctx.correlation_id, ctx.hops]

    @front.command
    def plain(seconds: float, ctx: Context) -> bool:
        found = front.sync.send("front.nap", {"seconds": seconds}, as_=list[Any])
        return found == [ctx.correlation_id, 1]

    @front.command
    def tell(number: int) -> int | None:
        told = front.sync.emit("TOLD", number, confirm=True)
        return told.receivers if told else None

    @front.command
    def look() -> list[Any]:
        front.sync.set("a/b", 1)
        return [
            front.sync.call("front.tell", 1).service,
            front.sync.get("a/b", as_=int).value,
            [row["service"] for row in front.sync.services()],
            sorted(row["name"] for row in front.sync.peers()),
            front.sync.wait_for("front")["service"],
        ]

    @front.command
    def forget() -> str:
        front.emit("TOLD", 1)
        front.send("front.nap", {"seconds": 1})
        return "fine"

    return front


def test_plain_handler_sends_as_part_of_its_command() -> None:
    async def story(askr: TestAskr) -> None:
        assert await askr.send("front.plain", {"seconds": 20}) is True
        with pytest.raises(DeadlineExceeded):
            await askr.send("front.plain", {"seconds": 500}, timeout=5)

    live(story, make_front())


def test_plain_handler_emits() -> None:
    async def story(askr: TestAskr) -> None:
        assert await askr.send("front.tell", 7) == 1
        assert (await askr.next_event("TOLD")).payload == 7

    live(story, make_front())


def test_plain_handler_looks_around() -> None:
    async def story(askr: TestAskr) -> Any:
        return await askr.send("front.look")

    assert live(story, make_front()) == [
        "front", 1, ["front"], ["front", "stubs", "test"], "front",
    ]  # fmt: skip


def test_errors_reach_the_plain_function() -> None:
    front = Askr("front")

    @front.command
    def find() -> str:
        try:
            front.sync.get("nope")
        except NotFound as exc:
            return exc.code
        return "found"

    async def story(askr: TestAskr) -> Any:
        return await askr.send("front.find")

    assert live(story, front) == "not_found"


def test_plain_handler_that_forgets_to_await_fails_and_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(askr: TestAskr) -> None:
        with pytest.raises(HandlerError):
            await askr.send("front.forget")
        with pytest.raises(TimeoutError):
            await askr.next_event("TOLD")

    live(story, make_front())
    assert "forget called .emit('TOLD'), .send('front.nap') without `await`" in caplog.text
    assert "agent.sync.emit(...)" in caplog.text


def test_plain_function_may_return_what_is_to_be_awaited() -> None:
    front = Askr("front")

    async def story(askr: TestAskr) -> None:
        front.every(1.0, lambda: front.emit("TICK"))
        assert (await askr.next_event("TICK")).payload is None

    live(story, front)


def test_timer_in_a_thread_emits() -> None:
    front = Askr("front")

    async def story(askr: TestAskr) -> None:
        front.every(1.0, lambda: front.sync.emit("TICK", 5))
        assert (await askr.next_event("TICK")).payload == 5

    live(story, front)


def test_it_is_refused_in_the_thread_of_the_loop() -> None:
    front = make_front()

    @front.command
    async def wrong() -> None:
        front.sync.emit("TOLD")

    async def story(askr: TestAskr) -> None:
        with pytest.raises(RuntimeError, match=r"`await` \.emit\(\) itself"):
            front.sync.emit("TOLD")
        with pytest.raises(HandlerError):
            await askr.send("front.wrong")
        assert threads_waiting(asyncio.get_running_loop()) == 0

    live(story, front)


def test_agent_that_does_not_run_says_so() -> None:
    with pytest.raises(ConnectionLost, match="does not run"):
        Askr("front").sync.send("x")


def test_loop_that_ends_meanwhile_ends_the_wait() -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    class Slow:
        async def peers(self) -> list[Any]:
            loop.call_soon(loop.stop)
            await asyncio.sleep(3600)
            return []

    asking = FromThread(Slow(), lambda: Home(loop, -1))  # type: ignore[arg-type]
    ends: list[Exception] = []

    def ask() -> None:
        try:
            asking.peers()
        except ConnectionLost as exc:
            ends.append(exc)

    asker = threading.Thread(target=ask)
    asker.start()
    thread.join(10)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    asker.join(10)
    assert [str(end) for end in ends] != []
    with pytest.raises(ConnectionLost):
        asking.peers()
