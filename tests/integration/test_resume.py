"""Connections break: within the window nothing is lost, beyond it everybody is told."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from askrd import Client, sync
from askrd.sdk.values import Gap
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.errors import ConnectionLost, InstanceLost
from tests.integration.agent_process import AgentProcess
from tests.integration.proxy import Proxy
from tests.integration.travelling import (
    DOORS,
    WAIT_S,
    client_at,
    start,
    target,
    until,
    until_true,
    worker_at,
)

pytestmark = [pytest.mark.integration, pytest.mark.faults]

SHORT = "[limits]\nresume_terminal_ms = 400\nresume_service_ms = 400\n"


@pytest.mark.parametrize("door", DOORS)
def test_a_command_in_flight_across_a_cut_gets_its_real_reply_once(
    askr_daemon: DaemonProcess, door: str
) -> None:
    async def main() -> None:
        with Proxy(target(askr_daemon, door)) as proxy:
            async with (
                worker_at(askr_daemon.unix_url) as worker,
                client_at(proxy.url) as (me, seen),
            ):
                asked = start(me.send("worker.work", 21))
                await until(lambda: worker.began)
                proxy.cut()
                await until(lambda: seen == [False, True])
                assert not asked.done()
                worker.go.set()
                assert await asked == 42
                assert (worker.began, worker.cancelled) == ([21], [])

    asyncio.run(main())


def test_commands_under_load_survive_every_cut_of_their_caller(askr_daemon: DaemonProcess) -> None:
    async def main() -> None:
        with Proxy(askr_daemon.tcp_url) as proxy:
            async with (
                worker_at(askr_daemon.unix_url) as worker,
                client_at(proxy.url) as (me, seen),
            ):
                await me.wait_for("worker")
                done: list[int] = []

                async def ask(n: int) -> None:
                    assert await me.send("worker.echo", n) == n
                    done.append(n)

                async with asyncio.TaskGroup() as tasks:
                    for n in range(300):
                        tasks.create_task(ask(n))
                        if n % 5 == 0:
                            await asyncio.sleep(0)
                        if n % 60 == 40:
                            count = len(seen)
                            proxy.cut()
                            await until(lambda count=count: len(seen) > count)
                assert sorted(done) == sorted(worker.began) == list(range(300))
                assert seen == [False, True, True, True, True, True]

    asyncio.run(main())


def test_a_command_with_a_key_is_sent_again_and_takes_effect_once() -> None:
    async def main() -> None:
        with DaemonProcess(config=SHORT) as daemon, Proxy(daemon.url) as proxy:
            async with worker_at(daemon.unix_url) as worker, client_at(proxy.url) as (me, seen):
                keyed = start(me.send("worker.work", 2, idempotency_key="k", timeout=WAIT_S))
                plain = start(me.send("worker.work", 3))
                await until(lambda: len(worker.began) == 2)
                worker.go.set()
                proxy.refuse()
                proxy.cut()
                await until(plain.done)
                proxy.heal()
                assert await keyed == 4
                with pytest.raises(ConnectionLost):
                    await plain
                assert sorted(worker.began) == [2, 3]
                assert seen == [False, False]

    asyncio.run(main())


def test_a_reply_that_comes_while_the_caller_is_away_waits_for_it(
    askr_daemon: DaemonProcess,
) -> None:
    async def main() -> None:
        with Proxy(askr_daemon.url) as proxy:
            async with (
                worker_at(askr_daemon.unix_url) as worker,
                client_at(proxy.url) as (me, seen),
            ):
                asked = start(me.send("worker.work", 4))
                await until(lambda: worker.began)
                proxy.refuse()
                proxy.cut()
                await until(lambda: not me.is_connected)
                worker.go.set()
                async with Client(askr_daemon.unix_url) as other:

                    async def is_answered() -> bool:
                        rows = await other.services()
                        return all(row["inflight"] == 0 for row in rows)

                    await until_true(is_answered)
                proxy.heal()
                assert await asked == 8
                assert seen == [False, True]

    asyncio.run(main())


@pytest.mark.parametrize("door", DOORS)
def test_events_across_cuts_come_without_a_gap(askr_daemon: DaemonProcess, door: str) -> None:
    async def main() -> None:
        with Proxy(target(askr_daemon, door)) as proxy:
            async with Client(askr_daemon.unix_url) as teller, client_at(proxy.url) as (me, seen):
                heard: list[Any] = []
                me.on_gap = heard.append
                me.on("tick", lambda event: heard.append(event.payload))
                await until_listened(teller, me)
                for number in range(300):
                    await teller.emit("tick", number)
                    if number % 60 == 30:
                        proxy.cut()
                        await until(lambda n=number: seen.count(True) == n // 60 + 1)
                await until(lambda: len(heard) >= 300)
                assert heard == list(range(300))

    asyncio.run(main())


async def until_heard(teller: Client, event: str) -> int:
    """Emits an event until somebody hears it; returns its seq."""
    async with asyncio.timeout(WAIT_S):
        while True:
            emitted = await teller.emit(event, confirm=True)
            if emitted is not None and emitted.receivers > 0:
                return emitted.seq


async def until_listened(teller: Client, listener: Client) -> None:
    listener.on("is.anybody.there", lambda _: None)
    await until_heard(teller, "is.anybody.there")


def test_events_beyond_what_is_kept_are_announced_as_lost(askr_daemon: DaemonProcess) -> None:
    async def main() -> None:
        with Proxy(askr_daemon.url) as proxy:
            async with Client(askr_daemon.unix_url) as teller, client_at(proxy.url) as (me, seen):
                heard: list[int] = []
                gaps: list[Gap] = []
                me.on_gap = gaps.append
                me.on("big", lambda event: heard.append(event.seq))
                await until_listened(teller, me)
                proxy.stall()
                for _ in range(1_200):
                    await teller.emit("big", b"x" * 10_000)
                await teller.emit("big", b"", confirm=True)
                proxy.cut()
                proxy.heal()
                await until(lambda: len(seen) == 2)
                last = await until_heard(teller, "big")
                await until(lambda: heard and heard[-1] == last)
                assert gaps

    asyncio.run(main())


def test_a_service_is_back_after_a_cut_and_what_it_executed_was_lost(
    askr_daemon: DaemonProcess,
) -> None:
    async def main() -> None:
        with Proxy(askr_daemon.url) as proxy:
            async with worker_at(proxy.url) as worker, Client(askr_daemon.unix_url) as me:
                news: list[str] = []
                me.on("$askr.service.*", lambda event: news.append(event.subject))
                await until_listened(me, me)
                lost = start(me.send("worker.work", 1))
                await until(lambda: worker.began)
                proxy.refuse()
                proxy.cut()
                with pytest.raises(InstanceLost):
                    await lost
                await until(lambda: worker.cancelled == [1])
                names = [row["name"] for row in await me.peers()]
                assert "worker" not in names
                proxy.heal()
                await until(lambda: worker.welcomes == [False, True])
                await me.wait_for("worker")
                assert await me.send("worker.echo", 7) == 7
                assert news == ["$askr.service.left", "$askr.service.joined"]
                assert "worker" in [row["name"] for row in await me.peers()]

    asyncio.run(main())


def test_a_call_on_its_way_to_a_cut_service_never_runs(askr_daemon: DaemonProcess) -> None:
    async def main() -> None:
        with Proxy(askr_daemon.url) as proxy:
            async with worker_at(proxy.url) as worker, Client(askr_daemon.unix_url) as me:
                await me.wait_for("worker")
                proxy.stall()
                lost = start(me.send("worker.echo", 1))

                async def is_given() -> bool:
                    return any(row["inflight"] for row in await me.services())

                await until_true(is_given)
                proxy.cut()
                proxy.heal()
                with pytest.raises(InstanceLost):
                    await lost
                await until(lambda: worker.welcomes == [False, True])
                await me.wait_for("worker")
                assert await me.send("worker.echo", 2) == 2
                assert worker.began == [2]

    asyncio.run(main())


def test_the_end_of_the_window_cancels_what_was_asked() -> None:
    async def main() -> None:
        with DaemonProcess(config=SHORT) as daemon, Proxy(daemon.url) as proxy:
            async with worker_at(daemon.unix_url) as worker, client_at(proxy.url) as (me, seen):
                asked = start(me.send("worker.work", 1))
                await until(lambda: worker.began)
                proxy.refuse()
                proxy.cut()
                await until(lambda: not me.is_connected)
                assert worker.cancelled == []
                await until(lambda: worker.cancelled == [1])
                proxy.heal()
                with pytest.raises(ConnectionLost) as caught:
                    await asked
                assert caught.value.details["delivered"] == "unknown"
                await until(lambda: seen == [False, False])

    asyncio.run(main())


KILLED = """
import asyncio
from askrd import Client

