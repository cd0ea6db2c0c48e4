"""An agent asks as a client does: through its middleware, from its loop and from its threads."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from askrd import Askr, BadRequest, Passage, Upload
from askrd.testing import TestAskr, run

DOUBLED = [0, 2, 4]


def flow() -> Askr:
    agent = Askr("flow")

    @agent.command
    async def double(data: Upload[int]) -> AsyncIterator[int]:
        async for number in data:
            yield 2 * number

    @agent.command
    async def count(to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    @agent.command
    async def echo(value: Any) -> Any:
        return value

    return agent


def front(ask: Any) -> Askr:
    """An agent whose one command asks as it is told."""
    agent = Askr("front")

    async def in_the_loop() -> Any:
        return await ask(agent)

    def in_a_thread() -> Any:
        return ask(agent)

    agent.command("ask")(in_the_loop if asyncio.iscoroutinefunction(ask) else in_a_thread)
    return agent


def answer_of(ask: Any, prepare: Any = None) -> Any:
    async def story() -> Any:
        agent = front(ask)
        if prepare is not None:
            prepare(agent)
        async with TestAskr(flow(), agent) as askr:
            return await askr.send("front.ask")

    return run(story())


def test_a_coroutine_streams_surveys_and_tells() -> None:
    async def ask(agent: Askr) -> Any:
        doubled = [n async for n in agent.stream("flow.double", upload=range(3))]
        rows = await agent.survey("flow.echo", 1)
        told = await agent.tell("flow.echo", 1)
        acknowledged = await agent.send("flow.echo", 1, key="k", wait=1)
        return [doubled, [row.value for row in rows], told.service, acknowledged]

    assert answer_of(ask) == [DOUBLED, [1], "flow", 1]


def test_a_plain_function_streams_surveys_and_tells() -> None:
    def numbers() -> Iterator[int]:
        yield from range(3)

    def ask(agent: Askr) -> Any:
        with agent.sync.stream("flow.double", upload=numbers()) as items:
            doubled = list(items)
        assert items.outcome is not None
        rows = agent.sync.survey("flow.echo", 1)
        told = agent.sync.tell("flow.echo", 1)
        return [doubled, items.value, [row.value for row in rows], told.service]

    assert answer_of(ask) == [DOUBLED, None, [1], "flow"]


def test_a_plain_function_may_leave_a_stream_early() -> None:
    def ask(agent: Askr) -> Any:
        with agent.sync.stream("flow.count", {"to": 10**9}) as items:
            return [next(items), next(items)]

    assert answer_of(ask) == [0, 1]


def test_middleware_sees_every_way_to_ask() -> None:
    seen: list[str] = []

    def prepare(agent: Askr) -> None:
        @agent.middleware
        async def note(passage: Passage, call_next: Any) -> Any:
            if passage.kind == "send":
                seen.append(passage.name)
                if passage.name == "flow.count":
                    passage.payload = {"to": 2}
            return await call_next()

    async def ask(agent: Askr) -> Any:
        await agent.tell("flow.echo", 1)
        rows = await agent.survey("flow.echo", 2)
        items = [n async for n in agent.stream("flow.count", {"to": 1})]
        return [rows[0].value, items]

    assert answer_of(ask, prepare) == [2, [0, 1]]
    assert seen == ["flow.echo", "flow.echo", "flow.count"]


def test_middleware_cannot_answer_a_stream_by_itself() -> None:
    def prepare(agent: Askr) -> None:
        @agent.middleware
        async def keep(passage: Passage, call_next: Any) -> Any:
            return None if passage.kind == "send" else await call_next()

    async def ask(agent: Askr) -> Any:
        with pytest.raises(BadRequest, match="did not call on"):
            await agent.survey("flow.echo", 2)
        return await agent.send("flow.echo", 2)

    assert answer_of(ask, prepare) is None
