"""Commands that are fed while they run, and payloads too large for a frame."""

import asyncio
from typing import Any

import pytest

from askrd.sdk.context import Context
from askrd.sdk.service import Service
from askrd.sdk.upload import Upload
from askrd.wire.frames import FLAG_MORE, Coding, Kind
from askrd.wire.limits import STREAM_ITEM_BYTES, STREAM_ITEMS
from tests.unit.askrd.sdk.serving import Served, is_outcome, live, soon, value_in

SERVICE = Service("agent")
DONE: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    DONE.clear()


@SERVICE.command
async def work(seconds: float, ctx: Context) -> str:
    remaining = ctx.remaining
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        DONE.append("cancelled")
        raise
    DONE.append(remaining)
    return "done"


@SERVICE.command
async def store(name: str, content: Upload) -> list[Any]:
    return [name, len(await content.read())]


@SERVICE.command
async def add(numbers: Upload[int]) -> int:
    total = 0
    async for number in numbers:
        DONE.append(number)
        total += number
    return total


@SERVICE.command("add_plain")
def add_plain(numbers: Upload[int]) -> int:
    return sum(numbers)


@SERVICE.command
async def ignore(content: Upload) -> str:
    return "not read"


@SERVICE.command
async def slowly(content: Upload) -> int:
    total = 0
    async for _ in content:
        await asyncio.sleep(0.5)
        total += 1
    return total


@SERVICE.command
async def digest(ctx: Context, content: Upload, says: bool) -> str:
    await content.read()
    for _ in range(4):
        await asyncio.sleep(4)
        if says:
            ctx.progress()
    return "digested"


@SERVICE.command
async def size(data: bytes) -> int:
    return len(data)


@SERVICE.command
async def big(number: int) -> bytes:
    return b"x" * number


def test_pieces_of_an_upload_are_joined() -> None:
    async def story(served: Served) -> None:
        served.call("store", {"name": "x"}, options={"upload": "items"})
        served.up(b"abc")
        await asyncio.sleep(1)
        served.up(b"de")
        served.end()

    assert live(SERVICE, story).outcome == ["x", 5]


@pytest.mark.parametrize("name", ["add", "add_plain"])
def test_items_of_an_upload_are_checked_one_by_one(name) -> None:
    async def story(served: Served) -> None:
        for id_, items in ((1, [1, 2]), (2, [1, "two"])):
            served.call(name, id=id_, options={"upload": "items"})
            for item in items:
                served.up(item, id_)
            served.end(id_)

    told = sorted(live(SERVICE, story).told, key=lambda frame: frame.id)
    total, misfit = map(value_in, told)
    assert total == 3
    assert (misfit["code"], misfit["at"]) == ("schema_invalid", "request")


def test_credit_is_given_as_the_handler_reads() -> None:
    async def story(served: Served) -> None:
        served.call("slowly", options={"upload": "items"})
        for _ in range(STREAM_ITEMS):
            served.up(b"x")
        await asyncio.sleep(STREAM_ITEMS / 4 - 1)
        assert served.credits == []
        await asyncio.sleep(2)
        assert served.credits == [{"items": STREAM_ITEMS // 2, "bytes": STREAM_ITEMS // 2}]
        served.end()

    assert live(SERVICE, story).outcome == STREAM_ITEMS


def test_failed_upload_raises_the_callers_error_at_the_reader() -> None:
    async def story(served: Served) -> None:
        served.call("add", options={"upload": "items"})
        served.up(1)
        await soon(lambda: DONE)
        served.reset("disk_full")

    served = live(SERVICE, story)
    assert (served.outcome["code"], DONE) == ("disk_full", [1])


def test_upload_that_is_not_read_holds_nothing_up() -> None:
    async def story(served: Served) -> None:
        served.call("ignore", options={"upload": "items"})
        served.up(b"x")
        await soon(lambda: served.told)
        served.up(b"y")
        served.end()

    assert live(SERVICE, story).outcome == "not read"


@pytest.mark.parametrize("name", ["add", "add_plain"])
def test_command_without_the_upload_it_takes_reads_an_empty_one(name) -> None:
    async def story(served: Served) -> None:
        served.call(name)

    assert live(SERVICE, story).outcome == 0


@pytest.mark.parametrize("name", ["add", "add_plain"])
def test_cancel_reaches_a_handler_that_waits_for_its_upload(name) -> None:
    async def story(served: Served) -> None:
        served.call(name, options={"upload": "items"})
        served.up(1)
        await asyncio.sleep(1)
        served.cancel()

    assert live(SERVICE, story).outcome["code"] == "cancelled"


def test_upload_for_a_command_that_takes_none_is_refused() -> None:
    async def story(served: Served) -> None:
        served.call("size", options={"upload": "items"})

    assert live(SERVICE, story).outcome["message"] == "agent.size takes no upload"


def test_large_payload_is_joined_before_the_handler_sees_it() -> None:
    async def story(served: Served) -> None:
        served.call("size", b"abc", options={"upload": "payload"})
        for _ in range(STREAM_ITEMS):
            served.up(b"x" * 100)
        await soon(lambda: served.credits)
        served.end()

    served = live(SERVICE, story)
    assert served.outcome == 3 + STREAM_ITEMS * 100
    assert sum(credit["items"] for credit in served.credits) == STREAM_ITEMS


def test_large_payload_keeps_the_coding_of_its_call() -> None:
    async def story(served: Served) -> None:
        served.call("work", {"seconds": 1}, options={"upload": "payload"})
        served.up(b"   ")
        served.end()

    assert live(SERVICE, story).outcome == "done"


def test_large_result_goes_in_pieces_as_credit_allows() -> None:
    async def story(served: Served) -> None:
        served.call("big", 10 * STREAM_ITEM_BYTES + 5)
        await soon(lambda: len(served.told) == 4)
        await asyncio.sleep(1)
        assert len(served.told) == 4
        served.credit(64, 10 * STREAM_ITEM_BYTES)

    served = live(SERVICE, story, limit=2 * STREAM_ITEM_BYTES)
    *pieces, reply = served.told
    assert {(piece.kind, piece.flags) for piece in pieces} == {(Kind.ITEM, FLAG_MORE)}
    assert len(pieces) == 10
    assert (reply.kind, reply.payload, reply.coding) == (Kind.REPLY, b"xxxxx", Coding.BYTES)


def test_cancel_ends_a_large_result() -> None:
    async def story(served: Served) -> None:
        served.call("big", 10 * STREAM_ITEM_BYTES)
        await soon(lambda: len(served.told) == 4)
        served.cancel()

    served = live(SERVICE, story, limit=2 * STREAM_ITEM_BYTES)
    assert served.outcome["code"] == "cancelled"


def test_progress_is_a_sign_of_life_when_the_upload_has_ended() -> None:
    async def story(served: Served) -> None:
        served.answering.modes.idle_s = 5
        for id_, says in ((1, True), (2, False)):
            served.call("digest", {"says": says}, id=id_, options={"upload": "items"})
            served.up(b"x", id_)
            served.end(id_)

    told = {frame.id: value_in(frame) for frame in live(SERVICE, story).told if is_outcome(frame)}
    assert told[1] == "digested"
    assert told[2]["code"] == "deadline_exceeded"


def test_large_payload_does_not_shorten_the_deadline() -> None:
    async def story(served: Served) -> None:
        served.answering.modes.idle_s = 5
        served.call("work", {"seconds": 20}, options={"upload": "payload"})
        served.up(b" ")
        served.end()

    assert live(SERVICE, story).outcome == "done"
