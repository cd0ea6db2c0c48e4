"""What checks, limits, deadlines and statistics cost on the hot path: `python -m bench.tax`.

The router is compared with variants of itself that lack one check, or all of them
(`bench.bare_router`). All of them do the same works in one process, in turns of a few milliseconds,
so that whatever disturbs the machine disturbs all of them; a figure is the median over the turns.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import askrd
from askrd.core.router import Router
from askrd.version import BUILD
from bench import page
from bench.bare_router import CHECKS, PERMISSION, Check, Drifted
from bench.daemon import PROJECT, Daemon
from bench.generator import get_generator
from bench.machine import choose_cores, describe, describe_ours, pinned
from bench.report import layout
from bench.router_variants import NotCompiled, make_router
from bench.router_works import FAN_OUTS, Commands, Events

Work = Callable[[], tuple[int, int]]
UNTIMED_FACTOR = 4
"""How much longer than its timed work a turn may last: answers are prepared and checked."""
TARGET = 0.2
"""Share of the bare router's time that all checks together may cost."""
WORKS: dict[str, Callable[[type[Router]], Work]] = {
    "call": Commands,
    **{f"event-{count}": partial(Events, count) for count in FAN_OUTS},
}
"""What each router does: a command with its reply, and a delivery of an event to so many."""
WHOLE = ("call --pairs 1 --in-flight 64", "event --listeners 100 --window 64")
TAXED, BARE = "as it is", "bare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one check, or all of them, cost in each work.

    Attributes:
        name: the check's id; ``bare`` for all of them together.
        title: what a reader of the table sees.
        ns: nanoseconds per operation that it adds, by work.
        share: the same as a share of the bare router's time, by work.
        spread: quarter to three quarters of that share over the turns, by work.
    """

    name: str
    title: str
    ns: dict[str, float]
    share: dict[str, float]
    spread: dict[str, tuple[float, float]]


def variants(checks: Sequence[Check]) -> dict[str, type[Router]]:
    """Returns the routers to compare, by the name of what they lack."""
    found = {TAXED: make_router(()), BARE: make_router(CHECKS)}
    return found | {check.name: make_router((check,)) for check in checks}


def take_turns(
    routers: dict[str, type[Router]], *, turns: int, turn_ms: int
) -> dict[str, dict[str, list[float]]]:
    """Returns nanoseconds per operation of every turn, by work and router."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, build in WORKS.items():
        works = {lacking: build(router) for lacking, router in routers.items()}
        times: dict[str, list[float]] = {lacking: [] for lacking in works}
        for turn in range(turns):
            order = list(works) if turn % 2 else list(reversed(works))
            for lacking in order:
                times[lacking].append(_one_turn(works[lacking], turn_ms))
        found[name] = times
    return found


def _one_turn(work: Work, turn_ms: int) -> float:
    """Works for ``turn_ms`` of timed work, or a few times that with what is not timed."""
    count = taken_ns = 0
    end_ns = time.perf_counter_ns() + turn_ms * UNTIMED_FACTOR * 1_000_000
    while taken_ns < turn_ms * 1_000_000 and (not count or time.perf_counter_ns() < end_ns):
        more, more_ns = work()
        count += more
        taken_ns += more_ns
    return taken_ns / count


def costs_of(checks: Sequence[Check], times: dict[str, dict[str, list[float]]]) -> list[Cost]:
    """Returns what each check costs and, first, what all of ours cost together."""
    everything = Check(BARE, "all checks together", ())
    return [_cost(check, times) for check in (everything, *checks)]


