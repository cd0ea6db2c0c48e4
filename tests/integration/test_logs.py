"""Logs of a real daemon: configured, read by text peers, the same after a restart."""

from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.text_peer import Frame, TextPeer

pytestmark = pytest.mark.integration

CONFIG = """
[[logs]]
name = "orders"
patterns = ["orders.**"]
"""


def daemon(data: Path) -> DaemonProcess:
    return DaemonProcess("--data", str(data), config=CONFIG)


def consume(peer: TextPeer) -> None:
    subbed = peer.ask(k="sub", id=2, pattern="**", log="orders", consumer="billing")
    assert subbed["k"] == "subbed", subbed


def given(frame: Frame) -> tuple[int, object]:
    assert (frame["k"], frame["sub"]) == ("event", 2), frame
    return frame["log_seq"], frame["d"]


def test_a_configured_log_goes_on_after_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with daemon(data) as first, TextPeer(first.unix_url) as peer:
        for number in (1, 2, 3):
            told = peer.ask(k="emit", id=9, event="orders.paid", d=number)
            assert told["k"] == "emitted"
        consume(peer)
        assert [given(peer.hear()) for _ in range(3)] == [(1, 1), (2, 2), (3, 3)]
        assert peer.ask(k="ack", id=9, sub=2, seq=2)["k"] == "ok"
    with daemon(data) as second, TextPeer(second.unix_url) as peer:
        consume(peer)
        assert [given(peer.hear()) for _ in range(2)] == [(1, 1), (3, 3)]
        (row,) = peer.ask(k="call", id=9, to="$askr.logs.list")["d"]
        assert (row["events"], row["last_seq"], row["consumers"]) == (3, 3, 1)


def test_without_a_data_directory_a_log_is_there_while_the_daemon_is() -> None:
    with DaemonProcess(config=CONFIG) as only:
        with TextPeer(only.unix_url) as peer:
            peer.say(k="emit", event="orders.paid", d=1)
            assert peer.ask(k="emit", id=9, event="orders.paid", d=2)["k"] == "emitted"
        with TextPeer(only.unix_url) as peer:
            consume(peer)
            assert [given(peer.hear()) for _ in range(2)] == [(1, 1), (2, 2)]


def test_a_long_log_is_read_whole() -> None:
    with DaemonProcess(config=CONFIG) as only, TextPeer(only.unix_url) as peer:
        for number in range(2_000):
            peer.say(k="emit", event="orders.paid", d={"number": number, "text": "x" * 1_000})
        assert peer.ask(k="emit", id=9, event="orders.paid", d=2_000)["k"] == "emitted"
        assert peer.ask(k="sub", id=2, pattern="**", log="orders")["k"] == "subbed"
        assert [peer.hear()["log_seq"] for _ in range(2_001)] == list(range(1, 2_002))
