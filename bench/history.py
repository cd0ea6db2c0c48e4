"""What the figures were, change by change: `python -m bench.history add` and `... show`.

Each entry is one line of `bench/history.jsonl`: when, which commit, which build, on what, and the
figures of the micro-benchmarks and of a short run of the whole relay. Entries are compared only
with earlier ones of the same machine and build.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypedDict

from askrd.version import BUILD, VERSION
from bench.daemon import OURS
from bench.machine import choose_cores, describe
from bench.report import amount, layout

FILE = Path(__file__).with_name("history.jsonl")
PROJECT = FILE.parent.parent
ROWS = ("call-1", "call-64", "call-64x1", "event-1", "event-100", "event-100-single", "event-1m")
NOISE = {"micro": 0.1, "wall": 0.25}
"""Shares by which a figure moves without any cause: pure code in one process, the whole relay."""
HEAD: tuple[Literal["date", "label", "commit", "version", "build"], ...] = (
    "date",
    "label",
    "commit",
    "version",
    "build",
)
RUN_SECONDS_MAX = 600


class Entry(TypedDict):
    """One line of the history; times are nanoseconds (micro) and microseconds (wall) per operation."""

    date: str
    label: str
    commit: str
    version: str
    build: str
    machine: dict[str, object]
    load_before: float
    micro: dict[str, float]
    wall: dict[str, float]
    rates: dict[str, float]


class NoFigures(Exception):
    """A benchmark could not be run; the text is what it said."""


def add(file: Path, *, label: str, is_quick: bool) -> Entry:
    """Measures, appends an entry to ``file`` and returns it.

    Raises:
        NoFigures: a benchmark failed; nothing was written.
    """
    quick = ["--quick"] if is_quick else []
    machine = describe(choose_cores())
    load = float(str(machine.pop("load_before")))
    machine.pop("pinned")
    micro = _run(["bench.micro", "--json", *quick])
    only = [word for row in ROWS for word in ("--only", row)]
    wall = _run(["bench", "--json", *(quick or ["--rounds", "3"]), *only])
    entry = Entry(
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
        label=label,
        commit=commit(),
        version=VERSION,
        build=BUILD,
        machine=machine,
        load_before=load,
        micro=_figures(micro, "ns"),
        wall=_figures(wall, "daemon_us_per_op"),
        rates=_figures(wall, "value"),
    )
    with file.open("a") as stream:
        stream.write(json.dumps(entry) + "\n")
    return entry


def _run(words: Sequence[str]) -> list[dict[str, object]]:
    """Runs a benchmark with this interpreter and this askrd, and returns its rows."""
    places = os.pathsep.join((str(OURS), str(PROJECT)))
    done = subprocess.run(
        [sys.executable, "-P", "-m", *words],
        env=os.environ | {"PYTHONPATH": places},
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_SECONDS_MAX,
    )
    if done.returncode:
        raise NoFigures(f"python -m {' '.join(words)} failed:\n{done.stderr[-1000:]}")
    rows: list[dict[str, object]] = json.loads(done.stdout)["rows"]
    return rows


def _figures(rows: Sequence[Mapping[str, object]], member: str) -> dict[str, float]:
    values = {str(row["name"]): row.get(member) for row in rows}
    return {name: v for name, v in values.items() if isinstance(v, int | float)}


def commit() -> str:
    """Returns the short hash of the checked-out commit, `+` when changed since; empty without git."""
    words = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=PROJECT)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def read(file: Path) -> list[Entry]:
    """Returns every entry of ``file``, oldest first; none when it is not there."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if line]


def previous(entries: Sequence[Entry], number: int) -> Entry | None:
    """Returns the latest entry before ``number`` of the same machine and build."""
    mine = entries[number]
    for entry in reversed(entries[:number]):
        if entry["machine"] == mine["machine"] and entry["build"] == mine["build"]:
            return entry
    return None


def show(entries: Sequence[Entry], last: int) -> str:
    """Returns the ``last`` entries as text, each figure with its change; `!` is beyond noise."""
    if not entries:
        return "the history is empty: python -m bench.history add"
    shown = range(max(0, len(entries) - last), len(entries))
    heads = [(member, *(str(entries[n][member]) for n in shown)) for member in HEAD]
    heads.append(("load before", *(f"{entries[n]['load_before']:.2f}" for n in shown)))
    rows = [*_rows(entries, shown, "micro", "ns"), *_rows(entries, shown, "wall", "us")]
    note = "! beyond noise: more than 10 % (ns, one process) or 25 % (us of the daemon)"
    return f"{layout([*heads, *rows], left={0})}\n\n{note}"


def _rows(
    entries: Sequence[Entry], shown: range, kind: Literal["micro", "wall"], unit: str
) -> list[tuple[str, ...]]:
    figures: list[dict[str, float]] = [entry[kind] for entry in entries]
    names = list(dict.fromkeys(name for number in shown for name in figures[number]))
    lines = []
    for name in names:
        cells = []
        for number in shown:
            before = previous(entries, number)
            old = before[kind].get(name) if before else None
            cells.append(_cell(figures[number].get(name), old, NOISE[kind]))
        lines.append((f"{name}, {unit}", *cells))
    return lines


def _cell(value: float | None, before: float | None, noise: float) -> str:
    if value is None or not before:
        return amount(value)
    change = value / before - 1
    return f"{amount(value)} {change:+.0%}{'!' if abs(change) > noise else ' '}"


def main(words: Sequence[str] | None = None) -> int:
    """Adds or shows; returns 0, or 1 when nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    adding = verbs.add_parser("add", help="measure and append an entry")
    adding.add_argument("--label", default="", help="what was changed, in a few words")
    adding.add_argument("--quick", action="store_true", help="short rounds: a look, no figure")
    showing = verbs.add_parser("show", help="print the latest entries")
    showing.add_argument("--last", type=int, default=5, metavar="N", help="so many (default 5)")
    for verb in (adding, showing):
        verb.add_argument("--file", type=Path, default=FILE, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.verb == "add":
        try:
            add(arguments.file, label=arguments.label, is_quick=arguments.quick)
        except NoFigures as exc:
            print(f"bench.history: {exc}", file=sys.stderr)
            return 1
    print(show(read(arguments.file), arguments.last if arguments.verb == "show" else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
