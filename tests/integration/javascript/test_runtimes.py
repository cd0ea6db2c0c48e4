"""The JavaScript client in Node and in Deno, against a real daemon."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.javascript.checklist import (
    CHECKS,
    VECTORS,
    check_what_the_survivor_saw,
)
from tests.integration.javascript.runtimes import HERE, NAMES, module_for, program_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

RUN_S = 100.0


@pytest.fixture(scope="module", params=NAMES)
def found(request: pytest.FixtureRequest, daemon: DaemonProcess) -> Iterator[dict[str, str]]:
    """What went wrong in each check, empty when nothing did; all of them run in one process."""
    module = module_for(request.param, daemon.port)
    done = subprocess.run(
        [*program_of(request.param), str(HERE / "run_checks.js"), daemon.url, module],
        input=json.dumps(VECTORS),
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    yield dict(json.loads(line) for line in done.stdout.splitlines())
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("check", [*CHECKS, "no_rejection_is_left_alone"])
def test_the_client_does_what_it_says(found: dict[str, str], check: str) -> None:
    assert found[check] == ""


@contextmanager
def told(name: str, story: str, daemon: DaemonProcess) -> Iterator[subprocess.Popen[str]]:
    """A story that is being told; it has to end by itself."""
    words = [*program_of(name), str(HERE / "run_story.js"), daemon.url]
    with subprocess.Popen(
        [*words, module_for(name, daemon.port), story], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
            assert process.wait(RUN_S) == 0
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("name", NAMES)
def test_a_client_survives_the_end_of_its_daemon(name: str, mortal: DaemonProcess) -> None:
    with told(name, "story", mortal) as process:
        assert line(process) == "ready"
        mortal.kill()
        mortal.start()
        check_what_the_survivor_saw(json.loads(line(process)))


@pytest.mark.parametrize("name", NAMES)
def test_a_daemon_that_says_nothing_is_given_up(name: str) -> None:
    with DaemonProcess(config="[limits]\nheartbeat_after_ms = 500\n") as daemon:
        with told(name, "silence", daemon) as process:
            assert line(process) == "ready"
            os.kill(daemon.pid, signal.SIGSTOP)
            try:
                assert line(process) == "given up"
            finally:
                os.kill(daemon.pid, signal.SIGCONT)
            assert json.loads(line(process)) == [False, True, False]
