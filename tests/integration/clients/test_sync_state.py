"""The blocking client's state against a real daemon: every write, and views that threads read."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from askrd.sdk.values import Change, Synced
from askrd.sync import Client
from askrd.testing.daemon_process import DaemonProcess
from askrd.wire.errors import BadRequest, ConnectionLost, Gone, NotFound
from tests.integration.clients.waits import PATIENCE_S, blocking_until

pytestmark = pytest.mark.integration


def test_every_kind_of_write_through_every_door(url: str) -> None:
    with Client(url, workspace=f"sync-writes-{url[:2]}") as client:
        state = client.state
        state.set("cfg", {"a": 1, "b": 2}, ttl=60)
        assert state.patch("cfg", {"b": None}).value == {"a": 1}
        assert [state.incr("n", by).value for by in (1, 41, -2)] == [1, 42, 40]
        assert state.touch("cfg", 600).ttl == pytest.approx(600, abs=5)
        assert state.get("cfg").ttl == pytest.approx(600, abs=5)
        assert state.set("cfg", 1, fast=True).ttl is None
        held = state.set("held", 1, ephemeral=True)
        assert client.welcome is not None
        assert held.owner == client.welcome.instance
        state.delete("held", fast=True)
        assert [one.op for one in state.history("held")] == ["del", "set"]
        with pytest.raises(BadRequest):
            state.set("cfg", 1, ttl=0)
        with pytest.raises(NotFound):
            state.touch("none")


def test_a_watch_goes_on_from_a_revision(daemon: DaemonProcess) -> None:
    with Client(daemon.unix_url) as client:
        first = client.state.set("sync-since/a", 0)
        revs = [client.state.set("sync-since/a", n).rev for n in (1, 2)]
        with client.state.watch("sync-since", since=first.rev, timeout=10) as changes:
            missed = [next(changes), next(changes)]
            assert [one.rev for one in missed if isinstance(one, Change)] == revs
            assert isinstance(next(changes), Synced)
        with pytest.raises(Gone):
            client.state.watch("sync-since", since=10**9)


def test_a_view_is_read_by_any_thread_while_others_write(daemon: DaemonProcess) -> None:
    with Client(daemon.unix_url) as reader, Client(daemon.unix_url) as writer:
        writer.state.set("sync-view/old", 1)
        with reader.state.view("sync-view", relative=True) as view:
            assert (dict(view), len(view), "old" in view) == ({"old": 1}, 1, True)
            assert view.changed(timeout=0) is False
            entry = writer.state.set("sync-view/new", [1])
            assert view.changed(timeout=PATIENCE_S) is True
            assert (view["new"], view.entry("new").rev, view.rev) == ([1], entry.rev, entry.rev)
            assert view.is_current
            with ThreadPoolExecutor(1) as threads:
                assert threads.submit(view.get, "new").result(PATIENCE_S) == [1]
            writer.state.delete("sync-view/old")
            assert view.changed(timeout=PATIENCE_S) is True
            assert list(view) == ["new"]
        assert (list(view), view.is_current) == (["new"], False)


def test_closing_a_view_ends_the_thread_that_waits_for_a_change(daemon: DaemonProcess) -> None:
    with Client(daemon.unix_url) as client:
        view = client.state.view("sync-closed")
        view.begin()
        said: list[bool] = []
        waiting = threading.Thread(target=lambda: said.append(view.changed()))
        waiting.start()
        view.close()
        waiting.join(PATIENCE_S)
        assert said == [False]


def test_a_view_says_that_its_client_was_closed(daemon: DaemonProcess) -> None:
    client = Client(daemon.unix_url)
    client.connect()
    view = client.state.view("sync-lost")
    view.begin()
    client.close()
    with pytest.raises(ConnectionLost):
        view.changed(timeout=PATIENCE_S)
    view.close()


def test_a_view_comes_back_with_its_daemon() -> None:
    with DaemonProcess() as daemon, Client(daemon.unix_url) as client:
        client.state.set("a", 1)
        with client.state.view() as view:
            daemon.stop()
            blocking_until(lambda: not view.is_current)
            daemon.start()
            blocking_until(lambda: view.is_current)
            assert dict(view) == {}
            client.state.set("b", 2)
            blocking_until(lambda: dict(view) == {"b": 2})
