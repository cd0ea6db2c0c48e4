"""The items of a command, taken in the event loop."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from askrd.sdk.streams import Stream
from askrd.wire.bodies import CallOptions, Credit, load
from askrd.wire.errors import BadRequest, CommandError, ConnectionLost, SchemaInvalid
from askrd.wire.frames import Coding, Kind
from askrd.wire.limits import STREAM_ITEMS
from tests.unit.askrd.sdk.desk import Desk, answer, play
from tests.unit.askrd.sdk.talk import fail


async def begun(desk: Desk, stream: Stream) -> int:
    await stream.begin()
    return (await desk.hear(Kind.CALL)).id


def numbers(id_: int, *numbers: int) -> list[Any]:
    return [answer(Kind.ITEM, id_, str(number).encode()) for number in numbers]


def test_items_come_in_order_and_then_the_value() -> None:
    async def story(desk: Desk) -> None:
        stream = desk.client.stream("agent.tail", {"n": 3}, key="k", wait=2.0)
        async with stream as items:
            assert items.value is None
            assert items.outcome is None
            call = await desk.hear(Kind.CALL)
            assert (call.name, call.payload) == (b"agent.tail", b'{"n":3}')
            options = load(CallOptions, call.options, "options")
            assert options == CallOptions(reply="stream", key="k", wait_ms=2000)
            desk.say(*numbers(call.id, 1, 2), answer(Kind.ITEM, call.id, b"x", Coding.BYTES))
            desk.say(answer(Kind.END, call.id), answer(Kind.REPLY, call.id, b'"done"'))
            assert [item async for item in items] == [1, 2, b"x"]
            assert items.value == "done"
            assert items.outcome is not None
            assert (items.outcome.service, items.outcome.instance) == ("agent", "aaaaaa")
        assert await desk.silence() == []

    play(story)


def test_nothing_is_asked_before_the_first_step() -> None:
    async def story(desk: Desk) -> None:
        stream = desk.client.stream("agent.tail")
        assert await desk.silence() == []
        step = asyncio.get_running_loop().create_task(anext(stream))
        call = await desk.hear(Kind.CALL)
        desk.say(*numbers(call.id, 7))
        assert await step == 7
        await stream.aclose()

    play(story)


def test_credit_is_granted_as_items_are_taken() -> None:
    async def story(desk: Desk) -> None:
        stream = desk.client.stream("agent.tail")
        id_ = await begun(desk, stream)
        desk.say(*numbers(id_, *range(STREAM_ITEMS)))
        assert await desk.silence() == []
        for _ in range(STREAM_ITEMS // 2):
            await anext(stream)
        credit = await desk.hear(Kind.CREDIT)
        assert (credit.id, credit.flags) == (id_, 0)
        assert load(Credit, credit.payload, "credit").items == STREAM_ITEMS // 2
        await stream.aclose()

    play(story)


def test_leaving_early_cancels_the_command() -> None:
    async def story(desk: Desk) -> None:
        async with desk.client.stream("agent.tail") as items:
            id_ = (await desk.hear(Kind.CALL)).id
            desk.say(*numbers(id_, 1, 2, 3))
            async for _ in items:
                break
        assert (await desk.hear(Kind.CANCEL)).id == id_
        with pytest.raises(StopAsyncIteration):
            await anext(items)

    play(story)


def test_dropping_it_cancels_the_command() -> None:
    async def story(desk: Desk) -> None:
        stream = desk.client.stream("agent.tail")
        id_ = await begun(desk, stream)
        del stream
        gc.collect()
        assert (await desk.hear(Kind.CANCEL)).id == id_

    play(story)


def test_a_cancelled_reader_cancels_the_command() -> None:
    async def story(desk: Desk) -> None:
        async def read() -> None:
            async with desk.client.stream("agent.tail") as items:
                async for _ in items:
                    pass

        task = asyncio.get_running_loop().create_task(read())
        id_ = (await desk.hear(Kind.CALL)).id
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await desk.hear(Kind.CANCEL)).id == id_

    play(story)


def test_giving_up_on_one_item_loses_nothing() -> None:
    async def story(desk: Desk) -> None:
        stream = desk.client.stream("agent.tail")
        id_ = await begun(desk, stream)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anext(stream)
        desk.say(*numbers(id_, 5))
        assert await anext(stream) == 5
        await stream.aclose()

    play(story)


def test_several_tasks_may_share_the_items() -> None:
    async def story(desk: Desk) -> None:
        stream = desk.client.stream("agent.tail")
        id_ = await begun(desk, stream)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(anext(stream, None)) for _ in range(3)]
            await asyncio.sleep(1)
            desk.say(*numbers(id_, 1, 2), answer(Kind.REPLY, id_))
        assert [task.result() for task in tasks] == [1, 2, None]

    play(story)


def test_a_failure_comes_after_the_items_before_it() -> None:
    async def story(desk: Desk) -> None:
        stream = desk.client.stream("agent.tail")
        id_ = await begun(desk, stream)
        desk.say(*numbers(id_, 1), answer(Kind.RESET, id_, b'{"code":"sold_out"}'))
        desk.say(fail(id_, "sold_out", stamp=b"agent@aaaaaa"))
        assert await anext(stream) == 1
        with pytest.raises(CommandError) as caught:
            await anext(stream)
        assert caught.value.code == "sold_out"
        assert await desk.silence() == []

    play(story)


def test_a_lost_connection_ends_it() -> None:
    async def story(desk: Desk) -> None:
        stream = desk.client.stream("agent.tail")
        await begun(desk, stream)
        desk.cut()
        with pytest.raises(ConnectionLost):
            await anext(stream)

    play(story)


def test_an_item_that_does_not_fit_ends_it() -> None:
    async def story(desk: Desk) -> None:
        stream = desk.client.stream("agent.tail", as_=int)
        id_ = await begun(desk, stream)
        desk.say(*numbers(id_, 1), answer(Kind.ITEM, id_, b'"two"'))
        assert await anext(stream) == 1
        with pytest.raises(SchemaInvalid):
            await anext(stream)
        assert (await desk.hear(Kind.CANCEL)).id == id_

    play(story)


def test_progress_comes_beside_the_items() -> None:
    async def story(desk: Desk) -> None:
        told: list[Any] = []
        stream = desk.client.stream("agent.tail", on_progress=told.append)
        id_ = await begun(desk, stream)
        desk.say(answer(Kind.PROGRESS, id_, b"50"), *numbers(id_, 1))
        assert await anext(stream) == 1
        assert told == [50]
        await stream.aclose()

    play(story)


def test_items_go_both_ways() -> None:
    async def story(desk: Desk) -> None:
        async def questions() -> AsyncIterator[int]:
            for number in range(2):
                yield number

        stream = desk.client.stream("agent.double", upload=questions())
        id_ = await begun(desk, stream)
        assert [(await desk.hear(Kind.ITEM)).payload for _ in range(2)] == [b"0", b"1"]
        await desk.hear(Kind.END)
        desk.say(*numbers(id_, 0, 2), answer(Kind.REPLY, id_))
        assert [item async for item in stream] == [0, 2]

    play(story)


def test_an_upload_that_fails_ends_it_with_its_own_error() -> None:
    async def story(desk: Desk) -> None:
        def broken() -> Any:
            yield 1
            raise OSError("disk gone")

        stream = desk.client.stream("agent.double", upload=broken())
        await begun(desk, stream)
        with pytest.raises(OSError, match="disk gone"):
            await anext(stream)
        await desk.hear(Kind.ITEM)
        await desk.hear(Kind.RESET)
        assert await desk.silence() == []  # no cancel: the handler may end in its own way

    play(story)


def test_several_instances_have_no_one_stream() -> None:
    async def story(desk: Desk) -> None:
        with pytest.raises(BadRequest, match=r"use survey\(\)"):
            desk.client.stream("agent@*.tail")

    play(story)


def test_closing_it_ends_the_task_that_reads_it() -> None:
    async def story(desk: Desk) -> None:
        items = desk.client.stream("agent.tail")
        reading = asyncio.get_running_loop().create_task(anext(items, "over"))
        await desk.hear(Kind.CALL)
        await asyncio.sleep(0.01)
        items.close()
        async with asyncio.timeout(10):
            assert await reading == "over"

    play(story)
