"""The three ways a daemon grows, and one point of them measured: a fresh daemon, a crowd, two loads."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.daemon import Daemon
from bench.generator import Generator, Sample
from bench.growth.crowd import Crowd
from bench.growth.walks import SHAPES, Walks, apart
from bench.machine import Cores, pinned
from bench.report import BOUND_SHARE, WAITED_SHARE

CALLS = ("call", "--pairs", "1", "--in-flight", "64")
EVENTS = ("event", "--listeners", "100", "--window", "64")
PER_PEER = 500
SERVICES_PER_PEER = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Something a daemon may have more and more of.

    Attributes:
        name: stable id and what is counted.
        counts: the points, growing.
        loads: what is measured at each: label and words for a generator.
    """

    name: str
    counts: tuple[int, ...]
    loads: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One load beside so many connections, subscriptions or services; medians of its rounds.

    Attributes:
        axis: what was counted.
        count: how many there were.
        load: what was measured.
        us: microseconds of the daemon per round trip, delivery or event.
        us_low: the best round. us_high: the worst.
        per_second: round trips or deliveries; None where no socket was involved.
        note: why the rate, or both, should be read with care.
    """

    axis: str
    count: int
    load: str
    us: float
    us_low: float
    us_high: float
    per_second: float | None = None
    note: str = ""


class NoFigure(Exception):
    """A run gave no valid figure; the text says why."""


TENS = (1, 10, 100, 1000)
BOTH = (("round trip", CALLS), ("delivery 1 to 100", EVENTS))
AXES = (
    Axis(name="connections", counts=(10, 100, 1000, 5000), loads=BOTH),
    Axis(name="subscriptions", counts=(*TENS, 10_000), loads=BOTH),
    Axis(
        name="services",
        counts=TENS,
        loads=(("round trip", CALLS), ("round trip, all in turn", ("spread",))),
    ),
)
WALKED = Axis(name="walk", counts=(*TENS, 10_000), loads=tuple((name, ()) for name in SHAPES))
"""Subscriptions again, the router alone, every event with a subject nobody emitted before."""

Key = tuple[str, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to measure.

    Attributes:
        axes: what grows. rounds: how often each point is measured. measure_ms: how long.
        generator: the load. cores: where everybody runs.
    """

    axes: Sequence[Axis]
    rounds: int
    measure_ms: int
    generator: Generator
    cores: Cores


def measure(plan: Plan, say: Callable[[str], None]) -> list[Point]:
    """Measures every point in turns, rounds outermost, and returns their medians.

    Raises:
        NoFigure: a run lost something or did not end.
    """
    samples: dict[Key, list[Sample]] = {}
    for number in range(plan.rounds):
        for axis in plan.axes:
            say(f"round {number + 1} of {plan.rounds}: {axis.name}")
            for count in axis.counts if number % 2 == 0 else reversed(axis.counts):
                for load, sample in _sample(plan, axis, count).items():
                    samples.setdefault((axis.name, count, load), []).append(sample)
    return [_point(key, found) for key, found in sorted(samples.items(), key=_order(plan))]


def _order(plan: Plan) -> Callable[[tuple[Key, object]], tuple[int, int, int]]:
    names = [axis.name for axis in plan.axes]
    loads = {axis.name: [load for load, _ in axis.loads] for axis in plan.axes}

    def place(item: tuple[Key, object]) -> tuple[int, int, int]:
        name, count, load = item[0]
        return names.index(name), loads[name].index(load), count

    return place


def _sample(plan: Plan, axis: Axis, count: int) -> dict[str, Sample]:
    if axis.name == WALKED.name:
        return {load: _walk(plan, load, count) for load, _ in axis.loads}
    with Daemon(core=plan.cores.daemon) as daemon, Crowd(daemon.tcp) as crowd:
        _gather(crowd, axis.name, count)
        found = {}
        for load, words in axis.loads:
            found[load] = _load(plan, daemon, words, count)
            crowd.tend()
        return found


def _gather(crowd: Crowd, name: str, count: int) -> None:
    """Brings the daemon to ``count``, the measured load not counted."""
    if name == "connections":
        crowd.join(count)
    elif name == "subscriptions":
        crowd.subscribe([apart(number) for number in range(count)], per_peer=PER_PEER)
    else:
        crowd.provide([f"other{n}" for n in range(count)], per_peer=SERVICES_PER_PEER)


def _load(plan: Plan, daemon: Daemon, words: Sequence[str], count: int) -> Sample:
    generator, load = plan.generator, [*words]
    if words == ("spread",):
        starting = (sys.executable, "-m", "bench.growth.spread")
        generator, load = Generator(starting, "Python"), ["--services", str(count)]
    load += ["--ms", str(plan.measure_ms), "--warm-up-ms", "250", "--pid", str(daemon.pid)]
    sample = generator.run(daemon.tcp, load, core=plan.cores.generator)
    if not sample["ok"]:
        raise NoFigure(f"{' '.join(words)}: {sample['error']}\n{daemon.complaints()}")
    if generator.language == "Python":
        sample["generator_cpu"] = 1.0
    return sample


def _walk(plan: Plan, shape: str, count: int) -> Sample:
    with pinned(plan.cores.daemon):
        walks = Walks(shape, count)
        walks()
        events = taken_ns = 0
        while taken_ns < plan.measure_ms * 200_000:
            more, more_ns = walks()
            events += more
            taken_ns += more_ns
    return {"ok": True, "daemon_us_per_op": taken_ns / events / 1000}


def _point(key: Key, samples: Sequence[Sample]) -> Point:
    axis, count, load = key
    costs = _numbers(samples, "daemon_us_per_op")
    if not costs:
        raise NoFigure("the daemon's processor time is not readable here (/proc/PID/schedstat)")
    rates = _numbers(samples, "per_second")
    notes = []
    if max(_numbers(samples, "generator_cpu"), default=0) > BOUND_SHARE:
        notes.append("generator-bound")
    waits = _numbers(samples, "daemon_waited") + _numbers(samples, "generator_waited")
    if max(waits, default=0) > WAITED_SHARE:
        notes.append("disturbed")
    return Point(
        axis=axis,
        count=count,
        load=load,
        us=round(median(costs), 4),
        us_low=round(min(costs), 4),
        us_high=round(max(costs), 4),
        per_second=round(median(rates), 1) if rates else None,
        note=", ".join(notes),
    )


def _numbers(samples: Sequence[Sample], member: str) -> list[float]:
    found = [sample.get(member) for sample in samples]
    return [float(value) for value in found if isinstance(value, int | float)]
