"""The contract about limits, at the edge: the last that fits, and the first that does not."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.peers import BinaryPeer, TextPeer

pytestmark = pytest.mark.integration

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as running:
        yield running


@pytest.fixture
def peer(daemon: DaemonProcess) -> Iterator[TextPeer]:
    with TextPeer(daemon.unix_url, name="peer") as made:
        yield made


@pytest.fixture
def service(daemon: DaemonProcess) -> Iterator[TextPeer]:
    with TextPeer(daemon.unix_url, name="work") as made:
        made.provide("work", "do")
        yield made


def asked(peer: TextPeer, **frame: Any) -> dict[str, Any]:
    peer.say(**frame)
    return peer.next()


def limit_of(frame: dict[str, Any]) -> str:
    """Returns the name of the limit that a refusal is about."""
    assert (frame["k"], frame["code"], frame["retryable"]) == ("fail", "limit_exceeded", True)
    name: str = frame["details"]["limit"]
    return name


def test_the_welcome_says_what_the_limits_are(peer: TextPeer) -> None:
    assert peer.welcome["limits"] == {
        "payload_bytes_max": MIB,
        "frame_bytes_max": MIB + 66 * 1024,
        "commands_in_flight_max": 1_000,
        "subscriptions_max": 1_000,
        "heartbeat_after_ms": 10_000,
        "stream_idle_ms": 60_000,
    }


def test_a_thousand_subscriptions_and_no_more(peer: TextPeer) -> None:
    for id_ in range(1, 1_001):
        peer.say(k="sub", id=id_, pattern=f"edge.{id_}")
    assert {peer.next()["k"] for _ in range(1_000)} == {"subbed"}
    assert limit_of(asked(peer, k="sub", id=1_001, pattern="x")) == "subscriptions_max"
    peer.say(k="unsub", id=1)
    assert asked(peer, k="sub", id=1_001, pattern="x")["k"] == "subbed"


def test_a_thousand_commands_in_flight_and_no_more(peer: TextPeer, service: TextPeer) -> None:
    for id_ in range(1, 1_001):
        peer.call(id_, "work.do")
    peer.call(1_001, "work.do")
    assert limit_of(peer.next()) == "commands_in_flight_max"
    for _ in range(1_000):
        service.say(k="reply", id=service.until("call")["id"], d=1)
    assert {peer.next()["id"] for _ in range(1_000)} == set(range(1, 1_001))
    peer.call(1_001, "work.do")
    service.say(k="reply", id=service.until("call")["id"], d=2)
    assert peer.next()["d"] == 2


def test_a_hundred_watches_and_no_more(peer: TextPeer) -> None:
    for id_ in range(1, 101):
        assert asked(peer, k="watch", id=id_, prefix=f"edge/{id_}")["k"] == "synced"
    assert limit_of(asked(peer, k="watch", id=101, prefix="x")) == "watches_max"
    peer.say(k="unwatch", id=1)
    assert asked(peer, k="watch", id=101, prefix="x")["k"] == "synced"


def test_sixty_four_services_and_no_more(peer: TextPeer) -> None:
    for number in range(64):
        peer.provide(f"s{number}")
    over = asked(peer, k="provide", id=1, service="s64", commands=[])
    assert limit_of(over) == "services_per_session_max"


def test_a_thousand_commands_of_a_service_and_no_more(peer: TextPeer) -> None:
    names = [{"name": f"c{number}"} for number in range(1_001)]
    assert limit_of(asked(peer, k="provide", id=1, service="many", commands=names))
    assert asked(peer, k="provide", id=1, service="many", commands=names[1:])["k"] == "provided"


def test_names_have_two_hundred_bytes_and_keys_512(peer: TextPeer) -> None:
    name, key = "n" * 200, "k" * 512
    command = ".".join(["x", *["c" * 64] * 3, "c" * 3])
    assert len(command) == 200
    assert asked(peer, k="sub", id=1, pattern=name)["k"] == "subbed"
    assert asked(peer, k="sub", id=2, pattern=name + "n")["code"] == "bad_request"
    peer.say(k="emit", id=3, event=name)
    assert peer.until("emitted")["receivers"] == 1
    assert asked(peer, k="emit", id=4, event="é" * 100 + "n")["code"] == "bad_request"
    assert asked(peer, k="call", id=5, to=command)["code"] == "service_unknown"
    assert asked(peer, k="call", id=6, to=command + "c")["code"] == "bad_request"
    assert asked(peer, k="put", id=7, key=key, d=1)["k"] == "ok"
    assert asked(peer, k="put", id=8, key=key + "k", d=1)["code"] == "bad_request"


def test_a_payload_has_one_mebibyte_in_both_directions(peer: TextPeer, service: TextPeer) -> None:
    fits, over = "x" * (MIB - 2), "x" * (MIB - 1)
    peer.call(1, "work.do", fits)
    call = service.until("call")
    assert call["d"] == fits
    service.say(k="reply", id=call["id"], d=fits)
    assert peer.next()["d"] == fits
    peer.call(2, "work.do", over)
    refused = peer.next()
    assert (refused["code"], refused["details"]["bytes_max"]) == ("payload_too_large", MIB)
    assert asked(peer, k="emit", id=3, event="X", d=over)["code"] == "payload_too_large"
    peer.call(4, "work.do")
    service.say(k="reply", id=service.until("call")["id"], d=over)
    assert (service.next()["code"], peer.next()["code"]) == ("payload_too_large",) * 2


def test_a_binary_payload_has_one_mebibyte_too(daemon: DaemonProcess) -> None:
    with BinaryPeer(daemon.unix_url) as peer:
        peer.say("sub", 1, b"BIG")
        peer.say("emit", 2, b"BIG", b"x" * MIB, coding=2)
        assert len(peer.until("event")["payload"]) == MIB
        peer.say("emit", 3, b"BIG", b"x" * (MIB + 1), coding=2)
        assert peer.body("fail", id=3)["code"] == "payload_too_large"


def test_a_state_value_has_256_kibibytes(peer: TextPeer) -> None:
    size = 256 * 1024
    assert asked(peer, k="put", id=1, key="edge", d="x" * (size - 2))["k"] == "ok"
    over = asked(peer, k="put", id=2, key="edge", d="x" * (size - 1))
    assert (over["code"], over["details"]["bytes_max"]) == ("payload_too_large", size)


def test_commands_nest_seven_deep(peer: TextPeer, service: TextPeer) -> None:
    peer.call(1, "work.do", hops=7)
    call = service.until("call")
    assert call["hops"] == 7
    service.say(k="reply", id=call["id"])
    assert peer.next()["k"] == "reply"
    peer.call(2, "work.do", hops=8)
    refused = peer.next()
    assert (refused["code"], "circle" in refused["message"]) == ("bad_request", True)


def test_text_nests_64_deep(peer: TextPeer, service: TextPeer) -> None:
    def nested(depth: int) -> bytes:
        lists = b"[" * (depth - 1) + b"]" * (depth - 1)
        return b'{"k":"call","id":1,"to":"work.do","d":' + lists + b"}\n"

    peer.raw(nested(64))
    service.say(k="reply", id=service.until("call")["id"])
    assert peer.next()["k"] == "reply"
    peer.raw(nested(65))
    refused = peer.next()
    assert (refused["k"], refused["code"]) == ("error", "bad_request")


def test_headers_have_32_kibibytes(peer: TextPeer, service: TextPeer) -> None:
    peer.call(1, "work.do", headers={"h": "x" * (32 * 1024 - 8)})
    assert len(service.until("call")["headers"]["h"]) == 32 * 1024 - 8
    peer.call(2, "work.do", headers={"h": "x" * (32 * 1024 - 7)})
    assert peer.next()["code"] == "bad_request"


def test_limits_can_be_configured() -> None:
    limits = {
        "payload_bytes_max": 2048,
        "subscriptions_max": 2,
        "commands_in_flight_max": 1,
        "heartbeat_after_ms": 700,
    }
    config = "[limits]\n" + "".join(f"{name} = {value}\n" for name, value in limits.items())
    with DaemonProcess(config=config) as daemon, TextPeer(daemon.unix_url) as peer:
        told = peer.welcome["limits"]
        assert {name: told[name] for name in limits} == limits
        assert asked(peer, k="emit", id=1, event="X", d="x" * 2047)["code"] == "payload_too_large"
        assert [asked(peer, k="sub", id=i, pattern=f"p{i}")["k"] for i in (1, 2, 3)] == [
            "subbed", "subbed", "fail",
        ]  # fmt: skip


STRANGERS = """
import sys
from askrd.testing.daemon_process import DaemonProcess
from tests.integration.peers import TextPeer

