"""Streams and uploads of an agent in a process of its own: whole, in order, and never hoarded."""

import asyncio
import hashlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from askrd import Client, CommandError, InstanceLost, PayloadTooLarge
from askrd.sync import Client as BlockingClient
from askrd.testing import DaemonProcess
from tests.integration.agent_process import AgentProcess

pytestmark = pytest.mark.integration

PROGRAM = '''
"""An agent that streams, for the tests."""
import asyncio, hashlib
from collections.abc import AsyncIterator, Iterator
from askrd import Askr, CommandError, Upload

agent = Askr("agent")
made = 0

@agent.command
async def digest(content: Upload) -> str:
    summed = hashlib.sha256()
    async for piece in content:
        summed.update(piece)
    return summed.hexdigest()

@agent.command
def digest_in_thread(content: Upload) -> str:
    summed = hashlib.sha256()
    for piece in content:
        summed.update(piece)
    return summed.hexdigest()

@agent.command
async def count(number: int, size: int = 0) -> AsyncIterator[str]:
    global made
    try:
        for made in range(1, number + 1):
            yield f"{made}".rjust(size)
    finally:
        await agent.emit("closed", made)

@agent.command
def count_in_thread(number: int) -> Iterator[int]:
    yield from range(1, number + 1)

@agent.command("made")
async def how_many() -> int:
    return made

@agent.command
async def tick(seconds: float) -> AsyncIterator[int]:
    for number in range(10):
        yield number
        await asyncio.sleep(seconds)

@agent.command
async def dry(number: int) -> AsyncIterator[int]:
    for one in range(number):
        yield one
    raise CommandError("dry", "The source ran dry.", details={"after": number})

@agent.command
async def doubled(numbers: Upload[int]) -> AsyncIterator[int]:
    async for number in numbers:
        yield number * 2

@agent.command
async def echo(data: bytes) -> bytes:
    return data

@agent.command
async def big(number: int) -> dict[str, str]:
    return {"text": "x" * number}

agent.run()
'''


@pytest.fixture
def agent(askr_daemon: DaemonProcess, tmp_path: Path) -> Iterator[AgentProcess]:
    file = tmp_path / "agent.py"
    file.write_text(PROGRAM, encoding="utf-8")
    with AgentProcess(file, askr_daemon.environ()) as process:
        process.wait_until_it_says("connected to")
        yield process
        assert process.end() == 0
        assert "Traceback" not in process.said, process.said


