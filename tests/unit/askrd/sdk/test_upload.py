"""A handler reads an upload piece by piece, and what it reads is granted back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from askrd.sdk.shape import Shape
from askrd.sdk.upload import Upload
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.bodies import Credit
from askrd.wire.errors import AskrError, CommandError, LimitExceeded, PayloadTooLarge, SchemaInvalid
from askrd.wire.frames import FLAG_UP, Coding, Frame, Kind
from askrd.wire.limits import STREAM_ITEMS


class Kept:
    """An upload with what it grants and refuses."""

    def __init__(self, shape: Shape | None = None) -> None:
        self.granted: list[Credit] = []
        self.refused: list[AskrError] = []
        self.upload: Upload[Any] = Upload(
            grant=self.granted.append, refuse=self.refused.append, shape=shape
        )

    def take(self, *payloads: bytes, coding: int = Coding.BYTES) -> None:
        for payload in payloads:
            self.upload.take(
                Frame(kind=Kind.ITEM, id=1, payload=payload, coding=coding, flags=FLAG_UP)
            )


def live(story: Callable[[], Awaitable[Any]]) -> None:
    async def whole() -> None:
        await story()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(whole())


def test_pieces_are_bytes_or_any_json_value() -> None:
    async def story() -> None:
        kept = Kept()
        kept.take(b"\0")
        kept.take(b'{"a":1}', coding=Coding.JSON)
        kept.take(b"", coding=Coding.NONE)
        kept.upload.finish()
        assert [piece async for piece in kept.upload] == [b"\0", {"a": 1}, None]
        assert [piece async for piece in kept.upload] == []

    live(story)


def test_reader_waits_for_the_next_piece() -> None:
    async def story() -> None:
        kept = Kept()
        asyncio.get_running_loop().call_later(5, kept.take, b"late")
        assert await anext(aiter(kept.upload)) == b"late"
        asyncio.get_running_loop().call_later(5, kept.upload.finish)
        assert await kept.upload.read() == b""

    live(story)


def test_half_a_window_is_granted_when_it_was_read() -> None:
    async def story() -> None:
        kept = Kept()
        kept.take(*[b"xy"] * STREAM_ITEMS)
        pieces = aiter(kept.upload)
        for _ in range(STREAM_ITEMS // 2 - 1):
            await anext(pieces)
        assert kept.granted == []
        await anext(pieces)
        assert kept.granted == [Credit(items=STREAM_ITEMS // 2, bytes=STREAM_ITEMS)]

    live(story)


def test_sender_without_credit_is_cut_off() -> None:
    async def story() -> None:
        kept = Kept()
        kept.take(*[b"x"] * 3 * STREAM_ITEMS)
        with pytest.raises(LimitExceeded):
            await kept.upload.read()

    live(story)


def test_failure_comes_behind_the_pieces_that_arrived() -> None:
    async def story() -> None:
        kept = Kept()
        kept.take(b"x")
        failure = CommandError("disk_full", "No room.")
        kept.upload.fail(failure)
        kept.take(b"too late")
        pieces = aiter(kept.upload)
        assert await anext(pieces) == b"x"
        with pytest.raises(CommandError) as caught:
            await anext(pieces)
        assert caught.value is failure
        assert kept.refused == [failure]

    live(story)


def test_piece_that_does_not_fit_is_refused() -> None:
    async def story() -> None:
        kept = Kept(Shape(int, "a piece"))
        kept.take(b"1", b'"x"', coding=Coding.JSON)
        pieces = aiter(kept.upload)
        assert await anext(pieces) == 1
        with pytest.raises(SchemaInvalid):
            await anext(pieces)
        assert len(kept.refused) == 1

    live(story)


def test_read_joins_bytes_only() -> None:
    async def story() -> None:
        kept = Kept()
        kept.take(b"a", b"b")
        kept.take(b"1", coding=Coding.JSON)
        with pytest.raises(SchemaInvalid, match="a piece of this upload is JSON"):
            await kept.upload.read()

    live(story)


def test_read_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr("askrd.sdk.upload.GATHERED_BYTES_MAX", 3)

    async def story() -> None:
        kept = Kept()
        kept.take(b"ab", b"cd")
        with pytest.raises(PayloadTooLarge, match="piece by piece"):
            await kept.upload.read()

    live(story)


def test_plain_function_iterates_in_its_thread() -> None:
    async def story() -> None:
        kept = Kept()
        kept.take(b"a", b"b")
        loop = asyncio.get_running_loop()
        loop.call_later(1, kept.take, b"c")
        loop.call_later(2, kept.upload.finish)
        assert await asyncio.to_thread(b"".join, kept.upload) == b"abc"

    live(story)


def test_each_way_of_reading_says_where_it_belongs() -> None:
    async def story() -> None:
        kept = Kept()
        with pytest.raises(RuntimeError, match="async for piece in upload"):
            next(iter(kept.upload))
        with pytest.raises(RuntimeError, match=r'b""\.join\(upload\)'):
            await asyncio.to_thread(kept.upload.read)

    live(story)
