"""Ratios say which way they can be trusted."""

from bench.peers.ratios import Ratio, as_json, grid_of, ratio_of
from bench.peers.results import Run
from bench.report import Row


def row(system: str, value: float, *, name: str = "call-64", **more: object) -> Row:
    return Row(name=name, title=name, over=system, unit="/s", value=value, **more)  # type: ignore[arg-type]


def test_ratio_is_ours_over_theirs() -> None:
    grid = grid_of([row("pure", 300), row("nats", 200)])
    assert ratio_of(grid, "call-64", "pure", "nats") == Ratio(1.5)


def test_sequential_ratio_compares_latencies() -> None:
    rows = [row("pure", 300, name="call-1", p50_us=50.0)]
    rows += [row("nats", 200, name="call-1", p50_us=40.0)]
    assert ratio_of(grid_of(rows), "call-1", "pure", "nats") == Ratio(1.25)


def test_ratio_without_both_figures_is_none() -> None:
    failed = Row(name="call-64", title="", over="nats", error="lost")
    grid = grid_of([row("pure", 300), failed])
    assert ratio_of(grid, "call-64", "pure", "nats") is None
    assert ratio_of(grid, "call-64", "pure", "redis") is None


def test_generator_that_was_the_limit_makes_a_bound_of_the_ratio() -> None:
    grid = grid_of([row("pure", 300), row("floor", 600, generator_bound=True)])
    ratio = ratio_of(grid, "call-64", "pure", "floor")
    assert ratio is not None
    assert ratio.text == "≤0.50"
    assert Ratio(0.5, disturbed=True).text == "0.50!"
    assert Ratio(2.0, ours_bound=True).text == "≥2.00"
    assert Ratio(12.3, ours_bound=True, peer_bound=True).text == "~12"


def test_json_has_a_ratio_of_ours_to_everybody_measured() -> None:
    run = Run(
        date="2026-01-31",
        label="x",
        machine={},
        versions={},
        gaps={},
        settings={},
        rows=[row("floor", 600), row("pure", 300), row("nats", 200)],
    )
    assert as_json(run) == [
        {"name": "call-64", "system": "pure", "over": {"floor": 0.5, "nats": 1.5}}
    ]
