"""Streams, uploads and surveys of the blocking client, against real processes."""

import hashlib
import io
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from askrd.sync import Client
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.errors import (
    BadRequest,
    CommandError,
    ConnectionLost,
    SchemaInvalid,
    ServiceUnknown,
)
from askrd.wire.limits import MIB
from tests.integration.agent_process import AgentProcess
from tests.integration.clients.program import running
from tests.integration.clients.waits import PATIENCE_S, blocking_until
from tests.integration.proxy import Proxy

pytestmark = pytest.mark.integration

SERVICE = Path(__file__).with_name("flow_service.py")


@pytest.fixture(scope="module")
def flow(daemon: DaemonProcess) -> Iterator[AgentProcess]:
    with AgentProcess(SERVICE, daemon.environ()) as process:
        process.wait_until_it_says("connected to")
        yield process


def in_flight(client: Client, command: str) -> int:
    return int(client.describe(command)["statistics"]["in_flight"])


def test_items_come_in_order_through_every_door(url: str, flow: AgentProcess) -> None:
    with Client(url) as client:
        with client.stream("flow.count", {"to": 1000}) as items:
            assert list(items) == list(range(1000))
            assert items.value is None
            assert items.outcome is not None
            assert items.outcome.service == "flow"
        assert list(client.stream("flow.count", {"to": 0})) == []


def test_a_slow_reader_slows_the_producer(daemon: DaemonProcess, flow: AgentProcess) -> None:
    with Client(daemon.unix_url) as client, client.stream("flow.endless") as items:
        for _ in range(100):
            assert len(next(items)) == 1024
        produced = client.send("flow.produced")
        assert 100 <= produced <= 100 + 3 * 64


def test_a_stream_survives_a_cut(daemon: DaemonProcess, flow: AgentProcess) -> None:
    with Proxy(daemon.tcp_url) as proxy, Client(proxy.url) as client:
        taken = 0
        for number in client.stream("flow.count", {"to": 3000}):
            assert number == taken
            taken += 1
            if taken == 1000:
                proxy.cut()
        assert taken == 3000


@pytest.mark.parametrize("way", ["break", "close", "drop"])
def test_leaving_early_stops_the_handler(
    way: str, daemon: DaemonProcess, flow: AgentProcess
) -> None:
    with Client(daemon.unix_url) as client:
        items = client.stream("flow.endless")
        next(items)
        if way == "close":
            items.close()
            assert list(items) == []
        elif way == "break":
            with items:
                for _ in items:
                    break
        else:
            del items
        blocking_until(lambda: in_flight(client, "flow.endless") == 0)


