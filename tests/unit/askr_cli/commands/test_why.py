"""Holds the first line that `askr why` says, for every way in which it can end."""

import pytest

from askr_cli.commands.why import outcome
from tests.unit.askr_cli.terminals import said

CHOSEN = {"service": "agent", "instance": "k3Tz9a", "verdict": "chosen", "reason": "r"}
OTHER = {"service": "agent", "instance": "Zx81aB", "verdict": "eligible", "reason": "r"}


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            {"target": "a.b", "verdict": "chosen", "candidates": [OTHER, CHOSEN]},
            "a.b goes to agent@k3Tz9a",
        ),
        (
            {"target": "a.b", "verdict": "chosen", "candidates": [CHOSEN, CHOSEN]},
            "a.b goes to agent@k3Tz9a, agent@k3Tz9a",
        ),
        ({"target": "a.b", "verdict": "chosen"}, "a.b goes to an instance"),
        ({"target": "a.b", "verdict": "waits"}, "a.b waits: nobody who may take it is free now"),
        (
            {"target": "a.b", "verdict": "no_instance", "error": "all are disabled"},
            "a.b goes to nobody: all are disabled (no_instance)",
        ),
        (
            {
                "target": "a.c",
                "verdict": "command_unknown",
                "error": "unknown.",
                "details": {"nearest": ["b"]},
            },
            "a.c goes to nobody: unknown. Did you mean: b? (command_unknown)",
        ),
        (
            {"target": "a.b", "verdict": "queued", "candidates": []},
            "a.b becomes a job and waits in its queue  (askr jobs queues)",
        ),
        ({"target": "a.c", "verdict": "busy"}, "a.c goes to nobody: it would fail (busy)"),
        (
            {"target": "X", "verdict": "heard", "candidates": [{"verdict": "hears"}, OTHER]},
            "X is heard by 1 of 2 that listen",
        ),
        ({"target": "X", "verdict": "nobody", "candidates": [OTHER]}, "nobody hears X"),
        ({"target": "X", "verdict": "nobody"}, "nobody hears X: nobody listens to anything"),
        (
            {"target": "a.b", "id": 7, "state": "running", "instance": "a@k3Tz9a", "ms": 1500},
            "command 7 to a.b: it runs at a@k3Tz9a for 1.5 s",
        ),
        (
            {"target": "a.b", "id": 7, "state": "answered", "caller": "me@Zx81aB", "ms": None},
            "command 7 of me@Zx81aB to a.b: it was answered",
        ),
        (
            {"target": "a.b", "id": 7, "state": "failed", "verdict": "busy", "error": "full"},
            "command 7 to a.b: it failed: full (busy)",
        ),
    ],
)
def test_the_first_line_says_the_outcome(told: dict[str, object], sentence: str) -> None:
    assert outcome(told) == sentence


def test_one_subject_is_asked_about() -> None:
    code, _, told = said("why", "a.b", "--id", "7")
    assert (code, "explains one thing" in told) == (2, True)


def test_an_id_may_name_who_asked() -> None:
    _, frame, _ = said("why", "--id", "k3Tz9a:7", "--dry-run")
    assert '"d":{"id":7,"instance":"k3Tz9a"}' in frame
