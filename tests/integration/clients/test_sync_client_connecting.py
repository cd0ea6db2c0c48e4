"""The blocking client against a real daemon: finding it, losing it, coming back."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from askrd.sdk.blocking import BlockingConnection
from askrd.sdk.conversation import Conversation
from askrd.sdk.errors import CannotConnect
from askrd.sdk.values import Change, Event, Gap, Synced
from askrd.sdk.where import Where
from askrd.sync import Client
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.addresses import DaemonAddress, parse_url
from askrd.wire.errors import (
    ConnectionLost,
)
from tests.integration.clients.waits import PATIENCE_S, blocking_until
from tests.integration.text_peer import TextService

pytestmark = pytest.mark.integration


def receivers(client: Client, event: str) -> int:
    told = client.emit(event, confirm=True)
    assert told is not None
    return told.receivers


@pytest.mark.parametrize("place", ["unix:{}/none.sock", "tcp://127.0.0.1:1", "ws://127.0.0.1:1"])
def test_nobody_there_is_said_with_place_and_reason(place: str, tmp_path: Path) -> None:
    url = place.format(tmp_path)
    with pytest.raises(CannotConnect) as caught:
        Client(url).connect()

    assert caught.value.url == url
    assert caught.value.reason in {"no such file or directory", "connection refused"}


def test_a_stale_socket_falls_through_to_the_next_place(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    places = (DaemonAddress("unix", path=f"{tmp_path}/stale.sock"), parse_url(daemon.tcp_url))
    connection = BlockingConnection(
        Conversation(), lambda: Where(places), reconnect=False, connect_timeout_s=5.0
    )
    connection.open()

    assert connection.address == places[1]
    connection.close()


def test_nothing_works_before_connecting(daemon: DaemonProcess) -> None:
    client = Client(daemon.unix_url)
    with pytest.raises(ConnectionLost, match="connect first"):
        client.send("lab.echo")
    client.close()


def test_a_client_comes_back_and_listens_again(tmp_path: Path) -> None:
    arguments = ("--listen", f"unix:{tmp_path}/d.sock")
    news: list[str] = []
    with DaemonProcess(*arguments) as first:
        client = Client(
            f"unix:{tmp_path}/d.sock",
            on_connected=lambda welcome: news.append(welcome.epoch),
            on_disconnected=lambda error: news.append(str(error.code)),
        )
        client.connect()
        events = client.listen("tick", gaps=True)
        changes = client.state.watch()
        assert next(changes) == Synced(0)
        assert first.stop() == 0
        blocking_until(lambda: news[-1] == "connection_lost")
    with DaemonProcess(*arguments), client:
        assert receivers(client, "tick") == 1
        assert next(events) == Gap(None)
        assert isinstance(next(events), Event)
        client.state.set("a", 1)
        changed = [next(changes), next(changes)]
        assert isinstance(changed[1], Change)
        assert len(set(news)) == 3


def test_a_command_under_way_when_the_daemon_dies_is_lost() -> None:
    with DaemonProcess() as daemon:
        with TextService(daemon.unix_url, "lab", {"slow": lambda _: None}) as lab:
            with (
                Client(daemon.unix_url, reconnect=False) as client,
                ThreadPoolExecutor(1) as threads,
            ):
                call = threads.submit(client.send, "lab.slow")
                lab.wait_for_call()
                daemon.kill()
                error = call.exception(PATIENCE_S)
                assert isinstance(error, ConnectionLost)
                assert error.details == {"delivered": "unknown"}
                with pytest.raises(ConnectionLost):
                    client.ping()


def test_a_survey_under_way_is_lost_when_the_daemon_does_not_return() -> None:
    short = "[limits]\nresume_terminal_ms = 400\n"
    with (
        DaemonProcess(config=short) as daemon,
        TextService(daemon.unix_url, "lab", {"slow": lambda _: None}) as lab,
        ThreadPoolExecutor(1) as threads,
        Client(daemon.unix_url) as client,
    ):
        row = threads.submit(next, client.survey("lab.slow"))
        lab.wait_for_call()
        daemon.kill()
        assert isinstance(row.exception(PATIENCE_S), ConnectionLost)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_hook_that_fails_is_said_to_be_the_end() -> None:
    def broken(error: ConnectionLost) -> None:
        raise ValueError(error)

    with DaemonProcess() as daemon:
        client = Client(daemon.unix_url, on_disconnected=broken)
        client.connect()
        waiting = client.listen("a")
    with pytest.raises(ConnectionLost, match="thread failed"):
        next(waiting)
    client.close()


def test_a_daemon_that_hangs_is_noticed() -> None:
    with DaemonProcess() as daemon:
        place = Where((parse_url(daemon.unix_url),))
        connection = BlockingConnection(
            Conversation(ping_after_s=0.2, gone_after_s=0.2), lambda: place,
            reconnect=False, connect_timeout_s=5.0,
        )  # fmt: skip
        gone: list[str] = []
        connection.on_disconnected = lambda error: gone.append(error.message)
        connection.open()
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            blocking_until(lambda: bool(gone))
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        assert "silent" in gone[0]
        connection.close()
