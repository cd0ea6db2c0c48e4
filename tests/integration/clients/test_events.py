"""Events that are kept, shared and answered, logs and jobs: asynchronous clients, a real daemon."""

import asyncio
from typing import Any

import pytest

from askrd.sdk.askr import Askr
from askrd.sdk.client import Client
from askrd.sdk.context import Context
from askrd.sdk.log import Consumer
from askrd.sdk.readers import EventReader
from askrd.sdk.transport import Receiver, Transport, dial as dial_socket
from askrd.sdk.values import Event, Gap
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.addresses import DaemonAddress
from askrd.wire.errors import BadRequest, CommandError, DeadlineExceeded, NotFound
from tests.integration.clients.program import running
from tests.integration.clients.waits import run, until

pytestmark = pytest.mark.integration


async def payloads(events: EventReader) -> list[Any]:
    return [event.payload async for event in events if isinstance(event, Event)]


def test_a_new_listener_gets_what_is_retained_and_what_is_remembered(url: str) -> None:
    async def main() -> None:
        async with Client(url, workspace=f"kept-{url[:2]}") as client:
            told = await client.emit("TEMP", 1, retain=True, headers={"unit": "C"})
            assert told is not None
            assert told.receivers == 0
            await client.emit("TEMP", 2, retain=True)
            await client.emit("OTHER", 3, confirm=True)
            async with client.listen("*", count=1, timeout=10) as events:
                first = await anext(events)
            assert isinstance(first, Event)
            assert (first.payload, first.retained) == (2, True)
            async with client.listen("*", count=3, timeout=10, since=60) as events:
                assert await payloads(events) == [1, 2, 3]
            async with client.listen("*", idle=0.1, retained=False) as events:
                assert await payloads(events) == []
            await client.emit("TEMP", None, retain=True)
            async with client.listen("*", idle=0.1) as events:
                assert await payloads(events) == []

    run(main)


