"""A session with several connections: as long as one of them lives, nothing fails."""

import asyncio

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.proxy import Proxy
from tests.integration.travelling import (
    DOORS,
    Worker,
    client_at,
    spares_of,
    start,
    target,
    until,
    worker_at,
)

pytestmark = [pytest.mark.integration, pytest.mark.faults]


@pytest.mark.parametrize("door", DOORS)
def test_of_two_connections_one_may_die_and_no_command_is_lost(
    askr_daemon: DaemonProcess, door: str
) -> None:
    async def main() -> None:
        with Proxy(target(askr_daemon, door)) as proxy:
            worker = Worker(proxy.url, connections=2)
            async with worker.agent, client_at(proxy.url, connections=2) as (me, seen):
                await until(lambda: spares_of(me) == spares_of(worker.agent) == 1)
                await me.wait_for("worker")
                done: list[int] = []

                async def ask(n: int) -> None:
                    assert await me.send("worker.echo", n) == n
                    done.append(n)

                async with asyncio.TaskGroup() as tasks:
                    for n in range(400):
                        tasks.create_task(ask(n))
                        if n % 4 == 0:
                            await asyncio.sleep(0)
                        if n % 100 == 50:
                            await until(lambda: spares_of(me) == spares_of(worker.agent) == 1)
                            proxy.cut(0)
                assert sorted(done) == list(range(400))
                assert sorted(worker.began) == list(range(400))
                assert (worker.welcomes, seen) == ([False], [False])

    asyncio.run(main())


def test_a_handler_goes_on_when_a_spare_takes_over(askr_daemon: DaemonProcess) -> None:
    async def main() -> None:
        with Proxy(askr_daemon.url) as proxy, Proxy(askr_daemon.url) as mine:
            worker = Worker(proxy.url, connections=2)
            async with worker.agent, client_at(mine.url, connections=2) as (me, seen):
                await until(lambda: spares_of(me) == spares_of(worker.agent) == 1)
                asked = start(me.send("worker.work", 3))
                await until(lambda: worker.began)
                proxy.cut(0)
                mine.cut(0)
                await until(lambda: proxy.connections == mine.connections == 2)
                worker.go.set()
                assert await asked == 6
                assert (worker.cancelled, worker.welcomes, seen) == ([], [False], [False])

    asyncio.run(main())


def test_when_all_connections_die_the_session_is_resumed_anew(askr_daemon: DaemonProcess) -> None:
    async def main() -> None:
        with Proxy(askr_daemon.url) as proxy:
            async with (
                worker_at(askr_daemon.unix_url) as worker,
                client_at(proxy.url, connections=3) as (me, seen),
            ):
                await until(lambda: spares_of(me) == 2)
                asked = start(me.send("worker.work", 3))
                await until(lambda: worker.began)
                proxy.cut()
                await until(lambda: seen == [False, True])
                await until(lambda: proxy.connections == 3)
                worker.go.set()
                assert await asked == 6

    asyncio.run(main())
