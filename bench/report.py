"""From the samples of several rounds to rows, and from rows to a table."""

from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median

from bench.generator import Sample
from bench.workloads import Workload

BOUND_SHARE = 0.9
"""Share of its core above which the generator, not the daemon, may have set the figure."""
WAITED_SHARE = 0.1
"""Share of the time that others may keep either side from its core before the row says so."""
HEADINGS = (
    "workload",
    "median",
    "unit",
    "min..max",
    "p50 us",
    "p99 us",
    "us/op",
    "daemon",
    "gen.",
    "note",
)
LEFT = frozenset({HEADINGS.index("workload"), HEADINGS.index("unit"), HEADINGS.index("note")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One workload over all rounds; every figure is the median of its rounds.

    Attributes:
        name: the workload's id.
        title: its title.
        over: ``tcp``, ``unix``, or empty where no connection is made.
        unit: unit of ``value``, ``low`` and ``high``.
        value: median, or ``None`` when a round failed.
        low: smallest round.
        high: largest round.
        p50_us: median latency in microseconds, where it was measured.
        p99_us: 99th percentile of the latency in microseconds.
        daemon_cpu: share of its core the daemon's main thread used.
        daemon_us_per_op: microseconds of it per round trip or delivery.
        generator_cpu: share of its core the generator used.
        generator_bound: whether that share says the figure may be the generator's limit.
        waited: share of the time the daemon or the generator could have run and others did.
        error: why a round failed, or empty.
        rounds: the value of each round.
    """

    name: str
    title: str
    over: str = ""
    unit: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p50_us: float | None = None
    p99_us: float | None = None
    daemon_cpu: float | None = None
    daemon_us_per_op: float | None = None
    generator_cpu: float | None = None
    generator_bound: bool = False
    waited: float | None = None
    error: str = ""
    rounds: list[float] = field(default_factory=list)

    @property
    def is_disturbed(self) -> bool:
        """Whether others kept either side from its core so long that the rate says little."""
        return self.waited is not None and self.waited > WAITED_SHARE


def summarize(workload: Workload, over: str, samples: Sequence[Sample], language: str) -> Row:
    """Returns the row of ``workload``; one failed round makes it a row without a figure."""
    failed = [str(sample["error"]) for sample in samples if not sample["ok"]]
    if failed:
        return Row(name=workload.name, title=workload.title, over=over, error=failed[0])
    rounds = _numbers(samples, workload.figure)
    if not rounds:
        error = "not measurable here (the daemon's /proc entry is not readable)"
        return Row(name=workload.name, title=workload.title, over=over, error=error)
    generator_cpu = _median(samples, "generator_cpu")
    waits = (_median(samples, "daemon_waited"), _median(samples, "generator_waited"))
    bound = generator_cpu is not None and generator_cpu > BOUND_SHARE
    return Row(
        name=workload.name,
        title=workload.title,
        over=over,
        unit=workload.unit,
        value=median(rounds),
        low=min(rounds),
        high=max(rounds),
        p50_us=_median(samples, "p50_us"),
        p99_us=_median(samples, "p99_us"),
        daemon_cpu=_median(samples, "daemon_cpu"),
        daemon_us_per_op=_median(samples, "daemon_us_per_op"),
        generator_cpu=generator_cpu,
        generator_bound=bound or (language == "Python" and generator_cpu is not None),
        waited=max((wait for wait in waits if wait is not None), default=None),
        rounds=rounds,
    )


def _numbers(samples: Sequence[Sample], member: str) -> list[float]:
    found = [sample.get(member) for sample in samples]
    return [float(value) for value in found if isinstance(value, int | float)]


def _median(samples: Sequence[Sample], member: str) -> float | None:
    found = _numbers(samples, member)
    return round(median(found), 3) if found else None


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Returns the rows as JSON objects."""
    return [asdict(row) for row in rows]


def table(rows: Sequence[Row]) -> str:
    """Returns the rows as text, one line each, under a heading."""
    lines = [HEADINGS, *(cells(row) for row in rows)]
    return layout(lines, left=LEFT)


def layout(lines: Sequence[Sequence[str]], *, left: Container[int]) -> str:
    """Returns cells in aligned columns, those whose number is in ``left`` to the left."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_joined(line, widths, left) for line in lines)


def _joined(line: Sequence[str], widths: Sequence[int], left: Container[int]) -> str:
    padded = [
        cell.ljust(width) if number in left else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def cells(row: Row) -> tuple[str, ...]:
    """Returns the row as text, one cell per heading."""
    title = f"{row.title} ({row.over})" if row.over else row.title
    if row.value is None:
        return (title, "-", *[""] * (len(HEADINGS) - 3), f"no figure: {row.error}")
    spread = f"{amount(row.low)}..{amount(row.high)}" if len(row.rounds) > 1 else ""
    notes = ["generator-bound"] if row.generator_bound else []
    if row.is_disturbed and row.waited is not None:
        notes.append(f"disturbed: waited {row.waited:.0%}")
    return (
        title,
        amount(row.value),
        row.unit,
        spread,
        amount(row.p50_us),
        amount(row.p99_us),
        amount(row.daemon_us_per_op),
        _share(row.daemon_cpu),
        _share(row.generator_cpu),
        ", ".join(notes),
    )


def amount(value: float | None) -> str:
    """Returns a number a person can compare: three digits, with k or M; empty for ``None``."""
    if value is None:
        return ""
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    if value >= 1e4:
        return f"{value / 1e3:.3g}k" if value < 999_500 else "1M"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
