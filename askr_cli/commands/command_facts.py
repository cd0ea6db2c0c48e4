"""What a service declared about a command beyond its arguments, and how it has been doing."""

from collections.abc import Iterator, Mapping
from typing import Any

from askr_cli.durations import duration_text, span_text
from askr_cli.job_states import JobState

Told = Mapping[str, Any]
Fact = tuple[str, str]
"""What it is called, and what it is."""

_REPLIES = {
    "none": "nothing; it is only told",
    "ack": "that it was accepted; the work goes on",
    "stream": "a stream of items",
}
_MODES = {"broadcast": "every instance, each with {each} of its own"}
_QUANTILES = ("p50", "p95", "p99")


def command_facts(told: Told) -> list[Fact]:
    """Returns what is worth saying about a command; what every command does is left out."""
    return [*_declared(told), *_queued(told), *_statistics(told.get("statistics"))]


def _declared(told: Told) -> Iterator[Fact]:
    if reply := _REPLIES.get(str(told.get("reply", ""))):
        yield "replies", reply
    if mode := _MODES.get(str(told.get("mode", ""))):
        each = "a job" if told.get("queue") is True else "a row"
        yield "asks", mode.format(each=each)
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


def _queued(told: Told) -> Iterator[Fact]:
    if told.get("queue") is True:
        yield "queued", _queue_text(told)
        if jobs := _jobs_text(told.get("jobs")):
            yield "jobs", jobs


def _queue_text(told: Told) -> str:
    """Returns what becomes of a job of the command, as far as it is declared."""
    words = ["yes: askr send tells the id of a job"]
    attempts, backoff_ms, keep_ms = (
        _count(told, name) for name in ("attempts", "backoff_ms", "keep_ms")
    )
    if attempts:
        words.append("tried once" if attempts == 1 else f"tried up to {attempts} times")
    if attempts > 1 and backoff_ms:
        words.append(f"{duration_text(backoff_ms)} apart, then longer")
    if keep_ms:
        words.append(f"its result kept {span_text(keep_ms)}")
    return ", ".join(words)


def _jobs_text(row: Any) -> str:
    """Returns how many jobs there are in which state; empty when there are none."""
    if not isinstance(row, Mapping):
        return ""
    return ", ".join(f"{count} {state}" for state in JobState if (count := _count(row, state)))


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
