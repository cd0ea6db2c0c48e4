"""Errors and answers in HTTP: one status per code, and heads that are what they say."""

import pytest

from askrd.doors.http.answer import (
    STATUS_OF_CODE,
    Answer,
    error_answer,
    error_object,
    head_of,
    status_of,
)
from askrd.wire.errors import (
    Busy,
    CommandError,
    ErrorCode,
    NoInstance,
    SchemaInvalid,
    error_from,
)


def test_every_code_has_a_status() -> None:
    assert set(STATUS_OF_CODE) == set(ErrorCode)


@pytest.mark.parametrize(
    ("chosen", "status"),
    [(404, 404), (599, 500), (200, 500), ("404", 500), (True, 500), (None, 500), (422, 422)],
)
def test_a_handler_may_choose_the_status_of_an_error(chosen: object, status: int) -> None:
    assert status_of(CommandError("gone_fishing", details={"http_status": chosen})) == status


def test_a_code_of_the_daemons_means_nothing_when_a_handler_says_it() -> None:
    assert status_of(error_from("not_found", "x", at="handler")) == 500
    assert status_of(error_from("not_found", "x", at="daemon")) == 404


def test_whose_schema_was_broken_makes_the_difference() -> None:
    assert status_of(SchemaInvalid("x", at="request")) == 422
    assert status_of(SchemaInvalid("x", at="response")) == 500


def test_an_error_is_the_object_of_the_command_line() -> None:
    assert error_object(Busy("full", details={"n": 1}, at="daemon")) == {
        "ok": False,
        "error": {
            "code": "busy", "message": "full", "details": {"n": 1}, "retryable": True,
            "at": "daemon",
        },
    }  # fmt: skip


def test_what_may_be_tried_again_says_when() -> None:
    assert error_answer(NoInstance("x")).headers == {"retry-after": "1"}
    assert error_answer(CommandError("x")).headers == {}


def test_a_head_has_its_status_and_headers() -> None:
    head = head_of(Answer(499, b"", "text/plain", {"a": "b"}), {"c": "d"})
    assert (
        head
        == b"HTTP/1.1 499 Client Closed Request\r\ncontent-type: text/plain\r\na: b\r\nc: d\r\n\r\n"
    )
