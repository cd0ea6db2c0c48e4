"""The rows of a command that several instances are asked, taken in the event loop."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from askrd.sdk.values import Row
from askrd.wire.bodies import CallOptions, Summary, load
from askrd.wire.errors import CommandError, InstanceLost, NoInstance, SchemaInvalid
from askrd.wire.frames import FLAG_MORE, Frame, Kind
from tests.unit.askrd.sdk.desk import Desk, answer, play
from tests.unit.askrd.sdk.talk import fail


def row(id_: int, instance: str, value: bytes) -> Frame:
    return answer(Kind.REPLY, id_, value, flags=FLAG_MORE, stamp=f"agent@{instance}".encode())


def failed(id_: int, instance: str, body: bytes) -> Frame:
    return answer(Kind.FAIL, id_, body, flags=FLAG_MORE, stamp=f"agent@{instance}".encode())


def summary(id_: int, ok: int, failed: int, lost: int) -> Frame:
    body = f'{{"ok":{ok},"failed":{failed},"lost":{lost}}}'.encode()
    return answer(Kind.REPLY, id_, body, stamp=b"$askr@dddddd")


def playing(answers: Callable[[int], list[Frame]], story: Callable[[Desk], Awaitable[Any]]) -> None:
    """Plays a story in which the daemon answers the first command so."""

    async def whole(desk: Desk) -> None:
        import asyncio

        async with asyncio.TaskGroup() as group:
            group.create_task(say(desk))
            await story(desk)

    async def say(desk: Desk) -> None:
        desk.say(*answers((await desk.hear(Kind.CALL)).id))

    play(whole)


def test_every_member_has_its_row() -> None:
    def answers(id_: int) -> list[Frame]:
        sold_out = b'{"code":"sold_out","message":"no","at":"handler"}'
        lost = b'{"code":"instance_lost","message":"gone","at":"daemon"}'
        return [
            row(id_, "a1", b"1"), failed(id_, "b2", sold_out), failed(id_, "c3", lost),
            summary(id_, 1, 2, 1),
        ]  # fmt: skip

    async def story(desk: Desk) -> None:
        survey = desk.client.survey("agent.status")
        assert survey.summary is None
        first, second, third = [row async for row in survey]
        assert (first.service, first.instance, first.ok, first.value) == ("agent", "a1", True, 1)
        assert first.ms >= 0
        assert first.error is None
        assert (second.instance, second.ok, second.value) == ("b2", False, None)
        assert isinstance(second.error, CommandError)
        assert isinstance(third.error, InstanceLost)
        assert survey.summary == Summary(ok=1, failed=2, lost=1)

    playing(answers, story)


def test_awaiting_it_gives_all_rows() -> None:
    def answers(id_: int) -> list[Frame]:
        return [row(id_, "a1", b"1"), row(id_, "b2", b"2"), summary(id_, 2, 0, 0)]

    async def story(desk: Desk) -> None:
        rows = await desk.client.survey("agent.status")
        assert [type(row) for row in rows] == [Row, Row]
        assert [row.value for row in rows] == [1, 2]

    playing(answers, story)


def test_a_value_that_does_not_fit_fails_its_row_only() -> None:
    def answers(id_: int) -> list[Frame]:
        return [row(id_, "a1", b'"x"'), row(id_, "b2", b"2"), summary(id_, 2, 0, 0)]

    async def story(desk: Desk) -> None:
        bad, good = await desk.client.survey("agent.status", as_=int)
        assert isinstance(bad.error, SchemaInvalid)
        assert bad.error.instance == "agent@a1"
        assert good.value == 2

    playing(answers, story)


def test_nobody_to_ask_is_an_error() -> None:
    async def story(desk: Desk) -> None:
        with pytest.raises(NoInstance):
            await desk.client.survey("agent.status")

    playing(lambda id_: [fail(id_, "no_instance", at="daemon")], story)


def test_what_is_wanted_is_said() -> None:
    async def story(desk: Desk) -> None:
        survey = desk.client.survey(
            "agent@{zone=eu}.status", timeout=2.0, quorum=2, exclude="a1", version="^2", ack=True
        )
        await survey.begin()
        call = await desk.hear(Kind.CALL)
        assert load(CallOptions, call.options, "options") == CallOptions(
            all=True, quorum=2, exclude=["a1"], version="^2", reply="ack"
        )
        assert (call.name, call.ttl_ms) == (b"agent@{zone=eu}.status", 2000)
        survey.close()

    play(story)


def test_leaving_early_cancels_it() -> None:
    async def story(desk: Desk) -> None:
        async with desk.client.survey("agent@*.status") as survey:
            id_ = (await desk.hear(Kind.CALL)).id
            desk.say(row(id_, "a1", b"1"))
            async for _ in survey:
                break
        assert (await desk.hear(Kind.CANCEL)).id == id_
        assert survey.summary is None

    play(story)
