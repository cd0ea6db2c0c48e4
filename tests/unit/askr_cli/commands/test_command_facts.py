"""Holds which facts of a command people are told, and that ordinary ones are left out."""

from askr_cli.commands.command_facts import command_facts
from askr_cli.commands.describe import description

PLAIN = {
    "reply": "value",
    "mode": "balanced",
    "policy": "",
    "concurrency": 0,
    "serial": False,
    "idempotent": False,
    "internal": False,
    "upload": False,
    "statistics": {"calls": 0, "errors": 0, "in_flight": 0, "p50_ms": 0, "p95_ms": 0, "p99_ms": 0},
}


def test_what_every_command_does_is_left_out() -> None:
    assert command_facts(PLAIN) == []
    assert command_facts({}) == []


def test_what_is_declared_is_told() -> None:
    told = dict(
        command_facts(
            PLAIN
            | {
                "reply": "stream",
                "mode": "broadcast",
                "policy": "round_robin",
                "concurrency": 8,
                "serial": "order",
                "idempotent": True,
                "internal": True,
                "upload": True,
            }
        )
    )
    assert told == {
        "replies": "a stream of items",
        "asks": "every instance, each with a row of its own",
        "policy": "round robin",
        "upload": "yes: askr send --in FILE",
        "at once": "8 per instance",
        "serial": "one at a time per order",
        "idempotent": "yes: it may be carried out twice",
        "internal": "yes: for services, not for terminals",
    }


def test_statistics_are_told_when_there_are_any() -> None:
    figures = {"calls": 4, "errors": 1, "in_flight": 2, "p50_ms": 1.25, "p95_ms": 40, "p99_ms": 2e3}
    told = dict(command_facts({"statistics": figures}))
    assert told == {
        "so far": "4 calls, 1 failed, 2 in flight",
        "took": "p50 1.2 ms  p95 40 ms  p99 2 s",
    }


def test_what_is_strange_is_no_failure() -> None:
    strange = {"statistics": [1], "concurrency": "8", "reply": 7, "mode": None, "policy": {}}
    assert command_facts(strange) == []


def test_facts_stand_in_one_column() -> None:
    lines = description({"target": "a.b", "timeout_ms": 5_000} | PLAIN | {"idempotent": True})
    assert "timeout    5 s" in lines
    assert "idempotent yes: it may be carried out twice" in lines


def test_a_queue_is_told_with_its_jobs() -> None:
    queue = {"queue": True, "attempts": 5, "backoff_ms": 1_000, "keep_ms": 86_400_000}
    told = dict(command_facts(PLAIN | queue | {"jobs": {"queued": 3, "dead": 1, "done": 0}}))
    assert told == {
        "queued": "yes: askr send tells the id of a job, tried up to 5 times, "
        "1 s apart, then longer, its result kept 1 d",
        "jobs": "3 queued, 1 dead",
    }


def test_a_queue_of_every_instance_makes_a_job_of_each() -> None:
    told = dict(command_facts(PLAIN | {"queue": True, "mode": "broadcast", "attempts": 1}))
    assert told == {
        "asks": "every instance, each with a job of its own",
        "queued": "yes: askr send tells the id of a job, tried once",
    }
