"""Two hundred services die by SIGKILL in the middle of their work: every caller has one outcome."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, Self

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.text_peer import TextPeer

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.timeout(180)]

KILLS = 200
SERVICE = """
import json, socket, sys
plug = socket.socket(socket.AF_UNIX)
plug.connect(sys.argv[1])
def say(**frame): plug.sendall(json.dumps(frame).encode() + b"\\n")
say(k="hello", v=1, name="mortal")
say(k="provide", id=1, service="mortal", commands=[
    {"name": "work"}, {"name": "again", "idempotent": True, "policy": "first"},
    {"name": "tail", "reply": "stream"}, {"name": "begin", "reply": "ack"}])
for line in plug.makefile():
    frame = json.loads(line)
    if frame.get("to") == "mortal.tail":
        say(k="item", id=frame["id"], d="one")
    if frame.get("to") == "mortal.begin":
        say(k="reply", id=frame["id"], more=True)
    print(frame.get("to", frame["k"]), flush=True)
"""


@contextmanager
def doomed(daemon: DaemonProcess) -> Iterator[subprocess.Popen[str]]:
    """A service in a process of its own that finishes nothing; it is dead at the end."""
    path = daemon.unix_url.removeprefix("unix:")
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", SERVICE, path], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        while process.stdout.readline() != "provided\n":
            assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.communicate()


def got(process: subprocess.Popen[str], count: int) -> set[str]:
    """Reads what reached the service, ``count`` commands of it."""
    assert process.stdout is not None
    return {process.stdout.readline().strip() for _ in range(count)}


class Survivor:
    """Another instance that takes over what may be done twice."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.peer = TextPeer(daemon.unix_url, "survivor")
        again = {"name": "again", "idempotent": True, "policy": "first"}
        self.peer.say(k="provide", id=1, service="mortal", commands=[again])
        self.peer.hear_kind("provided")
        self.thread = threading.Thread(target=self._answer)
        self.thread.start()

    def _answer(self) -> None:
        try:
            while True:
                frame = self.peer.hear()
                if frame["k"] == "call":
                    self.peer.say(k="reply", id=frame["id"], d="done by another")
        except (ConnectionError, OSError, ValueError):
            pass  # the end of the test

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.peer.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.peer.socket.close()


def outcomes(peer: TextPeer, ids: set[int]) -> dict[int, dict[str, Any]]:
    """Hears outcomes for ``ids`` and holds that nothing else comes, and nothing twice."""
    found: dict[int, dict[str, Any]] = {}
    while ids - set(found):
        frame = peer.hear()
        if frame["k"] == "item":
            continue
        assert frame["k"] in {"reply", "fail"}, frame
        assert frame["id"] in ids - set(found), f"a second outcome: {frame}"
        found[frame["id"]] = frame
    return found


def test_two_hundred_kills_leave_every_caller_with_exactly_one_outcome(
    askr_daemon: DaemonProcess, record_property: Callable[[str, object], None]
) -> None:
    took_ms = []
    with (
        TextPeer(askr_daemon.unix_url, "one") as one,
        TextPeer(askr_daemon.url, "two", streams=True) as two,
        TextPeer(askr_daemon.unix_url, "news") as news,
    ):
        news.say(k="sub", id=1, pattern="$askr.command.failed")
        news.hear_kind("subbed")
        for number in range(1, KILLS + 1):
            with doomed(askr_daemon) as process, Survivor(askr_daemon):
                first, second, third, fourth = range(number * 10, number * 10 + 4)
                one.say(k="call", id=first, to="mortal.work", ttl=30_000)
                one.say(k="call", id=second, to="mortal.again", ttl=30_000)
                two.say(k="call", id=third, to="mortal.tail", reply="stream", ttl=30_000)
                two.say(k="call", id=fourth, to="mortal.begin", ttl=30_000)
                begun = outcomes(two, {fourth})
                assert begun[fourth]["k"] == "reply"
                assert len(got(process, 4)) == 4
                killed_at = time.monotonic()
                process.send_signal(signal.SIGKILL)
                mine = outcomes(one, {first, second})
                yours = outcomes(two, {third})
                took_ms.append((time.monotonic() - killed_at) * 1000)
            assert (mine[first]["k"], mine[first]["code"]) == ("fail", "instance_lost")
            assert mine[first]["details"]["delivered"] == "unknown"
            assert mine[second]["k"] == "reply", mine[second]
            assert mine[second]["d"] == "done by another"
            assert (yours[third]["k"], yours[third]["code"]) == ("fail", "instance_lost")
            assert yours[third]["details"]["delivered"] == "yes"
            told = news.hear_kind("event")["d"]
            assert (told["command"], told["id"]) == ("begin", fourth)
            assert told["error"]["code"] == "instance_lost"
        for peer in (one, two, news):
            peer.say(k="ping", id=7)
            assert peer.hear_kind("pong")["id"] == 7, "something came after the last outcome"
    record_property("p50_ms", round(median(took_ms), 2))
    record_property("max_ms", round(max(took_ms), 2))
