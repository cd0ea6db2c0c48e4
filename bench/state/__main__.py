"""What is kept, beside redis with appendfsync always: `python -m bench.state`.

Writers write to keys of their own, one value after the other, and wait for each answer; changes go
to a thousand watchers; commands are kept as jobs and run; and a daemon starts with a million keys.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict

from bench.generator import Generator, Sample, get_generator
from bench.machine import Cores, choose_cores, describe, describe_ours
from bench.report import Row, layout, summarize
from bench.state import starts
from bench.state.systems import REDIS, started, systems
from bench.workloads import Workload

ROUNDS = 3
MEASURE_MS, MEASURE_MS_QUICK = 3000, 500
WARM_UP_MS = 500
PAYLOAD_BYTES = 128
SYNC_BYTES = 4096
SYNC_SECONDS = 1.0
WATCHERS = 1000
JOBS_UNDER_WAY = 64


def _sets(writers: int) -> Workload:
    return Workload(
        name=f"set-{writers}",
        title=f"durable writes, {writers} writer{'s' if writers > 1 else ''}",
        words=("set", "--writers", str(writers), "--payload", str(PAYLOAD_BYTES)),
    )


WORKLOADS = (
    _sets(1),
    _sets(64),
    Workload(
        name="watch",
        title=f"changes told to {WATCHERS:,} watchers",
        words=("watch", "--listeners", str(WATCHERS), "--window", "10"),
        unit="deliveries/s",
    ),
    Workload(
        name="job",
        title=f"jobs accepted and run, {JOBS_UNDER_WAY} under way",
        words=("job", "--in-flight", str(JOBS_UNDER_WAY), "--payload", str(PAYLOAD_BYTES)),
    ),
)
OURS_ALONE = frozenset({"watch", "job"})
"""Not driven on redis: its notifications of changes carry no value, and its jobs are made by clients."""


def measure(
    generator: Generator, cores: Cores, *, rounds: int, measure_ms: int
) -> dict[str, list[Row]]:
    """Returns the rows of every system; rounds go through all of them in turn."""
    compared = systems()
    samples: dict[tuple[str, str], list[Sample]] = {}
    for _ in range(rounds):
        for name, (protocol, start) in compared.items():
            with started(start, cores.daemon) as running:
                for workload in _workloads_of(name):
                    words = [*workload.words, "--ms", str(measure_ms)]
                    words += ["--warm-up-ms", str(WARM_UP_MS), "--pid", str(running.pid)]
                    sample = generator.run(
                        running.tcp, words, core=cores.generator, protocol=protocol
                    )
                    samples.setdefault((name, workload.name), []).append(sample)
    return {
        name: [
            summarize(workload, "tcp", samples[name, workload.name], generator.language)
            for workload in _workloads_of(name)
        ]
        for name in compared
    }


def _workloads_of(name: str) -> list[Workload]:
    return [one for one in WORKLOADS if name != REDIS or one.name not in OURS_ALONE]


def syncs_per_second() -> float:
    """Returns how many small writes a second this disk takes when each is synced."""
    with tempfile.TemporaryFile() as file:
        count, started_s = 0, time.perf_counter()
        while time.perf_counter() - started_s < SYNC_SECONDS:
            os.pwrite(file.fileno(), b"x" * SYNC_BYTES, 0)
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.perf_counter() - started_s)


def table(rows: dict[str, list[Row]]) -> str:
    """Returns the rows as text, each with its share of redis's."""
    lines = [("", "workload", "per second", "min..max", "p50 us", "p99 us", "beside redis")]
    theirs = {row.name: row.value for row in rows.get(REDIS, [])}
    for name, of_system in rows.items():
        for row in of_system:
            if row.value is None:
                lines.append((name, row.title, row.error, "", "", "", ""))
                continue
            other = theirs.get(row.name)
            ratio = f"{row.value / other:.2f}" if other else ""
            lines.append(
                (
                    name,
                    row.title,
                    f"{row.value:,.0f}",
                    f"{row.low:,.0f}..{row.high:,.0f}",
                    f"{row.p50_us:,.0f}",
                    f"{row.p99_us:,.0f}",
                    ratio,
                )
            )
    return layout(lines, left={0, 1})


def main(words: Sequence[str] | None = None) -> int:
    """Measures, prints, and returns 0, or 1 when a figure is missing."""
    parser = argparse.ArgumentParser(prog="python -m bench.state", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="one short round; rough figures")
    arguments = parser.parse_args(words)
    generator = get_generator()
    if generator.language != "C":
        parser.error(f"this needs the generator in C: {generator.note}")
    cores = choose_cores()
    machine = describe(cores)
    syncs = syncs_per_second()
    measure_ms = MEASURE_MS_QUICK if arguments.quick else MEASURE_MS
    rounds = 1 if arguments.quick else ROUNDS
    rows = measure(generator, cores, rounds=rounds, measure_ms=measure_ms)
    keys = starts.KEYS_QUICK if arguments.quick else starts.KEYS
    begun = starts.measure(cores.daemon, keys=keys)
    if arguments.json:
        figures = {name: [asdict(row) for row in found] for name, found in rows.items()}
        found = {"machine": machine, "syncs_per_second": syncs, "systems": figures}
        print(json.dumps({**found, "starts": [start.facts() for start in begun]}))
    else:
        print(f"{describe_ours()}; this disk syncs {syncs:,.0f} small writes a second\n")
        print(table(rows) + "\n")
        print(layout([starts.HEADINGS, *(start.row() for start in begun)], left={0}))
        if REDIS not in rows:
            print("\nredis-server is not here: apt install redis-server")
    return 1 if any(row.error for found in rows.values() for row in found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
