"""What the hot path is meant to reach, and whether this run did."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.peers.prototypes import HELD_SHARE, prototype_ratio
from bench.peers.ratios import Grid, Ratio, figure_of, grid_of, ratio_of
from bench.peers.results import Members, Run, names
from bench.peers.sdk import ratio_to
from bench.peers.systems import SYSTEMS

ROUNDING = 0.005
"""Ratios are shown with two digits, and judged as shown."""


@dataclass(frozen=True, slots=True)
class Target:
    """One promise.

    Attributes:
        workload: whose figure it is.
        ours: the system that promises.
        peer: the system it is compared with; empty when ``limit`` is an amount of its own.
        limit: the ratio (or amount) to reach.
        at_most: whether less is better.
    """

    workload: str
    ours: str
    peer: str
    limit: float
    at_most: bool = False

    @property
    def text(self) -> str:
        """The target as one reads it."""
        sign = "≤" if self.at_most else "≥"
        return (
            f"{sign} {self.limit:g}× {self.peer}" if self.peer else f"{sign} {self.limit:g} bytes"
        )


TARGETS = (
    Target("call-1", "pure", "nats", 1.0, at_most=True),
    Target("call-1", "compiled", "nats", 0.85, at_most=True),
    Target("call-1", "compiled", "floor", 1.15, at_most=True),
    Target("call-64", "pure", "nats", 0.5),
    Target("call-64", "pure", "redis", 0.9),
    Target("call-64", "compiled", "nats", 1.7),
    Target("call-64", "compiled", "redis", 3.0),
    Target("call-64x1", "pure", "nats", 2.0),
    Target("call-64x1", "compiled", "nats", 3.0),
    Target("call-64x1", "compiled", "redis", 1.5),
    Target("event-100", "pure", "nats", 2.5),
    Target("event-100", "compiled", "nats", 3.0),
    Target("event-100", "compiled", "redis", 3.0),
    Target("event-100", "compiled", "floor", 0.85),
    Target("event-100-single", "pure", "nats", 1.7),
    Target("event-100-single", "compiled", "nats", 1.7),
    Target("event-100-single", "compiled-unix", "redis", 2.0),
    Target("event-1m", "pure", "nats", 1.0),
    Target("event-1m", "compiled", "nats", 1.2),
    Target("idle", "pure", "", 4096, at_most=True),
    Target("idle", "compiled", "", 4096, at_most=True),
    *(
        Target(workload, f"{ours}-ws", ours, 0.9)
        for workload in ("call-64", "call-64x1", "event-100")
        for ours in ("pure", "compiled")
    ),
)
"""The sequential figure is the p50; WebSocket binary is to stay within 10 % of our own plain TCP."""


SDK_TARGETS = (
    Target("sdk-ask-64", "pure", "nats-py", 3.0),
    Target("sdk-ask-64", "compiled", "nats-py", 4.0),
)
"""Both ends in Python, over what a user gets without asking for anything: the unix socket."""
SDK_SYSTEM = "askr"


@dataclass(frozen=True, slots=True)
class Result:
    """A target and what this run says about it.

    Attributes:
        target: the promise.
        measured: the ratio or amount as text; empty without a figure.
        verdict: ``met``, ``not met``, ``open`` (the generator was the limit), or why there is none.
        held: 80 % of what the prototype reached, as text; empty where there was no such prototype.
        is_held: whether this run reached that; ``None`` where it cannot be said.
    """

    target: Target
    measured: str
    verdict: str
    held: str = ""
    is_held: bool | None = None


def judge(run: Run, targets: Sequence[Target] = TARGETS) -> list[Result]:
    """Returns the result of each target this run was about, absent programs included."""
    workloads, systems = names(run.rows)
    absent = {system.name for system in SYSTEMS if system.program.name in run.gaps}
    known = {"", *systems, *absent}
    grid = grid_of(run.rows)
    judged = [
        _judged(grid, target)
        for target in targets
        if target.workload in workloads and {target.ours, target.peer} <= known
    ]
    return judged + [_judged_sdk(run, target) for target in SDK_TARGETS if run.sdk]


def as_json(run: Run) -> list[Members]:
    """Returns the results as JSON objects."""
    return [
        {
            "name": result.target.workload,
            "system": result.target.ours,
            "target": result.target.text,
            "measured": result.measured,
            "verdict": result.verdict,
            "hold": result.held,
            "held": result.is_held,
        }
        for result in judge(run)
    ]


def _judged(grid: Grid, target: Target) -> Result:
    if not target.peer:
        return _judged_amount(grid, target)
    ratio = ratio_of(grid, target.workload, target.ours, target.peer)
    prototype = prototype_ratio(target.workload, target.ours, target.peer)
    held = None
    if prototype is not None:
        held = prototype / HELD_SHARE if target.at_most else prototype * HELD_SHARE
    sign = "≤" if target.at_most else "≥"
    text = "" if held is None else f"{sign} {held:.2f}"
    if ratio is None:
        return Result(target, "", "no figure", text)
    reached = _reached(ratio, target.limit, at_most=target.at_most)
    verdict = "open: the generator was the limit" if reached is None else _word(reached)
    verdict += ", but disturbed" if ratio.disturbed else ""
    is_held = None if held is None else _reached(ratio, held, at_most=target.at_most)
    return Result(target, ratio.text, verdict, text, is_held)


def _judged_amount(grid: Grid, target: Target) -> Result:
    row = grid.get((target.workload, target.ours))
    amount = figure_of(row) if row else None
    if amount is None:
        return Result(target, "", "no figure")
    return Result(target, f"{amount:.0f}", _word(amount <= target.limit))


def _judged_sdk(run: Run, target: Target) -> Result:
    value = ratio_to(run.sdk, target.workload, target.ours, SDK_SYSTEM, target.peer)
    if value is None:
        return Result(target, "", "no figure")
    ratio = Ratio(value)
    return Result(target, ratio.text, _word(value >= target.limit - ROUNDING))


def _reached(ratio: Ratio, limit: float, *, at_most: bool) -> bool | None:
    """Returns whether the limit is reached, or ``None`` when a bound figure leaves it open."""
    if at_most:
        return ratio.value <= limit + ROUNDING
    reached = ratio.value >= limit - ROUNDING
    bound = ratio.peer_bound if reached else ratio.ours_bound
    return None if bound else reached


def _word(reached: bool) -> str:  # noqa: FBT001  # a verdict has one argument
    return "met" if reached else "not met"
