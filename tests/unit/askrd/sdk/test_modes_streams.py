"""Commands that answer with a stream: frames in, frames out."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from askrd.sdk.middleware import Passage
from askrd.sdk.service import Service
from askrd.wire.errors import CommandError
from askrd.wire.frames import Coding, Kind
from askrd.wire.limits import KIB, STREAM_ITEMS
from tests.unit.askrd.sdk.serving import Served, live, soon, value_in

SERVICE = Service("agent")
DONE: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    DONE.clear()


@SERVICE.command
async def count(number: int) -> AsyncIterator[int]:
    try:
        for item in range(number):
            DONE.append(item)
            yield item
    finally:
        DONE.append("closed")


@SERVICE.command("steps", timeout=2)
async def steps(pause: float, number: int) -> AsyncIterator[int]:
    for item in range(number):
        await asyncio.sleep(pause)
        yield item


@SERVICE.command
def rows(number: int) -> Iterator[dict[str, int]]:
    try:
        for item in range(number):
            DONE.append(item)
            yield {"row": item}
    finally:
        DONE.append(threading.current_thread().name)


@SERVICE.command
async def breaks(number: int) -> AsyncIterator[int]:
    yield number
    raise CommandError("broken", "The source ran dry.")


@SERVICE.command
async def misfits() -> AsyncIterator[int]:
    yield 1
    yield "two"  # type: ignore[misc]  # what the test is about


@SERVICE.command
async def chunks(size: int) -> AsyncIterator[bytes]:
    while True:
        yield b"x" * size
        DONE.append(size)


@pytest.mark.parametrize("name", ["count", "rows"])
def test_items_come_before_an_empty_reply(name) -> None:
    async def story(served: Served) -> None:
        served.call(name, 3)

    served = live(SERVICE, story)
    assert [frame.kind for frame in served.told] == [Kind.ITEM] * 3 + [Kind.REPLY]
    assert served.items == ([0, 1, 2] if name == "count" else [{"row": at} for at in range(3)])
    assert (served.outcome, served.told[-1].coding) == (None, Coding.NONE)


@pytest.mark.parametrize("name", ["count", "rows"])
def test_generator_does_not_go_on_without_credit(name) -> None:
    async def story(served: Served) -> None:
        served.call(name, 100)
        await soon(lambda: len(served.told) == STREAM_ITEMS)
        await asyncio.sleep(1)
        assert DONE == list(range(STREAM_ITEMS))
        served.credit(2)
        await soon(lambda: len(served.told) == STREAM_ITEMS + 2)
        assert len(DONE) == STREAM_ITEMS + 2
        served.credit(100)

    served = live(SERVICE, story)
    assert (len(served.items), served.outcome) == (100, None)


def test_bytes_count_for_credit_and_the_last_item_may_go_beyond() -> None:
    async def story(served: Served) -> None:
        served.call("chunks", 100 * KIB)
        await soon(lambda: len(served.told) == 3)
        await asyncio.sleep(1)
        assert DONE == [100 * KIB] * 2
        served.cancel()

    served = live(SERVICE, story)
    assert served.items == [b"x" * 100 * KIB] * 3
    assert served.outcome["code"] == "cancelled"


@pytest.mark.parametrize("name", ["count", "rows"])
def test_cancel_closes_the_generator(name) -> None:
    async def story(served: Served) -> None:
        served.call(name, 1000)
        await soon(lambda: len(served.told) == STREAM_ITEMS)
        served.cancel()
        await soon(lambda: isinstance(DONE[-1], str))

    served = live(SERVICE, story)
    assert served.outcome["code"] == "cancelled"
    assert DONE[:-1] == list(range(STREAM_ITEMS))


def test_lost_connection_closes_the_generator_and_says_nothing() -> None:
    async def story(served: Served) -> None:
        served.call("count", 1000)
        await soon(lambda: len(served.told) == STREAM_ITEMS)
        served.offers.connection_lost()

    assert len(live(SERVICE, story).told) == STREAM_ITEMS
    assert DONE[-1] == "closed"


def test_error_in_a_generator_is_the_outcome_behind_its_items() -> None:
    async def story(served: Served) -> None:
        served.call("breaks", 7)

    served = live(SERVICE, story)
    assert served.items == [7]
    assert (served.outcome["code"], served.outcome["at"]) == ("broken", "handler")


def test_item_that_does_not_fit_ends_the_stream() -> None:
    async def story(served: Served) -> None:
        served.call("misfits")

    served = live(SERVICE, story)
    assert served.items == [1]
    assert (served.outcome["code"], served.outcome["at"]) == ("schema_invalid", "response")


def test_item_above_the_limit_ends_the_stream() -> None:
    async def story(served: Served) -> None:
        served.call("chunks", 2000)

    served = live(SERVICE, story, limit=1000)
    assert (served.outcome["code"], served.outcome["at"]) == ("payload_too_large", "response")


@pytest.mark.parametrize("name", ["count", "rows"])
def test_value_of_a_stream_is_the_list_of_its_items(name) -> None:
    async def story(served: Served) -> None:
        served.call(name, 200, options={"reply": "value"})

    served = live(SERVICE, story)
    (reply,) = served.told
    assert [row if name == "count" else row["row"] for row in value_in(reply)] == list(range(200))


def test_accepted_stream_runs_to_its_end_and_sends_no_item() -> None:
    async def story(served: Served) -> None:
        served.call("count", 200, options={"reply": "ack"})

    assert [frame.kind for frame in live(SERVICE, story).told] == [Kind.REPLY, Kind.REPLY]
    assert DONE == [*range(200), "closed"]


def test_a_stream_ends_by_silence_once_it_has_begun() -> None:
    async def story(served: Served) -> None:
        served.answering.modes.idle_s = 5
        served.call("steps", {"pause": 4, "number": 3}, id=1, ttl_ms=4_500)
        served.call("steps", {"pause": 6, "number": 3}, id=2, ttl_ms=6_500)
        served.call("steps", {"pause": 6, "number": 3}, id=3, ttl_ms=5_000)

    told = live(SERVICE, story).told
    assert [(frame.id, frame.kind) for frame in told if frame.id == 1] == [
        (1, Kind.ITEM), (1, Kind.ITEM), (1, Kind.ITEM), (1, Kind.REPLY),
    ]  # fmt: skip
    for id_, items in ((2, 1), (3, 0)):
        *before, last = [frame for frame in told if frame.id == id_]
        assert (len(before), value_in(last)["code"]) == (items, "deadline_exceeded")


def test_middleware_goes_around_a_whole_stream() -> None:
    async def skin(passage: Passage, call_next: Any) -> Any:
        passage.payload += 1
        DONE.append("before")
        result = await call_next()
        DONE.append(("after", result))
        return result

    async def story(served: Served) -> None:
        served.call("count", 1)

    assert live(SERVICE, story, skin).items == [0, 1]
    assert DONE == ["before", 0, 1, "closed", ("after", None)]
