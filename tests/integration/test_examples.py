"""The examples work as the README shows them: a daemon, the time agent, the time client."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from askrd.sync import Client
from tests.integration.agent_process import ROOT, AgentProcess

pytestmark = pytest.mark.integration

EXAMPLES = ROOT / "examples"
LINES_MAX = 40


def test_time_client_asks_listens_and_stops_the_time_agent(askr_daemon) -> None:
    with AgentProcess(EXAMPLES / "time_agent.py", askr_daemon.environ()) as agent:
        said = agent.wait_until_it_says("connected to")
        assert "agent.fetch()" in said
        assert "\x1b" not in said
        before_ms = time.time_ns() // 1_000_000
        client = time_client(askr_daemon.environ())
        first, *ticks = client.stdout.splitlines()
        assert first.startswith("{'type': 'FETCHED_TIME', 'payload': ")
        times = list(map(int, ticks))
        assert len(times) == 5
        assert before_ms < times[0] < times[-1] <= time.time_ns() // 1_000_000
        assert client.stderr == ""
        assert agent.end() == 0
        assert "Traceback" not in agent.said


def time_client(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "time_client.py")],
        env={**environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_time_client_stops_the_one_of_two_agents_that_it_started(askr_daemon) -> None:
    script = EXAMPLES / "time_agent.py"
    with AgentProcess(script, askr_daemon.environ()) as one:
        with AgentProcess(script, askr_daemon.environ()) as other:
            one.wait_until_it_says("connected to")
            other.wait_until_it_says("connected to")
            with Client(askr_daemon.unix_url) as client:
                for _ in range(2):
                    assert time_client(askr_daemon.environ()).returncode == 0
                assert list(client.listen("FETCHED_TIME", timeout=1.5)) == []
            assert (one.end(), other.end()) == (0, 0)


def test_time_client_without_a_daemon_says_so_in_one_sentence(tmp_path: Path) -> None:
    done = time_client({"ASKR_URL": f"unix:{tmp_path}/no.sock", "PATH": "/usr/bin"})

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"time_client: cannot reach askrd at unix:{tmp_path}/no.sock "
        "(no such file or directory). Start one: askrd serve\n"
    )


@pytest.mark.parametrize("name", ["time_agent.py", "time_client.py", "job_worker.py"])
def test_example_is_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) <= LINES_MAX


def test_job_worker_carries_out_what_was_sent_before_it_came_back(askr_daemon) -> None:
    script = EXAMPLES / "job_worker.py"
    with Client(askr_daemon.unix_url) as client:
        with AgentProcess(script, askr_daemon.environ()) as worker:
            worker.wait_until_it_says("connected to")
            job = client.send("resizer.resize", {"name": "flaky", "width": 7})
            done = client.jobs.wait(job, timeout=20)
            assert done.result() == "flaky is 7 wide, at attempt 2"
            assert worker.end() == 0
        waits = client.send("resizer.resize", {"name": "late"})
        with AgentProcess(script, askr_daemon.environ()) as worker:
            done = client.jobs.wait(waits, timeout=20)
            assert done.result() == "late is 100 wide, at attempt 1"
            assert worker.end() == 0


def test_six_lines_of_bash_are_a_service(askr_daemon) -> None:
    if shutil.which("nc") is None or shutil.which("bash") is None:
        pytest.skip("NOT TESTED: no bash or nc here; install Debian's netcat-openbsd")
    script = EXAMPLES / "bash_service.sh"
    code = [line for line in script.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert len(code) == 6
    service = subprocess.Popen(
        ["bash", str(script), str(askr_daemon.socket)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        with Client(askr_daemon.unix_url) as client:
            for _ in range(3):
                assert client.send("greet.hi", {"n": 1}, wait=10) == "hello from bash"
    finally:
        askr_daemon.stop()
        service.wait(20)
