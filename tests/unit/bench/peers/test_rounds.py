"""Systems take turns, one runs at a time, and whoever fails, fails alone."""

import json
import sys
from functools import partial
from pathlib import Path

import pytest

from bench.daemon import DaemonFailed
from bench.generator import Generator
from bench.machine import Cores
from bench.peers.brokers import Broker
from bench.peers.programs import Program, Running
from bench.peers.rounds import Plan, Rounds
from bench.peers.systems import System
from bench.report import summarize
from bench.workloads import READY, WORKLOADS, Workload

CALL = next(workload for workload in WORKLOADS if workload.name == "call-1")
LISTEN = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listener.accept()
"""
GENERATOR = """
import json, os, sys
words, log = sys.argv[2:], sys.argv[1]
pid = words[words.index("--pid") + 1]
states = {}
for line in filter(lambda pid: os.path.exists(f"/proc/{pid}"), open(log + ".pids").read().split()):
    states[line] = open(f"/proc/{line}/stat").read().rpartition(")")[2].split()[0]
with open(log, "a") as stream:
    stream.write(json.dumps([pid, states]) + "\\n")
print(json.dumps({"ok": "fail" not in log, "per_second": 1.0, "error": "lost"}))
"""


class Stage:
    """Two small listeners, and a generator that writes down who runs while it is at work."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.started: list[str] = []
        self.pids = log.with_name(log.name + ".pids")
        self.pids.write_text("")
        self.generator = Generator((sys.executable, "-c", GENERATOR, str(log)), "C")

    def system(self, name: str) -> System:
        program = Program(name, lambda: name, partial(self._start, name=name))
        return System(name=name, title=name, program=program, protocol="askr")

    def run(self, plan: Plan) -> Rounds:
        rounds = Rounds(plan, self.generator, Cores(None, None))
        rounds.run()
        return rounds

    def seen(self) -> list[tuple[str, dict[str, str]]]:
        """Of each turn: whose it was, and the state of every process."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def _start(self, core: int | None, *, name: str) -> Running:
        self.started.append(name)
        broker = Broker(lambda _folder, port: [sys.executable, "-c", LISTEN, str(port)], core)
        with self.pids.open("a") as stream:
            stream.write(f"{broker.pid}\n")
        return broker


def broken(_core: int | None) -> Running:
    raise DaemonFailed("no port")


def plan_of(*systems: System, rounds: int = 1, workloads: tuple[Workload, ...] = (CALL,)) -> Plan:
    return Plan(systems=systems, workloads=workloads, rounds=rounds, warm_up_ms=1, measure_ms=1)


def test_only_the_system_under_test_runs(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "log")
    stage.run(plan_of(stage.system("a"), stage.system("b")))
    turns = stage.seen()
    assert len(turns) == 2
    for measured, states in turns:
        assert {pid: state == "T" for pid, state in states.items()} == {
            pid: pid != measured for pid in states
        }


def test_each_round_another_system_goes_first(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "log")
    a, b = stage.system("a"), stage.system("b")
    rounds = stage.run(plan_of(a, b, rounds=2, workloads=(READY,)))
    assert stage.started == ["a", "b", "b", "a"]
    assert [len(rounds.samples[READY, system]) for system in (a, b)] == [2, 2]


def test_failed_row_is_not_run_again_and_has_no_figure(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "fail")
    system = stage.system("a")
    rounds = stage.run(plan_of(system, rounds=3))
    samples = rounds.samples[CALL, system]
    assert len(samples) == 1
    assert summarize(CALL, "a", samples, "C").error == "lost"


def test_program_that_does_not_start_fails_its_own_rows_only(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "log")
    good = stage.system("good")
    bad = System(
        name="bad", title="bad", program=Program("bad", lambda: "", broken), protocol="askr"
    )
    rounds = stage.run(plan_of(bad, good, rounds=2, workloads=(READY, CALL)))
    found = {
        (workload.name, system.name): [sample["ok"] for sample in samples]
        for (workload, system), samples in rounds.samples.items()
    }
    assert found["call-1", "good"] == [True, True]
    assert found["ready", "good"] == [True, True]
    assert not any(found["call-1", "bad"])
    assert not any(found["ready", "bad"])


@pytest.mark.parametrize("threaded", [False, True])
def test_waiting_of_a_threaded_program_is_not_disturbance(
    tmp_path: Path, *, threaded: bool
) -> None:
    stage = Stage(tmp_path / "log")
    script = GENERATOR.replace('"error"', '"daemon_waited": 0.5, "error"')
    stage.generator = Generator((sys.executable, "-c", script, str(stage.log)), "C")
    program = Program("a", lambda: "a", partial(stage._start, name="a"), is_threaded=threaded)
    system = System(name="a", title="a", program=program, protocol="askr")
    samples = stage.run(plan_of(system)).samples[CALL, system]
    assert [sample.get("daemon_waited") for sample in samples] == [None if threaded else 0.5]