def test_a_group_shares_its_events(daemon: DaemonProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as one, Client(daemon.tcp_url) as two:
            ours, theirs = (
                client.listen("WORK", group="crew", count=3, timeout=10) for client in (one, two)
            )
            async with ours, theirs:
                for number in range(6):
                    await one.emit("WORK", number)
                shares = await payloads(ours), await payloads(theirs)
            assert sorted(shares[0] + shares[1]) == list(range(6))

    run(main)


def test_listeners_answer_who_collects(daemon: DaemonProcess) -> None:
    agent = Askr("census", url=daemon.unix_url)

    @agent.on("WHO")
    def who(name: str) -> str:
        return f"{name}: census"

    async def main() -> None:
        async with agent, Client(daemon.unix_url) as client:
            client.on("WHO", lambda event: None)
            stop = client.on("WHO", lambda event: {"by": event.service})
            await client.ping()
            rows = await client.collect("WHO", "you", timeout=10)
            assert sorted(str(row.value) for row in rows) == ["you: census", "{'by': 'client'}"]
            assert {row.service for row in rows} == {"census", "client"}
            stop()
            async with agent.collecting("WHO", "me", timeout=10) as asked:
                assert [row.value async for row in asked] == ["me: census"]
                assert asked.emitted is not None
                assert (asked.emitted.receivers, asked.emitted.answers) == (2, 1)

    run(main)


def test_a_log_is_replayed_and_a_consumer_goes_on_where_it_was(daemon: DaemonProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            log = await client.logs.create("orders", "order.*", count=1000, ack_wait=20)
            assert (log.patterns, log.count, log.ack_wait_ms) == (["order.*"], 1000, 20_000)
            for number in range(5):
                await client.emit(f"order.{number}", number, confirm=True)
            async with client.listen(log="orders", start=4, count=2, timeout=10) as events:
                assert await payloads(events) == [3, 4]
            how: Any = {"log": "orders", "consumer": "mailer", "timeout": 10}
            async with client.listen("order.*", count=2, **how) as events:
                assert await payloads(events) == [0, 1]
            async with client.listen("order.*", count=4, ack="manual", **how) as events:
                third = await anext(events)
                assert isinstance(third, Event)
                assert (third.log_seq, third.delivery) == (3, 1)
                await third.nak()
                later = [one async for one in events if isinstance(one, Event)]
                for one in later:
                    await one.ack()
                told = sorted((one.log_seq, one.delivery) for one in later)
                assert told == [(3, 2), (4, 1), (5, 1)]
            (consumer,) = await client.logs.consumers("orders")
            assert isinstance(consumer, Consumer)
            assert (consumer.seq, consumer.waiting, consumer.members) == (5, 0, 0)
            assert [one.name for one in await client.logs.list()] == ["orders"]
            assert await client.logs.purge("orders") == 5
            await client.logs.remove_consumer("orders", "mailer")
            await client.logs.remove("orders")
            with pytest.raises(NotFound):
                await client.logs.show("orders")
            with pytest.raises(NotFound):
                await anext(client.listen(log="orders"))
            with pytest.raises(BadRequest, match="pattern"):
                await client.logs.create("orders")

    run(main)


def test_a_handler_of_a_consumer_acknowledges_and_a_failure_comes_again(
    daemon: DaemonProcess,
) -> None:
    agent = Askr("mailer", url=daemon.unix_url)
    seen: list[tuple[int, int]] = []

    @agent.on("mail.*", log="mails", consumer="mailer")
    async def mail(event: Event[int]) -> None:
        seen.append((event.payload, event.delivery))
        if event.payload == 1 and event.delivery == 1:
            raise ValueError("the first time it fails")

    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            await client.logs.create("mails", "mail.*")
            async with agent:
                for number in range(3):
                    await client.emit("mail.x", number, confirm=True)
                await until(lambda: len(seen) == 4)
                assert sorted(seen) == [(0, 1), (1, 1), (1, 2), (2, 1)]

                async def done() -> bool:
                    (consumer,) = await client.logs.consumers("mails")
                    return consumer.seq == 3

                async with asyncio.timeout(10):
                    while not await done():
                        await asyncio.sleep(0.01)

    run(main)


def test_a_queue_answers_with_a_job_that_is_waited_for(daemon: DaemonProcess) -> None:
    agent = Askr("mill", url=daemon.unix_url)
    attempts: list[int] = []

    @agent.command(queue=True, attempts=2, backoff=0.05, keep=60)
    async def grind(ctx: Context, number: int) -> int:
        assert ctx.job is not None
        attempts.append(ctx.attempt)
        if number < 0:
            raise CommandError("negative", "give me more")
        if number == 0:
            raise ValueError("never works")
        return number * 2

    async def main() -> None:
        async with agent, Client(daemon.unix_url) as client:
            job = await client.send("mill.grind", 4)
            done = await client.jobs.wait(job, timeout=10)
            assert (done.state, done.result(), done.attempts) == ("done", 8, 1)
            failed = await client.jobs.wait(await client.send("mill.grind", -1), timeout=10)
            assert failed.state == "failed"
            with pytest.raises(CommandError, match="give me more"):
                failed.result()
            attempts.clear()
            dead = await client.jobs.wait(await client.send("mill.grind", 0), timeout=10)
            assert (dead.state, attempts) == ("dead", [1, 2])
            again = await client.jobs.retry(dead)
            assert again.id == dead.id
            assert (await agent.jobs.wait(dead.id, timeout=10)).state == "dead"
            states = [one.state for one in await client.jobs.list("mill.grind")]
            assert states == ["dead", "failed", "done"]
            (queue,) = await client.jobs.queues()
            assert (queue["target"], queue["dead"]) == ("mill.grind", 1)
            assert await client.jobs.purge("mill.grind", state="dead") == 1
            with pytest.raises(NotFound):
                await client.jobs.show(dead)
            with pytest.raises(BadRequest, match="is no job"):
                await client.jobs.show("x")

    run(main)


def test_a_job_that_waits_for_its_worker_is_cancelled(daemon: DaemonProcess) -> None:
    agent = Askr("press", url=daemon.unix_url)

    @agent.command(queue=True)
    async def squeeze() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            async with agent:
                job = await client.send("press.squeeze")
                with pytest.raises(DeadlineExceeded, match="still"):
                    await client.jobs.wait(job, timeout=0.2)
                assert (await client.jobs.cancel(job)).is_ended
                assert (await client.jobs.wait(job, timeout=10)).state == "cancelled"
            second = await client.send("press.squeeze")
            assert (await client.jobs.show(second)).state == "queued"

    run(main)


def test_consumers_jobs_and_listeners_survive_a_daemon_that_is_killed(tmp_path: Any) -> None:
    async def main() -> None:
        with DaemonProcess("--data", str(tmp_path / "data")) as daemon:
            agent = Askr("shop", url=daemon.unix_url)
            handled: list[int] = []
            told: list[Any] = []

            @agent.on("sale.*", log="sales", consumer="books")
            async def book(number: int) -> None:
                handled.append(number)

            @agent.command(queue=True)
            async def pack(number: int) -> int:
                return number

            async with Client(daemon.unix_url) as client:
                await client.logs.create("sales", "sale.*")
                async with agent:
                    client.on("sale.*", lambda event: told.append(event.payload))
                    client.on_gap = told.append
                    await client.emit("sale.x", 1, confirm=True)
                    job = await client.send("shop.pack", 7)
                    await client.jobs.wait(job, timeout=10)
                    await until(lambda: handled == [1] and told == [1])
                    await asyncio.to_thread(daemon.kill)
                    daemon.start()
                    await client.wait_for("shop", timeout=10)
                    assert (await client.jobs.wait(job, timeout=10)).result() == 7
                    await client.emit("sale.x", 2, confirm=True)
                    await until(lambda: handled[-1] == 2 and told[-1] == 2)
                    assert told[1] == Gap(None)
                    assert set(handled) == {1, 2}

    run(main)


def test_a_slow_reader_of_a_long_log_misses_nothing(daemon: DaemonProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            await client.logs.create("long", "long.*")
            for number in range(12_000):
                await client.emit("long.x", number)
            await client.emit("long.x", 12_000, confirm=True)
            async with client.listen(log="long", count=12_001, timeout=25, gaps=True) as events:
                await anext(events)
                await client.ping()
                assert await payloads(events) == list(range(1, 12_001))

    run(main)


def test_who_comes_back_late_to_a_new_daemon_hears_what_it_has_told_meanwhile() -> None:
    async def main() -> None:
        with DaemonProcess() as daemon:
            may_dial, told = asyncio.Event(), []
            may_dial.set()

            async def dial(address: DaemonAddress, receiver: Receiver) -> Transport:
                await may_dial.wait()
                return await dial_socket(address, receiver)

            async with Client(daemon.unix_url, dial=dial) as late:
                late.on_gap = told.append
                late.on("NEWS", lambda event: told.append(event.payload))
                await late.emit("NEWS", 1, confirm=True)
                await until(lambda: told == [1])
                may_dial.clear()
                await asyncio.to_thread(daemon.kill)
                daemon.start()
                async with Client(daemon.unix_url) as early:
                    await early.emit("NEWS", 2, confirm=True)
                    may_dial.set()
                    await until(lambda: told == [1, Gap(None), 2])
                    await early.emit("NEWS", 3, confirm=True)
                    await until(lambda: told == [1, Gap(None), 2, 3])

    run(main)


def test_a_worker_that_dies_leaves_its_job_to_another(daemon: DaemonProcess) -> None:
    code = """
import os, signal, sys
from askrd import Askr, Context
agent = Askr("fragile", url=sys.argv[1])
@agent.command(queue=True)
async def work(ctx: Context) -> int:
    if ctx.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return ctx.attempt
agent.run()
"""

    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            with running(code, daemon.unix_url):
                await client.wait_for("fragile", timeout=15)
                job = await client.send("fragile.work")
                with running(code, daemon.unix_url):
                    done = await client.jobs.wait(job, timeout=15)
            assert (done.state, done.result()) == ("done", 2)

    run(main)
