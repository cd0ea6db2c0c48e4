"""From medians to ratios: ours over theirs, of the same run, with what limits their meaning."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.peers.results import Members, Run, names
from bench.peers.systems import OUR_NAMES
from bench.report import Row

Grid = dict[tuple[str, str], Row]
"""Rows by workload and system."""

LESS_IS_MORE = frozenset(("ms", "bytes"))
"""Units of which less is better."""
FIGURE_OF = {"call-1": "p50_us"}
"""What is compared where it is not the row's value: alone, one feels the latency."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ours divided by theirs.

    Attributes:
        value: the quotient of two medians.
        ours_bound: whether our figure may be the generator's limit, so ours may be faster.
        peer_bound: whether the peer's may be, so the peer may be faster.
        disturbed: whether others kept one of the two from its core for much of the time.
    """

    value: float
    ours_bound: bool = False
    peer_bound: bool = False
    disturbed: bool = False

    @property
    def text(self) -> str:
        """The ratio with two digits after the point below ten, marked where it is less than that."""
        digits = f"{self.value:.2f}" if self.value < 10 else f"{self.value:.0f}"
        digits += "!" if self.disturbed else ""
        if self.ours_bound and self.peer_bound:
            return f"~{digits}"
        return f"≥{digits}" if self.ours_bound else f"≤{digits}" if self.peer_bound else digits


def grid_of(rows: Sequence[Row]) -> Grid:
    """Returns the rows by workload and system."""
    return {(row.name, row.over): row for row in rows}


def figure_of(row: Row, figure: str = "") -> float | None:
    """Returns the figure by which rows of this workload are compared, or a named one."""
    name = figure or FIGURE_OF.get(row.name, "value")
    value = getattr(row, name)
    return float(value) if value is not None and not row.error else None


def ratio_of(grid: Grid, workload: str, ours: str, peer: str, *, figure: str = "") -> Ratio | None:
    """Returns the ratio of one workload, or ``None`` when either side has no figure."""
    mine, theirs = grid.get((workload, ours)), grid.get((workload, peer))
    if mine is None or theirs is None:
        return None
    dividend, divisor = figure_of(mine, figure), figure_of(theirs, figure)
    if dividend is None or not divisor:
        return None
    disturbed = mine.is_disturbed or theirs.is_disturbed
    if figure or mine.unit in LESS_IS_MORE or workload in FIGURE_OF:
        return Ratio(dividend / divisor, disturbed=disturbed)
    bounds = mine.generator_bound, theirs.generator_bound
    return Ratio(dividend / divisor, *bounds, disturbed=disturbed)


def as_json(run: Run) -> list[Members]:
    """Returns every ratio that exists, one object for each of ours and each workload."""
    workloads, systems = names(run.rows)
    grid = grid_of(run.rows)
    found: list[Members] = []
    for workload in workloads:
        for mine in (name for name in OUR_NAMES if name in systems):
            ratios = {
                peer: ratio_of(grid, workload, mine, peer) for peer in systems if peer != mine
            }
            values = {peer: round(ratio.value, 3) for peer, ratio in ratios.items() if ratio}
            if values:
                found.append({"name": workload, "system": mine, "over": values})
    return found
