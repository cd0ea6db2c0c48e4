"""Readers end where they are ended: by the task that reads, or by another."""

import asyncio
from typing import Any

import pytest

from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.sdk.desk import Desk, play


def stepping(reader: Any) -> "asyncio.Task[Any]":
    return asyncio.get_running_loop().create_task(anext(reader, "over"))


def test_closing_it_ends_the_task_that_reads_it() -> None:
    async def story(desk: Desk) -> None:
        reader = desk.client.listen("X")
        reading = stepping(reader)
        sub = await desk.hear(Kind.SUB)
        desk.say(Frame(kind=Kind.SUBBED, id=sub.id))
        await asyncio.sleep(0.01)
        reader.close()
        async with asyncio.timeout(10):
            assert await reading == "over"
        assert await anext(reader, "over") == "over"

    play(story)


@pytest.mark.parametrize("what", ["events", "changes"])
def test_closing_it_ends_the_task_that_begins_it(what: str) -> None:
    async def story(desk: Desk) -> None:
        client = desk.client
        reader: Any = client.listen("X", "Y") if what == "events" else client.state.watch("cfg")
        reading = stepping(reader)
        assert (await desk.hear(Kind.SUB if what == "events" else Kind.WATCH)).id
        await asyncio.sleep(0.01)
        reader.close()
        async with asyncio.timeout(10):
            assert await reading == "over"

    play(story)
