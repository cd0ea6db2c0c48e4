"""Answers to an event come as rows, in order, and end with the word of the daemon."""

import asyncio
from typing import Any

import pytest

from askrd.sdk.values import Emitted, Row
from askrd.wire.bodies import dump
from askrd.wire.errors import BadRequest, Forbidden
from askrd.wire.frames import Coding, Kind
from tests.unit.askrd.sdk.desk import Desk, answer, play
from tests.unit.askrd.sdk.talk import fail


def emitted(id_: int, receivers: int, answers: int) -> Any:
    said = {"receivers": receivers, "seq": 5, "answers": answers}
    return answer(Kind.EMITTED, id_, dump(said), stamp=b"")


def test_answers_are_rows_as_they_come_and_the_daemon_has_the_last_word() -> None:
    async def story(desk: Desk) -> None:
        async with desk.client.collecting("WHO", {"a": 1}, timeout=3, headers={"x": "y"}) as rows:
            emit = await desk.hear(Kind.EMIT)
            assert (emit.ttl_ms, emit.options, emit.head) == (
                3000, b'{"collect":true}', b'{"x":"y"}',
            )  # fmt: skip
            assert emit.payload == b'{"a":1}'
            desk.say(answer(Kind.ANSWER, emit.id, b"1"))
            first = await anext(rows)
            assert (first.service, first.instance, first.value) == ("agent", "aaaaaa", 1)
            assert rows.emitted is None
            desk.say(
                answer(Kind.ANSWER, emit.id, b""),
                answer(Kind.ANSWER, emit.id, b"raw", Coding.BYTES),
                emitted(emit.id, 3, 2),
            )
            assert [row.value async for row in rows] == [b"raw"]
            assert rows.emitted == Emitted(3, 5, 2)

    play(story)


def test_collect_is_a_list_and_a_misfit_is_a_row_that_failed() -> None:
    async def story(desk: Desk) -> None:
        async def listeners() -> None:
            emit = await desk.hear(Kind.EMIT)
            assert emit.ttl_ms == 2000
            desk.say(
                answer(Kind.ANSWER, emit.id, b"1"),
                answer(Kind.ANSWER, emit.id, b'"x"'),
                emitted(emit.id, 2, 2),
            )

        (good, bad), _ = await asyncio.gather(desk.client.collect("WHO", as_=int), listeners())
        assert good == Row("agent", "aaaaaa", ok=True, value=1, ms=good.ms)
        assert (bad.ok, bad.error is not None) == (False, True)

    play(story)


def test_a_refusal_is_raised() -> None:
    async def story(desk: Desk) -> None:
        async def refuse() -> None:
            desk.say(fail((await desk.hear(Kind.EMIT)).id, "forbidden"))

        with pytest.raises(Forbidden):
            await asyncio.gather(desk.client.collect("WHO"), refuse())

    play(story)


def test_leaving_early_forgets_the_answers() -> None:
    async def story(desk: Desk) -> None:
        async with desk.client.collecting("WHO") as rows:
            emit = await desk.hear(Kind.EMIT)
        desk.say(answer(Kind.ANSWER, emit.id, b"1"), emitted(emit.id, 1, 1))
        assert [row async for row in rows] == []
        assert await desk.silence() == []

    play(story)


@pytest.mark.parametrize("timeout", [0, -1, 61])
def test_a_time_that_cannot_be_is_refused(timeout: float) -> None:
    async def story(desk: Desk) -> None:
        with pytest.raises(BadRequest, match="timeout"):
            desk.client.collecting("WHO", timeout=timeout)

    play(story)


def test_retaining_waits_for_the_daemons_word() -> None:
    async def story(desk: Desk) -> None:
        async def store() -> None:
            emit = await desk.hear(Kind.EMIT)
            assert emit.options == b'{"retain":true}'
            desk.say(emitted(emit.id, 1, 0))

        told, _ = await asyncio.gather(desk.client.emit("T", 1, retain=True), store())
        assert told == Emitted(1, 5)

    play(story)
