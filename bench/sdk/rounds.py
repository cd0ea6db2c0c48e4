"""Runs every workload on every system in turns, and returns rows of what came out."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench.daemon import DEFAULT_COMMAND, DaemonFailed
from bench.machine import Cores, choose_cores
from bench.sdk.processes import Party, PartyFailed, cpu_us
from bench.sdk.rows import Sample, as_rows
from bench.sdk.servers import SYSTEMS, Server, missing, running
from bench.sdk.workloads import WORKLOADS, Workload

ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long one run lasts, in milliseconds."""

    warm_up_ms: int
    ms: int


def measure(
    *,
    quick: bool = False,
    rounds: int | None = None,
    systems: Sequence[str] = SYSTEMS,
    names: Sequence[str] = (),
    command: tuple[str, ...] = DEFAULT_COMMAND,
    cores: Cores | None = None,
) -> list[dict[str, object]]:
    """Measures and returns one row per workload and system, ready for JSON.

    The server is alone on one core; client and service, or publisher and subscribers, share the
    other.

    Args:
        quick: one short round, which is a look and no figure.
        rounds: how often each run is repeated; by default 3, with ``quick`` 1.
        systems: which of `askr`, `askr-tcp`, `nats` and `redis`.
        names: which workloads; empty for all.
        command: what starts our daemon.
        cores: where to run; by default two cores of this process.
    """
    cores = cores or choose_cores()
    pace = Pace(warm_up_ms=150, ms=300) if quick else Pace(warm_up_ms=300, ms=1000)
    workloads = [one for one in WORKLOADS if not names or one.name in names]
    found: dict[tuple[str, str], list[Sample]] = {}
    gaps = {system: missing(system) for system in systems}
    for number in range(rounds or (1 if quick else ROUNDS)):
        for system in systems:
            if gaps[system]:
                continue
            print(f"bench.sdk: round {number + 1}, {system}", file=sys.stderr, flush=True)
            for name, sample in _round(system, workloads, pace, cores, command).items():
                found.setdefault((name, system), []).append(sample)
    return as_rows(workloads, systems, found, gaps)


def _round(
    system: str,
    workloads: Sequence[Workload],
    pace: Pace,
    cores: Cores,
    command: tuple[str, ...],
) -> dict[str, Sample]:
    """Runs all workloads on one server."""
    try:
        with running(system, cores.daemon, command) as server:
            return {
                workload.name: _sample(system, server, workload, pace, cores.generator)
                for workload in workloads
            }
    except DaemonFailed as exc:
        return {workload.name: Sample(error=str(exc)) for workload in workloads}


def _sample(
    system: str, server: Server, workload: Workload, pace: Pace, core: int | None
) -> Sample:
    common = [system, server.url]
    timing = ["--warm-up-ms", str(pace.warm_up_ms), "--ms", str(pace.ms)]
    if workload.in_flight:
        answering, asking = ["answer"], ["ask", "--in-flight", str(workload.in_flight)]
        asking += ["--json"] if workload.is_json else []
    else:
        shape = ["--subscribers", str(workload.subscribers)]
        answering, asking = ["hear", *shape], ["tell", *shape]
    try:
        with Party([*common, *answering], core) as service:
            service.hear("ready")
            with Party([*common, *asking, *timing], core) as client:
                return _timed(server, service, client)
    except PartyFailed as exc:
        return Sample(error=str(exc))


def _timed(server: Server, service: Party, client: Party) -> Sample:
    pids = (server.pid, service.pid, client.pid)
    client.hear("begin")
    before = [cpu_us(pid) for pid in pids]
    end = client.hear("end")
    after = [cpu_us(pid) for pid in pids]
    client.finish()
    count = end["count"]
    if not count:
        return Sample(error="nothing came back")
    costs = [
        None if first is None or last is None else round((last - first) / count, 2)
        for first, last in zip(before, after, strict=True)
    ]
    return Sample(
        per_second=count / end["seconds"],
        server_us=costs[0],
        service_us=costs[1],
        client_us=costs[2],
    )
