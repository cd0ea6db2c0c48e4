"""Measures cost against size and shows it: a table, pictures, one JSON object, or the page of it."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace

from askrd.version import BUILD
from bench import page
from bench.daemon import DaemonFailed
from bench.fallback import Invalid
from bench.generator import get_generator
from bench.growth.crowd import TooFewFiles, allow_connections
from bench.growth.measure import AXES, WALKED, Axis, NoFigure, Plan, Point, measure
from bench.growth.plot import draw, save, series_of
from bench.machine import choose_cores, describe, describe_ours
from bench.report import amount, layout

EVERY_AXIS = (*AXES, WALKED)
HEADINGS = ("besides", "load", "us/op", "min..max", "against the first", "rate /s", "note")


def table(points: Sequence[Point]) -> str:
    """Returns the points as text."""
    lines: list[tuple[str, ...]] = [HEADINGS]
    for loads in series_of(points).values():
        for series in loads.values():
            lines += [_cells(point, series[0]) for point in series]
    return layout(lines, left={0, 1, len(HEADINGS) - 1})


def _cells(point: Point, first: Point) -> tuple[str, ...]:
    return (
        f"{point.count:>6} {point.axis}",
        point.load,
        amount(point.us),
        f"{amount(point.us_low)}..{amount(point.us_high)}",
        f"{point.us / first.us:.2f}×",
        amount(point.per_second),
        point.note,
    )


def pictures(points: Sequence[Point]) -> str:
    """Returns the points as pictures made of characters."""
    return "\n\n".join(draw(axis, loads) for axis, loads in series_of(points).items())


def main(words: Sequence[str] | None = None) -> int:
    """Measures and prints; returns 0, or 1 when there is no valid figure."""
    arguments = _parser().parse_args(words)
    axes = _axes(arguments)
    cores, generator = choose_cores(), get_generator()
    plan = Plan(
        axes=axes,
        rounds=1 if arguments.quick else 3,
        measure_ms=250 if arguments.quick else 700,
        generator=generator,
        cores=cores,
    )
    machine = describe(cores) | {"askrd": describe_ours(), "build": BUILD}
    try:
        allow_connections(max((max(a.counts) for a in axes if a.name == "connections"), default=0))
        points = measure(plan, _say)
        if arguments.write:
            _write(machine, points)
    except (TooFewFiles, NoFigure, Invalid, DaemonFailed, page.MarkerMissing) as exc:
        _say(str(exc))
        return 1
    if arguments.json:
        rows = [asdict(point) for point in points]
        print(json.dumps({"machine": machine, "rounds": plan.rounds, "rows": rows}))
    else:
        print(f"{table(points)}\n\n{pictures(points)}")
    return 0


def _write(machine: dict[str, object], points: Sequence[Point]) -> None:
    picture = page.FOLDER / "growth.png"
    if reason := save(picture, points):
        _say(reason)
    figures = [page.machine_line(machine), page.block(table(points)), page.block(pictures(points))]
    if picture.exists() and not reason:
        figures.insert(1, "![Microseconds per operation against size](growth.png)")
    page.put_figures(page.FOLDER / "growth.md", "\n\n".join(figures))


def _axes(arguments: argparse.Namespace) -> list[Axis]:
    wanted = arguments.only or [axis.name for axis in EVERY_AXIS]
    most = arguments.connections_max
    return [
        replace(axis, counts=tuple(n for n in axis.counts if n <= most) or (most,))
        if axis.name == "connections"
        else axis
        for axis in EVERY_AXIS
        if axis.name in wanted
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="one short round: a look, no figure")
    parser.add_argument(
        "--write", action="store_true", help="put it into docs/performance/growth.md and growth.png"
    )
    names = [axis.name for axis in EVERY_AXIS]
    parser.add_argument(
        "--only", action="append", choices=names, help="one of the axes; repeat for more"
    )
    parser.add_argument(
        "--connections-max", type=int, default=5000, metavar="N", help="leave out larger points"
    )
    return parser


def _say(text: str) -> None:
    print(f"bench.growth: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
