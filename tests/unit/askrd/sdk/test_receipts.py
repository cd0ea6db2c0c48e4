"""Programs acknowledge and answer events: by awaiting, by the next step, by leaving."""

import asyncio
import json
from typing import Any

import pytest

from askrd.sdk.readers import EventReader
from askrd.sdk.receipts import DONE
from askrd.sdk.values import Event
from askrd.wire.bodies import dump
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    ConnectionLost,
    Gone,
    PayloadTooLarge,
    SchemaInvalid,
)
from askrd.wire.frames import FLAG_OPTIONS, Coding, Frame, Kind
from askrd.wire.limits import MIB
from tests.unit.askrd.sdk.desk import Desk, play
from tests.unit.askrd.sdk.talk import event, fail


def told(seq: int, **options: Any) -> Frame:
    return Frame(
        kind=Kind.EVENT, id=seq, name=b"X", payload=dump(seq), coding=Coding.JSON,
        options=dump(options), flags=FLAG_OPTIONS,
    )  # fmt: skip


async def listening(desk: Desk, **how: Any) -> tuple[EventReader, int]:
    """A reader that the daemon has confirmed, and its id."""
    reader = desk.client.listen("X", **how)

    async def confirm() -> int:
        sub = await desk.hear(Kind.SUB)
        desk.say(Frame(kind=Kind.SUBBED, id=sub.id))
        return sub.id

    _, id_ = await asyncio.gather(reader.begin(), confirm())
    return reader, id_


async def consumer(desk: Desk, **how: Any) -> tuple[EventReader, int]:
    """The same of a log's consumer, with three events."""
    reader, id_ = await listening(desk, log="l", consumer="c", **how)
    desk.say(*[told(seq, sub=id_, log_seq=seq, delivery=1) for seq in (1, 2, 3)])
    return reader, id_


async def seen(reader: EventReader) -> Event[Any]:
    one = await anext(reader)
    assert isinstance(one, Event)
    return one


def place(frame: Frame) -> tuple[int, Any]:
    return frame.kind, json.loads(frame.payload)["seq"]


def test_asking_for_the_next_event_acknowledges_the_last() -> None:
    async def story(desk: Desk) -> None:
        reader, _ = await consumer(desk)
        await seen(reader)
        assert await desk.silence() == []
        await seen(reader)
        assert place(await desk.hear(Kind.ACK)) == (Kind.ACK, 1)

    play(story)


def test_leaving_the_block_acknowledges_and_an_error_does_not() -> None:
    async def story(desk: Desk) -> None:
        reader, _ = await consumer(desk)
        async with reader:
            await seen(reader)
        assert place(await desk.hear(Kind.ACK)) == (Kind.ACK, 1)
        await desk.hear(Kind.UNSUB)

        reader, _ = await consumer(desk)

        async def fails() -> None:
            async with reader:
                await seen(reader)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fails()
        assert place(await desk.hear(Kind.NAK)) == (Kind.NAK, 1)

    play(story)


def test_the_last_of_a_count_is_acknowledged_before_the_reader_ends() -> None:
    async def story(desk: Desk) -> None:
        reader, _ = await consumer(desk, count=2)
        assert [one.seq async for one in reader] == [1, 2]
        kinds = [frame.kind for frame in await desk.silence()]
        assert kinds == [Kind.ACK, Kind.ACK, Kind.UNSUB]

    play(story)


def test_a_reader_that_is_dropped_acknowledges_nothing() -> None:
    async def story(desk: Desk) -> None:
        reader, _ = await consumer(desk)
        await seen(reader)
        await reader.aclose()
        assert [frame.kind for frame in await desk.silence()] == [Kind.UNSUB]

    play(story)


def test_by_hand_nothing_is_acknowledged_by_itself() -> None:
    async def story(desk: Desk) -> None:
        reader, id_ = await consumer(desk, ack="manual")
        first, second = await seen(reader), await seen(reader)
        assert await desk.silence() == []

        done = first.ack()
        ack = await desk.hear(Kind.ACK)
        assert json.loads(ack.payload) == {"sub": id_, "seq": 1}
        desk.say(Frame(kind=Kind.OK, id=ack.id))
        await done

        refused = second.nak(delay=1.5)
        nak = await desk.hear(Kind.NAK)
        assert json.loads(nak.payload) == {"sub": id_, "seq": 2, "delay_ms": 1500}
        desk.say(fail(nak.id, "gone"))
        with pytest.raises(Gone):
            await refused
        for again in (first.ack, second.nak):
            with pytest.raises(BadRequest, match="already"):
                again()

    play(story)


def test_an_acknowledgement_nobody_awaits_is_sent_and_its_failure_is_no_noise() -> None:
    async def story(desk: Desk) -> None:
        reader, _ = await consumer(desk, ack="manual")
        (await seen(reader)).ack()
        ack = await desk.hear(Kind.ACK)
        desk.say(fail(ack.id, "gone"))

    play(story)


