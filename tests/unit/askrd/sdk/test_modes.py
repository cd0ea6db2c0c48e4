"""Commands that are told, accepted and put in a row: frames in, frames out."""

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest

from askrd.sdk.context import CURRENT, Context
from askrd.sdk.service import Service
from askrd.wire.errors import CommandError
from askrd.wire.frames import FLAG_MORE, Kind
from tests.unit.askrd.sdk.serving import Served, live, soon, value_in

SERVICE = Service("agent")
DONE: list[Any] = []
GO_ON = threading.Event()


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


@SERVICE.command("accept", reply="ack", timeout=5)
async def accepted(seconds: float) -> None:
    await asyncio.sleep(seconds)
    DONE.append("accepted")


@SERVICE.command
async def fail() -> None:
    raise CommandError("quota", "No more today.")


@SERVICE.command
async def size(data: bytes) -> int:
    return len(data)


@SERVICE.command(serial=True)
async def one_by_one(number: int) -> None:
    DONE.append(f"begin {number}")
    await asyncio.sleep(10)
    DONE.append(f"end {number}")


@SERVICE.command(serial=True)
def one_by_one_in_thread(number: int) -> None:
    DONE.append(f"begin {number}")
    assert GO_ON.wait(10)
    DONE.append(f"end {number}")


@SERVICE.command(serial="key")
async def by_key(key: str = "a") -> None:
    DONE.append(f"begin {key}")
    await asyncio.sleep(10)
    DONE.append(f"end {key}")


@SERVICE.command
async def guarded(ctx: Context) -> None:
    async def save() -> str:
        await asyncio.sleep(50)
        inside = CURRENT.get()
        assert inside is not None
        DONE.append((inside.remaining, inside.traceparent == ctx.traceparent))
        return "saved"

    with suppress(asyncio.CancelledError):
        await ctx.shield(save())
        DONE.append("not cancelled")


def test_a_command_that_is_told_runs_and_says_nothing() -> None:
    async def story(served: Served) -> None:
        served.tell("work", {"seconds": 60})
        served.tell("work", {"seconds": 1}, ttl_ms=0)

    served = live(SERVICE, story)
    assert served.told == []
    assert DONE == [float("inf"), float("inf")]


def test_failure_of_a_command_that_is_told_is_logged(caplog) -> None:
    async def story(served: Served) -> None:
        served.tell("fail")
        served.tell("nope")
        served.tell("size", "x", options={"upload": "payload"})

    assert live(SERVICE, story).told == []
    logged = [record.getMessage() for record in caplog.records]
    assert [line.partition(" failed")[0] for line in logged] == [
        "agent.nope", "agent.size", "agent.fail",
    ]  # fmt: skip


def test_accepted_command_frees_its_caller_and_goes_on() -> None:
    async def story(served: Served) -> None:
        served.call("accept", {"seconds": 3}, ttl_ms=100)
        await soon(lambda: served.told)
        (freed,) = served.told
        assert (freed.kind, freed.flags, freed.payload) == (Kind.REPLY, FLAG_MORE, b"")
        assert DONE == []
        served.cancel("caller")
        await asyncio.sleep(1)

    served = live(SERVICE, story)
    assert DONE == ["accepted"]
    assert served.outcome is None


def test_arguments_that_do_not_fit_are_not_accepted() -> None:
    async def story(served: Served) -> None:
        served.call("accept", {"seconds": "x"})

    served = live(SERVICE, story)
    assert [frame.kind for frame in served.told] == [Kind.FAIL]
    assert served.outcome["code"] == "schema_invalid"


def test_accepted_command_ends_by_the_timeout_of_its_service() -> None:
    async def story(served: Served) -> None:
        served.call("accept", {"seconds": 60})
        await asyncio.sleep(4.9)
        assert served.offers.asked == 1
        await asyncio.sleep(1)
        assert served.offers.asked == 0

    served = live(SERVICE, story)
    assert (served.outcome["code"], DONE) == ("deadline_exceeded", [])


def test_caller_may_take_less_than_a_value() -> None:
    async def story(served: Served) -> None:
        served.call("work", {"seconds": 60}, options={"reply": "ack"}, ttl_ms=1000)

    served = live(SERVICE, story)
    assert [frame.flags for frame in served.told] == [FLAG_MORE, 0]
    assert (served.outcome, DONE) == (None, [float("inf")])


def test_failure_after_the_acceptance_is_the_outcome() -> None:
    async def story(served: Served) -> None:
        served.call("fail", options={"reply": "ack"})

    served = live(SERVICE, story)
    assert [frame.kind for frame in served.told] == [Kind.REPLY, Kind.FAIL]
    assert served.outcome["code"] == "quota"


