"""One request of a guest: what comes is read in order, under credit, until it is over."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from askrd.doors.exchange import Exchange
from askrd.wire.bodies import ErrorBody, dump
from askrd.wire.errors import BadRequest, CommandError, HandlerError, NotFound, PayloadTooLarge
from askrd.wire.frames import FLAG_MORE, FLAG_UP, Coding, Frame, Kind
from askrd.wire.limits import GATHERED_BYTES_MAX, MIB, STREAM_BYTES, STREAM_ITEMS


class Desk:
    """An exchange with what it says and weighs."""

    def __init__(self) -> None:
        self.said: list[Frame] = []
        self.weight = 0
        self.exchange = Exchange(7, self.said.append, self.weigh)

    def weigh(self, more: int) -> None:
        self.weight += more

    def hear(self, kind: Kind, payload: bytes = b"", flags: int = 0, stamp: bytes = b"") -> None:
        self.exchange.take(Frame(kind=kind, id=7, payload=payload, flags=flags, stamp=stamp))


def run(scene: Callable[[Desk], Awaitable[None]]) -> None:
    async def play() -> None:
        async with asyncio.timeout(10):
            await scene(Desk())

    asyncio.run(play())


def failed(code: str) -> bytes:
    return dump(ErrorBody(code=code, message="no"))


def test_a_reply_is_the_value_and_the_end() -> None:
    async def scene(desk: Desk) -> None:
        desk.hear(Kind.PROGRESS)
        desk.hear(Kind.REPLY, b"42")
        assert desk.exchange.is_over
        assert (await desk.exchange.value()).payload == b"42"
        desk.exchange.cancel()
        assert desk.said == []

    run(scene)


def test_a_large_reply_is_put_together() -> None:
    async def scene(desk: Desk) -> None:
        for piece in (b"a" * MIB, b"b" * MIB):
            desk.hear(Kind.ITEM, piece, FLAG_MORE)
        desk.hear(Kind.REPLY, b"c")
        assert desk.weight == 2 * MIB + 1
        assert (await desk.exchange.value()).payload == b"a" * MIB + b"b" * MIB + b"c"
        assert desk.weight == 0

    run(scene)


def test_a_reply_without_end_is_refused_and_cancelled() -> None:
    async def scene(desk: Desk) -> None:
        for _ in range(GATHERED_BYTES_MAX // MIB + 1):
            desk.hear(Kind.ITEM, bytes(MIB), FLAG_MORE)
        with pytest.raises(PayloadTooLarge):
            await desk.exchange.value()
        assert desk.said[-1].kind == Kind.CANCEL
        desk.hear(Kind.ITEM, bytes(MIB), FLAG_MORE)
        assert desk.weight == 0

    run(scene)


def test_who_failed_says_which_error_it_is() -> None:
    async def scene(desk: Desk) -> None:
        desk.hear(Kind.FAIL, failed("not_found"), stamp=b"a@b")
        with pytest.raises(CommandError) as handlers:
            await desk.exchange.next()
        assert (handlers.value.at, handlers.value.instance) == ("handler", "a@b")
        other = Desk()
        other.hear(Kind.ERROR, failed("not_found"))
        with pytest.raises(NotFound):
            await other.exchange.next()

    run(scene)


def test_a_failure_that_cannot_be_read_is_the_handlers() -> None:
    async def scene(desk: Desk) -> None:
        desk.hear(Kind.FAIL, b"\xff no JSON", stamp=b"a@b")
        with pytest.raises(HandlerError, match="cannot be read") as told:
            await desk.exchange.next()
        assert (told.value.at, told.value.instance) == ("handler", "a@b")

    run(scene)


def test_what_is_left_unread_weighs_nothing() -> None:
    async def scene(desk: Desk) -> None:
        desk.hear(Kind.REPLY, b"row", FLAG_MORE)
        desk.hear(Kind.REPLY, b"row", FLAG_MORE)
        await desk.exchange.next()
        desk.exchange.leave()
        desk.hear(Kind.REPLY, b"row", FLAG_MORE)
        assert desk.weight == 0
        assert [frame.kind for frame in desk.said] == [Kind.CANCEL]

    run(scene)


def test_a_failed_row_of_a_survey_is_a_row() -> None:
    async def scene(desk: Desk) -> None:
        desk.hear(Kind.FAIL, failed("busy"), FLAG_MORE)
        assert not desk.exchange.is_over
        assert (await desk.exchange.next()).kind == Kind.FAIL

    run(scene)


def test_what_is_read_is_granted_again() -> None:
    async def scene(desk: Desk) -> None:
        for _ in range(STREAM_ITEMS):
            desk.hear(Kind.ITEM, b"x")
        for _ in range(STREAM_ITEMS):
            await desk.exchange.next()
        granted = [msgspec.json.decode(frame.payload) for frame in desk.said]
        assert granted == [{"items": STREAM_ITEMS // 2, "bytes": STREAM_ITEMS // 2}] * 2

    run(scene)


def test_an_upload_waits_for_credit() -> None:
    async def scene(desk: Desk) -> None:
        exchange = desk.exchange
        assert await exchange.send_up(bytes(STREAM_BYTES), Coding.BYTES)
        waiting = asyncio.ensure_future(exchange.send_up(b"more", Coding.BYTES))  # noqa: TID251
        await asyncio.sleep(0)
        assert not waiting.done()
        desk.hear(Kind.CREDIT, dump({"items": 1, "bytes": 1}), FLAG_UP)
        assert await waiting
        exchange.end_up()
        assert [frame.kind for frame in desk.said] == [Kind.ITEM, Kind.ITEM, Kind.END]
        assert all(frame.flags & FLAG_UP for frame in desk.said)

    run(scene)


def test_an_upload_ends_with_its_command() -> None:
    async def scene(desk: Desk) -> None:
        await desk.exchange.send_up(bytes(STREAM_BYTES), Coding.BYTES)
        desk.hear(Kind.FAIL, failed("full"), stamp=b"a@b")
        assert not await desk.exchange.send_up(b"more", Coding.BYTES)
        desk.exchange.end_up()
        assert len(desk.said) == 1

    run(scene)


def test_what_is_given_up_stays_so() -> None:
    async def scene(desk: Desk) -> None:
        desk.hear(Kind.ITEM, b"1")
        desk.exchange.give_up(BadRequest("over"))
        desk.hear(Kind.FAIL, failed("cancelled"))
        assert (await desk.exchange.next()).payload == b"1"
        with pytest.raises(BadRequest, match="over"):
            await desk.exchange.next()

    run(scene)
