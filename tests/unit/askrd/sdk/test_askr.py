"""An agent against the real router in memory: what it offers, hears, asks and survives."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from askrd import (
    Askr,
    BadRequest,
    CommandError,
    Context,
    DeadlineExceeded,
    Event,
    HandlerError,
    Passage,
    SchemaInvalid,
)
from askrd.testing import TestAskr, run
from askrd.wire.errors import LimitExceeded


def live(story: Callable[[TestAskr], Awaitable[Any]], *agents: Askr) -> Any:
    async def whole() -> Any:
        async with TestAskr(*agents) as askr:
            return await story(askr)

    return run(whole())


class Page(msgspec.Struct):
    url: str
    links: int = 0


def make_agent() -> Askr:
    agent = Askr("agent", version="1.2.0", doc="Fetches.", tags={"zone": "eu"})

    @agent.command("crawl", timeout=5, idempotent=True)
    async def crawl(url: str, depth: int = 1) -> Page:
        """Counts links."""
        return Page(url, depth)

    @agent.command
    def add(a: int, b: int) -> int:
        return a + b

    @agent.command
    async def slow(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "rested"

    @agent.command
    async def broken() -> None:
        raise LookupError("secret")

    @agent.command
    async def refuse() -> None:
        raise CommandError("quota", "No more today.", details={"left": 0})

    return agent


def test_commands_are_answered() -> None:
    async def story(askr: TestAskr) -> None:
        assert await askr.send("crawl", {"url": "u"}) == {"url": "u", "links": 1}
        assert await askr.send("agent.crawl", {"url": "u"}, as_=Page) == Page("u", 1)
        assert await askr.send("add", {"a": 2, "b": 3}) == 5

    live(story, make_agent())


def test_errors_cross_as_they_are_or_without_internals() -> None:
    async def story(askr: TestAskr) -> None:
        with pytest.raises(CommandError) as quota:
            await askr.send("refuse")
        assert (quota.value.code, quota.value.details) == ("quota", {"left": 0})
        with pytest.raises(HandlerError) as broken:
            await askr.send("broken")
        assert "secret" not in broken.value.message
        with pytest.raises(SchemaInvalid) as misfit:
            await askr.send("add", {"a": 2, "b": "x"})
        assert (misfit.value.at, misfit.value.details["path"]) == ("request", "$.b")

    live(story, make_agent())


def test_registry_knows_everything() -> None:
    agent = make_agent()
    agent.emits("FETCHED_TIME", int, doc="every second")
    agent.on("news.*")(lambda: None)

    async def story(askr: TestAskr) -> None:
        (row,) = [row for row in await askr.services() if row["service"] == "agent"]
        assert (row["version"], row["tags"], row["state"]) == ("1.2.0", {"zone": "eu"}, "active")
        assert len(row["commands"]) == 5
        assert len(row["listens"]) == 1
        about = await askr.describe("agent.crawl")
        assert (about["doc"], about["timeout_ms"]) == ("Counts links.", 5000)
        assert about["request"]["required"] == ["url"]
        assert about["response"]["required"] == ["url"]
        assert (await askr.describe("FETCHED_TIME"))["doc"] == "every second"

    live(story, agent)


def test_default_deadline_of_a_command_cancels_its_handler() -> None:
    agent, cancelled = Askr("agent"), list[float]()

    @agent.command(timeout=30)
    async def stuck() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.append(asyncio.get_running_loop().time())
            raise

    async def story(askr: TestAskr) -> None:
        with pytest.raises(DeadlineExceeded):
            await askr.send("stuck")
        await askr.advance(1)
        assert len(cancelled) == 1
        assert 30 <= cancelled[0] < 30.5

    live(story, agent)


def test_cancelling_a_send_cancels_the_whole_chain() -> None:
    front, back, seen = Askr("front"), Askr("back"), list[str]()

    @front.command
    async def ask() -> Any:
        return await front.send("back.work")

    @back.command
    async def work() -> None:
        seen.append("begun")
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def story(askr: TestAskr) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await askr.send("front.ask", timeout=60)
        await askr.advance(1)
        assert seen == ["begun", "cancelled"]

    live(story, front, back)


def test_nested_commands_inherit_time_depth_and_correlation() -> None:
    front, back, seen = Askr("front"), Askr("back"), list[Any]()

    @front.command
    async def ask(ctx: Context) -> None:
        await asyncio.sleep(4)
        seen.append((ctx.hops, ctx.correlation_id, ctx.caller.service))
        await front.send("back.work", timeout=60)

    @back.command
    async def work(ctx: Context) -> None:
        seen.append((ctx.hops, ctx.correlation_id, ctx.caller.service))
        assert 5.9 < ctx.remaining <= 6.0

    async def story(askr: TestAskr) -> None:
        await askr.send("front.ask", timeout=10, headers={"askr-correlation": "c1"})
        assert seen == [(0, "c1", "test"), (1, "c1", "front")]

    live(story, front, back)


def test_endless_chain_of_commands_is_cut() -> None:
    agent, depths = Askr("agent"), list[int]()

    @agent.command
    async def again(ctx: Context) -> None:
        depths.append(ctx.hops)
        try:
            await agent.send("agent.again")
        except LimitExceeded as exc:
            raise CommandError("too_deep", exc.message) from exc
        except BadRequest as exc:
            raise CommandError("too_deep", exc.message) from exc

    async def story(askr: TestAskr) -> None:
        with pytest.raises(CommandError) as caught:
            await askr.send("again")
        assert caught.value.code == "too_deep"
        assert depths == list(range(8))

    live(story, agent)


def test_task_that_outlives_its_command_may_send_on() -> None:
    agent, answers = make_agent(), list[Any]()
    background = set[asyncio.Task[None]]()

    @agent.command
    async def later() -> None:
        async def job() -> None:
            await asyncio.sleep(60)
            answers.append(await agent.send("add", {"a": 1, "b": 1}))

        background.add(asyncio.get_running_loop().create_task(job()))

    async def story(askr: TestAskr) -> None:
        await askr.send("later", timeout=1)
        await askr.advance(61)
        assert answers == [2]

    live(story, agent)


def test_emitted_events_are_checked_by_what_was_published() -> None:
    agent = Askr("agent")
    agent.emits("FETCHED_TIME", int)

    @agent.command
    async def tell(value: Any = None) -> None:
        await agent.emit("FETCHED_TIME", value)

    async def story(askr: TestAskr) -> None:
        await askr.send("tell", {"value": 5})
        event = await askr.next_event("FETCHED_*")
        assert (event.payload, event.service) == (5, "agent")
        with pytest.raises(HandlerError):
            await askr.send("tell", {"value": "x"})
        with pytest.raises(TimeoutError):
            await askr.next_event("FETCHED_*", timeout=1)
        with pytest.raises(SchemaInvalid, match="FETCHED_TIME"):
            await agent.emit("FETCHED_TIME", "x")

    live(story, agent)


def test_listeners_hear_what_fits_them() -> None:
    agent, heard = Askr("agent"), list[Any]()

    @agent.on("FETCHED_*")
    async def typed(event: Event[int]) -> None:
        heard.append((event.subject, event.payload))

    @agent.on("**")
    def everything(payload: Any) -> None:
        heard.append(payload)

    async def story(askr: TestAskr) -> None:
        await askr.emit("FETCHED_TIME", 1)
        await askr.emit("other.thing", "x")
        await askr.emit("FETCHED_TIME", "no number")
        await askr.advance(1)
        assert sorted(map(str, heard)) == sorted(["('FETCHED_TIME', 1)", "1", "x", "no number"])

    live(story, agent)


def test_timer_ticks_until_it_is_cancelled() -> None:
    agent = Askr("agent")

    async def tick() -> None:
        await agent.emit("TICK")

    @agent.command
    async def start() -> None:
        agent.every(1.0, tick, key="tick")

    @agent.command
    def stop() -> bool:
        return agent.cancel("tick")

    async def story(askr: TestAskr) -> None:
        await askr.send("start", timeout=0.5)
        times = [(await askr.next_event("TICK")).ts_ms for _ in range(3)]
        assert times[2] - times[0] == 2000
        assert await askr.send("stop") is True
        with pytest.raises(TimeoutError):
            await askr.next_event("TICK", timeout=5)

    live(story, agent)


def test_timer_started_by_a_synchronous_handler_ticks() -> None:
    agent, ticks = Askr("agent"), list[str]()

    @agent.command
    def start() -> str:
        assert threading.current_thread() is not threading.main_thread()
        return agent.every(1.0, lambda: ticks.append("tick"))

    async def story(askr: TestAskr) -> None:
        key = await askr.send("start")
        await askr.advance(2.5)
        assert ticks == ["tick", "tick"]
        assert agent.cancel(key)

    live(story, agent)


def test_middleware_wraps_commands_events_and_sends() -> None:
    agent, seen = make_agent(), list[tuple[str, str, Any]]()
    agent.on("X")(lambda payload: None)

    @agent.command
    async def ask() -> int:
        return await agent.send("agent.add", {"a": 1, "b": 1})

    @agent.middleware
    async def watch(passage: Passage, call_next: Callable[[], Awaitable[Any]]) -> Any:
        if passage.kind == "send":
            passage.headers["x"] = "y"
        result = await call_next()
        seen.append((str(passage.kind), passage.name, result))
        return result

    async def story(askr: TestAskr) -> None:
        assert await askr.send("ask") == 2
        await askr.emit("X", 1)
        await askr.advance(1)
        assert seen == [
            ("command", "agent.add", 2),
            ("send", "agent.add", 2),
            ("command", "agent.ask", 2),
            ("event", "X", None),
        ]

    live(story, agent)


def test_progress_reaches_the_caller_before_the_answer() -> None:
    agent = Askr("agent")

    @agent.command
    async def work(ctx: Context) -> str:
        ctx.progress({"done": 0.5})
        return "done"

    async def story(askr: TestAskr) -> None:
        assert await askr.send("work") == "done"

    live(story, agent)


def test_listener_for_another_type_than_is_emitted_is_refused() -> None:
    def text(event: Event[str]) -> None: ...

    def number(event: Event[float]) -> None: ...

    first = Askr("agent")
    first.emits("FETCHED_TIME", int)
    first.on("FETCHED_*")(number)
    with pytest.raises(BadRequest, match="text listens to FETCHED"):
        first.on("FETCHED_*")(text)
    second = Askr("agent")
    second.on("FETCHED_*")(text)
    with pytest.raises(BadRequest, match="emits FETCHED_TIME"):
        second.emits("FETCHED_TIME", int)


def test_a_listener_waits_for_its_log(caplog: pytest.LogCaptureFixture) -> None:
    agent = Askr("books")
    seen: list[int] = []

    @agent.on(log="sales", consumer="books")
    async def book(number: int) -> None:
        seen.append(number)

    async def story() -> None:
        async with TestAskr(agent) as askr:
            await askr.advance(12)
            await askr.logs.create("sales", "sale.*")
            await askr.emit("sale.x", 7, confirm=True)
            await askr.advance(6)

    run(story())
    assert seen == [7]
    assert caplog.text.count("waits for its log") == 1


def test_a_listener_needs_a_pattern_or_a_log() -> None:
    with pytest.raises(TypeError, match="at least one pattern"):
        Askr("books").on()
