"""Rounds in which every system takes its turn at each workload, so that drift hits all alike.

In a round every program runs once, all pinned to the same core. Only the one whose turn it is may
run: the others are stopped (SIGSTOP), so that their timers do not count against it.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.daemon import DaemonFailed
from bench.generator import Generator, Sample
from bench.machine import Cores
from bench.peers.programs import Program, Running
from bench.peers.systems import System
from bench.workloads import READY, Workload

SETTLE_SECONDS = 3.0
SETTLED_SHARE = 0.1
LOOK_SECONDS = 0.02

Key = tuple[Workload, System]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured, on whom, how often and how long."""

    systems: tuple[System, ...]
    workloads: tuple[Workload, ...]
    rounds: int
    warm_up_ms: int
    measure_ms: int


@dataclass(slots=True)
class Rounds:
    """Runs a plan and keeps every sample.

    Attributes:
        plan: what to do.
        generator: who loads the systems.
        cores: where they and the generator run.
        samples: what came out, round by round, per workload and system.
    """

    plan: Plan
    generator: Generator
    cores: Cores
    samples: dict[Key, list[Sample]] = field(default_factory=dict)

    def run(self) -> None:
        """Measures all rounds; a program that does not start fails its own rows only."""
        for number in range(self.plan.rounds):
            say(f"round {number + 1} of {self.plan.rounds}")
            order = _rotated(self.plan.systems, number)
            for workload in self.plan.workloads:
                if workload.fresh:
                    self._measure_fresh(workload, order)
            self._measure_together(order)

    def _measure_fresh(self, workload: Workload, order: Sequence[System]) -> None:
        """Gives each system a process that nobody has used yet."""
        for system in self._takers(workload, order):
            with self._started([system.program], [system]) as running:
                if system.program in running:
                    self._measure(workload, system, running[system.program])

    def _measure_together(self, order: Sequence[System]) -> None:
        workloads = [workload for workload in self.plan.workloads if not workload.fresh]
        if not workloads:
            return
        programs = list(dict.fromkeys(system.program for system in order))
        with self._started(programs, order) as running:
            for each in running.values():
                _signal(each, signal.SIGSTOP)
            for workload in workloads:
                for system in self._takers(workload, order):
                    if system.program in running:
                        self._take_turn(workload, system, running[system.program])

    def _takers(self, workload: Workload, order: Sequence[System]) -> list[System]:
        """The systems that still have a chance of a figure: one failed round ends it."""
        return [
            system
            for system in order
            if system.takes(workload)
            and all(sample["ok"] for sample in self.samples.get((workload, system), []))
        ]

    def _take_turn(self, workload: Workload, system: System, running: Running) -> None:
        _signal(running, signal.SIGCONT)
        self._measure(workload, system, running)
        settle(running.pid)
        _signal(running, signal.SIGSTOP)

    def _measure(self, workload: Workload, system: System, running: Running) -> None:
        sample: Sample = {"ok": True, "ms": running.ready_ms}
        if workload is not READY:
            words = [*workload.words, "--ms", str(self.plan.measure_ms)]
            words += ["--warm-up-ms", str(self.plan.warm_up_ms)]
            words += [word for pid in running.pids for word in ("--pid", str(pid))]
            url, core = system.url_of(running), self.cores.generator
            sample = self.generator.run(url, words, core=core, protocol=system.protocol)
        if system.program.is_threaded:  # its threads wait for each other: nobody disturbed them
            sample.pop("daemon_waited", None)
        self._keep(workload, system, sample)
        if not sample["ok"]:
            say(f"{workload.name}, {system.name}: {sample['error']}\n{running.complaints()}")

    def _keep(self, workload: Workload, system: System, sample: Sample) -> None:
        self.samples.setdefault((workload, system), []).append(sample)

    @contextmanager
    def _started(
        self, programs: Sequence[Program], systems: Sequence[System]
    ) -> Iterator[dict[Program, Running]]:
        """Starts programs one after the other and ends them all, whatever happens."""
        running: dict[Program, Running] = {}
        try:
            for program in programs:
                try:
                    running[program] = program.start(self.cores.daemon)
                except DaemonFailed as exc:
                    self._fail(program, systems, str(exc))
            yield running
        finally:
            for each in running.values():
                _signal(each, signal.SIGCONT)
                each.stop()

    def _fail(self, program: Program, systems: Sequence[System], reason: str) -> None:
        say(f"{program.name} did not start: {reason}")
        for system in systems:
            if system.program is program:
                for workload in self.plan.workloads:
                    if system.takes(workload):
                        self._keep(workload, system, {"ok": False, "error": f"start: {reason}"})


def _rotated(systems: Sequence[System], number: int) -> list[System]:
    """Each round another system goes first, so that none always follows the same neighbour."""
    first = number % len(systems)
    return [*systems[first:], *systems[:first]]


def _signal(running: Running, number: signal.Signals) -> None:
    for pid in running.pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def settle(pid: int) -> None:
    """Waits until a process has dealt with the connections that were just closed."""
    deadline = time.monotonic() + SETTLE_SECONDS
    used = used_ns(pid)
    while time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        now = used_ns(pid)
        if now - used < LOOK_SECONDS * SETTLED_SHARE * 1e9:
            return
        used = now


def used_ns(pid: int) -> int:
    """Returns the processor time of all threads of a process in nanoseconds; 0 when it is gone."""
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(path.read_text().split()[0])
        except (OSError, IndexError):
            continue  # the thread ended while we looked
    return total


def say(text: str) -> None:
    """Narrates on stderr."""
    print(f"bench.peers: {text}", file=sys.stderr, flush=True)
