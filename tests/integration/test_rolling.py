"""Services and the daemon are restarted by SIGTERM under load: no command fails."""

import asyncio
import os
from collections import Counter
from pathlib import Path

import pytest

from askrd import Client
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.errors import AskrError
from tests.integration.agent_process import AgentProcess

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.timeout(120)]

AGENT = """
import asyncio
from askrd import Askr
agent = Askr("work")
@agent.command
async def double(n: int) -> int:
    await asyncio.sleep(0.002)
    return n * 2
agent.run()
"""
CALLERS = 8
ROUNDS = 3


class Load:
    """Callers that ask one command after another and keep account of what came of each."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.outcomes: Counter[str] = Counter()
        self.done = asyncio.Event()

    async def run(self) -> None:
        async with Client(self.url) as client, asyncio.TaskGroup() as callers:
            for number in range(CALLERS):
                callers.create_task(self.ask(client, number))

    async def ask(self, client: Client, number: int) -> None:
        while not self.done.is_set():
            number += CALLERS
            try:
                value = await client.send("work.double", {"n": number}, timeout=20, wait=10)
            except AskrError as error:
                self.outcomes[f"{error.code}: {error.message}"] += 1
            else:
                self.outcomes["good" if value == number * 2 else f"wrong: {value}"] += 1

    async def more(self, count: int) -> None:
        """Waits until so many further commands have ended."""
        async with asyncio.timeout(30):
            target = self.outcomes.total() + count
            while self.outcomes.total() < target:
                await asyncio.sleep(0.005)


def agent_process(daemon: DaemonProcess, folder: Path) -> AgentProcess:
    script = folder / "agent.py"
    script.write_text(AGENT)
    return AgentProcess(script, {**os.environ, "ASKR_URL": daemon.unix_url})


def started(daemon: DaemonProcess, folder: Path) -> AgentProcess:
    agent = agent_process(daemon, folder)
    agent.wait_until_it_says("connected")
    return agent


def test_no_command_fails_while_instances_are_replaced(
    askr_daemon: DaemonProcess, tmp_path: Path
) -> None:
    async def scene() -> Counter[str]:
        load = Load(askr_daemon.unix_url)
        agents = [await asyncio.to_thread(started, askr_daemon, tmp_path) for _ in range(2)]
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(load.run())
                for _ in range(ROUNDS):
                    await load.more(100)
                    assert await asyncio.to_thread(agents.pop(0).end) == 0
                    agents.append(await asyncio.to_thread(started, askr_daemon, tmp_path))
                await load.more(100)
                load.done.set()
        finally:
            for agent in agents:
                await asyncio.to_thread(agent.end)
        return load.outcomes

    outcomes = asyncio.run(scene())
    assert set(outcomes) == {"good"}, outcomes


def test_no_command_fails_while_the_daemon_is_restarted(tmp_path: Path) -> None:
    url = f"unix:{tmp_path / 'askrd.sock'}"

    async def scene() -> Counter[str]:
        daemon = DaemonProcess("--listen", url)
        await asyncio.to_thread(daemon.start)
        load = Load(url)
        agent = await asyncio.to_thread(started, daemon, tmp_path)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(load.run())
                for _ in range(ROUNDS):
                    await load.more(100)
                    assert await asyncio.to_thread(daemon.stop) == 0
                    daemon = DaemonProcess("--listen", url)
                    await asyncio.to_thread(daemon.start)
                await load.more(100)
                load.done.set()
        finally:
            await asyncio.to_thread(agent.end)
            await asyncio.to_thread(daemon.stop)
        return load.outcomes

    outcomes = asyncio.run(scene())
    assert set(outcomes) == {"good"}, outcomes
