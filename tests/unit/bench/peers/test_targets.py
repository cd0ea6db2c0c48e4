"""A target is met, missed or open, and never met by a figure that is none."""

from bench.peers.prototypes import prototype_ratio
from bench.peers.results import Members, Run
from bench.peers.targets import TARGETS, Result, Target, judge
from bench.report import Row
from bench.workloads import WORKLOADS

TARGET = Target("call-64", "pure", "nats", 0.5)


def run_of(*rows: Row, gaps: dict[str, str] | None = None, sdk: list[Members] | None = None) -> Run:
    return Run(
        date="2026-01-31",
        label="x",
        machine={},
        versions={},
        gaps=gaps or {},
        settings={},
        rows=list(rows),
        sdk=sdk or [],
    )


def row(system: str, value: float, *, bound: bool = False) -> Row:
    return Row(name="call-64", title="", over=system, unit="/s", value=value, generator_bound=bound)


def verdict(ours: Row, theirs: Row) -> str:
    [result] = judge(run_of(ours, theirs), [TARGET])
    return result.verdict


def test_ratio_decides() -> None:
    assert verdict(row("pure", 60), row("nats", 100)) == "met"
    assert verdict(row("pure", 40), row("nats", 100)) == "not met"


def test_ratio_is_judged_with_the_digits_that_are_shown() -> None:
    assert verdict(row("pure", 49.6), row("nats", 100)) == "met"
    assert verdict(row("pure", 49.4), row("nats", 100)) == "not met"


def test_generator_bound_figure_leaves_open_what_it_cannot_decide() -> None:
    assert verdict(row("pure", 60), row("nats", 100, bound=True)).startswith("open")
    assert verdict(row("pure", 40), row("nats", 100, bound=True)) == "not met"
    assert verdict(row("pure", 40, bound=True), row("nats", 100)).startswith("open")
    assert verdict(row("pure", 60, bound=True), row("nats", 100)) == "met"


def test_verdict_on_a_disturbed_figure_says_so() -> None:
    disturbed = Row(name="call-64", title="", over="nats", unit="/s", value=100.0, waited=0.3)
    assert verdict(row("pure", 60), disturbed) == "met, but disturbed"


def test_held_is_80_percent_of_the_prototype() -> None:
    prototype = prototype_ratio("call-64", "pure", "nats")
    assert prototype is not None
    [result] = judge(run_of(row("pure", 49), row("nats", 100)), [TARGET])
    assert (result.held, result.is_held) == (f"≥ {0.8 * prototype:.2f}", True)


def test_latency_may_be_a_quarter_above_the_prototype() -> None:
    target = Target("call-1", "pure", "nats", 1.0, at_most=True)
    rows = [
        Row(name="call-1", title="", over=system, unit="/s", value=1.0, p50_us=p50_us)
        for system, p50_us in (("pure", 62.0), ("nats", 50.0))
    ]
    [result] = judge(run_of(*rows), [target])
    assert (result.measured, result.verdict, result.is_held) == ("1.24", "not met", True)


def test_absent_program_leaves_its_targets_without_a_figure() -> None:
    run = run_of(row("pure", 60), gaps={"nats": "not installed"})
    assert judge(run, [TARGET]) == [Result(TARGET, "", "no figure", "≥ 0.49")]


def test_targets_of_workloads_that_were_not_run_are_not_judged() -> None:
    assert judge(run_of(row("pure", 60)), [TARGET]) == []


def test_sdk_target_takes_the_ratio_of_its_own_build() -> None:
    def measured(build: str, ratio: float) -> Members:
        row: Members = {"name": "sdk-ask-64", "system": "askr", "build": build}
        return row | {"ratios": {"nats-py": ratio}}

    results = judge(run_of(sdk=[measured("pure", 3.2), measured("compiled", 3.2)]), [])
    assert [result.verdict for result in results] == ["met", "not met"]


def test_every_target_names_a_workload_that_exists() -> None:
    assert {target.workload for target in TARGETS} <= {workload.name for workload in WORKLOADS}
