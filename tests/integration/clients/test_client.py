"""The asynchronous client against a real daemon: every door, every way a request can end."""

import asyncio
import gc
from typing import Any

import pytest

from askrd.sdk.client import Client
from askrd.sdk.values import Change, Entry, Gap, Synced
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.errors import (
    BadRequest,
    CommandError,
    CommandUnknown,
    Conflict,
    DeadlineExceeded,
    NotFound,
    PayloadTooLarge,
    SchemaInvalid,
)
from tests.integration.clients.waits import PATIENCE_S, run, until
from tests.integration.text_peer import TextService

pytestmark = pytest.mark.integration


def test_commands_through_every_door(url: str, lab: TextService) -> None:
    async def main() -> None:
        async with Client(url, name="asker") as client:
            assert client.url.partition(":")[0] == url.partition(":")[0]
            assert client.welcome is not None
            assert client.welcome.id.startswith("askr-asker-")
            values: list[Any] = [None, 1, "a", {"a": [1.5, None]}, b"\0bytes"]
            assert [await client.send("lab.echo", value) for value in values] == values
            assert await client.send("lab.headers", headers={"a": "b"}) == {"a": "b"}
            outcome = await client.call("lab.echo", 7)
            assert (outcome.value, outcome.service, outcome.instance) == (7, "lab", lab.instance)
            assert 0 < outcome.ms < PATIENCE_S * 1000
            large = b"x" * 900_000
            assert await client.send("lab.echo", large) == large

    run(main)


def test_many_commands_at_once(url: str, lab: TextService) -> None:
    async def main() -> None:
        async with Client(url) as client:
            sent = list(range(500))
            assert await asyncio.gather(*(client.send("lab.echo", n) for n in sent)) == sent

    run(main)


def test_a_value_is_checked_against_the_type_that_was_asked_for(
    daemon: DaemonProcess, lab: TextService
) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            assert await client.send("lab.echo", [1, 2], as_=tuple[int, int]) == (1, 2)
            with pytest.raises(SchemaInvalid) as caught:
                await client.send("lab.echo", {"n": "x"}, as_=dict[str, int])
            assert caught.value.at == "response"

    run(main)


def test_every_failure_is_its_own_exception(daemon: DaemonProcess, lab: TextService) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            with pytest.raises(CommandError) as refused:
                await client.send("lab.refuse")
            assert (refused.value.code, refused.value.at) == ("sold_out", "handler")
            with pytest.raises(CommandUnknown) as unknown:
                await client.send("lab.ecko")
            assert unknown.value.details["nearest"] == ["echo"]
            with pytest.raises(DeadlineExceeded):
                await client.send("lab.slow", timeout=0.1)
            with pytest.raises(PayloadTooLarge):
                await client.send("lab.echo", b"x" * 1_048_577)
            with pytest.raises(BadRequest):
                await client.send("no such address")
            with pytest.raises(SchemaInvalid):
                await client.send("lab.echo", object())
            assert await client.send("lab.echo", 1) == 1

    run(main)


def test_what_is_not_built_is_refused(daemon: DaemonProcess) -> None:
    async def main() -> None:
        client = Client(daemon.unix_url)
        with pytest.raises(TypeError, match="unexpected"):
            await client.send("a.b", nonsense=1)
        with pytest.raises(TypeError, match="not built yet"):
            Client(daemon.unix_url, key_file="key")

    run(main)


def test_a_cancelled_task_cancels_its_command(daemon: DaemonProcess, lab: TextService) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            task = asyncio.get_running_loop().create_task(client.send("lab.slow"))
            call = await asyncio.to_thread(lab.wait_for_call)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            cancel = await asyncio.to_thread(lab.wait_for, "cancel")
            assert (cancel["id"], cancel["reason"]) == (call["id"], "caller")

    run(main)


def test_events_reach_listeners_through_every_door(url: str) -> None:
    async def main() -> None:
        async with Client(url) as client, Client(url, name="teller") as teller:
            async with client.listen("a.*", "a.b", "z.**", count=3) as events:
                told = await teller.emit("a.b", {"n": 1}, confirm=True)
                assert told is not None
                assert told.receivers == 1
                await teller.emit("other")
                await teller.emit("z", b"2")
                await teller.emit("z.y.x")
                found = [event async for event in events]
            assert [(e.subject, e.payload) for e in found] == [
                ("a.b", {"n": 1}), ("z", b"2"), ("z.y.x", None),
            ]  # fmt: skip
            first = found[0]
            assert not isinstance(first, Gap)
            assert teller.welcome is not None
            assert (first.service, first.instance) == ("teller", teller.welcome.instance)
            assert first.seq == told.seq
            await client.ping()  # the daemon has read the end of the subscription
            assert (await teller.emit("a.b", confirm=True)).receivers == 0  # type: ignore[union-attr]

    run(main)


