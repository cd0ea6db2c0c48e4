"""Runs the benchmarks: `python -m bench`, a table for people or one JSON object for programs."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from bench.daemon import DEFAULT_COMMAND, Daemon, DaemonFailed
from bench.generator import Generator, Sample, get_generator
from bench.machine import Cores, choose_cores, describe, describe_ours, kept_awake
from bench.report import Row, as_json, summarize, table
from bench.workloads import READY, WORKLOADS, Workload

BUSY_LOAD = 0.5
Samples = dict[tuple[Workload, str], list[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was asked for, with the defaults filled in."""

    rounds: int
    warm_up_ms: int
    measure_ms: int
    overs: tuple[str, ...]
    workloads: tuple[Workload, ...]
    command: tuple[str, ...]
    connect: str
    pid: int | None

    @property
    def daemon(self) -> str:
        """What is measured, in words."""
        if self.connect:
            return self.connect
        ours = self.command == DEFAULT_COMMAND
        return describe_ours() if ours else shlex.join(self.command)


def main(words: Sequence[str] | None = None) -> int:
    """Measures, prints, and returns 0, or 1 when a row has no valid figure."""
    parser = _parser()
    arguments = parser.parse_args(words)
    if contradiction := _contradiction(arguments):
        parser.error(contradiction)
    settings = _settings(arguments)
    cores = choose_cores()
    if settings.connect:
        cores = replace(cores, daemon=None)
    generator = get_generator(python_only=arguments.python_generator)
    machine = describe(cores) | {"daemon": settings.daemon}
    if not arguments.json:
        _narrate(machine, generator, cores)
    with kept_awake(cores) if arguments.awake else nullcontext():
        rows = measure(settings, generator, cores)
    if arguments.json:
        about: dict[str, object] = {"rounds": settings.rounds, "measure_ms": settings.measure_ms}
        about |= {"warm_up_ms": settings.warm_up_ms, "generator": generator.language}
        about |= {"awake": arguments.awake}
        print(json.dumps({"machine": machine, "settings": about, "rows": as_json(rows)}))
    else:
        print(table(rows))
    return 1 if any(row.error for row in rows) else 0


def measure(settings: Settings, generator: Generator, cores: Cores) -> list[Row]:
    """Runs every round and returns one row per workload and kind of address."""
    samples: Samples = {}
    for number in range(settings.rounds):
        _say(f"round {number + 1} of {settings.rounds}")
        if settings.connect:
            _measure_running(settings, generator, cores, samples)
        else:
            _measure_started(settings, generator, cores, samples)
    return [
        summarize(workload, over, found, generator.language)
        for (workload, over), found in samples.items()
    ]


def _measure_running(
    settings: Settings, generator: Generator, cores: Cores, samples: Samples
) -> None:
    over = settings.connect.partition(":")[0]
    for workload in settings.workloads:
        if workload.words:
            words = _words(settings, workload, settings.pid)
            sample = generator.run(settings.connect, words, core=cores.generator)
            samples.setdefault((workload, over), []).append(sample)


def _measure_started(
    settings: Settings, generator: Generator, cores: Cores, samples: Samples
) -> None:
    """One round: a fresh daemon for each figure that wants one, another for all the rest."""
    runs = [
        (workload, over) for workload in settings.workloads for over in _overs(settings, workload)
    ]
    for run in runs:
        if run[0].fresh:
            _measure_on_one(settings, generator, cores, [run], samples)
    rest = [run for run in runs if not run[0].fresh]
    if rest:
        _measure_on_one(settings, generator, cores, rest, samples)


def _overs(settings: Settings, workload: Workload) -> tuple[str, ...]:
    return settings.overs if workload.words else ("",)


def _measure_on_one(
    settings: Settings,
    generator: Generator,
    cores: Cores,
    runs: Sequence[tuple[Workload, str]],
    samples: Samples,
) -> None:
    with Daemon(settings.command, cores.daemon) as daemon:
        for workload, over in runs:
            if workload is READY:
                sample: Sample = {"ok": True, "ms": daemon.ready_ms}
            else:
                url = daemon.unix if over == "unix" else daemon.tcp
                words = _words(settings, workload, daemon.pid)
                sample = generator.run(url, words, core=cores.generator)
            samples.setdefault((workload, over), []).append(sample)
            if not sample["ok"]:
                _say(f"{workload.name} over {over}: {sample['error']}\n{daemon.complaints()}")


def _words(settings: Settings, workload: Workload, pid: int | None) -> list[str]:
    words = [*workload.words, "--ms", str(settings.measure_ms)]
    words += ["--warm-up-ms", str(settings.warm_up_ms)]
    return [*words, "--pid", str(pid)] if pid else words


def _settings(arguments: argparse.Namespace) -> Settings:
    quick = arguments.quick
    wanted = arguments.only or [workload.name for workload in WORKLOADS]
    return Settings(
        rounds=arguments.rounds or (1 if quick else 3),
        warm_up_ms=100 if quick else 250,
        measure_ms=250 if quick else 1000,
        overs=("tcp", "unix") if arguments.over == "both" else (arguments.over or "tcp",),
        workloads=tuple(workload for workload in WORKLOADS if workload.name in wanted),
        command=tuple(shlex.split(arguments.daemon)) if arguments.daemon else DEFAULT_COMMAND,
        connect=arguments.connect,
        pid=arguments.pid,
    )


def _contradiction(arguments: argparse.Namespace) -> str:
    """Returns why these options cannot go together, or nothing."""
    if arguments.awake and not hasattr(os, "SCHED_IDLE"):
        return "--awake needs Linux"
    if not arguments.connect:
        return "--pid belongs to --connect" if arguments.pid else ""
    if not arguments.connect.startswith(("tcp://", "unix:")):
        return f"--connect takes tcp://HOST:PORT or unix:PATH, not {arguments.connect}"
    if arguments.daemon or arguments.over:
        return "--connect measures what runs there: leave out --daemon and --over"
    if arguments.only == [READY.name]:
        return f"{READY.name} starts a daemon of its own: leave out --connect"
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="one short round: a look, no figure")
    parser.add_argument("--rounds", type=_positive, help="rounds (default 3, with --quick 1)")
    parser.add_argument("--over", choices=("tcp", "unix", "both"), help="default tcp")
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=f"only: {', '.join(names)}"
    )
    parser.add_argument("--connect", default="", metavar="URL", help="measure a running daemon")
    parser.add_argument("--pid", type=_positive, help="its process id, for its CPU and memory")
    parser.add_argument("--daemon", default="", metavar="COMMAND", help="start this, not our askrd")
    parser.add_argument(
        "--awake", action="store_true", help="keep both cores from sleeping between messages"
    )
    parser.add_argument("--python-generator", action="store_true", help="do not use the C one")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number from 1")
    return number


def _narrate(machine: dict[str, object], generator: Generator, cores: Cores) -> None:
    for name, value in machine.items():
        print(f"{name.replace('_', ' '):12} {value}")
    print(f"{'generator':12} {generator.language}\n", flush=True)
    if generator.note:
        _say(generator.note)
    if cores.generator is None:
        _say("nothing is pinned: the daemon and the generator may share a core")
    load = machine["load_before"]
    if isinstance(load, float) and load > BUSY_LOAD:
        _say(f"the machine is busy (load {load}): figures will be low and vary")


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DaemonFailed as exc:
        _say(f"the daemon did not start: {exc}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
