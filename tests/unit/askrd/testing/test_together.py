"""TestAskr joins agents and the real router: stubs, events, time and lost connections."""

import asyncio
from typing import Any

import pytest

from askrd import Askr, BadRequest, CannotConnect, CommandError, NoInstance, NotFound
from askrd.testing import TestAskr, run


def test_stub_answers_in_place_of_a_service() -> None:
    async def story() -> None:
        async with TestAskr() as askr:
            stub = askr.stub("agent.fetch", {"time": 1})
            assert await askr.send("agent.fetch", {"depth": 2}) == {"time": 1}
            assert await askr.send("fetch") == {"time": 1}
            assert stub.calls == [{"depth": 2}, None]

    run(story())


def test_stub_before_the_start_serves_agents_too() -> None:
    front = Askr("front")

    @front.command
    async def ask() -> Any:
        return await front.send("agent.fetch", 5)

    async def story() -> None:
        askr = TestAskr(front)
        askr.stub("agent.fetch", lambda payload: payload + 1)
        async with askr:
            assert await askr.send("front.ask") == 6

    run(story())


def test_stub_may_fail_or_wait() -> None:
    async def slowly(payload: Any) -> str:
        await asyncio.sleep(20)
        return "at last"

    async def story() -> None:
        async with TestAskr() as askr:
            askr.stub("agent.refuse", CommandError("quota", "No more."))
            askr.stub("agent.wait", slowly)
            with pytest.raises(CommandError, match="No more"):
                await askr.send("agent.refuse")
            assert await askr.send("agent.wait") == "at last"

    run(story())


def test_stub_needs_a_service() -> None:
    async def story() -> None:
        async with TestAskr() as askr:
            with pytest.raises(BadRequest, match="name the service"):
                askr.stub("fetch", 1)

    run(story())


def test_next_event_returns_each_event_once_also_earlier_ones() -> None:
    async def story() -> None:
        async with TestAskr() as askr:
            await askr.emit("a.x", 1)
            await askr.emit("b.x", 2)
            await askr.emit("a.x", 3)
            assert (await askr.next_event("a.*")).payload == 1
            assert (await askr.next_event("a.*")).payload == 3
            assert (await askr.next_event()).payload == 2
            with pytest.raises(TimeoutError):
                await askr.next_event(timeout=60)

    run(story())


def test_state_is_there() -> None:
    async def story() -> None:
        async with TestAskr() as askr:
            entry = await askr.state.set("config/theme", "dark")
            assert (await askr.state.get("config/theme")).value == "dark"
            assert entry.rev > 0
            with pytest.raises(NotFound):
                await askr.state.get("nope")

    run(story())


def test_daemon_that_is_away_comes_back() -> None:
    agent = Askr("agent")

    @agent.command
    async def fetch() -> int:
        return 1

    async def story() -> None:
        async with TestAskr(agent) as askr:
            askr.door.is_open = False
            await askr.lose(agent)
            await askr.advance(60)
            with pytest.raises(NoInstance):
                await askr.send("agent.fetch")
            with pytest.raises(CannotConnect):
                await Askr("other").connect(url="unix:/memory", dial=askr.door)
            askr.door.is_open = True
            await askr.advance(15)
            assert await askr.send("agent.fetch") == 1

    run(story())


def test_time_does_not_jump_in_a_real_loop() -> None:
    async def story() -> None:
        async with TestAskr() as askr:
            with pytest.raises(BadRequest, match=r"askrd\.testing\.run"):
                await askr.advance(1)

    asyncio.run(story())


def test_same_seed_gives_the_same_instances() -> None:
    async def story() -> list[Any]:
        async with TestAskr(Askr("agent"), seed=5) as askr:
            return [row["instance"] for row in await askr.services()]

    assert run(story()) == run(story())
