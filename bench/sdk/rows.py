"""From the samples of several rounds to rows: medians, spread, and ratios to the peers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.sdk.servers import TITLES
from bench.sdk.workloads import Workload

PEERS = ("nats", "redis")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run: a rate, and microseconds of processor time per operation of each side."""

    per_second: float = 0.0
    server_us: float | None = None
    service_us: float | None = None
    client_us: float | None = None
    error: str = ""


def as_rows(
    workloads: Sequence[Workload],
    systems: Sequence[str],
    found: Mapping[tuple[str, str], Sequence[Sample]],
    gaps: Mapping[str, str],
) -> list[dict[str, object]]:
    """Returns one row per workload and system, ready for JSON.

    Args:
        workloads: what was measured.
        systems: on what.
        found: the samples by name of the workload and system.
        gaps: why a system was not measured, or nothing.
    """
    rows = []
    for workload in workloads:
        rates = {system: _rate(found.get((workload.name, system), [])) for system in systems}
        for system in systems:
            samples = found.get((workload.name, system), [])
            row = _row(workload, system, samples, gaps[system])
            if system not in PEERS:
                row["ratios"] = {
                    TITLES[peer]: _ratio(rates[system], rates.get(peer)) for peer in PEERS
                }
            rows.append(row)
    return rows


def _row(workload: Workload, system: str, samples: Sequence[Sample], gap: str) -> dict[str, object]:
    errors = [sample.error for sample in samples if sample.error]
    rate = _rate(samples)
    rounds = [] if rate is None else [round(sample.per_second, 1) for sample in samples]
    row: dict[str, object] = {
        "name": workload.name,
        "title": f"{workload.title} ({TITLES[system]})",
        "system": system,
        "unit": workload.unit,
        "value": None if rate is None else round(rate, 1),
        "low": min(rounds, default=None),
        "high": max(rounds, default=None),
        "rounds": rounds,
        "error": gap or (errors[0] if errors else ""),
    }
    for side in ("server_us", "service_us", "client_us"):
        costs = [cost for one in samples if (cost := getattr(one, side)) is not None]
        row[f"{side}_per_op"] = round(median(costs), 2) if costs and rate is not None else None
    return row


def _rate(samples: Sequence[Sample]) -> float | None:
    """Returns the median, or None when there is none or a run failed."""
    if not samples or any(sample.error for sample in samples):
        return None
    return median(sample.per_second for sample in samples)


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return round(ours / theirs, 2) if ours and theirs else None
