"""Jobs over real processes: workers and daemons die by SIGKILL, and what was accepted is done."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.text_peer import TextPeer, TextService
from tests.integration.writers import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.timeout(180)]

KILLS = 8
WORKER = """
import json, socket, sys
plug = socket.socket(socket.AF_UNIX)
plug.connect(sys.argv[1])
def say(**frame): plug.sendall(json.dumps(frame).encode() + b"\\n")
say(k="hello", v=1, name="worker")
say(k="provide", id=1, service="worker", commands=[
    {"name": "work", "queue": True, "attempts": 100, "concurrency": 2}])
for line in plug.makefile():
    frame = json.loads(line)
    if frame["k"] == "call":
        print(frame["job"], frame["attempt"], flush=True)
        if sys.argv[2] == "finish":
            say(k="reply", id=frame["id"], d=frame["d"] * 2)
"""


@contextmanager
def worker(daemon: DaemonProcess, way: str) -> Iterator[subprocess.Popen[str]]:
    """A worker in a process of its own; it is killed at the end."""
    path = daemon.unix_url.removeprefix("unix:")
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", WORKER, path, way], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def durable(data: Path) -> DaemonProcess:
    return DaemonProcess("--data", str(data), "--log-level", "warning")


def rows(peer: TextPeer, **wants: Any) -> list[dict[str, Any]]:
    answer = peer.ask(k="call", id=9_000, to="$askr.jobs.list", d={"limit": 1_000} | wants)
    found: list[dict[str, Any]] = answer["d"]
    return found


def work(payload: Any) -> dict[str, Any]:
    return {"k": "call", "to": "worker.work", "d": payload}


def test_a_killed_worker_s_jobs_are_done_by_the_next_one() -> None:
    with DaemonProcess() as daemon, TextPeer(daemon.unix_url) as me:
        seen: list[list[str]] = []
        with worker(daemon, "hold") as first:
            me.say(**work(0), id=1, wait=9_000)
            assert me.hear()["d"] == {"job": "1"}
            for number in range(1, 6):
                assert me.ask(**work(number), id=number + 1)["d"] == {"job": str(number + 1)}
            seen += [line_of(first), line_of(first)]
        assert seen == [["1", "1"], ["2", "1"]]
        for attempt in range(2, 2 + KILLS):
            with worker(daemon, "hold") as another:
                seen = [line_of(another), line_of(another)]
            assert seen == [["1", str(attempt)], ["2", str(attempt)]]
        with worker(daemon, "finish"):
            wait_until(lambda: {row["state"] for row in rows(me)} == {"done"})
        shown = [me.ask(k="call", id=1, to="$askr.jobs.show", d=n)["d"] for n in range(1, 7)]
        assert [one["value"] for one in shown] == [0, 2, 4, 6, 8, 10]
        assert [one["attempts"] for one in shown] == [2 + KILLS] * 2 + [1] * 4


def test_kills_of_the_daemon_lose_no_job_that_was_answered(tmp_path: Path) -> None:
    data, accepted, done = tmp_path / "data", {}, []
    queue = [{"name": "work", "queue": True}]

    def carry_out(call: dict[str, Any]) -> dict[str, Any]:
        done.append(int(call["job"]))
        return {"d": call["d"]}

    for kill in range(KILLS):
        with durable(data) as daemon:
            agent = TextService(daemon.unix_url, "worker", {"work": carry_out}, commands=queue)
            me = TextPeer(daemon.unix_url)
            for number in range(1, 61):
                me.say(**work([kill, number]), id=number)
            for _ in range(20 + 3 * kill):
                answer = me.hear()
                job = int(answer["d"]["job"])
                assert job not in accepted, "an id is given once"
                accepted[job] = [kill, answer["id"]]
            daemon.kill()
            me.drop()
            agent.drop()
    with durable(data) as daemon, TextPeer(daemon.unix_url) as me:
        assert accepted.keys() <= {int(row["id"]) for row in rows(me)}
        last = TextService(daemon.unix_url, "worker", {"work": carry_out}, commands=queue)
        wait_until(lambda: {row["state"] for row in rows(me)} == {"done"})
        for job, payload in accepted.items():
            shown = me.ask(k="call", id=1, to="$askr.jobs.show", d=job)["d"]
            assert (shown["state"], shown["value"]) == ("done", payload)
        last.close()
    assert accepted.keys() <= set(done)
    first_time = list(dict.fromkeys(done))
    assert first_time == sorted(first_time), "one after the other, in order"


def test_a_stop_waits_for_the_job_that_runs_and_keeps_its_result(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with durable(data) as daemon:
        agent = TextService(
            daemon.unix_url,
            "worker",
            {"work": lambda _: None},
            commands=[{"name": "work", "queue": True}],
        )
        with TextPeer(daemon.unix_url) as me:
            assert me.ask(**work("a"), id=1)["d"] == {"job": "1"}
            assert me.ask(**work("b"), id=2)["d"] == {"job": "2"}
        running = agent.wait_for_call()
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        agent.wait_for("drain")
        agent.say(k="reply", id=running["id"], d="result")
        assert daemon.process.wait(30) == 0
        agent.drop()
        assert len(agent.calls) == 1, "a daemon that goes away starts no other"
    with durable(data) as daemon, TextPeer(daemon.unix_url) as me:
        assert [row["state"] for row in rows(me)] == ["queued", "done"]
        assert me.ask(k="call", id=1, to="$askr.jobs.show", d=1)["d"]["value"] == "result"
