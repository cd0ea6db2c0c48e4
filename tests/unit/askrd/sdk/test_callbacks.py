"""Functions given to a client by `on` miss nothing of what the daemon tells them first."""

import asyncio
from typing import Any

import pytest

from askrd import Client
from askrd.testing.memory_daemon import MemoryDaemon
from askrd.testing.memory_transport import URL, MemoryDoor
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.bodies import Gap, dump
from askrd.wire.frames import Coding, Frame, Kind
from tests.unit.askrd.sdk.desk import Desk, play
from tests.unit.askrd.sdk.talk import event, fail


def test_what_comes_with_the_welcome_is_heard() -> None:
    async def whole() -> None:
        daemon = MemoryDaemon()
        async with Client(URL, dial=MemoryDoor(daemon)) as first:
            await first.emit("a", 1, retain=True)
            told: list[Any] = []
            client = Client(URL, dial=MemoryDoor(daemon))
            client.on("a", lambda event: told.append(event.payload))
            async with client:
                await asyncio.sleep(0.1)
                assert told == [1]
        daemon.stop()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(whole())


def test_one_that_the_daemon_refuses_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def story(desk: Desk) -> None:
        def note(event: object) -> None:
            raise AssertionError(event)

        desk.client.on("X", note, log="orders")
        sub = await desk.hear(Kind.SUB)
        desk.say(fail(sub.id, "not_found"))
        (record,) = caplog.records
        assert "note listens no more" in record.getMessage()

    play(story)


def test_a_function_for_gaps_that_fails_loses_nothing() -> None:
    async def story(desk: Desk) -> None:
        failed: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, what: failed.append(what["exception"]))

        def broken(_: object) -> None:
            raise ZeroDivisionError

        told: list[int] = []
        desk.client.on_gap = broken
        desk.client.on("X", lambda event: told.append(event.seq))
        sub = await desk.hear(Kind.SUB)
        desk.say(Frame(kind=Kind.SUBBED, id=sub.id))
        gap = Frame(kind=Kind.GAP, payload=dump(Gap(missed=1)), coding=Coding.JSON)
        desk.say(gap, event(7, "X", b"1"))
        await asyncio.sleep(0.1)
        assert told == [7]
        assert [type(each) for each in failed] == [ZeroDivisionError]

    play(story)
