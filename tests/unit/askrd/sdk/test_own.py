"""Holds the part of the state that belongs to an agent's service, against the real router."""

import asyncio
import threading
from typing import Any

import pytest

from askrd.sdk.askr import Askr
from askrd.sdk.values import Change
from askrd.testing.together import TestAskr, run
from askrd.wire.errors import BadRequest, Conflict, ConnectionLost, Forbidden, NotFound


def test_keys_are_those_below_the_service() -> None:
    agent = Askr("agent")

    async def story() -> None:
        async with TestAskr(agent) as askr:
            entry = await agent.state.set("cfg/theme", "dark")
            assert (entry.key, entry.value) == ("cfg/theme", "dark")
            assert (await askr.state.get("@agent/cfg/theme")).value == "dark"
            assert await agent.state.get("cfg/theme") == "dark"
            assert await agent.state.get("none") is None
            assert await agent.state.get("none", 7) == 7
            assert (await agent.state.entry("cfg/theme")).rev == entry.rev
            with pytest.raises(NotFound):
                await agent.state.entry("none")
            await agent.state.patch("facts", {"a": 1, "b": None})
            assert (await agent.state.incr("runs", 2)).value == 2
            assert await agent.state.items() == [
                ("cfg/theme", "dark"),
                ("facts", {"a": 1}),
                ("runs", 2),
            ]
            assert [one.key for one in await agent.state.entries()] == [
                "cfg/theme",
                "facts",
                "runs",
            ]
            touched = await agent.state.touch("runs", 5)
            assert (touched.key, touched.ttl) == ("runs", 5)
            async with agent.state.view() as view:
                assert view["cfg/theme"] == "dark"
                await agent.state.delete("cfg/theme")
                await view.changed()
                assert "cfg/theme" not in view
            await askr.advance(6)
            assert await agent.state.items() == [("facts", {"a": 1})]
            with pytest.raises(Conflict):
                await agent.state.set("facts", 1, if_rev=0)
            with pytest.raises(Forbidden):
                await askr.state.set("@agent/facts", 1)

    run(story())


def test_functions_are_told_of_changes_after_the_beginning() -> None:
    agent = Askr("agent")
    told: list[Any] = []

    @agent.state.on_change
    async def changed(change: Change) -> None:
        told.append((change.op, change.key, change.value))

    async def story() -> None:
        async with TestAskr(agent) as askr:
            await agent.state.set("a", 1)
            await agent.state.set("a", 1)
            await askr.state.set("other", 1)
            await agent.state.delete("a")
            await askr.advance(0.1)
            assert told == [("set", "a", 1), ("del", "a", None)]

            await agent.state.set("b", 2)
            await askr.advance(0.1)
            await askr.lose(agent)
            await askr.advance(15)
            await agent.state.set("c", 3)
            await askr.advance(0.1)
        assert told[2:] == [("set", "b", 2), ("set", "c", 3)]

    run(story())


def test_what_is_there_when_the_agent_starts_is_no_change() -> None:
    first, second = Askr("agent"), Askr("agent")
    told: list[str] = []

    async def story() -> None:
        async with TestAskr(first) as askr:
            await first.state.set("old", 1)
            second.state.on_change(lambda change: told.append(change.key))
            url, dial = "unix:/memory", askr.door
            await second.connect(url=url, dial=dial)
            await first.state.set("new", 1)
            await askr.advance(0.1)
            await second.close()

    run(story())
    assert told == ["new"]


def test_a_plain_function_may_be_added_while_the_agent_runs_and_has_a_thread() -> None:
    agent = Askr("agent")
    threads: list[int] = []

    async def story() -> None:
        async with TestAskr(agent) as askr:
            agent.state.on_change(lambda: threads.append(threading.get_ident()))
            await agent.state.set("a", 1)
            async with asyncio.timeout(10):
                while not threads:
                    await askr.advance(0.01)

    run(story())
    assert threads != [threading.get_ident()]


def test_it_needs_the_agent_to_run() -> None:
    agent = Askr("agent")

    async def story() -> None:
        with pytest.raises(ConnectionLost, match="does not run"):
            await agent.state.set("a", 1)
        with pytest.raises(BadRequest):
            agent.state.on_change(lambda a, b: None)

    run(story())
