"""A worker and its clients behind a network that fails, and how to wait for what happens to them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from askrd import Askr, Client
from askrd.testing.daemon_process import DaemonProcess

WAIT_S = 10.0


async def until(is_so: Callable[[], Any]) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(WAIT_S):
        while not is_so():
            await asyncio.sleep(0.01)


async def until_true(ask: Callable[[], Awaitable[Any]]) -> None:
    """Waits until the answer is yes."""
    async with asyncio.timeout(WAIT_S):
        while not await ask():
            await asyncio.sleep(0.01)


def start(what: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """Has something asked in the background; every test waits for its outcome."""
    return asyncio.get_running_loop().create_task(what)


class Worker:
    """An agent that says what happens to its handlers, and answers when it is told to."""

    def __init__(self, url: str, **options: Any) -> None:
        self.agent = Askr("worker", url=url, **options)
        self.began: list[int] = []
        self.cancelled: list[int] = []
        self.go = asyncio.Event()
        self.welcomes: list[bool] = []
        self.agent.command("work")(self.work)
        self.agent.command("echo")(self.echo)
        self.agent.on_connected(self.note)

    def note(self, welcome: Any) -> None:
        self.welcomes.append(welcome.resumed)

    async def work(self, n: int) -> int:
        self.began.append(n)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(n)
            raise
        return n * 2

    async def echo(self, n: int) -> int:
        self.began.append(n)
        return n


@asynccontextmanager
async def worker_at(url: str) -> AsyncIterator[Worker]:
    worker = Worker(url)
    async with worker.agent:
        yield worker


@asynccontextmanager
async def client_at(url: str, **options: Any) -> AsyncIterator[tuple[Client, list[bool]]]:
    resumed: list[bool] = []
    client = Client(url, **options)
    client.on_connected = lambda welcome: resumed.append(welcome.resumed)
    async with client:
        yield client, resumed


def spares_of(peer: Client | Askr) -> int:
    """Counts the connections that stand by."""
    if isinstance(peer, Askr):
        assert peer._life is not None
        peer = peer._life.voice
    return len(peer._connection._spares)


def target(daemon: DaemonProcess, door: str) -> str:
    return {"ws": daemon.url, "tcp": daemon.tcp_url, "unix": daemon.unix_url}[door]


DOORS = ["ws", "tcp", "unix"]
