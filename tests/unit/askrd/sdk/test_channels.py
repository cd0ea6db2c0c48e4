"""Which way an event takes, and when a way that the daemon prefers is not taken."""

import logging
import socket
from collections.abc import Iterator

import pytest

from askrd.sdk.aside import close_aside, open_aside
from askrd.sdk.channels import Channels, reached
from askrd.sdk.conversation import Conversation
from askrd.wire.addresses import parse_listen, parse_url
from askrd.wire.bodies import Channel

HERE = parse_url("ws://127.0.0.1:8800")
FRAME = b"a frame"


@pytest.fixture
def daemon() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(10)
        yield listening


def udp(match: str, daemon: socket.socket) -> Channel:
    return Channel(match=match, via="udp", url=f"udp://127.0.0.1:{daemon.getsockname()[1]}")


def test_the_first_rule_that_fits_decides(daemon: socket.socket) -> None:
    rules = [Channel(match="log.audit", via="connection"), udp("log.*", daemon)]
    ways = Channels(rules, HERE)
    assert [ways.take(name, FRAME) for name in ("log.audit", "other", "log.a")] == [
        False,
        False,
        True,
    ]
    assert daemon.recv(100) == FRAME
    ways.end()


def test_the_first_use_and_what_is_too_large_are_told_once(
    daemon: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "askrd.sdk")
    ways = Channels([udp("log.*", daemon)], HERE)
    assert not any(ways.take("log.a", b"x" * 8193) for _ in range(2))
    assert all(ways.take(f"log.{number}", b"x" * 8192) for number in range(2))
    ways.end()
    assert len(caplog.records) == 2
    assert "has 8193 bytes, a datagram at most 8192" in caplog.text
    assert "they may be lost" in caplog.text


def test_a_way_where_nobody_is_is_given_up_and_that_is_told(
    daemon: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    ways = Channels([udp("log.*", daemon)], HERE)
    daemon.close()
    ways.take("log.a", FRAME)  # only then the system learns that nobody is there
    assert ways.take("log.a", FRAME) is False
    assert not ways.is_any
    assert ways.take("log.a", FRAME) is False
    assert "connection refused" in caplog.text


def test_names_without_end_are_not_all_remembered(daemon: socket.socket) -> None:
    ways = Channels([udp("log.*", daemon)], HERE)
    assert not any(ways.take(f"other.{number}", FRAME) for number in range(3000))
    assert ways.take("log.a", FRAME)
    ways.end()


@pytest.mark.parametrize(
    "rule",
    [
        Channel(match="a..b", via="udp", url="udp://127.0.0.1:1"),
        Channel(match="a", via="udp", url="nowhere"),
        Channel(match="a", via="udp", url="udp://a-name-to-look-up:1"),
        Channel(match="a", via="udp", url="tcp://127.0.0.1:1"),
        Channel(match="a", via="pigeon", url="pigeon://x"),
    ],
)
def test_what_a_daemon_says_that_makes_no_sense_here_is_passed_over(rule: Channel) -> None:
    ways = Channels([rule], parse_url("ws://10.0.0.5:8800"))
    assert not ways.is_any
    assert ways.take("a", FRAME) is False


@pytest.mark.parametrize(
    ("way", "address", "peer_host", "there"),
    [
        ("udp://127.0.0.1:1", "ws://127.0.0.1:1", "127.0.0.1", "udp://127.0.0.1:1"),
        ("udp://127.0.0.1:1", "unix:/s", "", "udp://127.0.0.1:1"),
        ("udp://127.0.0.1:1", "ws://10.0.0.5:1", "10.0.0.5", None),
        ("udp://10.0.0.5:1", "ws://10.0.0.5:1", "10.0.0.5", "udp://10.0.0.5:1"),
        ("udp://0.0.0.0:1", "ws://host:1", "10.0.0.5", "udp://10.0.0.5:1"),
        ("udp://0.0.0.0:1", "unix:/s", "", "udp://127.0.0.1:1"),
        ("udp://[::]:1", "unix:/s", "", "udp://[::1]:1"),
        ("udp://127.0.0.1:1", "wss://127.0.0.1:1", "127.0.0.1", None),
        ("udp://10.0.0.5:1", "askrs://10.0.0.5:1", "10.0.0.5", None),
    ],
)
def test_datagrams_go_to_the_daemon_and_never_beside_tls(
    way: str, address: str, peer_host: str, there: str | None
) -> None:
    found = reached(parse_listen(way), parse_url(address), peer_host)
    assert (found and found.url) == there


def test_a_new_connection_forgets_the_ways_of_the_former(daemon: socket.socket) -> None:
    events = Conversation().events
    open_aside(events, [udp("log.*", daemon)], HERE, "127.0.0.1")
    assert events.aside is not None
    open_aside(events, [], HERE, "127.0.0.1")
    assert events.aside is None
    close_aside(events)