def with_client(url: str, story: Callable[[Client], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        async with Client(url, name="test") as client, asyncio.timeout(50):
            await client.wait_for("agent")
            return await story(client)

    return asyncio.run(whole())


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


@pytest.mark.parametrize("door", ["unix_url", "url"])
@pytest.mark.parametrize("name", ["digest", "digest_in_thread"])
def test_upload_arrives_whole_and_passes_a_daemon_that_does_not_grow(
    askr_daemon, agent, door, name
) -> None:
    pieces = [hashlib.sha256(bytes([n])).digest() * 2048 for n in range(64)]
    expected = hashlib.sha256()
    for piece in pieces * 8:
        expected.update(piece)

    async def story(client: Client) -> None:
        await client.send("agent.echo", b"x" * 100_000)
        before = resident_kib(askr_daemon.pid)
        assert await client.send(f"agent.{name}", upload=pieces * 8) == expected.hexdigest()
        assert resident_kib(askr_daemon.pid) - before < 10 * 1024

    with_client(getattr(askr_daemon, door), story)


@pytest.mark.parametrize("name", ["count", "count_in_thread"])
def test_items_come_whole_and_in_order(askr_daemon, agent, name) -> None:
    async def story(client: Client) -> None:
        async with client.stream(f"agent.{name}", {"number": 5_000}) as items:
            got = [int(item) async for item in items]
        assert got == list(range(1, 5_001))
        assert items.value is None

    with_client(askr_daemon.url, story)


def test_slow_reader_slows_the_producer_and_leaving_closes_it(askr_daemon, agent) -> None:
    async def story(client: Client) -> None:
        async with client.listen("closed", count=1, timeout=20) as closed:
            stream = client.stream("agent.count", {"number": 1_000_000, "size": 1_000})
            async with stream as items:
                got = [int(await anext(items)) for _ in range(100)]
                assert got == list(range(1, 101))
                assert await client.send("agent.made") < 500
            assert (await anext(closed)).payload < 500

    with_client(askr_daemon.url, story)


def test_error_of_a_generator_comes_behind_its_items(askr_daemon, agent) -> None:
    async def story(client: Client) -> None:
        async with client.stream("agent.dry", 3) as items:
            assert [await anext(items) for _ in range(3)] == [0, 1, 2]
            with pytest.raises(CommandError) as caught:
                await anext(items)
        assert (caught.value.code, caught.value.details) == ("dry", {"after": 3})

    with_client(askr_daemon.url, story)


def test_both_directions_flow_at_once(askr_daemon, agent) -> None:
    async def story(client: Client) -> None:
        async with client.stream("agent.doubled", upload=range(1_000)) as items:
            assert [item async for item in items] == [number * 2 for number in range(1_000)]

    with_client(askr_daemon.url, story)


def test_value_of_a_stream_is_its_list(askr_daemon, agent) -> None:
    async def story(client: Client) -> None:
        assert await client.send("agent.count_in_thread", 300) == list(range(1, 301))

    with_client(askr_daemon.url, story)


def test_large_payloads_and_results_travel_by_themselves(askr_daemon, agent) -> None:
    async def story(client: Client) -> None:
        data = hashlib.sha256(b"x").digest() * 200_000
        assert await client.send("agent.echo", data) == data
        assert len((await client.send("agent.big", 3_000_000))["text"]) == 3_000_000

    with_client(askr_daemon.url, story)
    with BlockingClient(askr_daemon.unix_url) as client:
        assert len(client.send("agent.big", 2_000_000)["text"]) == 2_000_000


def test_result_nobody_could_join_is_refused(askr_daemon, agent) -> None:
    async def story(client: Client) -> None:
        with pytest.raises(PayloadTooLarge, match="smaller items as a stream"):
            await client.send("agent.big", 65 * 1024 * 1024)

    with_client(askr_daemon.unix_url, story)
    agent.said = ""


def test_stream_of_a_killed_agent_breaks_off_at_once(askr_daemon, tmp_path) -> None:
    file = tmp_path / "agent.py"
    file.write_text(PROGRAM, encoding="utf-8")
    with AgentProcess(file, askr_daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")

        async def story(client: Client) -> None:
            async with client.stream("agent.tick", 60.0) as items:
                assert await anext(items) == 0
                agent.process.kill()
                with pytest.raises(InstanceLost):
                    async with asyncio.timeout(10):
                        await anext(items)

        with_client(askr_daemon.url, story)


def test_stream_under_way_is_finished_while_its_agent_drains(askr_daemon, tmp_path) -> None:
    file = tmp_path / "agent.py"
    file.write_text(PROGRAM, encoding="utf-8")
    with AgentProcess(file, askr_daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")

        async def story(client: Client) -> list[int]:
            async with client.stream("agent.tick", 0.1) as items:
                got = [await anext(items)]
                agent.process.send_signal(signal.SIGTERM)
                got += [item async for item in items]
            return got

        assert with_client(askr_daemon.url, story) == list(range(10))
        assert agent.end(None) == 0
        assert "Traceback" not in agent.said


def test_file_is_uploaded_as_it_is_read(askr_daemon, agent, tmp_path) -> None:
    file = tmp_path / "content.bin"
    file.write_bytes(bytes(range(256)) * 4_000)
    with BlockingClient(askr_daemon.unix_url) as client, file.open("rb") as open_:
        told = client.send("agent.digest", upload=open_)
    assert told == hashlib.sha256(file.read_bytes()).hexdigest()
