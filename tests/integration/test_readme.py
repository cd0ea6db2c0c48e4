"""What the README promises on its first screen is what a newcomer gets."""

import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def askr(daemon: DaemonProcess, words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "askr_cli", *shlex.split(words)],
        capture_output=True,
        text=True,
        timeout=30,
        env=daemon.environ(),
        stdin=subprocess.DEVNULL,
        check=False,
    )


def without_chance(text: str) -> list[str]:
    """Masks what differs from run to run: ids, times, column widths."""
    text = re.sub(r"\b\d{13}\b", "MILLISECONDS", text)
    text = re.sub(r"\b\d\d:\d\d:\d\d\.\d{3}\b", "CLOCK", text)
    text = re.sub(r"\b(agent[- ]+)[A-Za-z0-9]{6}\b", r"\1INSTANCE", text)
    return [re.sub(r" +", " ", line).strip() for line in text.strip().splitlines()]


def started(daemon: DaemonProcess, program: Path, service: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, str(program)],
        env=daemon.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 20
    try:
        while service not in askr(daemon, "services --json").stdout:
            assert process.poll() is None
            assert time.monotonic() < until
    except AssertionError:
        process.kill()
        process.wait()
        raise
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        assert process.wait(20) == 0
    finally:
        process.kill()


def test_the_transcript_is_what_the_programs_print(askr_daemon: DaemonProcess) -> None:
    agent = started(askr_daemon, ROOT / "examples" / "time_agent.py", "agent")
    try:
        told = blocks("console")[0]
        for part in told.split("$ ")[1:]:
            command, _, shown = part.partition("\n")
            got = askr(askr_daemon, command.removeprefix("askr "))
            printed = got.stdout + ("" if got.returncode == 0 else got.stderr)
            assert without_chance(printed) == without_chance(shown), command
    finally:
        stop(agent)


def test_the_service_and_the_program_run_as_printed(
    askr_daemon: DaemonProcess, tmp_path: Path
) -> None:
    service, program = blocks("python")
    (tmp_path / "hello.py").write_text(service)
    (tmp_path / "program.py").write_text(program)
    hello = started(askr_daemon, tmp_path / "hello.py", "hello")
    try:
        assert askr(askr_daemon, "send hello.greet name=you").stdout == '"hello you"\n'
        done = subprocess.run(
            [sys.executable, str(tmp_path / "program.py")],
            capture_output=True,
            text=True,
            timeout=30,
            env=askr_daemon.environ(),
            check=False,
        )
        assert done.stdout == "hello you\nGREETED you\n"
    finally:
        stop(hello)


def test_the_service_is_about_ten_lines() -> None:
    lines = [line for line in blocks("python")[0].splitlines() if line.strip()]
    assert len(lines) <= 10
