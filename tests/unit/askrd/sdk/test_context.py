"""A context says who asks, how long there is, and which chain of commands this is."""

import asyncio
import math
from typing import Any

import pytest

from askrd.sdk.context import CURRENT, Caller, Context, Inheritance, inherit
from askrd.sdk.service import Service
from askrd.wire.errors import DeadlineExceeded
from tests.unit.askrd.sdk.serving import Served, live

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def context(now: float = 0.0, **members: Any) -> Context:
    defaults: dict[str, Any] = {
        "service": "agent",
        "command": "fetch",
        "caller": Caller("term", "k3Tz9a"),
        "id": 7,
        "deadline": 30.0,
        "clock": lambda: now,
        "tell": lambda payload: None,
    }
    return Context(**{**defaults, **members})


def test_remaining_time_counts_down_to_zero() -> None:
    assert context(now=10.0).remaining == 20.0
    assert context(now=31.0).remaining == 0.0


def test_correlation_id_is_the_callers() -> None:
    assert context(headers={"askr-correlation": "abc"}).correlation_id == "abc"


def test_correlation_id_is_made_up_once() -> None:
    one = context()
    assert one.correlation_id == one.correlation_id
    assert one.correlation_id != context().correlation_id


@pytest.mark.parametrize(
    ("text", "sent_ms"), [("1700", 1700), ("", None), ("-1", None), ("²", None)]
)
def test_sent_time_is_what_the_caller_said(text, sent_ms) -> None:
    assert context(headers={"askr-sent": text}).sent_ms == sent_ms


def test_progress_goes_to_the_caller() -> None:
    told: list[Any] = []
    context(tell=told.append).progress({"done": 1})
    assert told == [{"done": 1}]


def test_caller_reads_like_a_stamp() -> None:
    assert str(context().caller) == "term@k3Tz9a"


def test_nested_command_inherits_time_correlation_and_depth() -> None:
    outer = context(now=10.0, hops=2, headers={"askr-correlation": "abc"})
    token = CURRENT.set(outer)
    try:
        nested = inherit("b.c", None, None)
        assert (nested.timeout, nested.hops) == (20.0, 3)
        assert nested.headers is not None
        assert nested.headers["askr-correlation"] == "abc"
        assert nested.headers["askr-sent"].isdigit()
        nested = inherit("b.c", 5.0, {"x": "y", "askr-correlation": "own"})
        assert nested.timeout == 5.0
        assert nested.headers is not None
        assert (nested.headers["x"], nested.headers["askr-correlation"]) == ("y", "own")
        assert inherit("b.c", 60.0, None).timeout == 20.0
        outer.is_answered = True
        assert inherit("b.c", None, None) == Inheritance(None, None, 0)
    finally:
        CURRENT.reset(token)


def test_command_out_of_time_sends_nothing_more() -> None:
    token = CURRENT.set(context(now=30.0))
    try:
        with pytest.raises(DeadlineExceeded, match=r"b\.c was not sent"):
            inherit("b.c", None, None)
    finally:
        CURRENT.reset(token)


def test_outside_a_command_nothing_is_inherited() -> None:
    assert inherit("b.c", 5.0, {"x": "y"}) == Inheritance(5.0, {"x": "y"}, 0)


def test_nested_commands_carry_the_place_in_the_trace() -> None:
    outer = context(headers={"traceparent": PARENT, "tracestate": "vendor=1"})
    token = CURRENT.set(outer)
    try:
        headers = inherit("b.c", None, None).headers
        assert headers is not None
        assert headers["traceparent"] == outer.traceparent != PARENT
        assert outer.traceparent.split("-")[1] == PARENT.split("-")[1]
        assert headers["tracestate"] == "vendor=1"
        headers = inherit("b.c", None, {"traceparent": PARENT}).headers
        assert headers is not None
        assert headers["traceparent"] == PARENT
    finally:
        CURRENT.reset(token)


def test_work_without_a_deadline_passes_none_on() -> None:
    token = CURRENT.set(context(deadline=math.inf))
    try:
        assert inherit("b.c", None, None).timeout is None
        assert inherit("b.c", 5.0, None).timeout == 5.0
    finally:
        CURRENT.reset(token)


def test_sheltered_context_is_the_same_without_a_deadline() -> None:
    outer = context(hops=2, headers={"traceparent": PARENT})
    inner = outer.sheltered()
    assert inner.remaining == math.inf
    assert (inner.correlation_id, inner.traceparent, inner.hops, inner.caller) == (
        outer.correlation_id, outer.traceparent, 2, outer.caller,
    )  # fmt: skip


def test_context_of_no_agent_cannot_shield() -> None:
    async def story() -> None:
        work = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="nobody answers this command"):
            await context().shield(work)
        work.close()

    asyncio.run(story())


def test_what_threads_wait_for_is_cancelled_with_the_command() -> None:
    async def story() -> None:
        outer = context()

        async def wait() -> None:
            task = asyncio.current_task()
            assert task is not None
            with outer.adopting(task):
                await asyncio.sleep(60)

        async with asyncio.TaskGroup() as group:
            task = group.create_task(wait())
            await asyncio.sleep(0)
            outer.cancel_nested()
        assert task.cancelled()
        outer.cancel_nested()

    asyncio.run(story())


def test_an_attempt_of_a_job_knows_which_it_is() -> None:
    service = Service("agent")

    @service.command(queue=True)
    async def grind(ctx: Context) -> list[Any]:
        return [ctx.job, ctx.attempt]

    async def story(served: Served) -> None:
        served.call("grind", options={"job": "17", "attempt": 2})

    assert live(service, story).outcome == ["17", 2]


def test_a_command_that_is_no_job_says_so() -> None:
    service = Service("agent")

    @service.command
    async def ask(ctx: Context) -> list[Any]:
        return [ctx.job, ctx.attempt]

    async def story(served: Served) -> None:
        served.call("ask")

    assert live(service, story).outcome == [None, 0]
