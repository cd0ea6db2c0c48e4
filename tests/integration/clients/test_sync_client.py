"""The blocking client against a real daemon: threads, Ctrl-C, notebooks."""

import asyncio
import gc
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from askrd.sdk.values import Change, Event, Gap, Synced
from askrd.sync import Client
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.errors import (
    BadRequest,
    CommandError,
    CommandUnknown,
    Conflict,
    ConnectionLost,
    DeadlineExceeded,
    NotFound,
    SchemaInvalid,
)
from tests.integration.clients.program import running
from tests.integration.clients.waits import PATIENCE_S, blocking_until
from tests.integration.text_peer import TextService

pytestmark = pytest.mark.integration


def receivers(client: Client, event: str) -> int:
    told = client.emit(event, confirm=True)
    assert told is not None
    return told.receivers


def test_commands_through_every_door(url: str, lab: TextService) -> None:
    with Client(url, name="asker") as client:
        assert client.url.partition(":")[0] == url.partition(":")[0]
        values: list[Any] = [None, 1, "a", {"a": [1.5, None]}, b"\0bytes", b"x" * 900_000]
        assert [client.send("lab.echo", value) for value in values] == values
        outcome = client.call("lab.echo", 7, headers={"a": "b"})
        assert (outcome.value, outcome.service, outcome.instance) == (7, "lab", lab.instance)
        assert client.send("lab.echo", [1, 2], as_=tuple[int, int]) == (1, 2)


def test_every_failure_is_its_own_exception(daemon: DaemonProcess, lab: TextService) -> None:
    with Client(daemon.unix_url) as client:
        with pytest.raises(CommandError, match="none left"):
            client.send("lab.refuse")
        with pytest.raises(CommandUnknown):
            client.send("lab.ecko")
        with pytest.raises(DeadlineExceeded):
            client.send("lab.slow", timeout=0.1)
        with pytest.raises(BadRequest):
            client.send("no such address")
        with pytest.raises(SchemaInvalid):
            client.send("lab.echo", "x", as_=int)
        with pytest.raises(TypeError):
            client.listen()
        assert client.send("lab.echo", 1) == 1


def test_many_threads_share_one_client(url: str, lab: TextService) -> None:
    with Client(url) as client, ThreadPoolExecutor(8) as threads:
        sent = list(range(400))
        assert list(threads.map(lambda n: client.send("lab.echo", n), sent)) == sent
        assert {row["name"] for row in client.peers()} >= {"lab", "client"}


def test_it_works_inside_a_running_event_loop(daemon: DaemonProcess, lab: TextService) -> None:
    async def cell_of_a_notebook() -> Any:
        with Client(daemon.unix_url) as client:
            return client.send("lab.echo", "here")

    assert asyncio.run(cell_of_a_notebook()) == "here"


