"""Rows say the median and never show a figure that is not one."""

import pytest

from bench.generator import Sample
from bench.report import amount, summarize, table
from bench.workloads import WORKLOADS, Workload

WORKLOAD = Workload(name="w", title="work", words=("call",))


def sample(per_second: float, generator_cpu: float = 0.5) -> Sample:
    return {"ok": True, "per_second": per_second, "generator_cpu": generator_cpu}


def test_row_is_the_median_of_its_rounds() -> None:
    row = summarize(WORKLOAD, "tcp", [sample(30), sample(10), sample(20)], "C")
    assert (row.value, row.low, row.high, row.rounds) == (20, 10, 30, [30, 10, 20])
    assert not row.generator_bound


def test_one_failed_round_leaves_no_figure() -> None:
    lost: Sample = {"ok": False, "error": "the daemon announced lost events (gap)"}
    row = summarize(WORKLOAD, "tcp", [sample(30), lost], "C")
    assert row.value is None
    assert "no figure: the daemon announced lost events (gap)" in table([row])


def test_figure_that_was_not_reported_is_no_figure() -> None:
    row = summarize(WORKLOAD, "tcp", [{"ok": True, "per_second": None}], "C")
    assert row.value is None
    assert row.error


def test_generator_that_used_its_whole_core_is_named() -> None:
    row = summarize(WORKLOAD, "tcp", [sample(30, generator_cpu=0.97)], "C")
    assert row.generator_bound
    assert "generator-bound" in table([row])


def test_python_generator_is_always_named() -> None:
    assert summarize(WORKLOAD, "tcp", [sample(30, generator_cpu=0.5)], "Python").generator_bound


def test_row_that_others_disturbed_says_so() -> None:
    disturbed = sample(30) | {"daemon_waited": 0.02, "generator_waited": 0.31}
    row = summarize(WORKLOAD, "tcp", [disturbed], "C")
    assert row.waited == 0.31
    assert "disturbed: waited 31%" in table([row])
    calm = sample(30) | {"daemon_waited": 0.02, "generator_waited": 0.01}
    assert "disturbed" not in table([summarize(WORKLOAD, "tcp", [calm], "C")])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.5, "0.5"),
        (99.96, "100"),
        (9_999, "9999"),
        (10_000, "10k"),
        (123_456, "123k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (1_234_567, "1.23M"),
    ],
)
def test_amounts_have_three_digits(value: float | None, text: str) -> None:
    assert amount(value) == text


def test_names_of_workloads_are_unique() -> None:
    names = [workload.name for workload in WORKLOADS]
    assert len(names) == len(set(names))
