"""Uploads in the event loop: as fast as they are taken, and no longer than their command."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from askrd.sdk.uploads import in_thread
from askrd.wire.bodies import CallOptions, load
from askrd.wire.errors import CommandError, SchemaInvalid
from askrd.wire.frames import FLAG_UP, Coding, Kind
from askrd.wire.limits import MIB, STREAM_BYTES, STREAM_ITEM_BYTES, STREAM_ITEMS
from tests.unit.askrd.sdk.desk import Desk, answer, play
from tests.unit.askrd.sdk.talk import fail


def sending(desk: Desk, upload: Any, payload: Any = None) -> "asyncio.Task[Any]":
    return asyncio.get_running_loop().create_task(
        desk.client.send("store.put", payload, upload=upload)
    )


def test_items_go_up_behind_the_call() -> None:
    async def story(desk: Desk) -> None:
        task = sending(desk, [1, b"two"])
        call = await desk.hear(Kind.CALL)
        assert load(CallOptions, call.options, "options") == CallOptions(upload="items")
        one, two = await desk.hear(Kind.ITEM), await desk.hear(Kind.ITEM)
        end = await desk.hear(Kind.END)
        assert [(one.payload, one.coding), (two.payload, two.coding)] == [
            (b"1", Coding.JSON), (b"two", Coding.BYTES),
        ]  # fmt: skip
        assert {frame.id for frame in (one, two, end)} == {call.id}
        assert {frame.flags for frame in (one, two, end)} == {FLAG_UP}
        desk.say(answer(Kind.REPLY, call.id, b'"stored"'))
        assert await task == "stored"

    play(story)


def test_it_waits_for_credit_without_asking_the_source() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(STREAM_ITEMS + 10):
            taken.append(number)
            yield number

    async def story(desk: Desk) -> None:
        task = sending(desk, numbers())
        id_ = (await desk.hear(Kind.CALL)).id
        assert len(await desk.silence()) == STREAM_ITEMS
        assert len(taken) == STREAM_ITEMS + 1
        desk.say(answer(Kind.CREDIT, id_, b'{"items":3,"bytes":0}', flags=FLAG_UP))
        assert len(await desk.silence()) == 3
        desk.say(answer(Kind.CREDIT, id_, b'{"items":50,"bytes":9}', flags=FLAG_UP))
        assert [frame.kind for frame in await desk.silence()] == [Kind.ITEM] * 7 + [Kind.END]
        desk.say(answer(Kind.REPLY, id_))
        await task

    play(story)


def test_bytes_use_up_credit_as_well() -> None:
    async def story(desk: Desk) -> None:
        task = sending(desk, bytes(2 * STREAM_BYTES))
        id_ = (await desk.hear(Kind.CALL)).id
        sent = await desk.silence()
        assert sum(len(frame.payload) for frame in sent) == STREAM_BYTES
        desk.say(answer(Kind.REPLY, id_))
        await task

    play(story)


def test_it_ends_with_its_command() -> None:
    ended = threading.Event()

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(1)
        finally:
            ended.set()

    async def story(desk: Desk) -> None:
        task = sending(desk, endless())
        id_ = (await desk.hear(Kind.CALL)).id
        desk.say(fail(id_, "disk_full", stamp=b"store@aaaaaa"))
        with pytest.raises(CommandError):
            await task
        await desk.silence()
        await asyncio.sleep(10)
        assert desk.heard == []

    play(story)
    assert ended.is_set()


def test_cancelling_cancels_the_command_and_ends_the_upload() -> None:
    async def story(desk: Desk) -> None:
        task = sending(desk, range(10**9))
        id_ = (await desk.hear(Kind.CALL)).id
        await desk.silence()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await desk.hear(Kind.CANCEL)).id == id_
        assert await desk.silence() == []

    play(story)


def test_what_the_source_raises_comes_out() -> None:
    def broken() -> Iterator[Any]:
        yield object()

    async def story(desk: Desk) -> None:
        task = sending(desk, broken())
        id_ = (await desk.hear(Kind.CALL)).id
        with pytest.raises(SchemaInvalid, match="an item of the upload"):
            await task
        reset = await desk.hear(Kind.RESET)
        assert (reset.id, reset.flags) == (id_, FLAG_UP)
        assert b'"code":"schema_invalid"' in reset.payload

    play(story)


def test_a_large_payload_goes_up_in_pieces_by_itself() -> None:
    data = bytes(range(256)) * (5 * MIB // 4 // 256)

    async def story(desk: Desk) -> None:
        task = asyncio.get_running_loop().create_task(desk.client.send("store.put", data))
        call = await desk.hear(Kind.CALL)
        assert load(CallOptions, call.options, "options") == CallOptions(upload="payload")
        got = [call.payload]
        while sum(map(len, got)) < len(data):
            item = await desk.hear(Kind.ITEM)
            assert len(item.payload) <= STREAM_ITEM_BYTES
            got.append(item.payload)
            credit = f'{{"items":1,"bytes":{len(item.payload)}}}'.encode()
            desk.say(answer(Kind.CREDIT, call.id, credit, flags=FLAG_UP))
        await desk.hear(Kind.END)
        assert b"".join(got) == data
        desk.say(answer(Kind.REPLY, call.id, b"1"))
        assert await task == 1

    play(story)


# --- what may block ---------------------------------------------------------------------------


def test_a_blocking_source_runs_in_a_thread_of_its_own() -> None:
    threads: set[str] = set()

    def names() -> Iterator[int]:
        for number in range(3):
            threads.add(threading.current_thread().name)
            yield number

    async def story() -> list[int]:
        return [number async for number in in_thread(names())]

    assert asyncio.run(story()) == [0, 1, 2]
    assert threads == {"askr-upload"}


def test_what_a_blocking_source_raises_is_raised_here() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("disk gone")

    async def story() -> None:
        values = in_thread(broken())
        assert await anext(values) == 1
        with pytest.raises(OSError, match="disk gone"):
            await anext(values)

    asyncio.run(story())


def test_a_source_that_blocks_for_ever_keeps_nobody() -> None:
    key = threading.Event()

    def terminal() -> Iterator[int]:
        key.wait(10)
        yield 1

    async def story() -> None:
        values = in_thread(terminal())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(values)

    asyncio.run(story())
    key.set()
