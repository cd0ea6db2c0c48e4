"""Durable writes per second, beside redis with appendfsync always: `python -m bench.state`.

Every writer writes to keys of its own, one value after the other, and waits for each answer.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from bench.daemon import PROJECT, Daemon
from bench.generator import Generator, Sample, get_generator
from bench.machine import Cores, choose_cores, describe, describe_ours
from bench.peers.brokers import Broker
from bench.report import Row, layout, summarize
from bench.workloads import Workload

ROUNDS = 3
MEASURE_MS, MEASURE_MS_QUICK = 3000, 500
WARM_UP_MS = 500
PAYLOAD_BYTES = 128
COMPILED = PROJECT / "build" / "compiled"
SYNC_BYTES = 4096
SYNC_SECONDS = 1.0
WORKLOADS = tuple(
    Workload(
        name=f"set-{writers}",
        title=f"durable writes, {writers} writer{'s' if writers > 1 else ''}",
        words=("set", "--writers", str(writers), "--payload", str(PAYLOAD_BYTES)),
    )
    for writers in (1, 64)
)
Running = Daemon | Broker
Start = Callable[[int | None], Running]


def systems() -> dict[str, tuple[str, Start]]:
    """Returns what is compared and is here: name to protocol and start."""
    found: dict[str, tuple[str, Start]] = {
        "askrd, in memory": ("askr", partial(_daemon, keeps_state=False)),
        "askrd, durable": ("askr", partial(_daemon, keeps_state=True)),
    }
    if (COMPILED / ".built").exists():
        start = partial(_daemon, keeps_state=True, importing=COMPILED)
        found["askrd compiled, durable"] = ("askr", start)
    if shutil.which("redis-server"):
        found["redis, appendfsync always"] = ("redis", partial(Broker, _redis_words))
    return found


def _daemon(core: int | None, *, keeps_state: bool, importing: Path | None = None) -> Daemon:
    return Daemon(core=core, keeps_state=keeps_state, importing=importing)


def _redis_words(folder: Path, port: int) -> list[str]:
    words = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    return [*words, "--save", "", "--appendonly", "yes", "--appendfsync", "always"]


@contextmanager
def _started(start: Start, core: int | None) -> Iterator[Running]:
    running = start(core)
    try:
        yield running
    finally:
        running.stop()


def measure(
    generator: Generator, cores: Cores, *, rounds: int, measure_ms: int
) -> dict[str, list[Row]]:
    """Returns the rows of every system; rounds go through all of them in turn."""
    compared = systems()
    samples: dict[tuple[str, str], list[Sample]] = {}
    for _ in range(rounds):
        for name, (protocol, start) in compared.items():
            with _started(start, cores.daemon) as running:
                for workload in WORKLOADS:
                    words = [*workload.words, "--ms", str(measure_ms)]
                    words += ["--warm-up-ms", str(WARM_UP_MS), "--pid", str(running.pid)]
                    sample = generator.run(
                        running.tcp, words, core=cores.generator, protocol=protocol
                    )
                    samples.setdefault((name, workload.name), []).append(sample)
    return {
        name: [
            summarize(workload, "tcp", samples[name, workload.name], generator.language)
            for workload in WORKLOADS
        ]
        for name in compared
    }


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
    lines = [("", "workload", "sets/s", "min..max", "p50 us", "p99 us", "beside redis")]
    theirs = {row.name: row.value for row in rows.get("redis, appendfsync always", [])}
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
    if arguments.json:
        figures = {name: [asdict(row) for row in found] for name, found in rows.items()}
        print(json.dumps({"machine": machine, "syncs_per_second": syncs, "systems": figures}))
    else:
        print(f"{describe_ours()}; this disk syncs {syncs:,.0f} small writes a second\n")
        print(table(rows))
        if "redis, appendfsync always" not in rows:
            print("\nredis-server is not here: apt install redis-server")
    return 1 if any(row.error for found in rows.values() for row in found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
