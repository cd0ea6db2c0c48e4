"""Events that are kept, shared and answered, logs and jobs: the blocking client, a real daemon."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from askrd.sdk.values import Event
from askrd.sync import Client
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.errors import BadRequest, DeadlineExceeded, NotFound
from tests.integration.clients.waits import blocking_until

pytestmark = pytest.mark.integration


def payloads(events: Any) -> list[Any]:
    return [event.payload for event in events]


def test_a_new_listener_gets_what_is_retained_and_what_is_remembered(url: str) -> None:
    with Client(url, workspace=f"sync-kept-{url[:2]}") as client:
        told = client.emit("TEMP", 1, retain=True, headers={"unit": "C"})
        assert told is not None
        client.emit("TEMP", 2, confirm=True)
        with client.listen("TEMP", count=1, timeout=10) as events:
            first = next(events)
        assert isinstance(first, Event)
        assert (first.payload, first.retained, first.headers) == (1, True, {"unit": "C"})
        with client.listen("TEMP", count=2, timeout=10, since=60) as events:
            assert payloads(events) == [1, 2]
        with client.listen("TEMP", idle=0.1, retained=False) as events:
            assert payloads(events) == []
        with pytest.raises(BadRequest, match="without group="):
            client.listen("TEMP", policy="least")


def test_listeners_answer_who_collects(daemon: DaemonProcess) -> None:
    with Client(daemon.unix_url) as client, Client(daemon.tcp_url) as other:
        stop = other.on("S.WHO", lambda event: {"by": event.payload})
        with client.collecting("S.WHO", "you", timeout=10) as rows:
            assert [row.value for row in rows] == [{"by": "you"}]
            assert rows.emitted is not None
            assert (rows.emitted.receivers, rows.emitted.answers) == (1, 1)
        stop()
        with other.listen("S.WHO") as events, ThreadPoolExecutor() as pool:
            asked = pool.submit(client.collect, "S.WHO", timeout=10)
            one = next(events)
            assert isinstance(one, Event)
            one.answer("by hand")
            assert [row.value for row in asked.result(10)] == ["by hand"]


def test_a_consumer_acknowledges_by_going_on_or_by_hand(daemon: DaemonProcess) -> None:
    with Client(daemon.unix_url) as client:
        client.logs.create("sync-orders", "s.order.*", max_deliveries=3)
        for number in range(4):
            client.emit("s.order.x", number, confirm=True)
        with client.listen(log="sync-orders", start="first", count=4, timeout=10) as events:
            assert payloads(events) == [0, 1, 2, 3]
        how: Any = {"log": "sync-orders", "consumer": "c", "timeout": 10}
        with client.listen(count=2, **how) as events:
            assert payloads(events) == [0, 1]
        with client.listen(ack="manual", count=2, **how) as events:
            two = [event for event in events if isinstance(event, Event)]
            two[0].ack()
            two[1].nak(delay=0.01)
        (consumer,) = client.logs.consumers("sync-orders")
        assert (consumer.seq, consumer.waiting) == (3, 1)

        def fails() -> None:
            with client.listen(count=1, **how) as events:
                assert payloads([next(events)]) == [3]
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fails()
        with client.listen(ack=False, count=1, **how) as events:
            assert payloads(events) == [3]
        assert client.logs.show("sync-orders").events == 4
        assert [one.name for one in client.logs.list() if one.name == "sync-orders"]
        client.logs.remove_consumer("sync-orders", "c")
        assert client.logs.purge("sync-orders", upto=3) == 3
        client.logs.remove("sync-orders")
        with pytest.raises(NotFound):
            client.logs.show("sync-orders")


def test_a_callback_of_a_consumer_acknowledges_until_it_fails(
    daemon: DaemonProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    with Client(daemon.unix_url) as client:
        client.logs.create("sync-mails", "s.mail")
        seen: list[int] = []

        def mail(event: Event[Any]) -> None:
            seen.append(event.payload)
            if event.payload == 1:
                raise ValueError("no more")

        client.on("s.mail", mail, log="sync-mails", consumer="c")
        for number in range(3):
            client.emit("s.mail", number, confirm=True)
        blocking_until(lambda: bool(died))
        assert seen == [0, 1]
        blocking_until(lambda: client.logs.consumers("sync-mails")[0].members == 0)
        (consumer,) = client.logs.consumers("sync-mails")
        assert (consumer.seq, consumer.waiting) == (1, 2)


def test_a_job_is_sent_shown_and_waited_for(daemon: DaemonProcess) -> None:
    from askrd.sdk.askr import Askr

    agent = Askr("sync-mill", url=daemon.unix_url)

    @agent.command(queue=True)
    def grind(number: int) -> int:
        return number * 2

    def serve() -> None:
        import asyncio

        asyncio.run(_served(agent))

    with Client(daemon.unix_url) as client:
        thread = threading.Thread(target=serve)
        thread.start()
        client.wait_for("sync-mill")
        done = client.jobs.wait(client.send("sync-mill.grind", 4), timeout=10)
        assert (done.state, done.result()) == ("done", 8)
        agent.stop()
        thread.join(10)
        waits = client.send("sync-mill.grind", 5)
        with pytest.raises(DeadlineExceeded, match="still queued"):
            client.jobs.wait(waits, timeout=0.1)
        assert client.jobs.cancel(waits).state == "cancelled"
        assert client.jobs.retry(waits).state == "queued"
        assert [one.state for one in client.jobs.list("sync-mill.grind")] == ["queued", "done"]
        assert [one["target"] for one in client.jobs.queues()] == ["sync-mill.grind"]
        assert client.jobs.purge("sync-mill.grind", state="done") == 1
        assert client.jobs.show(waits).state == "queued"


async def _served(agent: Any) -> None:
    await agent.serve()


def test_a_slow_reader_of_a_long_log_misses_nothing(daemon: DaemonProcess) -> None:
    with Client(daemon.unix_url) as client:
        client.logs.create("sync-long", "s.long")
        for number in range(12_000):
            client.emit("s.long", number)
        client.emit("s.long", 12_000, confirm=True)
        with client.listen(log="sync-long", count=12_001, timeout=25, gaps=True) as events:
            next(events)
            client.ping()
            assert payloads(events) == list(range(1, 12_001))