def test_importing_and_using_it_loads_neither_a_loop_nor_websocket(daemon: DaemonProcess) -> None:
    code = (
        "import sys\nfrom askrd.sync import Client\n"
        "with Client(sys.argv[1]) as client: client.ping()\n"
        "print([m for m in ('asyncio', 'websockets', 'ssl', 'logging') if m in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, daemon.unix_url],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert (answer.stdout.strip(), answer.stderr) == ("[]", "")


def test_ctrl_c_cancels_the_command_before_it_is_raised(
    daemon: DaemonProcess, lab: TextService
) -> None:
    code = (
        "import sys\nfrom askrd.sync import Client\n"
        "client = Client(sys.argv[1])\nclient.connect()\n"
        "try:\n    client.send('lab.slow')\n"
        "except KeyboardInterrupt:\n    print('interrupted', client.ping()['protocol'])\n"
        "client.close()\n"
    )
    with running(code, daemon.unix_url) as program:
        call = lab.wait_for_call()
        program.send_signal(signal.SIGINT)
        cancel = lab.wait_for("cancel")
        said, _ = program.communicate(timeout=PATIENCE_S)

    assert (cancel["id"], cancel["reason"]) == (call["id"], "caller")
    assert said == "interrupted askr/1\n"
    assert program.returncode == 0


def test_ctrl_c_while_listening_ends_the_subscription(daemon: DaemonProcess) -> None:
    code = (
        "import sys\nfrom askrd.sync import Client\n"
        "client = Client(sys.argv[1])\nclient.connect()\n"
        "try:\n    with client.listen('ctrl.*') as events:\n"
        "        for event in events: print(event.subject, flush=True)\n"
        "except KeyboardInterrupt:\n    print(client.emit('ctrl.c', confirm=True).receivers)\n"
        "client.close()\n"
    )
    with running(code, daemon.unix_url) as program:
        with Client(daemon.unix_url) as client:
            blocking_until(lambda: receivers(client, "ctrl.first") == 1)
        assert program.stdout is not None
        assert program.stdout.readline() == "ctrl.first\n"
        program.send_signal(signal.SIGINT)
        said, _ = program.communicate(timeout=PATIENCE_S)

    assert said == "0\n"


def test_events_reach_listeners_through_every_door(url: str) -> None:
    with Client(url) as client, Client(url, name="teller") as teller:
        with client.listen("a.*", "a.b", "z.**", count=3) as events:
            assert receivers(teller, "a.b") == 1
            teller.emit("other")
            teller.emit("z", b"2")
            teller.emit("z.y.x", {"n": 1})
            found = list(events)
        assert [(e.subject, e.payload) for e in found if isinstance(e, Event)] == [
            ("a.b", None), ("z", b"2"), ("z.y.x", {"n": 1}),
        ]  # fmt: skip
        client.ping()  # the daemon has read the end of the subscription
        assert receivers(teller, "a.b") == 0


def test_a_dropped_iterator_ends_its_subscription(daemon: DaemonProcess) -> None:
    with Client(daemon.unix_url) as client:
        for _ in client.listen("drop.*", timeout=0.01):
            pass
        events = client.listen("drop.*")
        assert receivers(client, "drop.a") == 1
        del events
        gc.collect()
        blocking_until(lambda: receivers(client, "drop.a") == 0)


def test_listening_ends_by_count_idle_or_timeout(daemon: DaemonProcess) -> None:
    with Client(daemon.unix_url) as client:
        assert list(client.listen("quiet", idle=0.05)) == []
        assert list(client.listen("quiet", timeout=0.05)) == []
        assert list(client.listen("quiet", count=0)) == []
        with pytest.raises(DeadlineExceeded, match=r"only 0 of 2 events came within 0\.05 s"):
            next(client.listen("quiet", count=2, timeout=0.05))
        with pytest.raises(BadRequest):
            client.listen("bad pattern")


def test_a_slow_reader_is_told_what_it_lost(daemon: DaemonProcess) -> None:
    reported: list[Gap] = []
    with Client(daemon.unix_url) as client, Client(daemon.unix_url) as teller:
        client.on_gap = reported.append
        slow, hushed = client.listen("flood.**", gaps=True), client.listen("flood.**")
        end = client.listen("flood.end")
        for number in range(10_050):
            teller.emit("flood.item", number)
        teller.emit("flood.end")
        next(end)

        gap = next(slow)
        assert isinstance(gap, Gap)
        assert (gap.missed, gap.subjects) == (51, {"flood.item": 51})
        assert next(slow).payload == 51  # type: ignore[union-attr]
        assert next(hushed).payload == 51  # type: ignore[union-attr]
        assert reported == [gap]


def test_closing_a_reader_from_another_thread_ends_its_loop(daemon: DaemonProcess) -> None:
    with Client(daemon.unix_url) as client:
        events = client.listen("never")
        waiting = threading.Timer(0.05, events.close)
        waiting.start()
        assert list(events) == []
        waiting.join()


def test_closing_the_client_wakes_every_thread(daemon: DaemonProcess, lab: TextService) -> None:
    client = Client(daemon.unix_url)
    client.connect()
    with ThreadPoolExecutor(2) as threads:
        call = threads.submit(client.send, "lab.slow")
        loop = threads.submit(list, client.listen("never"))
        lab.wait_for_call()
        client.close()
        client.close()
        assert isinstance(call.exception(PATIENCE_S), ConnectionLost)
        assert isinstance(loop.exception(PATIENCE_S), ConnectionLost)
    with pytest.raises(ConnectionLost, match="closed"):
        client.ping()


def test_callbacks_run_in_order_in_their_own_thread(daemon: DaemonProcess) -> None:
    got: list[tuple[Any, str]] = []
    with Client(daemon.unix_url) as client:
        stop = client.on(
            "called.*", lambda e: got.append((e.payload, threading.current_thread().name))
        )
        for number in range(20):
            client.emit("called.back", number)
        blocking_until(lambda: len(got) == 20)
        stop()
        assert receivers(client, "called.back") == 0
    assert got == [(number, "askr-on-called.*") for number in range(20)]


def test_who_is_there(daemon: DaemonProcess, lab: TextService) -> None:
    with Client(daemon.unix_url, name="curious") as client:
        blocking_until(lambda: {row["name"] for row in client.peers()} == {"lab", "curious"})
        assert [row["service"] for row in client.services()] == ["lab"]
        assert client.describe("lab.echo")["target"] == "lab.echo"
        assert client.ping()["protocol"] == "askr/1"
        assert "totals" in client.stats()
        assert client.wait_for("lab")["instance"] == lab.instance
        with pytest.raises(DeadlineExceeded):
            client.wait_for("nobody", timeout=0.05)


def test_state_through_every_door(url: str) -> None:
    with Client(url, workspace=f"sync-{url[:2]}") as client:
        state = client.state
        with state.watch("cfg") as changes:
            assert next(changes) == Synced(0)
            made = state.set("cfg/a", {"n": 1}, if_rev=0)
            change = next(changes)
            assert isinstance(change, Change)
            assert (change.op, change.key, change.value) == ("set", "cfg/a", {"n": 1})
        assert state.get("cfg/a", as_=dict[str, int]).value == {"n": 1}
        state.set("cfg/b", b"\0")
        assert [e.key for e in state.entries("cfg")] == ["cfg/a", "cfg/b"]
        with pytest.raises(Conflict):
            state.set("cfg/a", 2, if_rev=0)
        assert state.delete("cfg/a", if_rev=made.rev) > made.rev
        with pytest.raises(NotFound):
            state.get("cfg/a")
        assert list(state.watch("none", timeout=0.05)) == [Synced(3)]
