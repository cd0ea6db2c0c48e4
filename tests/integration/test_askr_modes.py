"""Told and accepted commands, serial ones, and drains under load, with real processes."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from askrd import AskrError, BadRequest, Client, DeadlineExceeded
from askrd.testing import DaemonProcess
from tests.integration.agent_process import AgentProcess

pytestmark = pytest.mark.integration

PROGRAM = '''
"""An agent with every reply mode, for the tests."""
import asyncio, time
from collections.abc import AsyncIterator
from askrd import Askr, CommandError, Context, Upload

agent = Askr("agent", policy="least")

@agent.command(reply="ack")
async def crawl(seconds: float, fails: bool = False) -> None:
    await asyncio.sleep(seconds)
    if fails:
        raise CommandError("quota", "No more today.")
    await agent.emit("crawled", seconds)

@agent.command(reply="none")
async def note(text: str) -> None:
    await agent.emit("noted", text)

@agent.command
async def quick(number: int) -> int:
    return number

@agent.command
async def pause(number: int) -> int:
    await asyncio.sleep(0.005)
    return number

@agent.command
def in_thread(number: int) -> int:
    time.sleep(0.005)
    return number

@agent.command
async def stream(number: int) -> AsyncIterator[int]:
    for one in range(3):
        await asyncio.sleep(0.002)
        yield number

@agent.command
async def store(content: Upload) -> int:
    return len(await content.read())

order = []

@agent.command(serial="key")
async def append(key: str, number: int) -> list[int]:
    await asyncio.sleep(0.01)
    order.append(number)
    return order

agent.run()
'''


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "agent.py"
    file.write_text(PROGRAM, encoding="utf-8")
    return file


@pytest.fixture
def agent(askr_daemon: DaemonProcess, program: Path) -> Iterator[AgentProcess]:
    with AgentProcess(program, askr_daemon.environ()) as process:
        process.wait_until_it_says("connected to")
        yield process
        assert process.end() == 0


def with_client(daemon: DaemonProcess, story: Callable[[Client], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        async with Client(daemon.unix_url, name="test") as client, asyncio.timeout(50):
            await client.wait_for("agent")
            return await story(client)

    return asyncio.run(whole())


def test_caller_of_an_accepted_command_is_free_at_once_and_the_work_goes_on(
    askr_daemon, agent
) -> None:
    async def story(client: Client) -> None:
        async with client.listen("crawled", count=1, timeout=20) as crawled:
            begin = time.monotonic()
            assert await client.send("agent.crawl", {"seconds": 1.0}, timeout=0.5) is None
            assert time.monotonic() - begin < 0.9
            assert (await anext(crawled)).payload == 1.0

    with_client(askr_daemon, story)


def test_work_goes_on_when_its_caller_is_gone(askr_daemon, agent) -> None:
    async def story(client: Client) -> None:
        async with client.listen("crawled", count=1, timeout=20) as crawled:
            async with Client(askr_daemon.unix_url, reconnect=False) as other:
                await other.send("agent.crawl", {"seconds": 0.5})
            assert (await anext(crawled)).payload == 0.5

    with_client(askr_daemon, story)


def test_later_failure_of_an_accepted_command_is_an_event(askr_daemon, agent) -> None:
    async def story(client: Client) -> None:
        async with client.listen("$askr.command.failed", count=1, timeout=20) as failures:
            await client.send("agent.crawl", {"seconds": 0.1, "fails": True})
            failed = (await anext(failures)).payload
        assert (failed["service"], failed["command"]) == ("agent", "crawl")
        assert (failed["error"]["code"], failed["error"]["at"]) == ("quota", "handler")

    with_client(askr_daemon, story)


def test_killed_agent_is_the_failure_of_what_it_had_accepted(askr_daemon, program) -> None:
    with AgentProcess(program, askr_daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")

        async def story(client: Client) -> None:
            async with client.listen("$askr.command.failed", count=1, timeout=20) as failures:
                await client.send("agent.crawl", {"seconds": 60.0})
                agent.process.kill()
                assert (await anext(failures)).payload["error"]["code"] == "instance_lost"

        with_client(askr_daemon, story)


def test_command_that_gives_nothing_is_told(askr_daemon, agent) -> None:
    async def story(client: Client) -> None:
        async with client.listen("noted", count=3, timeout=20) as noted:
            await client.tell("agent.note", "one")
            assert await client.send("agent.note", "two") is None
            await client.tell("agent.note", "three")
            assert [event.payload async for event in noted] == ["one", "two", "three"]
        with pytest.raises(BadRequest, match="not"):
            async with client.stream("agent.note", "four") as items:
                await anext(items)

    with_client(askr_daemon, story)


async def give_up(client: Client, payload: dict[str, Any]) -> type[BaseException] | None:
    """Returns what a command with a short deadline fails with."""
    try:
        await client.send("agent.append", payload, timeout=0.1)
    except DeadlineExceeded as exc:
        return type(exc)
    return None


def test_serial_commands_keep_the_order_of_their_callers(askr_daemon, agent) -> None:
    async def story(client: Client) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(client.send("agent.append", {"key": "a", "number": number}))
        (*before, last) = await client.send("agent.append", {"key": "a", "number": 50})
        assert [*before, last] == list(range(51))
        async with asyncio.TaskGroup() as group:
            for number in range(100, 150):
                group.create_task(client.send("agent.append", {"key": "b", "number": number}))
            late = group.create_task(give_up(client, {"key": "b", "number": 999}))
        assert late.result() is DeadlineExceeded
        assert 999 not in await client.send("agent.append", {"key": "b", "number": 200})

    with_client(askr_daemon, story)


async def ask(client: Client, number: int) -> None:
    """Asks in each way there is; every one has to succeed."""
    way = number % 5
    if way == 0:
        assert await client.send("agent.quick", number) == number
    elif way == 1:
        assert await client.send("agent.pause", number) == number
    elif way == 2:
        assert await client.send("agent.in_thread", number) == number
    elif way == 3:
        async with client.stream("agent.stream", number) as items:
            assert [item async for item in items] == [number] * 3
    else:
        assert await client.send("agent.store", upload=[b"x" * 1000] * 5) == 5000


def test_sigterm_of_one_instance_under_load_fails_no_command(askr_daemon, program) -> None:
    asked = 0

    async def load(client: Client, is_over: asyncio.Event, begin: int) -> None:
        nonlocal asked
        number = begin
        while not is_over.is_set():
            await ask(client, number)
            number += 1
            asked += 1

    async def story(client: Client) -> None:
        is_over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for begin in range(20):
                group.create_task(load(client, is_over, begin))
            for _ in range(3):
                with AgentProcess(program, askr_daemon.environ()) as other:
                    await asyncio.to_thread(other.wait_until_it_says, "connected to")
                    before = asked
                    while asked < before + 100:
                        await asyncio.sleep(0.005)
                    other.process.send_signal(signal.SIGTERM)
                    assert await asyncio.to_thread(other.end, None) == 0
                    assert "Traceback" not in other.said
            is_over.set()

    with AgentProcess(program, askr_daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")
        with_client(askr_daemon, story)
        assert asked > 300
        assert agent.end() == 0
        assert "Traceback" not in agent.said, agent.said


def test_sigterm_of_the_only_instance_loses_nothing_that_was_taken(askr_daemon, program) -> None:
    answered = 0
    refused: list[str] = []

    async def load(client: Client, begin: int) -> None:
        nonlocal answered
        number = begin
        while not refused:
            try:
                await ask(client, number)
            except AskrError as exc:
                refused.append(exc.code)
                return
            number += 1
            answered += 1

    async def story(client: Client) -> None:
        async with asyncio.TaskGroup() as group:
            for begin in range(20):
                group.create_task(load(client, begin))
            while answered < 200:
                await asyncio.sleep(0.005)
            agent.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(agent.end, None) == 0

    with AgentProcess(program, askr_daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")
        with_client(askr_daemon, story)
        assert "Traceback" not in agent.said, agent.said
    assert set(refused) <= {"no_instance", "service_unknown", "draining"}
