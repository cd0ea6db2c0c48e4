"""An agent as a program: signals, lost daemons, lost agents, and the wire in between."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from askrd import Askr, Client, Context, DeadlineExceeded, InstanceLost, SchemaInvalid
from askrd.testing import DaemonProcess
from tests.integration.agent_process import AgentProcess

pytestmark = pytest.mark.integration

PROGRAM = '''
"""An agent for the tests."""
import asyncio, threading, time
from askrd import Askr

agent = Askr("agent")

@agent.command
async def slow(seconds: float) -> str:
    await agent.emit("began")
    await asyncio.sleep(seconds)
    return "rested"

@agent.command
def stuck(seconds: float) -> None:
    time.sleep(seconds)

agent.run()
print("after run", flush=True)
'''


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "agent.py"
    file.write_text(PROGRAM, encoding="utf-8")
    return file


def with_client(daemon: DaemonProcess, story: Callable[[Client], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        async with Client(daemon.unix_url, name="test") as client:
            return await story(client)

    return asyncio.run(whole())


async def until_begun(client: Client, seconds: float, timeout: float) -> "asyncio.Task[Any]":
    """Sends a slow command and returns when its handler runs."""
    async with client.listen("began", timeout=10) as begun:
        task = asyncio.get_running_loop().create_task(
            client.send("agent.slow", {"seconds": seconds}, timeout=timeout)
        )
        await anext(begun)
    return task


@pytest.mark.parametrize("door", ["unix_url", "tcp_url", "url"])
def test_commands_and_events_cross_every_door(askr_daemon, door: str) -> None:
    agent = Askr("agent", url=getattr(askr_daemon, door))
    heard = asyncio.Event()

    @agent.command
    async def double(number: int) -> int:
        await agent.emit("doubled", number)
        return number * 2

    @agent.command
    def text(ctx: Context) -> str:
        return f"{ctx.caller.service} {'x' * 500_000}"

    @agent.on("doubled")
    async def hear(number: int) -> None:
        assert number in range(200)
        heard.set()

    async def story() -> None:
        async with agent, Client(getattr(askr_daemon, door), name="test") as client:
            assert await client.send("double", 21) == 42
            async with asyncio.timeout(10):
                await heard.wait()
            assert await client.send("text") == f"test {'x' * 500_000}"
            answers = await asyncio.gather(*(client.send("double", n) for n in range(200)))
            assert answers == [n * 2 for n in range(200)]
            with pytest.raises(SchemaInvalid, match="Expected int"):
                await client.send("double", "x")

    asyncio.run(story())


def test_sigterm_drains_what_runs_and_exits_0(askr_daemon, program) -> None:
    with AgentProcess(program, askr_daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")

        async def story(client: Client) -> Any:
            running = await until_begun(client, 1.0, 20.0)
            agent.process.send_signal(signal.SIGTERM)
            return await running

        assert with_client(askr_daemon, story) == "rested"
        assert agent.end(None) == 0
        assert "draining" in agent.said
        assert "Traceback" not in agent.said


def test_second_signal_ends_it_at_once(askr_daemon, program) -> None:
    with AgentProcess(program, askr_daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")

        async def story(client: Client) -> None:
            running = await until_begun(client, 60.0, 100.0)
            agent.process.send_signal(signal.SIGINT)
            agent.wait_until_it_says("draining")
            begin = time.monotonic()
            assert agent.end(signal.SIGINT) == -signal.SIGINT
            with pytest.raises(InstanceLost):
                await running
            assert time.monotonic() - begin < 10

        with_client(askr_daemon, story)


def test_killed_agent_fails_its_commands_at_once(askr_daemon, program) -> None:
    with AgentProcess(program, askr_daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")

        async def story(client: Client) -> None:
            running = await until_begun(client, 60.0, 100.0)
            agent.process.kill()
            with pytest.raises(InstanceLost) as caught:
                async with asyncio.timeout(10):
                    await running
            assert caught.value.details["delivered"] in {"yes", "unknown"}

        with_client(askr_daemon, story)


def test_agent_waits_for_a_daemon_and_finds_it_again(program) -> None:
    with DaemonProcess() as daemon:
        where, environ = daemon.unix_url, daemon.environ()
        with AgentProcess(program, environ) as agent:
            agent.wait_until_it_says("connected to")
            assert daemon.kill() != 0
            agent.wait_until_it_says("trying again")
            daemon.start()
            assert daemon.unix_url == where
            agent.wait_until_it_says("connected to")

            async def story(client: Client) -> Any:
                await client.wait_for("agent", timeout=20)
                return await client.send("agent.slow", {"seconds": 0.0})

            assert with_client(daemon, story) == "rested"
            assert agent.end() == 0


def test_agent_without_a_daemon_says_so_and_stops_when_told(tmp_path, program) -> None:
    nowhere = {"ASKR_URL": f"unix:{tmp_path}/no.sock", "PATH": "/usr/bin"}
    with AgentProcess(program, nowhere) as agent:
        said = agent.wait_until_it_says("trying again")
        assert f"cannot reach askrd at unix:{tmp_path}/no.sock" in said
        assert agent.end() == 0


def test_agent_with_a_bad_address_fails_at_once(program) -> None:
    with AgentProcess(program, {"ASKR_URL": "gopher://x", "PATH": "/usr/bin"}) as agent:
        agent.wait_until_it_says("unknown scheme")
        assert agent.end(None) == 1


def test_run_inside_a_loop_is_refused_with_what_to_do() -> None:
    async def story() -> None:
        with pytest.raises(RuntimeError, match=r"await agent\.serve"):
            Askr("agent").run()

    asyncio.run(story())


def test_serve_runs_inside_a_program_until_stop(askr_daemon) -> None:
    agent = Askr("agent", url=askr_daemon.unix_url)

    @agent.command
    async def fetch() -> int:
        return 1

    async def story() -> list[str]:
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(agent.serve())
            async with Client(askr_daemon.unix_url) as client:
                await client.wait_for("agent")
                assert await client.send("agent.fetch") == 1
            agent.stop()
        return serving.result()

    assert asyncio.run(story()) == []


def test_deadline_reaches_a_handler_in_a_thread(askr_daemon, program) -> None:
    with AgentProcess(program, askr_daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")

        async def story(client: Client) -> None:
            with pytest.raises(DeadlineExceeded):
                await client.send("agent.stuck", {"seconds": 2.0}, timeout=0.2)

        with_client(askr_daemon, story)
        assert agent.end() == 0


def test_thread_that_hangs_does_not_keep_the_program(askr_daemon, program) -> None:
    text = program.read_text(encoding="utf-8")
    program.write_text(text.replace("agent.run()", "agent.run(drain_timeout=0.1)"))
    with AgentProcess(program, askr_daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")

        async def story(client: Client) -> None:
            with pytest.raises(DeadlineExceeded):
                await client.send("agent.stuck", {"seconds": 600.0}, timeout=0.2)

        with_client(askr_daemon, story)
        assert agent.end() == 1
        assert "left behind: stuck" in agent.said


def test_agent_needs_no_uvloop(askr_daemon, program) -> None:
    hidden = program.parent / "uvloop.py"
    hidden.write_text('raise ImportError("hidden")\n', encoding="utf-8")
    with AgentProcess(program, askr_daemon.environ()) as agent:
        agent.wait_until_it_says("connected to")

        async def story(client: Client) -> Any:
            return await client.send("agent.slow", {"seconds": 0.0})

        assert with_client(askr_daemon, story) == "rested"
        assert agent.end() == 0
