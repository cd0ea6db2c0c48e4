"""Every command gets exactly one answer, whatever its handler does."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from askrd.sdk.answering import Answering
from askrd.sdk.context import CURRENT, Context
from askrd.sdk.exchange import Exchange
from askrd.sdk.middleware import Middleware, Passage
from askrd.sdk.offers import Offers
from askrd.sdk.service import Service
from askrd.sdk.work import Work
from askrd.testing.virtual_time import VirtualTimeLoop
from askrd.wire.codec import decode
from askrd.wire.errors import CommandError, NoInstance, SchemaInvalid
from askrd.wire.frames import FLAG_SEALED, Coding, Frame, Kind
from askrd.wire.limits import MIB

SERVICE = Service("agent")


@SERVICE.command
async def double(number: int) -> int:
    return number * 2


@SERVICE.command
def inside(ctx: Context) -> list[str]:
    assert CURRENT.get() is ctx
    ctx.progress("half")
    return [str(ctx.caller), ctx.service, ctx.command, ctx.headers["a"], str(ctx.hops)]


@SERVICE.command
async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "rested"


@SERVICE.command
async def wrong() -> int:
    return "x"  # type: ignore[return-value]


@SERVICE.command
async def refuse(code: str = "quota", details: Any = None) -> None:
    raise CommandError(code, "No more today.", details={"left": details})


@SERVICE.command
async def crash() -> None:
    raise LookupError("secret")


@SERVICE.command
async def downstream() -> None:
    raise NoInstance("somebody else's trouble")


@SERVICE.command
async def other_schema() -> None:
    raise SchemaInvalid("somebody else's schema", at="request")


@SERVICE.command
async def gives_up() -> None:
    raise asyncio.CancelledError


@SERVICE.command
async def big(count: int) -> str:
    return "x" * count


@SERVICE.command
async def stubborn() -> str:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    return "stayed"


def find(name: str) -> Any:
    return SERVICE.commands.get(name.removeprefix("agent."))


def call(name: str, value: Any = None, **fields: Any) -> Frame:
    fields = {"id": 1, "ttl_ms": 30_000, "stamp": b"me@k3Tz9a", "head": b'{"a":"b"}', **fields}
    return Frame(
        kind=Kind.CALL, name=f"agent.{name}".encode(), payload=json.dumps(value).encode(),
        coding=Coding.JSON, **fields,
    )  # fmt: skip


def live(
    story: Callable[[Offers], Awaitable[Any]], *skins: Middleware, seconds: float = 100
) -> list[Frame]:
    """Runs a story in virtual time and returns the frames that were sent."""

    async def whole() -> list[Frame]:
        loop = asyncio.get_running_loop()
        work, exchange = Work("agent", loop), Exchange()
        exchange.open(b"")
        exchange.take()
        exchange.payload_bytes_max = MIB
        offers = Offers(exchange)
        answering = Answering(loop=loop, work=work, find=find, skins=skins, offers=offers)
        offers.on_call, offers.on_cancel = answering.take, answering.cancel
        await story(offers)
        await work.finish(seconds)
        assert answering.calls == {}
        work.close()
        assert offers.asked == 0
        return [decode(data) for data in exchange.take()]

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(whole())


def answers(*frames: Frame, skins: tuple[Middleware, ...] = ()) -> list[Frame]:
    async def story(offers: Offers) -> None:
        for frame in frames:
            offers.take_call(frame)

    return live(story, *skins)


def failure(*frames: Frame) -> dict[str, Any]:
    (answer,) = answers(*frames)
    assert (answer.kind, answer.id) == (Kind.FAIL, 1)
    return json.loads(answer.payload)


def test_result_is_the_reply() -> None:
    (answer,) = answers(call("double", 21, id=7))
    assert answer == Frame(kind=Kind.REPLY, id=7, payload=b"42", coding=Coding.JSON)


def test_synchronous_handler_sees_its_context_and_tells_progress_first() -> None:
    progress, reply = answers(call("inside", hops=3))
    assert (progress.kind, progress.payload) == (Kind.PROGRESS, b'"half"')
    assert json.loads(reply.payload) == ["me@k3Tz9a", "agent", "inside", "b", "3"]


def test_commands_run_at_once() -> None:
    frames = answers(call("slow", 2.0, id=1), call("slow", 1.0, id=2), call("double", 1, id=3))
    assert [frame.id for frame in frames] == [3, 2, 1]


def test_an_id_that_comes_twice_is_answered_once() -> None:
    (answer,) = answers(call("double", 1, id=5), call("double", 2, id=5))
    assert (answer.id, answer.payload) == (5, b"4")


def test_request_that_does_not_fit_never_reaches_the_handler() -> None:
    body = failure(call("double", "x"))
    assert (body["code"], body["at"]) == ("schema_invalid", "request")
    assert body["details"] == {"path": "$", "expected": "int"}


def test_result_that_does_not_fit_is_not_sent() -> None:
    body = failure(call("wrong"))
    assert (body["code"], body["at"]) == ("schema_invalid", "response")


def test_command_error_crosses_as_it_is() -> None:
    assert failure(call("refuse", {"details": 0})) == {
        "code": "quota", "message": "No more today.", "details": {"left": 0}, "at": "handler",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["crash", "downstream", "other_schema", "gives_up"])
def test_any_other_error_is_told_without_internals_and_logged(name, caplog) -> None:
    body = failure(call(name))
    assert body == {
        "code": "handler_error", "at": "handler",
        "message": f"agent.{name} failed unexpectedly; its own log says more",
    }  # fmt: skip
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"agent.{name}" in record.getMessage()


@pytest.mark.parametrize("value", [{"code": "Not A Code"}, {"code": "x" * 65}])
def test_code_that_breaks_the_grammar_is_a_handler_error(value) -> None:
    assert failure(call("refuse", value))["code"] == "handler_error"


def test_cancel_reaches_the_handler_and_is_answered() -> None:
    async def story(offers: Offers) -> None:
        offers.take_call(call("slow", 60.0))
        await asyncio.sleep(1)
        offers.take_cancel(Frame(kind=Kind.CANCEL, id=1, payload=b'{"reason":"caller"}'))
        offers.take_cancel(Frame(kind=Kind.CANCEL, id=99))

    (answer,) = live(story)
    assert json.loads(answer.payload)["code"] == "cancelled"


def test_deadline_is_kept_locally_too() -> None:
    async def story(offers: Offers) -> None:
        offers.take_call(call("slow", 60.0, ttl_ms=1500))
        await asyncio.sleep(1.6)
        assert offers.asked == 1
        await asyncio.sleep(0.3)
        assert offers.asked == 0

    (answer,) = live(story)
    assert json.loads(answer.payload)["code"] == "deadline_exceeded"


def test_handler_that_survives_its_cancellation_still_answers_once() -> None:
    async def story(offers: Offers) -> None:
        offers.take_call(call("stubborn"))
        await asyncio.sleep(1)
        offers.take_cancel(Frame(kind=Kind.CANCEL, id=1))

    (answer,) = live(story)
    assert (answer.kind, answer.payload) == (Kind.REPLY, b'"stayed"')


def test_lost_connection_cancels_and_answers_nobody() -> None:
    async def story(offers: Offers) -> None:
        offers.take_call(call("slow", 60.0))
        await asyncio.sleep(1)
        offers.connection_lost()

    assert live(story) == []


def test_draining_instance_takes_nothing_new() -> None:
    async def story(offers: Offers) -> None:
        offers.take_call(call("slow", 1.0, id=1))
        offers.on_call.__self__.is_draining = True
        offers.take_call(call("double", 1, id=2))

    refused, finished = live(story)
    assert (refused.id, json.loads(refused.payload)["code"]) == (2, "draining")
    assert json.loads(refused.payload)["retryable"] is True
    assert (finished.id, finished.payload) == (1, b'"rested"')


def test_unknown_command_and_sealed_payload_are_refused() -> None:
    assert failure(call("nope"))["code"] == "command_unknown"
    assert failure(call("double", 1, flags=FLAG_SEALED))["code"] == "unseal_failed"


def test_result_above_what_can_be_joined_is_said_to_be_so(monkeypatch) -> None:
    monkeypatch.setattr("askrd.sdk.answering.GATHERED_BYTES_MAX", MIB)
    body = failure(call("big", MIB))
    assert (body["code"], body["at"]) == ("payload_too_large", "response")


def test_middleware_sees_and_changes_what_passes() -> None:
    seen: list[Any] = []

    async def skin(passage: Passage, call_next: Any) -> Any:
        seen.append((passage.kind, passage.name, passage.payload, passage.headers))
        passage.payload += 1
        return await call_next() + 1

    (answer,) = answers(call("double", 10), skins=(skin,))
    assert answer.payload == b"23"
    assert seen == [("command", "agent.double", 10, {"a": "b"})]


def test_middleware_passes_an_untouched_payload_on() -> None:
    async def skin(passage: Passage, call_next: Any) -> Any:
        return await call_next()

    (answer,) = answers(call("double", 10), skins=(skin,))
    assert answer.payload == b"20"