def test_a_thread_waits_until_it_is_acknowledged() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.client:
            reader, _ = await consumer(desk, ack="manual")
            one = await seen(reader)
            trace: list[str] = []

            def in_thread() -> None:
                assert one.ack() is DONE
                trace.append("acknowledged")

            async def confirm() -> None:
                ack = await desk.hear(Kind.ACK)
                trace.append("heard")
                desk.say(Frame(kind=Kind.OK, id=ack.id))

            await asyncio.gather(asyncio.to_thread(in_thread), confirm())
            await DONE
            assert trace == ["heard", "acknowledged"]

    asyncio.run(story())


def test_a_delay_that_cannot_be_is_refused_and_nothing_is_sent() -> None:
    async def story(desk: Desk) -> None:
        reader, _ = await consumer(desk, ack="manual")
        one = await seen(reader)
        with pytest.raises(BadRequest, match="49 days"):
            one.nak(delay=-1)
        assert await desk.silence() == []
        one.ack()
        await desk.hear(Kind.ACK)

    play(story)


def test_an_event_is_answered_by_hand_or_by_nothing_with_the_next_step() -> None:
    async def story(desk: Desk) -> None:
        reader, _ = await listening(desk)
        desk.say(told(1, answer=7), told(2, answer=8), event(3, "X"))
        await (await seen(reader)).answer({"a": 1})
        frame = await desk.hear(Kind.ANSWER)
        assert (frame.id, frame.payload) == (7, b'{"a":1}')
        second = await seen(reader)
        assert await desk.silence() == []
        await seen(reader)
        frame = await desk.hear(Kind.ANSWER)
        assert (frame.id, frame.coding) == (8, Coding.NONE)
        with pytest.raises(BadRequest, match="has its answer"):
            await second.answer(1)

    play(story)


def test_an_answer_that_is_no_json_is_refused_and_another_may_follow() -> None:
    async def story(desk: Desk) -> None:
        reader, _ = await listening(desk)
        desk.say(told(1, answer=7))
        one = await seen(reader)
        with pytest.raises(SchemaInvalid):
            await one.answer(object())
        await one.answer(b"yes")
        assert (await desk.hear(Kind.ANSWER)).coding == Coding.BYTES

    play(story)


def test_what_on_returns_is_the_answer_and_acknowledges() -> None:
    async def story(desk: Desk) -> None:
        calls: list[int] = []

        def heard(one: Event[Any]) -> int:
            calls.append(one.seq)
            if one.seq == 2:
                raise ValueError("no")
            return one.seq

        desk.client.on("X", heard, log="l", consumer="c")
        sub = await desk.hear(Kind.SUB)
        desk.say(Frame(kind=Kind.SUBBED, id=sub.id))
        rows = [told(seq, sub=sub.id, log_seq=seq, delivery=1) for seq in (1, 2, 3)]
        desk.say(*rows)
        frames = [await desk.hear(kind) for kind in (Kind.ACK, Kind.NAK, Kind.ACK)]
        assert calls == [1, 2, 3]
        assert [place(frame)[1] for frame in frames] == [1, 2, 3]

        stop = desk.client.on("Y", lambda one: one.payload)
        sub = await desk.hear(Kind.SUB)
        desk.say(Frame(kind=Kind.SUBBED, id=sub.id))
        desk.say(
            Frame(
                kind=Kind.EVENT,
                id=9,
                name=b"Y",
                payload=b"5",
                coding=Coding.JSON,
                options=b'{"answer":4}',
                flags=FLAG_OPTIONS,
            )
        )
        assert (await desk.hear(Kind.ANSWER)).payload == b"5"
        stop()

    play(story)


def test_without_a_connection_nothing_can_be_acknowledged() -> None:
    async def story(desk: Desk) -> None:
        reader, _ = await consumer(desk, ack="manual")
        one = await seen(reader)
        desk.cut()
        with pytest.raises(ConnectionLost):
            _ = [one async for one in reader]
        with pytest.raises(AskrError):
            one.ack()

    play(story)


def test_an_answer_that_is_too_large_keeps_nobody_waiting() -> None:
    async def story(desk: Desk) -> None:
        desk.client.on("X", lambda _: "x" * 2 * MIB)
        sub = await desk.hear(Kind.SUB)
        desk.say(Frame(kind=Kind.SUBBED, id=sub.id), told(2, answer=6))
        answer = await desk.hear(Kind.ANSWER)
        assert (answer.id, answer.payload) == (6, b"")

    play(story)


def test_an_answer_that_is_too_large_may_be_followed_by_another() -> None:
    async def story(desk: Desk) -> None:
        reader, _ = await listening(desk)
        desk.say(told(1, answer=5))
        event = await seen(reader)
        with pytest.raises(PayloadTooLarge):
            await event.answer("x" * 2 * MIB)
        await event.answer("short")
        answer = await desk.hear(Kind.ANSWER)
        assert (answer.id, answer.payload) == (5, b'"short"')
        reader.close()

    play(story)