config = "[limits]\\nsessions_per_address_max = 3\\n"
with DaemonProcess("--insecure", "--listen", f"ws://{sys.argv[1]}:0", config=config) as daemon:
    guests = [TextPeer(daemon.url, name=f"guest{n}") for n in range(3)]
    with TextPeer(daemon.url, name=None) as over:
        assert over.closed(), "a fourth session was let in"
    guests[0].call(1, "$askr.peers")
    assert len(guests[0].until("reply")["d"]) == 3
    guests.pop().socket.close()
    while True:
        guests[0].call(2, "$askr.peers")
        if len(guests[0].until("reply")["d"]) == 2:
            break
    guests.append(TextPeer(daemon.url, name="late"))
    for guest in guests:
        guest.socket.close()
print("held")
"""


def test_one_address_has_so_many_sessions_and_no_more(tmp_path: Path) -> None:
    """Runs in a network of its own, in which a local address stands for a distant one."""
    address = "10.83.11.9"
    ready = f"ip link set lo up && ip addr add {address}/32 dev lo"
    isolated = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c"]
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("needs the programs unshare and ip")
    probe = subprocess.run([*isolated, ready], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"this machine lets nobody make a network of their own: {probe.stderr}")
    (tmp_path / "strangers.py").write_text(STRANGERS, encoding="utf-8")
    told = subprocess.run(
        [*isolated, f'{ready} && exec "$0" "$@"', sys.executable, "strangers.py", address],
        env=Askr(tmp_path).environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert told.stdout == "held\n", told.stderr
