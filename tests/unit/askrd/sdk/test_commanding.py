"""How an asynchronous client asks, tells and is answered, frame by frame."""

import asyncio
from typing import Any

import pytest

from askrd.sdk.values import Row
from askrd.wire.bodies import CallOptions, load
from askrd.wire.errors import BadRequest, CommandError, LimitExceeded, SchemaInvalid
from askrd.wire.frames import FLAG_KEPT, FLAG_MORE, FLAG_SILENT, Frame, Kind
from tests.unit.askrd.sdk.desk import Desk, answer, play
from tests.unit.askrd.sdk.talk import fail


def asking(coroutine: Any) -> "asyncio.Task[Any]":
    return asyncio.get_running_loop().create_task(coroutine)


def options_of(call: Frame) -> CallOptions:
    return load(CallOptions, call.options, "options")


def row(id_: int, value: bytes) -> Frame:
    return answer(Kind.REPLY, id_, value, flags=FLAG_MORE)


def failed_row(id_: int) -> Frame:
    return answer(Kind.FAIL, id_, b'{"code":"sold_out","at":"handler"}', flags=FLAG_MORE)


def test_a_plain_command_says_no_more_than_it_must() -> None:
    async def story(desk: Desk) -> None:
        task = asking(desk.client.send("agent.fetch", 1))
        call = await desk.hear(Kind.CALL)
        assert (call.options, call.head, call.flags, call.ttl_ms) == (b"", b"", 0, 0)
        desk.say(answer(Kind.REPLY, call.id, b"2"))
        assert await task == 2

    play(story)


def test_every_wish_is_an_option() -> None:
    async def story(desk: Desk) -> None:
        task = asking(
            desk.client.call(
                "agent.fetch", 1, timeout=2, key="k", idempotency_key="i", wait=True, version="^2",
                exclude=["a1"], headers={"x": "y"},
            )
        )  # fmt: skip
        call = await desk.hear(Kind.CALL)
        assert options_of(call) == CallOptions(
            key="k", idempotency_key="i", wait_ms=2000, version="^2", exclude=["a1"]
        )
        assert (call.ttl_ms, call.head) == (2000, b'{"x":"y"}')
        desk.say(answer(Kind.REPLY, call.id, b"2", flags=FLAG_KEPT))
        outcome = await task
        assert (outcome.value, outcome.kept, outcome.service) == (2, True, "agent")

    play(story)


@pytest.mark.parametrize(
    "wish",
    [
        {"key": "k"}, {"idempotency_key": "i"}, {"wait": 1.0}, {"version": "2"},
        {"exclude": "a1"}, {"ack": True},
    ],
)  # fmt: skip
def test_each_wish_alone_is_said(wish: dict[str, Any]) -> None:
    async def story(desk: Desk) -> None:
        task = asking(desk.client.send("agent.fetch", **wish))
        call = await desk.hear(Kind.CALL)
        assert options_of(call) != CallOptions()
        desk.say(answer(Kind.REPLY, call.id))
        assert await task is None

    play(story)


def test_what_is_told_is_silent_and_knows_who_took_it() -> None:
    async def story(desk: Desk) -> None:
        task = asking(desk.client.tell("agent.reload", 1, key="k"))
        call = await desk.hear(Kind.CALL)
        assert call.flags & FLAG_SILENT
        assert options_of(call) == CallOptions(key="k")
        desk.say(answer(Kind.REPLY, call.id))
        outcome = await task
        assert (outcome.value, outcome.instance) == (None, "aaaaaa")

    play(story)


def test_several_can_be_told_at_once() -> None:
    async def story(desk: Desk) -> None:
        task = asking(desk.client.tell("agent@*.reload"))
        call = await desk.hear(Kind.CALL)
        assert call.name == b"agent@*.reload"
        desk.say(answer(Kind.REPLY, call.id, b'{"ok":2,"failed":0,"lost":0}'))
        assert (await task).value is None

    play(story)


