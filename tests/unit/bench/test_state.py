"""The benchmark of durable state: its table, and the generator's workload against a real daemon."""

import pytest

from bench.daemon import Daemon
from bench.generator import get_generator
from bench.report import Row
from bench.state import starts
from bench.state.__main__ import WORKLOADS, table
from bench.state.systems import REDIS


def row(name: str, value: float | None, error: str = "") -> Row:
    workload = next(one for one in WORKLOADS if one.name == name)
    return Row(
        name=name,
        title=workload.title,
        value=value,
        low=value,
        high=value,
        p50_us=100.0,
        p99_us=200.0,
        error=error,
    )


def test_each_figure_stands_beside_that_of_redis() -> None:
    rows = {
        "askrd, durable": [row("set-1", 1000.0), row("set-64", 5000.0)],
        REDIS: [row("set-1", 2000.0), row("set-64", None, "it broke")],
    }
    lines = table(rows).splitlines()
    assert lines[1].split()[-1] == "0.50"
    assert lines[2].split()[-1] == "200"
    assert lines[3].split()[-1] == "1.00"
    assert "it broke" in lines[4]


@pytest.mark.integration
@pytest.mark.parametrize("keeps_state", [False, True], ids=["memory", "durable"])
def test_the_generator_writes_and_counts_what_was_answered(keeps_state: bool) -> None:
    generator = get_generator()
    if generator.language != "C":
        pytest.skip(f"only the C generator writes: {generator.note}")
    with Daemon(keeps_state=keeps_state) as daemon:
        words = ["set", "--writers", "8", "--ms", "100", "--warm-up-ms", "10"]
        sample = generator.run(daemon.tcp, words)
    assert (sample["ok"], sample["workload"]) == (True, "set"), sample
    assert sample["count"] > 0


@pytest.mark.integration
@pytest.mark.parametrize(
    "words",
    [("watch", "--listeners", "20", "--window", "5"), ("job", "--in-flight", "8")],
    ids=["watch", "job"],
)
def test_the_generator_counts_what_watchers_were_told_and_jobs_that_were_run(
    words: tuple[str, ...],
) -> None:
    generator = get_generator()
    if generator.language != "C":
        pytest.skip(f"only the C generator does: {generator.note}")
    with Daemon(keeps_state=True) as daemon:
        sample = generator.run(daemon.tcp, [*words, "--ms", "100", "--warm-up-ms", "10"])
    assert (sample["ok"], sample["workload"]) == (True, words[0]), sample
    assert sample["count"] > 0


@pytest.mark.integration
def test_a_start_over_a_full_file_is_timed_for_each_system_that_is_here() -> None:
    found = starts.measure(None, keys=2_000)
    assert found[0].name == "askrd"
    for start in found:
        assert (start.keys, start.ready_ms > 0, start.file_mb > 0) == (2_000, True, True)
        assert len(start.row()) == len(starts.HEADINGS)