async def main():
    async with Client() as me:
        await me.send("worker.work", 5)

asyncio.run(main())
"""


def test_a_killed_client_cancels_after_the_window_and_one_that_says_bye_at_once(
    tmp_path: Path,
) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)

    async def main() -> None:
        with DaemonProcess(config=SHORT) as daemon:
            async with worker_at(daemon.unix_url) as worker:
                with AgentProcess(script, daemon.environ()) as process:
                    await until(lambda: worker.began == [5])
                    process.end(signal.SIGKILL)
                await until(lambda: worker.cancelled == [5])
                me = Client(daemon.unix_url)
                await me.connect()
                asked = start(me.send("worker.work", 6))
                await until(lambda: worker.began == [5, 6])
                await me.close()
                with pytest.raises(ConnectionLost):
                    await asked
                await until(lambda: worker.cancelled == [5, 6])

    asyncio.run(main())


def test_a_half_open_connection_is_left_behind(askr_daemon: DaemonProcess) -> None:
    async def main() -> None:
        with Proxy(askr_daemon.url) as proxy:
            async with (
                worker_at(askr_daemon.unix_url) as worker,
                client_at(proxy.url) as (me, seen),
            ):
                asked = start(me.send("worker.work", 3))
                await until(lambda: worker.began)
                proxy.swallow()
                link = me._connection._link
                assert link is not None
                link.drop("nothing is heard any more")  # as the ping of the SDK does after 20 s
                await until(lambda: seen == [False, True])
                worker.go.set()
                assert await asked == 6

    asyncio.run(main())


def test_a_new_daemon_fails_what_was_written_and_gets_what_was_not(tmp_path: Path) -> None:
    async def main() -> None:
        listen = f"unix:{tmp_path}/askrd.sock"
        with DaemonProcess("--listen", listen) as daemon:
            async with worker_at(listen) as worker, client_at(listen) as (me, seen):
                written = start(me.send("worker.work", 1))
                await until(lambda: worker.began == [1])
                link = me._connection._link
                assert link is not None
                link.is_paused = True  # The daemon seems not to read: what is said now waits here.
                unwritten = start(me.send("$askr.ping", timeout=WAIT_S))
                await asyncio.sleep(0)
                daemon.kill()
                await until(lambda: not me.is_connected)
                assert not unwritten.done()
                daemon.start()
                with pytest.raises(ConnectionLost) as caught:
                    await written
                assert caught.value.details["delivered"] == "unknown"
                assert (await unwritten)["daemon"]
                assert seen == [False, False]

    asyncio.run(main())


def test_a_draining_daemon_leaves_commands_to_the_next_one(tmp_path: Path) -> None:
    async def main() -> None:
        listen = f"unix:{tmp_path}/askrd.sock"
        with DaemonProcess("--listen", listen) as daemon:
            async with worker_at(listen) as worker, client_at(listen) as (me, _):
                finishing = start(me.send("worker.work", 1))
                await until(lambda: worker.began == [1])
                assert daemon.process is not None
                daemon.process.terminate()
                await until(lambda: me._conversation.exchange.is_draining)
                later = start(me.send("$askr.ping", timeout=WAIT_S))
                worker.go.set()
                assert await finishing == 2
                assert await asyncio.to_thread(daemon.stop) == 0
                assert not later.done()
                daemon.start()
                assert (await later)["daemon"]

    asyncio.run(main())


def test_the_blocking_client_goes_on_as_well(askr_daemon: DaemonProcess) -> None:
    async def main() -> None:
        with Proxy(askr_daemon.url) as proxy:
            async with worker_at(askr_daemon.unix_url) as worker:
                client = sync.Client(proxy.url)
                await asyncio.to_thread(client.connect)
                asked = start(asyncio.to_thread(client.send, "worker.work", 9))
                await until(lambda: worker.began)
                proxy.cut()
                await until(lambda: proxy.connections == 1)
                worker.go.set()
                assert await asked == 18
                assert await asyncio.to_thread(client.send, "worker.echo", 1) == 1
                await asyncio.to_thread(client.close)

    asyncio.run(main())
