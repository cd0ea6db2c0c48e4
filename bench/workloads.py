"""The workloads of the whole-relay benchmark: what each row does and which figure it reports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One row of the table.

    Attributes:
        name: stable id, used by ``--only`` and in the JSON.
        title: what a reader of the table sees.
        words: the generator's sub-command and its options; empty for what needs no generator.
        figure: member of the generator's JSON that is the row's value.
        unit: unit of that value.
        fresh: whether the row needs a daemon nobody has used yet.
    """

    name: str
    title: str
    words: tuple[str, ...]
    figure: str = "per_second"
    unit: str = "/s"
    fresh: bool = False


def _calls(name: str, title: str, pairs: int, in_flight: int) -> Workload:
    words = ("call", "--pairs", str(pairs), "--in-flight", str(in_flight))
    return Workload(name=name, title=f"command round trip, {title}", words=words)


def _events(name: str, title: str, listeners: int, window: int) -> Workload:
    words = ("event", "--listeners", str(listeners), "--window", str(window))
    return Workload(name=name, title=f"event {title}", words=words, unit="deliveries/s")


def _big_events(name: str, title: str, payload_bytes: int, window: int) -> Workload:
    words = ("event", "--payload", str(payload_bytes), "--window", str(window))
    return Workload(
        name=name, title=f"event 1 to 1, {title}", words=words, figure="mb_per_second", unit="MB/s"
    )


READY = Workload(
    name="ready", title="start-up to ready line", words=(), figure="ms", unit="ms", fresh=True
)

WORKLOADS = (
    READY,
    Workload(
        name="idle",
        title="memory per idle connection, 1000",
        words=("idle", "--connections", "1000"),
        figure="bytes_per_connection",
        unit="bytes",
        fresh=True,
    ),
    _calls("call-1", "one at a time", 1, 1),
    _calls("call-64", "64 in flight, 1 pair", 1, 64),
    _calls("call-64x1", "64 pairs, 1 each", 64, 1),
    _events("event-1", "1 to 1", 1, 64),
    _events("event-10", "1 to 10", 10, 64),
    _events("event-100", "1 to 100", 100, 64),
    _events("event-1000", "1 to 1000", 1000, 16),
    _events("event-100-single", "1 to 100, unbatched", 100, 1),
    _big_events("event-64k", "64 KiB payload", 64 * 1024, 8),
    _big_events("event-1m", "1 MiB payload", 1024 * 1024, 4),
)
