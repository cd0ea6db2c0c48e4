"""What a service declared about a command beyond its arguments, and how it has been doing."""

from collections.abc import Iterator, Mapping
from typing import Any

from askr_cli.durations import duration_text

Told = Mapping[str, Any]
Fact = tuple[str, str]
"""What it is called, and what it is."""

_REPLIES = {
    "none": "nothing; it is only told",
    "ack": "that it was accepted; the work goes on",
    "stream": "a stream of items",
}
_MODES = {"broadcast": "every instance, each with a row of its own"}
_QUANTILES = ("p50", "p95", "p99")


def command_facts(told: Told) -> list[Fact]:
    """Returns what is worth saying about a command; what every command does is left out."""
    return [*_declared(told), *_statistics(told.get("statistics"))]


def _declared(told: Told) -> Iterator[Fact]:
    if reply := _REPLIES.get(str(told.get("reply", ""))):
        yield "replies", reply
    if mode := _MODES.get(str(told.get("mode", ""))):
        yield "asks", mode
    policy = told.get("policy")
    if isinstance(policy, str) and policy:
        yield "policy", policy.replace("_", " ")
    if told.get("upload") is True:
        yield "upload", "yes: askr send --in FILE"
    most = told.get("concurrency")
    if isinstance(most, int) and most > 0:
        yield "at once", f"{most} per instance"
    serial = told.get("serial")
    if serial:
        yield "serial", "one at a time" if serial is True else f"one at a time per {serial}"
    if told.get("idempotent") is True:
        yield "idempotent", "yes: it may be carried out twice"
    if told.get("internal") is True:
        yield "internal", "yes: for services, not for terminals"


def _statistics(statistics: Any) -> Iterator[Fact]:
    if not isinstance(statistics, Mapping):
        return
    calls, errors = (_count(statistics, name) for name in ("calls", "errors"))
    running = _count(statistics, "in_flight")
    if not calls and not running:
        return
    yield "so far", f"{calls} calls, {errors} failed, {running} in flight"
    delays = [
        f"{name} {duration_text(ms)}"
        for name in _QUANTILES
        if isinstance(ms := statistics.get(f"{name}_ms"), int | float) and ms >= 0
    ]
    if calls and delays:
        yield "took", "  ".join(delays)


def _count(statistics: Told, name: str) -> int:
    count = statistics.get(name)
    return count if isinstance(count, int) else 0
