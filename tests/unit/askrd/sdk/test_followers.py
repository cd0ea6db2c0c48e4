"""Holds how functions are told of changes: in order, one at a time, in spite of errors."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from askrd.sdk.followers import Follower
from askrd.sdk.values import Change
from askrd.sdk.work import Work
from askrd.wire.errors import BadRequest

Story = Callable[[Work], Coroutine[Any, Any, None]]


def play(story: Story) -> None:
    async def whole() -> None:
        work = Work("test", asyncio.get_running_loop())
        await story(work)
        await work.finish(5.0)
        work.close()

    asyncio.run(whole())


def change(key: str, rev: int) -> Change:
    return Change("set", key, rev)


def test_changes_come_in_order_one_at_a_time() -> None:
    told: list[int] = []

    async def note(change: Change) -> None:
        told.append(change.rev)
        await asyncio.sleep(0)
        told.append(-change.rev)

    async def story(work: Work) -> None:
        follower = Follower(note)
        follower.take(change("early", 9))
        follower.start(work)
        for rev, key in enumerate("abc", start=1):
            follower.take(change(key, rev))
        assert await work.wait(5.0)

    play(story)
    assert told == [1, -1, 2, -2, 3, -3]


def test_a_slow_function_gets_the_newest_change_of_a_key() -> None:
    told: list[tuple[str, int]] = []
    gate = asyncio.Event()

    async def slow(change: Change) -> None:
        told.append((change.key, change.rev))
        await gate.wait()

    async def story(work: Work) -> None:
        follower = Follower(slow)
        follower.start(work)
        follower.take(change("a", 1))
        await asyncio.sleep(0)
        for rev in (2, 3):
            follower.take(change("a", rev))
        follower.take(change("b", 4))
        gate.set()
        assert await work.wait(5.0)

    play(story)
    assert told == [("a", 1), ("a", 3), ("b", 4)]


def test_an_error_is_logged_and_the_next_change_comes(caplog: pytest.LogCaptureFixture) -> None:
    told: list[int] = []

    def fail_once(change: Change) -> None:
        told.append(change.rev)
        if change.rev == 1:
            raise ValueError("broken")

    async def story(work: Work) -> None:
        follower = Follower(fail_once)
        follower.start(work)
        follower.take(change("a", 1))
        follower.take(change("b", 2))
        assert await work.wait(5.0)
        assert await work.wait(5.0)

    with caplog.at_level(logging.ERROR, "askrd.sdk"):
        play(story)
    assert told == [1, 2]
    assert "fail_once" in caplog.text


def test_what_waits_is_dropped_when_it_ends() -> None:
    told: list[int] = []

    async def story(work: Work) -> None:
        follower = Follower(lambda change: told.append(change.rev))
        follower.start(work)
        follower.take(change("a", 1))
        follower.stop()
        follower.take(change("b", 2))
        assert await work.wait(5.0)

    play(story)
    assert told == []


@pytest.mark.parametrize("in_thread", [True, False])
def test_a_plain_function_runs_where_it_is_wanted(*, in_thread: bool) -> None:
    ran: list[int] = []

    async def story(work: Work) -> None:
        follower = Follower(lambda: ran.append(threading.get_ident()), in_thread=in_thread)
        follower.start(work)
        follower.take(change("a", 1))
        assert await work.wait(5.0)

    play(story)
    assert [one == threading.get_ident() for one in ran] == [not in_thread]


def test_a_function_takes_a_change_or_nothing() -> None:
    with pytest.raises(BadRequest):
        Follower(lambda a, b: None)
