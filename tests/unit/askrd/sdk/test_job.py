"""A job is read from the daemon's row; its result is a value or the error that it ended with."""

from typing import Any

import pytest

from askrd.sdk.job import end_in, job_id, job_in, jobs_in, selection, too_late
from askrd.wire.errors import BadRequest, CommandError, Conflict, HandlerError

ROW: dict[str, Any] = {
    "id": "17", "target": "a.b", "state": "done", "attempts": 2, "attempts_max": 5,
    "created": 1000, "started": 2000, "ended": 3000, "instance": "a@x", "value": {"n": 1},
    "caller": "me@y",
}  # fmt: skip


def test_a_row_is_a_job_with_all_that_was_said() -> None:
    job = job_in(ROW)
    assert (job.id, job.target, job.attempts, job.attempts_max) == ("17", "a.b", 2, 5)
    assert (job.created_ms, job.started_ms, job.ended_ms, job.next_ms) == (1000, 2000, 3000, 0)
    assert (job.is_ended, job.result(), job.row) == (True, {"n": 1}, ROW)
    assert jobs_in([ROW]) == [job]
    assert jobs_in(None) == []


def test_a_value_may_be_bytes() -> None:
    assert job_in({"id": "1", "state": "done", "b": "AP8="}).result() == b"\0\xff"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "sold_out", "message": "none"}, CommandError),
        ({"code": "handler_error"}, HandlerError),
    ],
)
def test_the_error_of_a_job_that_ended_is_raised(error: Any, kind: type[Exception]) -> None:
    job = job_in({"id": "1", "state": "dead", "error": error})
    with pytest.raises(kind):
        job.result()


def test_a_job_that_waits_for_another_attempt_has_no_result_yet() -> None:
    job = job_in({"id": "1", "state": "queued", "next": 9, "error": {"code": "busy"}})
    assert (job.is_ended, job.next_ms) == (False, 9)
    with pytest.raises(Conflict, match="is queued"):
        job.result()


@pytest.mark.parametrize("row", [None, {}, {"id": 5}, {"id": "1", "b": "%"}, []])
def test_a_row_that_makes_no_sense_is_refused(row: Any) -> None:
    with pytest.raises(BadRequest, match="row of a job"):
        job_in(row)


def test_the_news_of_an_end_are_of_one_job() -> None:
    told = {"id": "17", "target": "a.b", "state": "done", "attempts": 1, "value": 5}
    job = end_in(told, "17")
    assert job is not None
    assert (job.is_ended, job.result()) == (True, 5)
    assert [end_in(one, "17") for one in (told | {"id": "18"}, None, [])] == [None] * 3


def test_a_job_is_named_by_its_id_by_itself_or_by_what_send_said() -> None:
    assert [job_id(one) for one in ("17", 17, {"job": "17"}, job_in(ROW))] == ["17"] * 4


@pytest.mark.parametrize("wrong", ["", "x", -1, {"jobs": ["1", "2"]}, "1" * 17, None, "¹"])
def test_what_names_no_job_is_refused(wrong: Any) -> None:
    with pytest.raises(BadRequest, match="is no job"):
        job_id(wrong)


def test_only_what_was_given_selects() -> None:
    assert selection(None, None) == {}
    assert selection("a.b", "dead", 5, "9") == {
        "target": "a.b", "state": "dead", "limit": 5, "before": "9",
    }  # fmt: skip


def test_who_waited_too_long_hears_what_the_job_is_doing() -> None:
    assert "job 1 is still running after 2 s; it goes on" in str(too_late("1", 2.0, "running"))
