"""Holds what is said about one job, also when its row is poor or hostile."""

import pytest

from askr_cli.commands.jobs import error_text, job_lines, value_of
from tests.unit.askr_cli.terminals import KeptTerminal

ROW = {
    "id": "17",
    "target": "mail.post",
    "state": "done",
    "attempts": 2,
    "attempts_max": 5,
    "created": 1_763_680_001_004,
    "instance": "mail@k3Tz9a",
    "value": {"posted": "you\x1b[2J"},
}


def test_a_job_is_told_in_safe_lines() -> None:
    lines = job_lines(KeptTerminal(), ROW)
    assert lines[0] == "job 17"
    assert "attempts   2 of 5" in lines
    assert lines[-1] == 'value      {"posted":"you\\u001b[2J"}'
    assert all(line.isprintable() for line in lines)


def test_a_running_job_tells_how_far_it_is() -> None:
    row = ROW | {"state": "running", "progress": {"percent": 50}}
    assert 'progress   {"percent":50}' in job_lines(KeptTerminal(), row)


def test_a_poor_row_is_no_reason_to_fail() -> None:
    assert job_lines(KeptTerminal(), {})[0] == "job "


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"code": "no_address", "message": "where to?"}, "where to? (no_address)"),
        ({"code": "no_address"}, "no_address"),
        ({"message": "where to?"}, "where to?"),
        (None, ""),
        ("odd", ""),
    ],
)
def test_an_error_is_one_line(error: object, text: str) -> None:
    assert error_text({"error": error}) == text


def test_bytes_are_a_value() -> None:
    assert value_of({"b": "AP8="}) == {"b": "AP8="}
    assert value_of({"value": 1}) == 1
    assert value_of({}) is None
