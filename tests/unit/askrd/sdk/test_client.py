"""What the asynchronous client does by itself with several requests."""

import asyncio

from askrd.wire.bodies import Gap, dump
from askrd.wire.frames import Coding, Frame, Kind
from tests.unit.askrd.sdk.desk import Desk, answer, play


async def asked_for_services(desk: Desk, rows: bytes) -> None:
    call = await desk.hear(Kind.CALL)
    assert call.name == b"$askr.services"
    desk.say(answer(Kind.REPLY, call.id, rows))


def test_waiting_for_a_service_looks_again_where_news_may_be_missing() -> None:
    async def story(desk: Desk) -> None:
        waiting = asyncio.get_running_loop().create_task(desk.client.wait_for("agent"))
        sub = await desk.hear(Kind.SUB)
        desk.say(Frame(kind=Kind.SUBBED, id=sub.id))
        await asked_for_services(desk, b"[]")
        assert await desk.silence() == []
        missed = Gap(missed=1, from_=2, to=2, subjects={"$askr.service.changed": 1})
        desk.say(Frame(kind=Kind.GAP, payload=dump(missed), coding=Coding.JSON))
        await asked_for_services(desk, b'[{"service":"agent","state":"active"}]')
        assert (await waiting)["service"] == "agent"

    play(story)