def test_a_stream_that_breaks_gives_its_items_first(
    daemon: DaemonProcess, flow: AgentProcess
) -> None:
    with Client(daemon.unix_url) as client:
        items = client.stream("flow.breaks", {"after": 3})
        assert [next(items) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(CommandError, match="none left"):
            next(items)
        with pytest.raises(StopIteration):
            next(items)


def test_an_item_that_does_not_fit_ends_it(daemon: DaemonProcess, flow: AgentProcess) -> None:
    with Client(daemon.unix_url) as client:
        items = client.stream("flow.count", {"to": 5}, as_=str)
        with pytest.raises(SchemaInvalid):
            next(items)


def test_uploads_arrive_whole(url: str, flow: AgentProcess) -> None:
    data = bytes(range(256)) * (8 * MIB // 256) + b"rest"
    whole = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    with Client(url) as client:
        assert client.send("flow.digest", upload=data) == whole
        assert client.send("flow.digest", upload=io.BytesIO(data)) == whole
        pieces = (data[at : at + 100_000] for at in range(0, len(data), 100_000))
        assert client.call("flow.digest", upload=pieces).value == whole


def test_items_go_both_ways_at_once(daemon: DaemonProcess, flow: AgentProcess) -> None:
    with Client(daemon.unix_url) as client:
        items = client.stream("flow.double", upload=range(2000))
        assert list(items) == [2 * n for n in range(2000)]


def test_an_upload_that_waits_for_a_terminal_ends_with_the_command(
    daemon: DaemonProcess, flow: AgentProcess
) -> None:
    """The source gives two items and then blocks; the handler fails at the second."""
    key = threading.Event()

    def typed() -> Iterator[int]:
        yield from (1, 2)
        key.wait(PATIENCE_S)

    with Client(daemon.unix_url) as client:
        with pytest.raises(CommandError, match="no more"):
            client.send("flow.full", upload=typed())
        assert not key.is_set()
        key.set()


def test_an_upload_that_fails_here_fails_there(daemon: DaemonProcess, flow: AgentProcess) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("disk gone")

    with Client(daemon.unix_url) as client:
        with pytest.raises(OSError, match="disk gone"):
            client.send("flow.cut_off", upload=broken())
        blocking_until(lambda: "OSError" in client.send("flow.last_cut"))
        with pytest.raises(OSError, match="disk gone"):
            list(client.stream("flow.double", upload=broken()))


def test_an_upload_to_be_awaited_is_refused(daemon: DaemonProcess, flow: AgentProcess) -> None:
    async def numbers() -> Any:
        yield 1

    with Client(daemon.unix_url) as client:
        with pytest.raises(TypeError, match=r"askrd\.Client takes this one"):
            client.send("flow.digest", upload=numbers())
        assert client.send("flow.echo", 1) == 1


def test_large_payloads_go_in_pieces_both_ways(url: str, flow: AgentProcess) -> None:
    large = bytes(range(256)) * (3 * MIB // 256) + b"!"
    with Client(url) as client:
        assert client.send("flow.echo", large, timeout=20) == large
        assert client.call("flow.echo", large).value == large


def test_surveys_and_broadcasts(daemon: DaemonProcess, flow: AgentProcess) -> None:
    with Client(daemon.unix_url) as client:
        with client.survey("flow@*.echo", 1) as survey:
            rows = list(survey)
            assert [(row.service, row.ok, row.value) for row in rows] == [("flow", True, 1)]
            assert survey.summary is not None
            assert survey.summary.ok == 1
        assert [row.ok for row in client.survey("flow.breaks", {"after": "x"})] == [False]
        assert client.send("flow.who") == ["flow"]
        told: list[Any] = []
        assert client.call("flow.who", on_row=told.append).value == ["flow"]
        assert [row.value for row in told] == ["flow"]
        with pytest.raises(ServiceUnknown):
            list(client.survey("nobody.echo"))
        assert client.tell("flow.echo", 1).service == "flow"
        assert client.send("flow.job", ack=True, timeout=5) is None
        first = client.call("flow.echo", 1, idempotency_key="sync")
        again = client.call("flow.echo", 2, idempotency_key="sync")
        assert (first.kept, again.kept, again.value) == (False, True, 1)


def test_misuse_says_what_to_write_instead(daemon: DaemonProcess, flow: AgentProcess) -> None:
    with Client(daemon.unix_url) as client:
        with pytest.raises(BadRequest, match=r"use survey\(\)"):
            client.send("flow@*.echo", 1)
        with pytest.raises(BadRequest, match="at least 1"):
            client.survey("flow.echo", 1, quorum=0)
        with pytest.raises(TypeError, match=r"open\('a.bin', 'rb'\)"):
            client.send("flow.digest", upload="a.bin")


def test_a_reader_is_told_that_the_client_was_closed(
    daemon: DaemonProcess, flow: AgentProcess
) -> None:
    with Client(daemon.unix_url) as client:
        items = client.stream("flow.endless")
        next(items)
    with pytest.raises(ConnectionLost):
        list(items)


INTERRUPTED = """
import os
import sys
from askrd.sync import Client

def piped():
    yield 1
    print("uploading", flush=True)
    os.read(os.pipe()[0], 1)  # nothing comes
    yield 2

with Client(sys.argv[1]) as client:
    try:
        client.send("flow.cut_off", upload=piped())
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_ctrl_c_ends_an_upload_that_blocks(daemon: DaemonProcess, flow: AgentProcess) -> None:
    with running(INTERRUPTED, daemon.unix_url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "uploading\n"
        with Client(daemon.unix_url) as client:
            blocking_until(lambda: in_flight(client, "flow.cut_off") == 1)
            os.kill(process.pid, signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
            assert process.wait(PATIENCE_S) == 0
            blocking_until(lambda: in_flight(client, "flow.cut_off") == 0)
