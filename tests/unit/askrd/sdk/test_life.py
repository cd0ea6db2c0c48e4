"""An agent's life against the real router in memory: connections, hooks, and the way out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar

import pytest

from askrd import (
    Askr,
    AskrError,
    BadRequest,
    CommandError,
    ConnectionLost,
    Event,
    Forbidden,
    InstanceLost,
)
from askrd.sdk.errors import CannotConnect
from askrd.sdk.life import _refused
from askrd.sdk.transport import Receiver
from askrd.testing import TestAskr, run
from askrd.testing.memory_transport import MemoryTransport
from askrd.wire.addresses import DaemonAddress
from askrd.wire.codec import Assembly, decode, split
from askrd.wire.frames import MAGIC, Frame, Kind


def live(story: Callable[[TestAskr], Awaitable[Any]], *agents: Askr) -> Any:
    async def whole() -> Any:
        async with TestAskr(*agents) as askr:
            return await story(askr)

    return run(whole())


def make_agent() -> Askr:
    agent = Askr("agent")

    @agent.command
    def add(a: int, b: int) -> int:
        return a + b

    @agent.command
    async def slow(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "rested"

    return agent


def test_hooks_are_told_of_connections_and_peers() -> None:
    agent, told = Askr("agent"), list[Any]()
    agent.on_connected(lambda welcome: told.append(("connected", welcome.workspace)))
    agent.on_disconnected(lambda: told.append("disconnected"))

    @agent.on_peer_joined
    async def joined(peer: dict[str, Any]) -> None:
        told.append(("joined", peer["name"]))

    @agent.on_peer_left
    async def left(event: Event) -> None:
        told.append(("left", event.payload["name"]))

    async def story(askr: TestAskr) -> None:
        other = Askr("other")
        await other.connect(url="unix:/memory", dial=askr.door)
        await other.close()
        await askr.advance(1)
        assert [fact for fact in told if fact[1] in {"askr", "other"}] == [
            ("connected", "askr"), ("joined", "other"), ("left", "other"),
        ]  # fmt: skip
        await askr.lose(agent)
        await askr.advance(15)
        assert told.count("disconnected") == 1
        assert told.count(("connected", "askr")) == 2

    live(story, agent)


def test_everything_is_back_after_a_lost_connection() -> None:
    agent, heard = make_agent(), list[Any]()
    other = agent.service("second")

    @other.command
    async def here() -> str:
        return "here"

    @agent.on("X")
    async def hear(payload: int) -> None:
        heard.append(payload)

    async def story(askr: TestAskr) -> None:
        before = {row["service"]: row["instance"] for row in await askr.services()}
        running = asyncio.get_running_loop().create_task(
            askr.send("slow", {"seconds": 60.0}, timeout=100)
        )
        await askr.advance(1)
        await askr.lose(agent)
        with pytest.raises(InstanceLost):
            await running
        await askr.advance(15)
        after = {row["service"]: row["instance"] for row in await askr.services()}
        assert after == before
        assert await askr.send("second.here") == "here"
        await askr.emit("X", 7)
        await askr.advance(1)
        assert heard == [7]

    live(story, agent)


class RecordingTransport(MemoryTransport):
    """Keeps every write."""

    writes: ClassVar[list[bytes]] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        super().write(data)


def kinds_in(batch: bytes) -> list[int]:
    return [decode(data).kind for data in split(Assembly(1 << 20), batch)]


def test_everything_is_registered_again_in_one_write() -> None:
    agent = make_agent()
    agent.service("second")
    agent.on("X")(lambda: None)
    agent.on("Y")(lambda: None)

    async def story(askr: TestAskr) -> None:
        is_open = True

        async def dial(address: DaemonAddress, receiver: Receiver) -> MemoryTransport:
            if not is_open:
                raise CannotConnect(address.url, "the test has shut the door")
            return RecordingTransport(askr.daemon, receiver)

        await agent.connect(url="unix:/memory", dial=dial)
        everything = [Kind.PROVIDE, Kind.PROVIDE, Kind.SUB, Kind.SUB]
        magic, batch = RecordingTransport.writes[:2]
        assert magic == MAGIC
        assert kinds_in(batch) == [Kind.HELLO, *everything]
        RecordingTransport.writes.clear()
        is_open = False
        await askr.lose(agent)
        await askr.advance(15)
        is_open = True
        await askr.advance(15)
        magic, batch = RecordingTransport.writes[:2]
        assert kinds_in(batch) == [Kind.HELLO, *everything]
        await agent.close()

    live(story)


def test_within_the_window_nothing_is_registered_again() -> None:
    agent = make_agent()
    agent.on("X")(lambda: None)

    async def story(askr: TestAskr) -> None:
        async def dial(address: DaemonAddress, receiver: Receiver) -> MemoryTransport:
            return RecordingTransport(askr.daemon, receiver)

        await agent.connect(url="unix:/memory", dial=dial)
        RecordingTransport.writes.clear()
        await askr.lose(agent)
        await askr.advance(3)
        assert [kinds_in(batch) for batch in RecordingTransport.writes[1:]] == [[Kind.HELLO]]
        rows = await askr.services()
        assert [row["service"] for row in rows] == [agent.name]
        await agent.close()

    live(story)


def test_command_registered_while_running_is_offered() -> None:
    agent = Askr("agent")

    async def story(askr: TestAskr) -> None:
        @agent.command
        async def late() -> str:
            return "late"

        assert await askr.send("agent.late") == "late"

        @agent.service("more").command
        async def later() -> str:
            return "later"

        assert await askr.send("more.later") == "later"

    live(story, agent)


def test_closing_agent_finishes_what_it_runs_and_takes_nothing_new() -> None:
    agent = make_agent()

    async def story(askr: TestAskr) -> None:
        running = asyncio.get_running_loop().create_task(
            askr.send("slow", {"seconds": 10.0}, timeout=100)
        )
        await askr.advance(1)
        closing = asyncio.get_running_loop().create_task(agent.close())
        await askr.advance(1)
        assert [
            row
            for row in await askr.services()
            if row["state"] == "active" and row["service"] == "agent"
        ] == []
        assert await running == "rested"
        await closing

    live(story, agent)


def test_closing_agent_gives_up_what_does_not_end() -> None:
    agent = make_agent()

    async def story(askr: TestAskr) -> None:
        running = asyncio.get_running_loop().create_task(
            askr.send("slow", {"seconds": 1000.0}, timeout=2000)
        )
        await askr.advance(1)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await agent.close()
        assert 20 <= loop.time() - begin < 22
        with pytest.raises(CommandError) as caught:
            await running
        assert caught.value.code == "cancelled"

    live(story, agent)


def test_agent_that_does_not_run_says_so() -> None:
    agent = Askr("agent")
    with pytest.raises(ConnectionLost, match="does not run"):
        run(agent.send("fetch"))


def test_agent_runs_once_at_a_time_and_again_afterwards() -> None:
    agent = make_agent()

    async def story(askr: TestAskr) -> None:
        with pytest.raises(BadRequest, match="runs already"):
            await agent.connect()
        await agent.close()
        await agent.connect(url="unix:/memory", dial=askr.door)
        assert await askr.send("add", {"a": 1, "b": 1}) == 2

    live(story, agent)


def test_second_service_of_the_same_name_is_refused() -> None:
    with pytest.raises(BadRequest, match="already"):
        Askr("agent").service("agent")


def test_option_of_a_later_version_is_refused() -> None:
    with pytest.raises(TypeError, match="not built yet"):
        Askr("agent", key_file="k")  # type: ignore[arg-type]


@pytest.mark.parametrize("connections", [0, 5])
def test_a_session_has_one_to_four_connections(connections: int) -> None:
    with pytest.raises(ValueError, match="1 to 4"):
        Askr("agent", connections=connections)


def test_commands_on_their_way_are_answered_while_the_agent_drains() -> None:
    agent = make_agent()

    @agent.command
    async def soon(number: int) -> int:
        await asyncio.sleep(number % 3)
        return number

    @agent.command
    async def items(number: int) -> AsyncIterator[int]:
        for _ in range(100):
            await asyncio.sleep(0.01)
            yield number

    async def take(askr: TestAskr) -> int:
        async with askr.stream(f"{agent.name}.items", 1) as stream:
            return sum([item async for item in stream])

    async def story(askr: TestAskr) -> None:
        await agent.connect(url="unix:/memory", dial=askr.door)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(askr.send(f"{agent.name}.soon", number)) for number in range(50)
            ]
            stream = group.create_task(take(askr))
            await asyncio.sleep(0)
            group.create_task(agent.close())
        assert [task.result() for task in tasks] == list(range(50))
        assert stream.result() == 100

    live(story)


@pytest.mark.parametrize(
    ("error", "is_said"), [(ConnectionLost("cut"), False), (Forbidden("no"), True)]
)
def test_only_a_refusal_of_new_offers_is_an_error(
    error: AskrError, is_said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def whole() -> None:
        promise: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        promise.set_exception(error)
        _refused("agent", promise)

    asyncio.run(whole())
    assert bool(caplog.records) is is_said


def test_a_group_hears_on_while_one_of_its_members_drains() -> None:
    heard: list[int] = []
    leaving, staying = make_agent(), Askr("other")
    for agent in (leaving, staying):

        @agent.on("job", group="workers")
        def take(number: int) -> None:
            heard.append(number)

    async def story(askr: TestAskr) -> None:
        running = asyncio.get_running_loop().create_task(
            askr.send("slow", {"seconds": 10.0}, timeout=100)
        )
        await askr.advance(1)
        closing = asyncio.get_running_loop().create_task(leaving.close())
        await askr.advance(1)
        for number in range(6):
            await askr.emit("job", number, confirm=True)
        assert await running == "rested"
        await closing
        assert heard == [0, 1, 2, 3, 4, 5]

    live(story, leaving, staying)


def test_closing_that_is_cancelled_leaves_no_connection() -> None:
    agent = make_agent()

    async def story(askr: TestAskr) -> None:
        running = asyncio.get_running_loop().create_task(
            askr.send("slow", {"seconds": 10.0}, timeout=100)
        )
        await askr.advance(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await agent.close()
        assert "agent" not in [each.session.name for each in askr.daemon.connections]
        with pytest.raises((CommandError, InstanceLost)):
            await running

    live(story, agent)
