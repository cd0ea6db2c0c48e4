"""The contract about failures: what a real daemon refuses, and the exit code that follows."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextPeer, TextService

pytestmark = pytest.mark.integration

AGENT = """
import asyncio
from askrd import Askr, CommandError

agent = Askr("faulty")

@agent.command
async def sleep() -> None:
    await agent.emit("ASLEEP")
    await asyncio.sleep(60)

@agent.command
def add(a: int, b: int) -> int:
    return a + b

@agent.command
def lie() -> int:
    return "no number"

@agent.command
def burst() -> None:
    raise ValueError("the inside of the service")

@agent.command
def refuse() -> None:
    raise CommandError("sold_out", "none left", details={"left": 0})

agent.run()
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as process:
        yield process


@pytest.fixture
def askr(daemon: DaemonProcess, tmp_path: Path) -> Askr:
    return Askr(tmp_path, daemon.unix_url)


@pytest.fixture
def faulty(daemon: DaemonProcess, askr: Askr) -> Iterator[subprocess.Popen[bytes]]:
    """A service of the SDK in a process of its own."""
    (askr.cwd / "agent.py").write_text(AGENT, encoding="utf-8")
    with TextPeer(daemon.unix_url) as ears:
        ears.ask(k="sub", id=1, pattern="$askr.service.joined")
        with subprocess.Popen(
            [sys.executable, "agent.py"],
            cwd=askr.cwd,
            env=askr.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                assert ears.hear_kind("event")["d"]["service"] == "faulty"
                yield process
            finally:
                process.kill()


@pytest.mark.parametrize(
    ("words", "exit_code", "code", "at"),
    [
        (("send", "faulty.add", "a:=1"), 3, "schema_invalid", "request"),
        (("send", "faulty.add", "a:=1", "b=x"), 3, "schema_invalid", "request"),
        (("send", "faulty.add", "a:=1", "b:=2", "c:=3"), 3, "schema_invalid", "request"),
        (("send", "faulty.lie"), 6, "schema_invalid", "response"),
        (("send", "faulty.burst"), 6, "handler_error", "handler"),
        (("send", "faulty.refuse"), 6, "sold_out", "handler"),
        (("send", "faulty.sleep", "--timeout", "300ms"), 124, "deadline_exceeded", "daemon"),
        (("send", "faulty.nope"), 5, "command_unknown", "daemon"),
        (("send", "nobody.nope"), 5, "service_unknown", "daemon"),
        (("send", "faulty@zzzzzz.add"), 5, "no_instance", "daemon"),
        (("send", "$askr.nope"), 5, "command_unknown", "daemon"),
        (("send", "faulty.add", "{"), 3, "bad_request", "client"),
        (("describe", "nobody"), 5, "command_unknown", "daemon"),
        (("state", "get", "no/such"), 5, "not_found", "daemon"),
        (("state", "rm", "no/such"), 5, "not_found", "daemon"),
        (("state", "set", "$askr/x", "1"), 4, "forbidden", "daemon"),
        (("state", "set", "@faulty/x", "1"), 4, "forbidden", "daemon"),
        (("state", "set", "no/such", "1", "--if-rev", "7"), 9, "conflict", "daemon"),
        (("emit", "UNHEARD", "--require-listener"), 5, "not_found", "client"),
        (("listen", "UNHEARD", "--count", "1", "--timeout", "50ms"), 124, "deadline_exceeded",
         "client"),
        (("send", "faulty.add", "--nonsense"), 2, "usage", "client"),
        (("nonsense",), 2, "usage", "client"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)  # fmt: skip
@pytest.mark.usefixtures("faulty")
def test_a_failure_has_its_exit_code_and_a_whole_error(
    askr: Askr, words: tuple[str, ...], exit_code: int, code: str, at: str
) -> None:
    told = askr(*words, "--json")
    assert set(told.json) == {"ok", "error"}
    error = told.json["error"]
    assert set(error) == {"code", "message", "details", "retryable", "at"}
    assert (told.code, error["code"], error["at"]) == (exit_code, code, at)
    assert told.err.splitlines()[-1].startswith("askr: ")
    assert "inside of the service" not in told.out + told.err


def test_a_killed_service_ends_its_command_with_8(
    askr: Askr, daemon: DaemonProcess, faulty: subprocess.Popen[bytes]
) -> None:
    with TextPeer(daemon.unix_url) as ears:
        ears.ask(k="sub", id=1, pattern="ASLEEP")
        with askr.running("send", "faulty.sleep", "--json") as run:
            ears.hear_kind("event")
            faulty.kill()
            ended = run.end()
    assert (ended.code, ended.json["error"]["code"]) == (8, "instance_lost")
    assert ended.json["error"]["details"]["delivered"] in {"yes", "unknown"}
    assert askr("send", "faulty.sleep").code == 5


def test_a_full_session_is_busy(tmp_path: Path) -> None:
    with DaemonProcess(config="[limits]\nsubscriptions_max = 1\n") as daemon:
        told = Askr(tmp_path, daemon.unix_url)("listen", "A", "B", "--json")
    assert (told.code, told.lines[-1]["error"]["code"]) == (75, "limit_exceeded")
    assert told.lines[-1]["error"]["retryable"] is True


def test_a_draining_daemon_is_busy(tmp_path: Path) -> None:
    with DaemonProcess() as daemon, TextPeer(daemon.unix_url, "holder") as holder:
        with TextService(daemon.unix_url, "lab", {"hold": lambda c: None, "one": lambda c: {}}):
            with subprocess.Popen(
                [sys.executable, "-m", "askr_cli", "send", "lab.one", "--lines", "-", "--json"],
                env=Askr(tmp_path, daemon.unix_url).environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as sender:
                assert sender.stdin is not None
                assert sender.stdout is not None
                sender.stdin.write(b"1\n")
                sender.stdin.flush()
                assert json.loads(sender.stdout.readline())["ok"] is True
                holder.say(k="call", id=1, to="lab.hold")
                assert holder.ask(k="ping", id=2)["k"] == "pong"
                os.kill(daemon.pid, signal.SIGTERM)
                holder.hear_kind("drain")
                out, _ = sender.communicate(b"2\n", timeout=30)
                error = json.loads(out)["error"]
                assert (sender.returncode, error["code"]) == (75, "draining")
                assert error["retryable"] is True
            holder.say(k="cancel", id=1)
            os.kill(daemon.pid, signal.SIGTERM)
            assert daemon.process is not None
            assert daemon.process.wait(30) == 0
