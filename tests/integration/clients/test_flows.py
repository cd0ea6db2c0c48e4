"""Streams, uploads and surveys of the asynchronous client, against real processes."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from askrd.sdk.client import Client
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.errors import (
    BadRequest,
    CommandError,
    DeadlineExceeded,
    NoInstance,
    PayloadTooLarge,
    ServiceUnknown,
)
from askrd.wire.limits import MIB
from tests.integration.agent_process import AgentProcess
from tests.integration.clients.waits import run, until
from tests.integration.proxy import Proxy
from tests.integration.text_peer import TextService

pytestmark = pytest.mark.integration

SERVICE = Path(__file__).with_name("flow_service.py")


@pytest.fixture(scope="module")
def flow(daemon: DaemonProcess) -> Iterator[AgentProcess]:
    with AgentProcess(SERVICE, daemon.environ()) as process:
        process.wait_until_it_says("connected to")
        yield process


def test_items_come_in_order_through_every_door(url: str, flow: AgentProcess) -> None:
    async def main() -> None:
        async with Client(url) as client:
            async with client.stream("flow.count", {"to": 1000}) as items:
                assert [item async for item in items] == list(range(1000))
                assert items.outcome is not None
                assert items.outcome.service == "flow"
            assert [n async for n in client.stream("flow.count", {"to": 0})] == []
            assert await client.send("flow.count", {"to": 3}) == [0, 1, 2]

    run(main)


def test_a_slow_reader_slows_the_producer(daemon: DaemonProcess, flow: AgentProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client, client.stream("flow.endless") as items:
            for _ in range(100):
                assert len(await anext(items)) == 1024
            produced = await client.send("flow.produced")
            assert 100 <= produced <= 100 + 3 * 64
            assert await client.send("flow.produced") == produced

    run(main)


def test_a_stream_survives_a_cut(daemon: DaemonProcess, flow: AgentProcess) -> None:
    async def main() -> None:
        with Proxy(daemon.tcp_url) as proxy:
            async with Client(proxy.url) as client:
                taken = 0
                async for number in client.stream("flow.count", {"to": 3000}):
                    assert number == taken
                    taken += 1
                    if taken == 1000:
                        proxy.cut()
                assert taken == 3000

    run(main)


def test_leaving_early_stops_the_handler(daemon: DaemonProcess, flow: AgentProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            async for _ in client.stream("flow.endless"):
                break
            async with asyncio.timeout(10):
                while True:
                    described = await client.describe("flow.endless")
                    if described["statistics"]["in_flight"] == 0:
                        return
                    await client.ping()

    run(main)


def test_a_stream_that_breaks_gives_its_items_first(
    daemon: DaemonProcess, flow: AgentProcess
) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            items = client.stream("flow.breaks", {"after": 3})
            assert [await anext(items) for _ in range(3)] == [0, 1, 2]
            with pytest.raises(CommandError) as caught:
                await anext(items)
            assert (caught.value.code, caught.value.details) == ("sold_out", {"after": 3})

    run(main)


def test_uploads_arrive_whole(url: str, flow: AgentProcess) -> None:
    data = bytes(range(256)) * (8 * MIB // 256) + b"rest"
    whole = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 100_000):
            yield data[at : at + 100_000]

    async def main() -> None:
        async with Client(url) as client:
            assert await client.send("flow.digest", upload=data) == whole
            assert await client.send("flow.digest", upload=io.BytesIO(data)) == whole
            assert await client.send("flow.digest", upload=pieces()) == whole
            assert (await client.send("flow.digest", upload=[]))["size"] == 0

    run(main)


def test_items_go_both_ways_at_once(daemon: DaemonProcess, flow: AgentProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            items = client.stream("flow.double", upload=range(2000))
            assert [n async for n in items] == [2 * n for n in range(2000)]

    run(main)


def test_an_upload_ends_when_the_handler_has_enough(
    daemon: DaemonProcess, flow: AgentProcess
) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            with pytest.raises(CommandError, match="no more"):
                await client.send("flow.full", upload=range(10**12))

    run(main)


def test_an_upload_that_fails_here_fails_there(daemon: DaemonProcess, flow: AgentProcess) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("disk gone")

    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            with pytest.raises(OSError, match="disk gone"):
                await client.send("flow.cut_off", upload=broken())
            async with asyncio.timeout(10):
                while "OSError" not in (seen := await client.send("flow.last_cut")):
                    await client.ping()
            assert "the upload broke off" in seen

    run(main)


def test_large_payloads_go_in_pieces_both_ways(url: str, flow: AgentProcess) -> None:
    large = bytes(range(256)) * (3 * MIB // 256) + b"!"

    async def main() -> None:
        async with Client(url) as client:
            assert await client.send("flow.echo", large, timeout=20) == large
            text = "é" * MIB
            assert await client.send("flow.echo", {"value": text}) == text
            assert (await client.call("flow.echo", large)).value == large

    run(main)


def test_a_service_that_knows_no_streams_gets_no_pieces(
    daemon: DaemonProcess, lab: TextService
) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            with pytest.raises(PayloadTooLarge):
                await client.send("lab.echo", bytes(2 * MIB))
            assert await client.send("lab.echo", 1) == 1

    run(main)


def test_a_service_of_text_frames_streams(daemon: DaemonProcess) -> None:
    """Written from the protocol alone: items, and then the reply."""

    def tail(call: dict[str, Any]) -> dict[str, Any]:
        for number in range(3):
            service.say(k="item", id=call["id"], d=number)
        return {"d": "done"}

    spec = [{"name": "tail", "reply": "stream"}]
    with TextService(daemon.unix_url, "textual", {"tail": tail}, commands=spec) as service:

        async def main() -> None:
            async with Client(daemon.unix_url) as client:
                stream = client.stream("textual.tail", as_=int)
                assert [item async for item in stream] == [0, 1, 2]
                assert stream.value == "done"

        run(main)


def test_an_acknowledged_command_runs_on(daemon: DaemonProcess, flow: AgentProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            assert await client.send("flow.job", ack=True, timeout=5) is None
            assert (await client.describe("flow.job"))["statistics"]["in_flight"] == 1

    run(main)


def test_everybody_is_surveyed(daemon: DaemonProcess, flow: AgentProcess) -> None:
    async def main() -> None:
        with TextService(daemon.unix_url, "flow", {"echo": lambda _: {"d": 2}}) as other:
            async with Client(daemon.unix_url) as client:
                survey = client.survey("flow.echo", 1)
                rows = {row.instance: row.value async for row in survey}
                assert rows.pop(other.instance) == 2
                assert list(rows.values()) == [1]
                assert survey.summary is not None
                assert (survey.summary.ok, survey.summary.failed) == (2, 0)
                (mine,) = await client.survey("flow@*.echo", 1, exclude=list(rows))
                assert mine.instance == other.instance
                assert [row.value for row in await client.survey("flow.echo", 1, first=True)]
                assert (await client.tell("flow@*.echo", 1)).value is None

    run(main)


def test_a_declared_broadcast_answers_a_plain_send_with_a_list(
    daemon: DaemonProcess, flow: AgentProcess
) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            assert await client.send("flow.who") == ["flow"]

    run(main)


def test_the_outcome_of_a_key_is_given_again(daemon: DaemonProcess, flow: AgentProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            first = await client.call("flow.echo", 1, idempotency_key="once")
            again = await client.call("flow.echo", 2, idempotency_key="once")
            assert (first.value, first.kept, again.value, again.kept) == (1, False, 1, True)

    run(main)


def test_a_command_waits_for_somebody_who_offers_it(daemon: DaemonProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            with pytest.raises((ServiceUnknown, NoInstance, DeadlineExceeded)):
                await client.send("late.echo", 1, wait=0.05)
            task = asyncio.get_running_loop().create_task(client.send("late.echo", 1, wait=10.0))
            await client.ping()
            late = await asyncio.to_thread(
                TextService, daemon.unix_url, "late", {"echo": lambda call: {"d": call["d"]}}
            )
            with late:
                assert await task == 1

    run(main)


def test_an_agent_streams_surveys_and_tells_too(daemon: DaemonProcess, flow: AgentProcess) -> None:
    async def main() -> None:
        doubled = [2 * n for n in range(100)]
        async with Client(daemon.unix_url) as client:
            assert await client.send("flow.through_the_loop", 100) == [doubled, ["flow"], "flow"]
            through_a_thread = await client.send("flow.through_a_thread", 100)
            assert through_a_thread == [doubled, ["flow"], "flow", 3]

    run(main)


def test_misuse_says_what_to_write_instead(daemon: DaemonProcess, flow: AgentProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            with pytest.raises(BadRequest, match=r"use survey\(\)"):
                await client.send("flow@*.echo", 1)
            with pytest.raises(BadRequest, match="at least 1"):
                client.survey("flow.echo", 1, quorum=0)
            with pytest.raises(TypeError, match=r"open\('a.bin', 'rb'\)"):
                await client.send("flow.digest", upload="a.bin")
            with pytest.raises(BadRequest):
                await client.send("flow.echo", upload=[1])
            with pytest.raises(BadRequest):
                await anext(client.stream("flow.echo", 1))
            assert await client.send("flow.echo", 1) == 1

    run(main)


def test_nothing_is_left_behind(daemon: DaemonProcess, flow: AgentProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            stream = client.stream("flow.endless")
            await anext(stream)
            conversation = client._connection.conversation
            assert len(conversation.exchange.requests) == 1
            del stream
            await until(lambda: len(conversation.exchange.requests) == 0)

    run(main)