def test_leaving_the_loop_ends_the_subscription(daemon: DaemonProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            beginning = asyncio.get_running_loop().create_task(anext(client.listen("drop.*")))
            while (await client.emit("drop.a", 1, confirm=True)).receivers == 0:  # type: ignore[union-attr]
                await asyncio.sleep(0)
            assert (await beginning).payload == 1  # type: ignore[union-attr]
            del beginning
            gc.collect()
            async with asyncio.timeout(PATIENCE_S):
                while (await client.emit("drop.b", confirm=True)).receivers:  # type: ignore[union-attr]
                    await asyncio.sleep(0.01)

    run(main)


def test_listening_ends_by_count_idle_or_timeout(daemon: DaemonProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client:
            assert [e async for e in client.listen("quiet", idle=0.05)] == []
            assert [e async for e in client.listen("quiet", timeout=0.05)] == []
            assert [e async for e in client.listen("quiet", count=0)] == []
            with pytest.raises(DeadlineExceeded) as caught:
                await anext(client.listen("quiet", count=2, timeout=0.05))
            assert caught.value.details == {"wanted": 2, "missing": 2}
            with pytest.raises(BadRequest):
                await anext(client.listen("bad pattern"))
            with pytest.raises(TypeError):
                client.listen()

    run(main)


def test_a_slow_reader_is_told_what_it_lost(daemon: DaemonProcess) -> None:
    async def main() -> None:
        reported: list[Gap] = []
        async with Client(daemon.unix_url) as client, Client(daemon.unix_url) as teller:
            client.on_gap = reported.append
            async with (
                client.listen("flood.**", gaps=True) as slow,
                client.listen("flood.**") as hushed,
                client.listen("flood.end") as end,
            ):
                for number in range(10_050):
                    await teller.emit("flood.item", number)
                await teller.emit("flood.end")
                await anext(end)

                gap = await anext(slow)
                assert isinstance(gap, Gap)
                assert (gap.missed, gap.subjects) == (51, {"flood.item": 51})
                following = await anext(slow)
                assert not isinstance(following, Gap)
                assert following.payload == 51
                assert following.seq == gap.to_seq + 1
                assert (await anext(hushed)).payload == 51  # type: ignore[union-attr]
                assert reported == [gap]

    run(main)


def test_callbacks_get_events_in_order(daemon: DaemonProcess) -> None:
    async def main() -> None:
        got: list[Any] = []

        async def remember(event: Any) -> None:
            await asyncio.sleep(0)
            got.append(event.payload)

        client = Client(daemon.unix_url)
        stop = client.on("called.*", remember)
        async with client:
            for number in range(20):
                await client.emit("called.back", number, confirm=True)
            await until(lambda: len(got) == 20)
            stop()
            assert (await client.emit("called.back", confirm=True)).receivers == 0  # type: ignore[union-attr]
        assert got == list(range(20))

    run(main)


def test_who_is_there(daemon: DaemonProcess, lab: TextService) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url, name="curious") as client:
            async with asyncio.timeout(PATIENCE_S):  # until peers of earlier tests have gone
                while {row["name"] for row in await client.peers()} != {"lab", "curious"}:
                    pass
            assert [row["service"] for row in await client.services()] == ["lab"]
            assert (await client.describe("lab.echo"))["target"] == "lab.echo"
            assert (await client.ping())["protocol"] == "askr/1"
            assert "totals" in await client.stats()
            assert (await client.wait_for("lab"))["instance"] == lab.instance
            with pytest.raises(DeadlineExceeded, match="nobody"):
                await client.wait_for("nobody", timeout=0.05)

    run(main)


def test_waiting_for_a_service_that_comes(daemon: DaemonProcess) -> None:
    async def main() -> None:
        async with Client(daemon.unix_url) as client, Client(daemon.unix_url) as other:
            waiting = asyncio.get_running_loop().create_task(client.wait_for("late"))
            async with client.listen("$askr.service.joined", count=1) as joined:
                service = await asyncio.to_thread(TextService, daemon.unix_url, "late", {})
                assert (await anext(joined)).subject == "$askr.service.joined"  # type: ignore[union-attr]
            assert (await waiting)["service"] == "late"
            await asyncio.to_thread(service.close)
            assert other.is_connected

    run(main)


def test_state_through_every_door(url: str) -> None:
    async def main() -> None:
        async with Client(url, workspace=f"state-{url[:2]}") as client:
            state = client.state
            async with state.watch("cfg") as changes:
                assert await anext(changes) == Synced(0)
                made = await state.set("cfg/a", {"n": 1}, if_rev=0)
                change = await anext(changes)
                assert isinstance(change, Change)
                assert (change.op, change.key, change.value, change.rev) == (
                    "set", "cfg/a", {"n": 1}, made.rev,
                )  # fmt: skip
            assert await state.get("cfg/a") == Entry("cfg/a", {"n": 1}, made.rev, made.ts_ms)
            assert (await state.get("cfg/a", as_=dict[str, int])).value == {"n": 1}
            assert not (await state.set("cfg/a", {"n": 1})).changed
            await state.set("cfg/b", b"\0")
            await state.set("cfgx", None)
            assert [e.key for e in await state.entries("cfg")] == ["cfg/a", "cfg/b"]
            assert [e.value for e in await state.entries()] == [{"n": 1}, b"\0", None]
            with pytest.raises(Conflict) as conflict:
                await state.set("cfg/a", 2, if_rev=0)
            assert conflict.value.details["rev"] == made.rev
            with pytest.raises(Conflict):
                await state.delete("cfg/a", if_rev=made.rev + 100)
            assert await state.delete("cfg/a", if_rev=made.rev) > made.rev
            with pytest.raises(NotFound):
                await state.get("cfg/a")
            with pytest.raises(NotFound):
                await state.delete("cfg/a")

    run(main)