def test_a_declared_broadcast_is_a_list_of_the_good_values() -> None:
    async def story(desk: Desk) -> None:
        task = asking(desk.client.send("agent.who"))
        id_ = (await desk.hear(Kind.CALL)).id
        desk.say(row(id_, b"1"), failed_row(id_), row(id_, b"2"), answer(Kind.REPLY, id_, b"{}"))
        assert await task == [1, 2]
        task = asking(desk.client.send("agent.who"))
        id_ = (await desk.hear(Kind.CALL)).id
        desk.say(failed_row(id_), answer(Kind.REPLY, id_, b"{}"))
        with pytest.raises(CommandError):
            await task

    play(story)


def test_rows_and_progress_are_told_as_they_come() -> None:
    async def story(desk: Desk) -> None:
        rows, told = list[Row](), list[Any]()
        task = asking(
            desk.client.call("agent.who", as_=int, on_progress=told.append, on_row=rows.append)
        )
        id_ = (await desk.hear(Kind.CALL)).id
        desk.say(answer(Kind.PROGRESS, id_, b"10"), failed_row(id_), row(id_, b"2"))
        assert told == [10]
        assert [(row.ok, row.value) for row in rows] == [(False, None), (True, 2)]
        desk.say(answer(Kind.REPLY, id_, b"{}"))
        assert (await task).value == [2]

    play(story)


@pytest.mark.parametrize("verb", ["send", "call"])
def test_several_instances_are_surveyed_and_not_sent_to(verb: str) -> None:
    async def story(desk: Desk) -> None:
        with pytest.raises(
            BadRequest, match=r"'agent@\*.fetch' asks several instances: use survey"
        ):
            await getattr(desk.client, verb)("agent@*.fetch")
        assert await desk.silence() == []

    play(story)


def test_a_cancelled_command_is_cancelled_there() -> None:
    async def story(desk: Desk) -> None:
        for ask in (
            lambda: desk.client.send("agent.fetch"),
            lambda: desk.client.send("agent.fetch", key="k"),
            lambda: desk.client.call("agent.fetch"),
        ):
            task = asking(ask())
            id_ = (await desk.hear(Kind.CALL)).id
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await desk.hear(Kind.CANCEL)).id == id_

    play(story)


def test_a_failure_with_wishes_is_a_failure() -> None:
    async def story(desk: Desk) -> None:
        task = asking(desk.client.send("agent.fetch", key="k"))
        id_ = (await desk.hear(Kind.CALL)).id
        desk.say(fail(id_, "limit_exceeded"))
        with pytest.raises(LimitExceeded):
            await task

    play(story)


@pytest.mark.parametrize("what", ["on_progress", "on_row"])
def test_what_a_function_raises_that_is_told_ends_its_command_alone(what: str) -> None:
    async def story(desk: Desk) -> None:
        def broken(_: Any) -> None:
            raise ZeroDivisionError

        told: dict[str, Any] = {what: broken}
        failing = asking(desk.client.call("agent.fetch", 1, **told))
        first = await desk.hear(Kind.CALL)
        other = asking(desk.client.send("agent.fetch", 2))
        second = await desk.hear(Kind.CALL)
        news = row(first.id, b"1")
        if what == "on_progress":
            news = answer(Kind.PROGRESS, first.id, b"1")
        desk.say(news, answer(Kind.REPLY, second.id, b"2"))
        with pytest.raises(ZeroDivisionError):
            await failing
        assert await other == 2
        assert (await desk.hear(Kind.CANCEL)).id == first.id

    play(story)


def test_progress_that_cannot_be_read_ends_its_command_alone() -> None:
    async def story(desk: Desk) -> None:
        failing = asking(desk.client.call("agent.fetch", 1, on_progress=print))
        call = await desk.hear(Kind.CALL)
        desk.say(answer(Kind.PROGRESS, call.id, b"{"))
        with pytest.raises(SchemaInvalid):
            await failing
        assert desk.client.is_connected

    play(story)
