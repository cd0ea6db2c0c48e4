"""Runs the comparison: `python -m bench.sdk`, a table for people or one JSON object for programs."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from bench.daemon import DEFAULT_COMMAND
from bench.machine import choose_cores, describe
from bench.report import amount, layout
from bench.sdk.rounds import measure
from bench.sdk.servers import SYSTEMS, missing, versions
from bench.sdk.workloads import WORKLOADS

HEADINGS = (
    "workload", "median", "unit", "min..max", "x nats-py", "x redis-py",
    "server us/op", "service us/op", "client us/op", "note",
)  # fmt: skip
LEFT = frozenset({0, 2, len(HEADINGS) - 1})


def main(words: Sequence[str] | None = None) -> int:
    """Measures, prints, and returns 0, or 1 when a run of an installed system failed."""
    arguments = _parser().parse_args(words)
    cores = choose_cores()
    machine = describe(cores) | versions()
    if arguments.daemon:
        machine["askr"] = arguments.daemon
    rows = measure(
        quick=arguments.quick,
        rounds=arguments.rounds,
        systems=arguments.system or SYSTEMS,
        names=arguments.only or (),
        command=tuple(shlex.split(arguments.daemon)) or DEFAULT_COMMAND,
        cores=cores,
    )
    if arguments.json:
        print(json.dumps({"machine": machine, "rows": rows}))
    else:
        for name, value in machine.items():
            print(f"{name.replace('_', ' '):12} {value}")
        print("\n" + table(rows))
    return 1 if any(row["error"] and not missing(str(row["system"])) for row in rows) else 0


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Returns the rows as text, one line each, under a heading."""
    return layout([HEADINGS, *map(_cells, rows)], left=LEFT)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if row["value"] is None:
        return (row["title"], "-", *[""] * (len(HEADINGS) - 3), f"no figure: {row['error']}")
    ratios = row.get("ratios", {})
    spread = f"{amount(row['low'])}..{amount(row['high'])}" if len(row["rounds"]) > 1 else ""
    return (
        row["title"],
        amount(row["value"]),
        row["unit"],
        spread,
        *(_times(ratios.get(peer)) for peer in ("nats-py", "redis-py")),
        *(amount(row[f"{side}_us_per_op"]) for side in ("server", "service", "client")),
        "",
    )


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.sdk", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="one short round: a look, no figure")
    parser.add_argument("--rounds", type=int, help="rounds (default 3, with --quick 1)")
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=f"only: {', '.join(names)}"
    )
    parser.add_argument(
        "--system", action="append", choices=SYSTEMS, metavar="NAME",
        help=f"only: {', '.join(SYSTEMS)}",
    )  # fmt: skip
    parser.add_argument("--daemon", default="", metavar="COMMAND", help="start this, not our askrd")
    return parser


if __name__ == "__main__":
    sys.exit(main())
