"""Processes die, stop and drain: every command has exactly one outcome, and at once."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.peers import BinaryPeer, TextPeer, connect

pytestmark = [pytest.mark.integration, pytest.mark.faults]

SERVICE = """
import json, socket, sys
plug = socket.socket(socket.AF_UNIX)
plug.connect(sys.argv[1])
def say(**frame): plug.sendall(json.dumps(frame).encode() + b"\\n")
say(k="hello", v=1, name="mortal")
say(k="provide", id=1, service="mortal", commands=[{"name": "work"}])
for line in plug.makefile():
    print(json.loads(line)["k"], flush=True)
"""


@contextmanager
def mortal(daemon: DaemonProcess) -> Iterator[subprocess.Popen[str]]:
    """A service in a process of its own that answers nothing; it is dead at the end."""
    path = daemon.unix_url.removeprefix("unix:")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICE, path], stdout=subprocess.PIPE, text=True
    )
    try:
        heard(process, "provided")
        yield process
    finally:
        process.kill()
        process.communicate()


def heard(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    while process.stdout.readline() != word + "\n":
        assert process.poll() is None


def test_a_killed_service_fails_its_commands_at_once(askr_daemon: DaemonProcess) -> None:
    with TextPeer(askr_daemon.unix_url) as caller:
        for round_ in range(1, 21):
            with mortal(askr_daemon) as process:
                caller.call(round_, "mortal.work", ttl=30_000)
                heard(process, "call")
                killed_at = time.monotonic()
                process.kill()
                fail = caller.until("fail")
            assert (fail["id"], fail["code"]) == (round_, "instance_lost")
            assert fail["details"]["delivered"] == "unknown"
            assert time.monotonic() - killed_at < 5
        caller.call(99, "mortal.work")
        assert caller.next()["code"] == "no_instance"


def test_a_killed_caller_cancels_what_it_asked(askr_daemon: DaemonProcess) -> None:
    with TextPeer(askr_daemon.unix_url) as service:
        service.provide("svc", "work")
        for peer in (TextPeer, BinaryPeer):
            with peer(askr_daemon.url) as caller:
                if isinstance(caller, TextPeer):
                    caller.call(1, "svc.work")
                else:
                    caller.say("call", 1, b"svc.work")
                asked = service.until("call")
            cancel = service.until("cancel")
            assert (cancel["id"], cancel["reason"]) == (asked["id"], "caller_lost")
            service.say(k="fail", id=asked["id"], code="cancelled")


def test_a_stopped_service_gets_nothing_new_and_comes_back() -> None:
    config = (
        "[limits]\nheartbeat_after_ms = 200\nunresponsive_after_ms = 500\ngone_after_ms = 60000\n"
    )
    with DaemonProcess(config=config) as daemon, TextPeer(daemon.unix_url) as caller:
        with BinaryPeer(daemon.unix_url, name="b") as quiet:
            quiet.say("provide", 1, payload=b'{"service":"b","commands":[{"name":"x"}]}', coding=1)
            quiet.until("provided")
            caller.say(k="sub", id=1, pattern="$askr.service.changed")
            changed = caller.until("event")
            assert (changed["d"]["service"], changed["d"]["state"]) == ("b", "unresponsive")
            caller.call(2, "b.x")
            assert caller.until("fail", id=2)["code"] == "no_instance"
            quiet.say("pong")
            assert caller.until("event")["d"]["state"] == "active"


def test_a_silent_binary_peer_is_closed_and_a_text_peer_is_not() -> None:
    config = (
        "[limits]\nheartbeat_after_ms = 100\nunresponsive_after_ms = 200\ngone_after_ms = 400\n"
    )
    with DaemonProcess(config=config) as daemon:
        with TextPeer(daemon.unix_url, name="text") as text, connect(daemon.unix_url) as plug:
            frame = BinaryPeer.frame("hello", payload=b'{"v":1,"name":"mute"}', coding=1)
            plug.sendall(b"\0askr/1\n" + frame)
            while plug.recv(1 << 16):
                pass
            text.call(1, "$askr.peers")
            assert [row["name"] for row in text.until("reply")["d"]] == ["text"]


def test_silence_before_the_hello_is_closed_after_the_handshake_timeout() -> None:
    with DaemonProcess(config="[limits]\nhandshake_timeout_ms = 300\n") as daemon:
        silent = [connect(daemon.unix_url) for _ in range(100)]
        silent += [connect(daemon.url) for _ in range(100)]
        with TextPeer(daemon.unix_url) as honest:
            honest.call(1, "$askr.ping")
            assert honest.until("reply")["id"] == 1
        for plug in silent:
            while plug.recv(1 << 16):
                pass
            plug.close()


def test_sigterm_finishes_what_is_in_flight_and_refuses_new_commands() -> None:
    with DaemonProcess() as daemon, TextPeer(daemon.unix_url) as service:
        service.provide("svc", "work")
        with TextPeer(daemon.url) as caller:
            caller.call(1, "svc.work")
            asked = service.until("call")
            os.kill(daemon.pid, signal.SIGTERM)
            assert caller.until("drain")["grace_ms"] == 20_000
            caller.call(2, "svc.work")
            assert caller.until("fail", id=2)["code"] == "draining"
            service.say(k="reply", id=asked["id"], d="finished")
            assert caller.until("reply", id=1)["d"] == "finished"
            assert caller.until("bye")["reason"] != ""
            assert caller.closed()
        assert daemon.process is not None
        assert daemon.process.wait(10) == 0
        assert not (daemon.directory / "askrd.json").exists()
        assert not daemon.socket.exists()


def test_a_second_signal_does_not_wait() -> None:
    with DaemonProcess() as daemon, TextPeer(daemon.unix_url) as service:
        service.provide("svc", "work")
        with TextPeer(daemon.unix_url) as caller:
            caller.call(1, "svc.work")
            service.until("call")
            os.kill(daemon.pid, signal.SIGTERM)
            caller.until("drain")
            os.kill(daemon.pid, signal.SIGTERM)
            assert daemon.process is not None
            assert daemon.process.wait(10) == 0


def resident_kib(daemon: DaemonProcess) -> int:
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def test_a_reader_that_stops_loses_events_aloud_and_costs_nobody_else(
    askr_daemon: DaemonProcess,
) -> None:
    with (
        BinaryPeer(askr_daemon.url, name="stopped") as stopped,
        BinaryPeer(askr_daemon.url, name="reader") as reader,
        BinaryPeer(askr_daemon.unix_url, name="emitter") as emitter,
    ):
        for listener in (stopped, reader):
            listener.say("sub", 1, b"FLOOD")
            listener.until("subbed")
        before = resident_kib(askr_daemon)
        count, payload = 40_000, b"x" * 1_000
        frame = BinaryPeer.frame("emit", 0, b"FLOOD", payload, coding=2)
        for _ in range(count // 100):
            emitter.socket.sendall(frame * 100)
            for _ in range(100):
                assert reader.next()["k"] == "event"
        assert resident_kib(askr_daemon) - before < 16 * 1024
        emitter.say("emit", 1, b"FLOOD", b"last", coding=2)
        assert emitter.body("emitted")["receivers"] == 2
        got = missed = 0
        while True:
            frame_read = stopped.next()
            if frame_read["k"] == "gap":
                gap = json.loads(frame_read["payload"])
                missed += gap["missed"]
                assert gap["subjects"] == {"FLOOD": gap["missed"]}
            else:
                got += 1
                if frame_read["payload"] == b"last":
                    break
        assert missed > 0
        assert got + missed == count + 1


def test_answers_that_pile_up_unread_close_the_session(askr_daemon: DaemonProcess) -> None:
    with (
        BinaryPeer(askr_daemon.url, name="svc") as service,
        BinaryPeer(askr_daemon.url, name="greedy") as greedy,
    ):
        service.say("provide", 1, payload=b'{"service":"svc","commands":[{"name":"x"}]}', coding=1)
        service.until("provided")
        greedy.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        closed = False
        for id_ in range(1, 200):
            try:
                greedy.say("call", id_, b"svc.x")
            except (BrokenPipeError, ConnectionResetError):
                closed = True
                break
            service.socket.settimeout(1)
            try:
                asked = service.until("call")
            except TimeoutError:
                closed = True
                break
            service.say("reply", asked["id"], payload=b"x" * 500_000, coding=2)
        assert closed
        service.say("call", 1000, b"$askr.ping")
        assert service.until("reply", id=1000)["coding"] == 1


def test_a_thousand_sessions_come_and_go_and_leave_nothing(askr_daemon: DaemonProcess) -> None:
    with TextPeer(askr_daemon.unix_url) as watcher:

        def visit(count: int) -> None:
            for number in range(count):
                with TextPeer(askr_daemon.unix_url, name=f"v{number}") as visitor:
                    visitor.provide(f"s{number}", "x")
                    visitor.say(k="sub", id=2, pattern=f"e{number}.*")
                    visitor.call(3, f"s{number}.x")
                    visitor.until("call")

        def left() -> bool:
            watcher.call(1, "$askr.peers")
            return len(watcher.until("reply")["d"]) == 1

        visit(300)
        descriptors = len(list(Path(f"/proc/{askr_daemon.pid}/fd").iterdir()))
        before = resident_kib(askr_daemon)
        visit(700)
        until = time.monotonic() + 10
        while not left():
            assert time.monotonic() < until
        assert len(list(Path(f"/proc/{askr_daemon.pid}/fd").iterdir())) <= descriptors
        assert resident_kib(askr_daemon) - before < 4 * 1024


def test_without_descriptors_the_old_peers_are_served_and_new_ones_later() -> None:
    with DaemonProcess() as daemon, TextPeer(daemon.unix_url, name="old") as old:
        in_use = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (in_use + 8, in_use + 8))
        crowd = [connect(daemon.unix_url if n % 2 else daemon.url) for n in range(40)]
        old.call(1, "$askr.ping")
        assert old.until("reply")["id"] == 1
        for plug in crowd:
            plug.close()
        until = time.monotonic() + 10
        while True:
            try:
                with TextPeer(daemon.unix_url, name="new") as new:
                    new.call(2, "$askr.ping")
                    assert new.until("reply")["id"] == 2
                    break
            except (EOFError, ConnectionError):
                assert time.monotonic() < until
