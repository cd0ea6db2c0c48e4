"""The tables of a run, as text for a terminal and as Markdown for the page about performance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.peers.ratios import Grid, grid_of, ratio_of
from bench.peers.results import Run, names
from bench.peers.systems import BY_NAME, OUR_NAMES, SYSTEMS
from bench.peers.targets import judge
from bench.report import HEADINGS, LEFT, Row, amount, cells, layout

NOT_RUN = "–"
GAP = "not here"
SIDES = ("server", "service", "client")
UNITS = {"ms": "ms", "bytes": "bytes", "MB/s": "MB/s"}


@dataclass(frozen=True, slots=True)
class Table:
    """Cells under headings.

    Attributes:
        title: what it shows.
        headings: one per column.
        lines: the cells of each line; the first is what the line is about.
    """

    title: str
    headings: tuple[str, ...]
    lines: list[tuple[str, ...]]

    def as_text(self) -> str:
        """Returns aligned columns under the title."""
        body = layout([self.headings, *self.lines], left={0})
        return f"{self.title}\n{body}"

    def as_markdown(self) -> str:
        """Returns a Markdown table under its title."""
        rule = ("---", *["--:"] * (len(self.headings) - 1))
        lines = [self.headings, rule, *self.lines]
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"### {self.title}\n\n{body}"


def details(run: Run) -> str:
    """Returns every row with all it has, a block per workload, as text."""
    workloads, _ = names(run.rows)
    blocks = []
    for workload in workloads:
        rows = [row for row in run.rows if row.name == workload]
        lines = [("system", *HEADINGS[1:]), *(_named(row) for row in rows)]
        blocks.append(f"{rows[0].title}\n{layout(lines, left=LEFT)}")
    return "\n\n".join(blocks)


def _named(row: Row) -> tuple[str, ...]:
    return (title_of(row.over), *cells(row)[1:])


def summary(run: Run) -> list[Table]:
    """Returns the tables that compare: figures, cost, ratios and targets."""
    grid = grid_of(run.rows)
    systems = columns(run)
    tables = [
        _matrix(run, "Median [smallest to largest round]", _median),
        _matrix(run, "Latency, p50 / p99 in µs", _latency),
        _matrix(run, "Processor time of the server per round trip or delivery, in µs", _cost),
    ]
    for ours in OUR_NAMES:
        if ours in systems:
            peers = [name for name in systems if _compared(name, ours)]
            tables.append(_ratios(run, grid, ours, peers))
    tables.append(_targets(run))
    if run.sdk:
        tables.append(_sdk(run))
    return [table for table in tables if table.lines]


def title_of(system: str) -> str:
    """Returns what a reader sees in place of a system's id."""
    return BY_NAME[system].title if system in BY_NAME else system


def columns(run: Run) -> list[str]:
    """Returns the systems that were measured, and those that would have been but are not here."""
    _, measured = names(run.rows)
    gaps = {system.name for system in SYSTEMS if system.program.name in run.gaps}
    faces = {system.name for system in SYSTEMS if system.is_face}
    return [system.name for system in SYSTEMS if system.name in {*measured, *(gaps - faces)}]


def _compared(name: str, ours: str) -> bool:
    """A build is compared with everybody else; a face of it with its own plain TCP too."""
    if name not in OUR_NAMES:
        return True
    return name != ours and ours.startswith(f"{name}-")


def _matrix(run: Run, heading: str, cell: Callable[[Row], str]) -> Table:
    workloads, measured = names(run.rows)
    systems = columns(run)
    grid = grid_of(run.rows)
    lines: list[tuple[str, ...]] = []
    for workload in workloads:
        rows = {system: grid.get((workload, system)) for system in systems}
        if any(row and cell(row) for row in rows.values()):
            shown = [
                (cell(row) or NOT_RUN) if row else (NOT_RUN if system in measured else GAP)
                for system, row in rows.items()
            ]
            title = _line_title(run, workload, with_unit=cell is _median)
            lines.append((title, *shown))
    return Table(heading, ("", *(title_of(name) for name in systems)), lines)


def _line_title(run: Run, workload: str, *, with_unit: bool) -> str:
    rows = [row for row in run.rows if row.name == workload]
    units = [row.unit for row in rows if row.unit]
    unit = UNITS.get(units[0], "") if units else ""
    return f"{rows[0].title}, {unit}" if unit and with_unit else rows[0].title


def _median(row: Row) -> str:
    if row.value is None:
        return "error"
    mark = ("*" if row.generator_bound else "") + ("!" if row.is_disturbed else "")
    spread = f" [{amount(row.low)}–{amount(row.high)}]" if len(row.rounds) > 1 else ""
    return f"{amount(row.value)}{mark}{spread}"


def _latency(row: Row) -> str:
    alone = row.name in {"call-1", "event-100-single"}
    if not alone or row.p50_us is None:
        return ""
    return f"{amount(row.p50_us)} / {amount(row.p99_us)}"


def _cost(row: Row) -> str:
    return amount(row.daemon_us_per_op)


def _ratios(run: Run, grid: Grid, ours: str, peers: Sequence[str]) -> Table:
    workloads, _ = names(run.rows)
    lines: list[tuple[str, ...]] = []
    for workload in workloads:
        ratios = [ratio_of(grid, workload, ours, peer) for peer in peers]
        if any(ratios):
            shown = [ratio.text if ratio else NOT_RUN for ratio in ratios]
            lines.append((_ratio_title(run, workload), *shown))
    headings = ("", *(f"/ {title_of(name)}" for name in peers))
    return Table(f"Ratios of {title_of(ours)}", headings, lines)


def _ratio_title(run: Run, workload: str) -> str:
    title = next(row.title for row in run.rows if row.name == workload)
    if workload == "call-1":
        return f"{title}: p50 (less is better)"
    less = workload in {"ready", "idle"}
    return f"{title} (less is better)" if less else title


def _targets(run: Run) -> Table:
    lines: list[tuple[str, ...]] = []
    for result in judge(run):
        target = result.target
        kept = {True: "yes", False: "no", None: ""}[result.is_held] if result.held else ""
        lines.append(
            (
                f"{title_of(target.ours)}, `{target.workload}`",
                target.text,
                result.measured or NOT_RUN,
                result.verdict,
                result.held or NOT_RUN,
                kept or NOT_RUN,
            )
        )
    headings = ("", "target", "measured", "", "80 % of the prototype", "held")
    return Table("Targets", headings, lines)


def _sdk(run: Run) -> Table:
    lines: list[tuple[str, ...]] = []
    for row in run.sdk:
        title = f"{row['title']}, {row['build']}"
        if row["value"] is None:
            lines.append((title, f"none: {row['error']}", *[NOT_RUN] * 4))
            continue
        ratios = row.get("ratios")
        found = ratios if isinstance(ratios, dict) else {}
        spread = f"{_plain(row['value'])} [{_plain(row['low'])}–{_plain(row['high'])}]"
        costs = " / ".join(_plain(row.get(f"{side}_us_per_op")) or NOT_RUN for side in SIDES)
        shown = [_times(found.get(peer)) for peer in ("nats-py", "redis-py")]
        lines.append((title, spread, str(row["unit"]), costs, *shown))
    headings = ("", "median", "", "µs: server / service / client", "/ nats-py", "/ redis-py")
    return Table("Through the SDKs", headings, lines)


def _times(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float | int) else NOT_RUN


def _plain(value: object) -> str:
    return amount(float(value)) if isinstance(value, float | int) else ""