def _cost(check: Check, times: dict[str, dict[str, list[float]]]) -> Cost:
    ns: dict[str, float] = {}
    share: dict[str, float] = {}
    spread: dict[str, tuple[float, float]] = {}
    for work, turns in times.items():
        sign = -1 if check.is_added else 1
        pairs = zip(turns[TAXED], turns[check.name], turns[BARE], strict=True)
        shares = sorted(sign * (full - without) / bare for full, without, bare in pairs)
        share[work] = round(median(shares), 4)
        spread[work] = (
            round(shares[len(shares) // 4], 4),
            round(shares[len(shares) * 3 // 4], 4),
        )
        ns[work] = round(share[work] * median(turns[BARE]), 1)
    return Cost(name=check.name, title=check.title, ns=ns, share=share, spread=spread)


def table(costs: Collection[Cost], times: dict[str, dict[str, list[float]]]) -> str:
    """Returns the costs as text."""
    works = list(times)
    lines = [("", *works)]
    for label, router in (("as it is, ns", TAXED), ("bare, ns", BARE)):
        lines.append((label, *(f"{median(times[work][router]):.0f}" for work in works)))
    for cost in costs:
        cells = (f"{cost.share[work]:+.1%} {_range(cost.spread[work])}" for work in works)
        lines.append((cost.title, *cells))
    return layout(lines, left={0})


def _range(spread: tuple[float, float]) -> str:
    return f"[{spread[0]:+.0%}..{spread[1]:+.0%}]"


def judge(costs: Sequence[Cost]) -> str:
    """Says how the sum of all checks stands to its target."""
    shares = costs[0].share
    worst = max(shares, key=lambda work: shares[work])
    word = "below" if shares[worst] < TARGET else "above"
    return (
        f"All checks together cost at most {shares[worst]:.1%} of the bare router's time "
        f"({worst}), {word} the target of {TARGET:.0%}."
    )


def judge_whole(rows: Sequence[dict[str, object]]) -> str:
    """Says the same of the time of a whole daemon; nothing when it was not measured."""
    if not rows:
        return ""
    worst = max(float(str(row["share"])) for row in rows)
    return f"Of a whole daemon's time they cost at most {worst:.1%}."


def measure_whole(*, rounds: int, measure_ms: int) -> list[dict[str, object]]:
    """Returns microseconds of the daemon per operation, with all checks and without any."""
    cores, generator = choose_cores(), get_generator()
    names = ",".join(check.name for check in CHECKS)
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for label, lacking in ((TAXED, "-"), (BARE, names)):
            with Daemon(_command(lacking), cores.daemon) as daemon:
                for line in WHOLE:
                    words = [*line.split(), "--ms", str(measure_ms), "--pid", str(daemon.pid)]
                    sample = generator.run(daemon.tcp, words, core=cores.generator)
                    value = sample.get("daemon_us_per_op")
                    if not sample["ok"] or not isinstance(value, int | float):
                        raise Drifted(f"no figure for {line}: {sample.get('error', 'no CPU time')}")
                    found.setdefault((line, label), []).append(float(value))
    return [
        {
            "workload": line,
            "us_per_op": round(median(found[line, TAXED]), 3),
            "bare_us_per_op": round(median(found[line, BARE]), 3),
            "share": round(median(found[line, TAXED]) / median(found[line, BARE]) - 1, 4),
        }
        for line in WHOLE
    ]


def _command(lacking: str) -> tuple[str, ...]:
    """Returns what starts an askrd of this very build whose router lacks some checks."""
    places = [str(Path(askrd.__file__).parents[1]), str(PROJECT)]
    program = f"import sys; sys.path[:0] = {places}; from bench.router_variants import main; "
    return (sys.executable, "-c", f"{program}main(sys.argv[1:])", lacking)


def whole_table(rows: Sequence[dict[str, object]]) -> str:
    """Returns the end-to-end figures as text."""
    lines = [("whole daemon, us per operation", TAXED, BARE, "cost")]
    for row in rows:
        us, bare, share = (float(str(row[m])) for m in ("us_per_op", "bare_us_per_op", "share"))
        lines.append((str(row["workload"]), f"{us:.3g}", f"{bare:.3g}", f"{share:+.1%}"))
    return layout(lines, left={0})


def main(words: Sequence[str] | None = None) -> int:
    """Measures and prints; returns 0, or 1 when the checks are not found in the router."""
    parser = argparse.ArgumentParser(prog="python -m bench.tax", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="few turns: a look, no figure")
    parser.add_argument("--daemon", action="store_true", help="measure whole daemons as well")
    parser.add_argument("--write", action="store_true", help="put it into docs/performance/tax.md")
    arguments = parser.parse_args(words)
    checks = (*CHECKS, PERMISSION)
    machine = describe(choose_cores()) | {"askrd": describe_ours(), "build": BUILD}
    try:
        routers = variants(checks)
        with pinned(choose_cores().daemon):
            times = take_turns(routers, turns=7 if arguments.quick else 31, turn_ms=10)
        whole = measure_whole(rounds=3, measure_ms=1000) if arguments.daemon else []
    except (Drifted, NotCompiled) as exc:
        print(f"bench.tax: {exc}", file=sys.stderr)
        return 1
    costs = costs_of(checks, times)
    text = "\n\n".join([table(costs, times), *([whole_table(whole)] if whole else [])])
    verdict = f"{judge(costs)} {judge_whole(whole)}".strip()
    if arguments.write:
        figures = [page.machine_line(machine), page.block(text), verdict]
        page.put_figures(page.FOLDER / "tax.md", "\n\n".join(figures))
    if arguments.json:
        rows = [asdict(cost) for cost in costs]
        print(json.dumps({"machine": machine, "rows": rows, "whole": whole}))
    else:
        print(f"{text}\n\n{verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