def test_accepted_command_survives_the_connection_and_answers_nobody() -> None:
    async def story(served: Served) -> None:
        served.call("accept", {"seconds": 3})
        await soon(lambda: served.told)
        served.offers.connection_lost()
        served.call("size", b"abc")
        await asyncio.sleep(1)

    served = live(SERVICE, story)
    assert DONE == ["accepted"]
    assert [value_in(frame) for frame in served.told] == [None, 3]


def test_draining_cancels_accepted_commands_in_the_end() -> None:
    async def story(served: Served) -> None:
        served.call("work", {"seconds": 60}, options={"reply": "ack"})
        await soon(lambda: served.told)
        served.answering.cancel_all("draining")

    assert live(SERVICE, story).outcome["code"] == "cancelled"
    assert DONE == ["cancelled"]


def test_options_that_are_none_are_refused() -> None:
    async def story(served: Served) -> None:
        served.call("work", {"seconds": 1}, id=1, options={"nope": 1})
        served.call("work", {"seconds": 1}, id=2, options={"upload": "letters"})

    told = live(SERVICE, story).told
    assert [value_in(frame)["code"] for frame in told] == ["bad_request"] * 2
    assert "unknown field `nope`" in value_in(told[0])["message"]
    assert DONE == []


def test_caller_may_not_take_more_than_declared() -> None:
    async def story(served: Served) -> None:
        served.call("work", {"seconds": 1}, id=1, options={"reply": "stream"})
        served.call("accept", {"seconds": 1}, id=2, options={"reply": "value"})
        served.call("work", {"seconds": 1}, id=3, options={"reply": "letter"})

    told = live(SERVICE, story).told
    assert [value_in(frame)["message"] for frame in told] == [
        "agent.work answers with 'value', not with 'stream'",
        "agent.accept answers with 'ack', not with 'value'",
        "agent.work answers with 'value', not with 'letter'",
    ]


def test_serial_commands_run_one_after_another_in_the_order_they_came() -> None:
    async def story(served: Served) -> None:
        for id_ in (1, 2, 3):
            served.call("one_by_one", id_, id=id_, ttl_ms=60_000)

    assert [frame.id for frame in live(SERVICE, story).told] == [1, 2, 3]
    assert DONE == ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]


def test_serial_by_an_argument_holds_up_only_those_with_an_equal_one() -> None:
    async def story(served: Served) -> None:
        for id_, payload in enumerate([{"key": "a"}, {"key": "b"}, None, "b"], 1):
            served.call("by_key", payload, id=id_)

    assert len(live(SERVICE, story).told) == 4
    assert DONE == [
        "begin a", "begin b", "end a", "end b", "begin a", "begin b", "end a", "end b",
    ]  # fmt: skip


def test_serial_command_whose_deadline_passes_while_it_waits_never_runs() -> None:
    async def story(served: Served) -> None:
        served.call("one_by_one", 1, id=1)
        served.call("one_by_one", 2, id=2, ttl_ms=5_000)
        served.call("one_by_one", 3, id=3, ttl_ms=9_900)
        await asyncio.sleep(6)
        assert [(frame.id, value_in(frame)["code"]) for frame in served.told] == [
            (2, "deadline_exceeded")
        ]

    served = live(SERVICE, story)
    assert [(frame.id, frame.kind) for frame in served.told[1:]] == [
        (1, Kind.REPLY), (3, Kind.FAIL),
    ]  # fmt: skip
    assert DONE == ["begin 1", "end 1"]


def test_cancelled_serial_command_gives_up_its_place() -> None:
    async def story(served: Served) -> None:
        for id_ in (1, 2, 3):
            served.call("one_by_one", id_, id=id_)
        await asyncio.sleep(1)
        served.cancel(id_=2)
        served.cancel(id_=1)

    live(SERVICE, story)
    assert DONE == ["begin 1", "begin 3", "end 3"]


def test_serial_plain_function_holds_its_row_until_its_thread_has_ended() -> None:
    GO_ON.clear()

    async def story(served: Served) -> None:
        for id_ in (1, 2):
            served.call("one_by_one_in_thread", id_, id=id_)
        await soon(lambda: DONE)
        served.cancel(id_=1)
        await soon(lambda: served.told)
        assert DONE == ["begin 1"]
        GO_ON.set()

    served = live(SERVICE, story, is_virtual=False)
    assert [frame.kind for frame in served.told] == [Kind.FAIL, Kind.REPLY]
    assert DONE == ["begin 1", "end 1", "begin 2", "end 2"]


def test_what_is_shielded_finishes_without_a_deadline() -> None:
    async def story(served: Served) -> None:
        served.call("guarded", ttl_ms=1000)

    assert live(SERVICE, story).outcome is None
    assert DONE == [(float("inf"), True)]
