"""A generator goes on as its sink has room, and is closed whatever happens."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any

import msgspec
import pytest

from askrd.sdk.outflow import Collection, Nowhere, Outflow, pour, pour_in_thread
from askrd.sdk.shape import said
from askrd.wire.bodies import Credit
from askrd.wire.errors import PayloadTooLarge
from askrd.wire.frames import Coding
from askrd.wire.limits import STREAM_ITEM_BYTES, STREAM_ITEMS


class Source:
    """A generator of numbers that remembers what it gave and that it was closed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.given = 0
        self.is_closed = False

    async def flow(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(1, self.number + 1):
                self.given = number
                yield number
        finally:
            self.is_closed = True

    def plain(self) -> Generator[int, None, None]:
        try:
            for number in range(1, self.number + 1):
                self.given = number
                yield number
        finally:
            self.is_closed = True


def test_items_are_sent_while_there_is_credit() -> None:
    async def story() -> None:
        sent: list[tuple[bytes, int]] = []
        source = Source(STREAM_ITEMS + 3)
        outflow = Outflow(lambda data, coding: sent.append((data, coding)))
        async with asyncio.TaskGroup() as group:
            pouring = group.create_task(pour(source.flow(), outflow, said))
            while source.given < STREAM_ITEMS:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert (source.given, outflow.has_room) == (STREAM_ITEMS, False)
            outflow.grant(Credit(items=10, bytes=0))
            await pouring
        assert sent[-1] == (str(STREAM_ITEMS + 3).encode(), Coding.JSON)
        assert source.is_closed

    asyncio.run(story())


def test_plain_generator_waits_in_its_thread() -> None:
    async def story() -> None:
        sent: list[bytes] = []
        source = Source(STREAM_ITEMS + 3)
        loop = asyncio.get_running_loop()
        outflow = Outflow(lambda data, coding: sent.append(data))
        async with asyncio.TaskGroup() as group, asyncio.timeout(10):
            group.create_task(
                asyncio.to_thread(pour_in_thread, source.plain(), outflow, said, loop)
            )
            while len(sent) < STREAM_ITEMS:
                await asyncio.sleep(0.001)
            assert source.given == STREAM_ITEMS
            outflow.grant(Credit(items=10, bytes=0))
        assert (len(sent), source.is_closed) == (STREAM_ITEMS + 3, True)

    asyncio.run(story())


def test_item_that_cannot_be_said_closes_the_generator() -> None:
    async def story() -> None:
        source = Source(3)

        def refuse(item: Any) -> tuple[bytes, Coding]:
            raise ValueError(item)

        with pytest.raises(ValueError, match="1"):
            await pour(source.flow(), Nowhere(), refuse)
        assert (source.given, source.is_closed) == (1, True)

    asyncio.run(story())


def test_pieces_leave_the_last_one_to_the_caller() -> None:
    async def story() -> None:
        sent: list[bytes] = []
        outflow = Outflow(lambda data, coding: sent.append(data))
        assert await outflow.pieces(b"x" * (2 * STREAM_ITEM_BYTES)) == b"x" * STREAM_ITEM_BYTES
        assert sent == [b"x" * STREAM_ITEM_BYTES]

    asyncio.run(story())


def test_collected_items_are_one_json_list() -> None:
    collection = Collection()
    for value in (1, "two", None, b"\0"):
        collection.put(*said(value))
    assert msgspec.json.encode(collection.items) == b'[1,"two",null,"AA=="]'


def test_collection_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr("askrd.sdk.outflow.GATHERED_BYTES_MAX", 4)
    collection = Collection()
    collection.put(b"1", Coding.JSON)
    collection.put(b"2", Coding.JSON)
    with pytest.raises(PayloadTooLarge, match="ask for the stream"):
        collection.put(b"3", Coding.JSON)


def test_items_nobody_asked_for_let_others_run() -> None:
    async def story() -> None:
        source = Source(10 * STREAM_ITEMS)
        async with asyncio.TaskGroup() as group:
            group.create_task(pour(source.flow(), Nowhere(), said))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert 0 < source.given < source.number
        assert source.given == source.number

    asyncio.run(story())
