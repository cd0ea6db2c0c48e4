"""The benchmark of durable state: its table, and the generator's workload against a real daemon."""

import pytest

from bench.daemon import Daemon
from bench.generator import get_generator
from bench.report import Row
from bench.state.__main__ import WORKLOADS, table


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
        "redis, appendfsync always": [row("set-1", 2000.0), row("set-64", None, "it broke")],
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
