"""The asynchronous client's state against a real daemon: every write, views, coming back."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from askrd.sdk.askr import Askr
from askrd.sdk.client import Client
from askrd.sdk.values import Change, Synced
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.errors import BadRequest, Conflict, Gone, NotFound
from tests.integration.clients.waits import run, until

pytestmark = pytest.mark.integration


def test_every_kind_of_write_through_every_door(url: str) -> None:
    async def main() -> None:
        async with Client(url, workspace=f"writes-{url[:2]}") as client:
            state = client.state
            await state.set("cfg", {"a": 1, "b": 2}, ttl=60)
            merged = await state.patch("cfg", {"b": None, "c": [1]})
            assert merged.value == {"a": 1, "c": [1]}
            assert merged.ttl == pytest.approx(60, abs=5)
            assert [(await state.incr("n", by)).value for by in (1, 41, -2)] == [1, 42, 40]
            touched = await state.touch("cfg", 600)
            assert touched.ttl == pytest.approx(600, abs=5)
            assert (await state.get("cfg")).ttl == pytest.approx(600, abs=5)
            plain = await state.set("cfg", merged.value)
            assert (plain.changed, plain.ttl) == (True, None)
            assert (await state.set("quick", b"\0", fast=True)).changed
            assert (await state.get("quick")).value == b"\0"
            assert await state.delete("quick", fast=True) > plain.rev
            with pytest.raises(BadRequest):
                await state.incr("cfg")
            with pytest.raises(Conflict):
                await state.patch("cfg", {}, if_rev=1)
            with pytest.raises(NotFound):
                await state.touch("none")
            changes = await state.history("quick")
            assert [(one.op, one.past) for one in changes] == [("del", True), ("set", True)]
            assert changes[1].value == b"\0"
            assert len(await state.history("cfg", count=2)) == 2

    run(main)


def test_an_entry_goes_when_its_time_is_over(daemon: DaemonProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            async with client.state.watch("short") as changes:
                assert isinstance(await anext(changes), Synced)
                entry = await client.state.set("short/a", 1, ttl=0.2)
                told = [await anext(changes) for _ in range(2)]
            assert [one.rev - entry.rev for one in told] == [0, 1]
            gone = told[1]
            assert isinstance(gone, Change)
            assert (gone.op, gone.key, gone.cause) == ("del", "short/a", "ttl")

    run(main)


def test_an_ephemeral_entry_goes_with_its_peer(daemon: DaemonProcess) -> None:
    async def main() -> None:
        async with (
            Client(daemon.unix_url) as watcher,
            watcher.state.watch("held") as changes,
        ):
            await anext(changes)
            async with Client(daemon.unix_url) as owner:
                entry = await owner.state.set("held/a", 1, ephemeral=True)
                assert owner.welcome is not None
                assert (entry.ephemeral, entry.owner) == (True, owner.welcome.instance)
                seen = await watcher.state.get("held/a")
                assert (seen.ephemeral, seen.owner) == (True, owner.welcome.instance)
                await anext(changes)
            gone = await anext(changes)
            assert isinstance(gone, Change)
            assert (gone.op, gone.cause) == ("del", "owner_gone")

    run(main)


def test_a_watch_goes_on_from_a_revision(daemon: DaemonProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            first = await client.state.set("since/a", 0)
            for n in range(1, 4):
                await client.state.set("since/a", n)
            await client.state.set("other", 1)
            async with client.state.watch("since", since=first.rev, timeout=10) as changes:
                missed = [await anext(changes) for _ in range(3)]
                assert [one.value for one in missed if isinstance(one, Change)] == [1, 2, 3]
                assert isinstance(await anext(changes), Synced)
                await client.state.set("since/a", 9)
                live = await anext(changes)
                assert isinstance(live, Change)
                assert (live.value, live.past) == (9, False)
            with pytest.raises(Gone) as caught:
                await anext(client.state.watch("since", since=10**9))
            assert {"oldest", "rev"} <= caught.value.details.keys()

    run(main)


def test_a_view_follows_what_others_write(url: str) -> None:
    async def main() -> None:
        workspace = f"view-{url[:2]}"
        async with (
            Client(url, workspace=workspace) as reader,
            Client(url, workspace=workspace) as writer,
        ):
            await writer.state.set("cfg/old", 1)
            told: list[Any] = []
            async with reader.state.view("cfg", relative=True) as view:
                view.on_change(lambda change: told.append((change.op, change.key)))
                assert dict(view) == {"old": 1}
                entry = await writer.state.set("cfg/new", {"x": 1})
                await view.changed()
                assert view["new"] == {"x": 1}
                assert view.entry("new").rev == view.rev == entry.rev
                await writer.state.delete("cfg/old")
                await view.changed()
                assert (list(view), view.is_current) == (["new"], True)
                await until(lambda: len(told) == 2)
            assert told == [("set", "new"), ("del", "old")]
            assert not view.is_current

    run(main)


def test_a_view_comes_back_with_a_daemon_that_forgot_everything() -> None:
    async def main() -> None:
        with DaemonProcess() as daemon:
            async with Client(daemon.unix_url) as client:
                await client.state.set("cfg/a", 1)
                async with client.state.view("cfg") as view:
                    await asyncio.to_thread(daemon.stop)
                    await until(lambda: not view.is_current)
                    assert dict(view) == {"cfg/a": 1}
                    await asyncio.to_thread(daemon.start)
                    await view.changed()
                    await until(lambda: view.is_current)
                    assert dict(view) == {}

    run(main)


def test_a_durable_daemon_comes_back_with_everything(tmp_path: Path) -> None:
    async def main() -> None:
        with DaemonProcess("--data", str(tmp_path / "data")) as daemon:
            async with Client(daemon.unix_url) as client:
                entry = await client.state.set("cfg/a", 1)
                await client.state.set("cfg/gone", 1, ttl=2)
                await client.state.set("cfg/held", 1, ephemeral=True)
                told: list[Any] = []
                async with client.state.view("cfg") as view:
                    view.on_change(lambda change: told.append((change.op, change.key)))
                    await asyncio.to_thread(daemon.kill)
                    await until(lambda: not view.is_current)
                    await asyncio.to_thread(daemon.start)
                    await until(lambda: view.is_current and list(view) == ["cfg/a"])
                    assert view.entry("cfg/a").rev == entry.rev
                assert (await client.state.set("cfg/a", 2)).rev > entry.rev
            assert sorted(told) == [("del", "cfg/gone"), ("del", "cfg/held")]

    run(main)


def test_a_watch_since_a_revision_says_that_the_daemon_forgot() -> None:
    async def main() -> None:
        with DaemonProcess() as daemon:
            async with Client(daemon.unix_url) as client:
                entry = await client.state.set("cfg/a", 1)
                async with client.state.watch("cfg", since=entry.rev) as changes:
                    assert isinstance(await anext(changes), Synced)
                    await asyncio.to_thread(daemon.stop)
                    await asyncio.to_thread(daemon.start)
                    with pytest.raises(Gone, match="started again"):
                        await anext(changes)

    run(main)


def test_an_agent_keeps_its_own_part(daemon: DaemonProcess) -> None:
    async def main() -> None:
        agent = Askr("keeper", url=daemon.unix_url)
        told: list[Any] = []
        agent.state.on_change(lambda change: told.append((change.op, change.key)))

        @agent.command
        def visit() -> int:
            agent.sync.patch("visits", {"last": "now"})
            return int(agent.sync.incr("count", 2).value)

        async with agent, Client(daemon.unix_url) as client:
            assert [await client.send("keeper.visit") for _ in range(2)] == [2, 4]
            await agent.state.set("mode", "on")
            assert (await client.state.get("@keeper/mode")).value == "on"
            await until(lambda: told == [("set", "mode")])

    run(main)
