"""Holds a view, frame by frame: whole before it is given out, then current, honest when not."""

import asyncio
from typing import Any

import pytest

from askrd.sdk.values import Change
from askrd.sdk.view import View
from askrd.wire.errors import ConnectionLost, Forbidden
from askrd.wire.frames import FLAG_KEPT, Frame, Kind
from tests.unit.askrd.sdk.desk import Desk, play
from tests.unit.askrd.sdk.talk import body, fail

FLAGS_OPTIONS = 2


def entry(key: bytes, rev: int, value: bytes, watch: int = 0, op: str = "set") -> Frame:
    options = f'{{"rev":{rev},"ts":7,"op":"{op}","cause":"{op}","watch":{watch}}}'
    flags = FLAGS_OPTIONS | (FLAG_KEPT if watch else 0)
    return Frame(
        kind=Kind.CHANGE, id=rev, name=key, payload=value, coding=1 if value else 0,
        options=options.encode(), flags=flags,
    )  # fmt: skip


def asking(coroutine: Any) -> "asyncio.Task[Any]":
    return asyncio.get_running_loop().create_task(coroutine)


async def begun(desk: Desk, **options: Any) -> tuple[View, int]:
    """Returns a view of ``cfg`` with one entry, and its id on the wire."""
    view = desk.client.state.view("cfg", **options)
    beginning = asking(view.begin())
    watch = await desk.hear(Kind.WATCH)
    assert (watch.name, watch.options) == (b"cfg", b"")
    desk.say(entry(b"cfg/a", 3, b'"old"', watch.id))
    await asyncio.sleep(0)
    assert not beginning.done()
    desk.say(body(Kind.SYNCED, {"rev": 5}, id=watch.id))
    await beginning
    return view, watch.id


def test_a_view_is_whole_when_it_begins_and_follows_every_change() -> None:
    async def story(desk: Desk) -> None:
        view, _ = await begun(desk)
        assert (dict(view), view.rev, view.is_current) == ({"cfg/a": "old"}, 5, True)
        assert (view.get("cfg/b", 1), len(view), "cfg/a" in view) == (1, 1, True)
        assert view.entry("cfg/a").rev == 3

        desk.say(entry(b"cfg/a", 6, b'"new"'), entry(b"cfg/b", 7, b"[1]"), entry(b"x", 8, b"1"))
        await view.changed()
        assert dict(view) == {"cfg/a": "new", "cfg/b": [1]}

        waiting = asking(view.changed())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        desk.say(entry(b"cfg/a", 9, b"", op="del"))
        await waiting
        assert list(view) == ["cfg/b"]

        await view.aclose()
        assert (await desk.hear(Kind.UNWATCH)).name == b""
        assert (list(view), view.is_current) == (["cfg/b"], False)

    play(story)


def test_changes_between_two_calls_are_not_missed() -> None:
    async def story(desk: Desk) -> None:
        view, _ = await begun(desk)
        desk.say(entry(b"cfg/a", 6, b"1"))
        async with asyncio.timeout(1):
            await view.changed()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await view.changed()
        await view.aclose()

    play(story)


def test_functions_are_called_with_changes_until_they_are_ended() -> None:
    async def story(desk: Desk) -> None:
        told: list[Any] = []
        view, _ = await begun(desk, relative=True)

        def note(change: Change) -> None:
            told.append((change.op, change.key, change.value, view.get(change.key)))

        stop = view.on_change(note)
        desk.say(entry(b"cfg/a", 6, b"1"))
        await view.changed()
        await desk.silence()
        stop()
        stop()
        desk.say(entry(b"cfg/a", 7, b"2"))
        await view.changed()
        await view.aclose()
        assert told == [("set", "a", 1, 1)]

    play(story)


def test_a_function_given_before_the_beginning_hears_no_snapshot() -> None:
    async def story(desk: Desk) -> None:
        told: list[str] = []
        view = desk.client.state.view("cfg")
        view.on_change(lambda change: told.append(change.key))
        beginning = asking(view.begin())
        watch = await desk.hear(Kind.WATCH)
        desk.say(entry(b"cfg/a", 3, b"1", watch.id), body(Kind.SYNCED, {"rev": 5}, id=watch.id))
        desk.say(entry(b"cfg/b", 6, b"1"))
        await beginning
        await view.changed()
        await view.aclose()
        assert told == ["cfg/b"]

    play(story)


def test_a_refused_view_raises_and_leaves_nothing() -> None:
    async def story(desk: Desk) -> None:
        view = desk.client.state.view("cfg")
        beginning = asking(view.begin())
        watch = await desk.hear(Kind.WATCH)
        desk.say(fail(watch.id, "forbidden"))
        with pytest.raises(Forbidden):
            await beginning
        assert not view.is_current

    play(story)


def test_a_lost_connection_leaves_the_copy_and_says_so() -> None:
    async def story(desk: Desk) -> None:
        view, _ = await begun(desk)
        desk.cut()
        with pytest.raises(ConnectionLost):
            await view.changed()
        assert (dict(view), view.is_current) == ({"cfg/a": "old"}, False)
        await view.aclose()

    play(story)


def test_closing_it_ends_the_tasks_that_wait_for_it() -> None:
    async def story(desk: Desk) -> None:
        view = desk.client.state.view("cfg")
        beginning = asking(view.begin())
        await desk.hear(Kind.WATCH)
        await view.aclose()
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionLost, match="closed"):
                await beginning
        with pytest.raises(ConnectionLost, match="make a new one"):
            await view.begin()

        assert (await desk.hear(Kind.UNWATCH)).name == b""
        view, _ = await begun(desk)
        waiting = asking(view.changed())
        await asyncio.sleep(0.01)
        await view.aclose()
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionLost, match="closed"):
                await waiting

    play(story)
