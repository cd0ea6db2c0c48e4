"""Holds the table of exit codes, row by row."""

import pytest

from askr_cli.exits import EXIT_OF_CODE, MEANINGS, Exit, error_object, exit_of
from askrd.sdk.errors import CannotConnect
from askrd.wire.errors import AskrError, CommandError, ErrorCode, error_from

TABLE = {
    3: "bad_request unknown_kind schema_invalid payload_too_large",
    4: "unauthenticated forbidden",
    5: "workspace_unknown service_unknown command_unknown not_found gone no_instance",
    2: "command_ambiguous",
    6: "handler_error unseal_failed",
    8: "instance_lost connection_lost slow_consumer outcome_unknown",
    9: "conflict version_unsupported swap_failed",
    75: "busy draining limit_exceeded unavailable",
    124: "deadline_exceeded",
    130: "cancelled",
    1: "internal storage_unavailable",
}
ROWS = [(code, number) for number, codes in TABLE.items() for code in codes.split()]


@pytest.mark.parametrize(("code", "number"), ROWS)
def test_each_code_ends_with_its_number(code: str, number: int) -> None:
    assert exit_of(error_from(code, "text", at="daemon")) == number


def test_every_code_has_a_number() -> None:
    assert set(EXIT_OF_CODE) == set(ErrorCode) == {ErrorCode(code) for code, _ in ROWS}


@pytest.mark.parametrize("code", ["not_found", "busy", "deadline_exceeded", "page_missing"])
def test_whatever_a_handler_raises_is_remote(code: str) -> None:
    assert exit_of(CommandError(code, "text")) == Exit.REMOTE


def test_a_response_that_fits_no_schema_is_remote() -> None:
    assert exit_of(error_from("schema_invalid", "text", at="response")) == Exit.REMOTE


def test_no_daemon_is_unreachable() -> None:
    assert exit_of(CannotConnect("ws://127.0.0.1:1", "connection refused")) == Exit.UNREACHABLE


def test_the_error_object_has_its_five_members() -> None:
    error = AskrError("text", details={"a": 1}, retryable=True, at="daemon")
    assert error_object(error) == {
        "ok": False,
        "error": {
            "code": "internal",
            "message": "text",
            "details": {"a": 1},
            "retryable": True,
            "at": "daemon",
        },
    }


def test_every_exit_code_has_a_meaning_for_people() -> None:
    assert list(MEANINGS) == list(Exit)
    assert all(MEANINGS.values())
