"""TestAskr joins agents and the real router: stubs, events, time and lost connections."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from askrd import Askr, BadRequest, CannotConnect, CommandError, NoInstance, NotFound, Upload
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


def test_stub_of_a_generator_is_a_stream() -> None:
    async def lines(payload: Any) -> AsyncIterator[str]:
        for number in range(payload["count"]):
            yield f"line {number}"

    async def story() -> None:
        async with TestAskr() as askr:
            stub = askr.stub("logs.tail", lines)
            async with askr.stream("logs.tail", {"count": 2}) as items:
                assert [item async for item in items] == ["line 0", "line 1"]
            assert await askr.send("logs.tail", {"count": 1}) == ["line 0"]
            assert stub.calls == [{"count": 2}, {"count": 1}]

    run(story())


def test_every_way_of_asking_is_there() -> None:
    agents = [Askr("agent") for _ in range(3)]
    noted: list[str] = []

    async def note(text: str, content: Upload) -> int:
        noted.append(text)
        return len(await content.read())

    for agent in agents:
        agent.command(note)

    async def story() -> None:
        async with TestAskr(*agents) as askr:
            assert await askr.send("agent.note", "one", upload=[b"abc"]) == 3
            await askr.tell("agent.note", "two")
            rows = await askr.survey("agent@*.note", "three")
            assert [row.value for row in rows] == [0, 0, 0]
            outcome = await askr.call("agent.note", "four", as_=int)
            assert (outcome.service, outcome.value) == ("agent", 0)

    run(story())
    assert noted[:2] == ["one", "two"]
    assert noted[2:5] == ["three"] * 3


def test_large_payload_keeps_the_deadline_of_its_command() -> None:
    slow = Askr("slow")

    @slow.command
    async def count(data: bytes) -> int:
        await asyncio.sleep(500)
        return len(data)

    async def story() -> None:
        async with TestAskr(slow) as askr:
            assert await askr.send("slow.count", b"x" * 2_000_000, timeout=600) == 2_000_000

    run(story())


def test_entries_go_in_virtual_time_and_with_their_peers() -> None:
    agent = Askr("agent")

    async def story() -> None:
        async with TestAskr(agent) as askr:
            await askr.state.set("hour", 1, ttl=3600)
            await agent.workspace_state.set("held", 1, ephemeral=True)
            await askr.advance(3599)
            assert [entry.key for entry in await askr.state.entries()] == ["held", "hour"]
            await askr.advance(2)
            await agent.close()
            assert await askr.state.entries() == []
            causes = [change.cause for change in await askr.state.history("hour")]
            assert causes == ["ttl", "set"]
            assert (await askr.state.history("held", count=1))[0].cause == "owner_gone"

    run(story())
