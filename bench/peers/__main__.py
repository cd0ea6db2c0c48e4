"""Runs the comparison: `python -m bench.peers`, tables for people or one JSON object for programs."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from bench.daemon import PROJECT
from bench.generator import get_generator
from bench.machine import Cores, choose_cores, describe, kept_awake, kept_polling, may_poll
from bench.peers import ratios, sdk, tables, targets
from bench.peers.page import PAGE, NoPlace, refresh
from bench.peers.programs import Missing
from bench.peers.results import Members, NotAResult, Run, as_object, label_from, read, write
from bench.peers.rounds import Plan, Rounds, say
from bench.peers.systems import SYSTEMS, System
from bench.report import summarize
from bench.workloads import WORKLOADS

ROUNDS = 3
"""A median needs three at least, the quick form included; that one is shorter, not thinner."""


def main(words: Sequence[str] | None = None) -> int:
    """Measures, prints, keeps, and returns 0, or 1 when a row has no valid figure."""
    parser = _parser()
    arguments = parser.parse_args(words)
    if arguments.page:
        return _refresh_page(read(arguments.page))
    if reason := _refusal(arguments.idle):
        parser.error(reason)
    run = _run(arguments, choose_cores())
    members = as_object(run) | {"ratios": ratios.as_json(run), "targets": targets.as_json(run)}
    if arguments.write is not None:
        path = write(members, run.name)
        say(f"written: {path.relative_to(PROJECT)}")
        if _is_whole(arguments):
            _refresh_page(read(path))
        else:
            say(f"only a part was run, so {PAGE.name} stays as it is")
    if arguments.json:
        print(json.dumps(members))
    else:
        print(tables.details(run))
        for table in tables.summary(run):
            print(f"\n{table.as_text()}")
        for name, reason in run.gaps.items():
            print(f"\nnot here: {name} ({reason})")
    return 1 if any(row.error for row in run.rows) else 0


def _run(arguments: argparse.Namespace, cores: Cores) -> Run:
    machine = describe(cores)
    versions, gaps = _look(_wanted(arguments))
    plan = _plan(arguments, versions)
    generator = get_generator()
    _narrate(machine, versions, gaps, note=generator.note)
    rounds = Rounds(plan, generator, cores)
    idle = arguments.idle or ("polling" if may_poll() else "asleep")
    with _idling(idle, cores):
        rounds.run()
        through_sdks = _through_sdks(arguments, plan, versions)
    rows = [
        summarize(workload, system.name, rounds.samples[workload, system], generator.language)
        for workload in plan.workloads
        for system in plan.systems
        if (workload, system) in rounds.samples
    ]
    settings: Members = {"rounds": plan.rounds, "measure_ms": plan.measure_ms}
    settings |= {"warm_up_ms": plan.warm_up_ms, "idle_cores": idle}
    settings |= {"generator": generator.language}
    return Run(
        date=datetime.now(UTC).date().isoformat(),
        label=arguments.write or ("quick" if arguments.quick else "full"),
        machine=machine,
        versions=versions,
        gaps=gaps,
        settings=settings,
        rows=rows,
        sdk=through_sdks,
    )


def _refusal(idle: str | None) -> str:
    """Returns why idle cores cannot be kept like this, or nothing."""
    if idle == "polling" and not may_poll():
        return "--idle polling needs write access to /dev/cpu_dma_latency: run as root"
    if idle == "busy" and not hasattr(os, "SCHED_IDLE"):
        return "--idle busy needs Linux"
    return ""


def _idling(idle: str, cores: Cores) -> AbstractContextManager[None]:
    if idle == "polling":
        return kept_polling()
    return kept_awake(cores) if idle == "busy" else nullcontext()


def _wanted(arguments: argparse.Namespace) -> list[System]:
    names = arguments.systems
    return [system for system in SYSTEMS if not names or system.name in names]


def _look(systems: Sequence[System]) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the versions of the programs that are here, and why the others are not."""
    versions: dict[str, str] = {}
    gaps: dict[str, str] = {}
    for program in dict.fromkeys(system.program for system in systems):
        try:
            versions[program.name] = program.version()
        except Missing as exc:
            gaps[program.name] = str(exc)
    return versions, gaps


def _plan(arguments: argparse.Namespace, versions: dict[str, str]) -> Plan:
    systems = [each for each in _wanted(arguments) if each.program.name in versions]
    if not systems:
        raise Missing("none of the programs is installed")
    wanted = arguments.only or [workload.name for workload in WORKLOADS]
    return Plan(
        systems=tuple(systems),
        workloads=tuple(workload for workload in WORKLOADS if workload.name in wanted),
        rounds=arguments.rounds,
        warm_up_ms=100 if arguments.quick else 300,
        measure_ms=300 if arguments.quick else 1000,
    )


def _is_whole(arguments: argparse.Namespace) -> bool:
    return not arguments.only and not arguments.systems


def _through_sdks(
    arguments: argparse.Namespace, plan: Plan, versions: dict[str, str]
) -> list[Members]:
    if not _is_whole(arguments):
        return []
    return sdk.measure(list(versions), rounds=plan.rounds, quick=arguments.quick)


def _refresh_page(run: Run) -> int:
    refresh(run)
    say(f"the figures in {PAGE.relative_to(PROJECT)} are those of {run.name}")
    return 0


def _narrate(
    machine: dict[str, object], versions: dict[str, str], gaps: dict[str, str], *, note: str
) -> None:
    for name, value in machine.items():
        say(f"{name.replace('_', ' '):14} {value}")
    for name, version in versions.items():
        say(f"{name:14} {version}")
    for name, reason in gaps.items():
        say(f"{name:14} is left out: {reason}")
    if note:
        say(note)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    add = parser.add_argument
    add("--json", action="store_true", help="print one JSON object")
    add("--quick", action="store_true", help="short measurements: a few minutes for everything")
    add("--rounds", type=_rounds, default=ROUNDS, help=f"rounds (default {ROUNDS})")
    workloads = [workload.name for workload in WORKLOADS]
    add("--only", action="append", choices=workloads, metavar="NAME", help=", ".join(workloads))
    systems = ", ".join(system.name for system in SYSTEMS)
    add("--systems", type=_systems, default=[], metavar="A,B", help=f"only: {systems}")
    add("--idle", choices=IDLE, help=IDLE_HELP)
    add("--write", nargs="?", const="", type=_label, metavar="LABEL", help=WRITE_HELP)
    add("--page", type=Path, metavar="FILE", help="measure nothing: put FILE's figures there")
    return parser


IDLE = ("polling", "busy", "asleep")
IDLE_HELP = (
    "what idle cores do: wait in a loop of the kernel (needs root; the default where allowed), "
    "run a loop of the lowest class, or sleep as they always do"
)
WRITE_HELP = f"keep the run in bench/results/ and put its figures into docs/{PAGE.name}"


def _rounds(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a number from 1")
    return number


def _systems(text: str) -> list[str]:
    wanted = text.split(",")
    known = {system.name for system in SYSTEMS}
    if unknown := sorted(set(wanted) - known):
        raise argparse.ArgumentTypeError(f"there is no {unknown[0]}: {', '.join(sorted(known))}")
    return wanted


def _label(text: str) -> str:
    try:
        return text and label_from(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _end(number: int, _frame: object) -> None:
    """Unwinds, so that no broker stays behind, stopped or not."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    try:
        sys.exit(main())
    except (Missing, NoPlace, NotAResult) as exc:
        say(str(exc))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
