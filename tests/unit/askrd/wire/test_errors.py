"""Holds the errors: one class per code, what they carry, and that the page names the same."""

import re

import pytest

from askrd.wire import errors
from askrd.wire.errors import (
    ERROR_CLASSES,
    RETRYABLE,
    AskrError,
    Busy,
    CommandError,
    ErrorCode,
    HandlerError,
    NotFound,
    error_from,
)
from tests.unit.askrd.wire.page import tables, words


def codes_of_the_page() -> dict[str, bool]:
    """Every code of the page, and whether the page calls it retryable."""
    return {
        code: retryable == "yes" for cell, _, retryable in tables("11")[0] for code in words(cell)
    }


def test_the_page_names_every_code_and_which_may_be_tried_again() -> None:
    assert codes_of_the_page() == {str(code): code in RETRYABLE for code in ErrorCode}


def test_codes_are_words() -> None:
    assert all(re.fullmatch("[a-z0-9_]{1,64}", code) for code in ErrorCode)


def test_every_code_has_one_class_and_every_class_one_code() -> None:
    assert set(ERROR_CLASSES) == {str(code) for code in ErrorCode}
    assert len(set(ERROR_CLASSES.values())) == len(ErrorCode)
    assert all(error.code == code for code, error in ERROR_CLASSES.items())


def test_every_class_is_public_and_explains_itself() -> None:
    for error in ERROR_CLASSES.values():
        assert getattr(errors, error.__name__) is error
        assert error.__doc__


@pytest.mark.parametrize("code", ErrorCode)
def test_an_error_knows_whether_it_may_be_tried_again(code: ErrorCode) -> None:
    assert ERROR_CLASSES[code]().retryable is (code in RETRYABLE)
    assert ERROR_CLASSES[code](retryable=True).retryable is True
    assert ERROR_CLASSES[code](retryable=False).retryable is False


def test_an_error_carries_what_it_was_given() -> None:
    details = {"limit": 3}
    error = Busy("full", details=details, at="daemon", instance="a@1")
    details["limit"] = 4
    assert str(error) == error.message == "full"
    assert (error.details, error.at, error.instance) == ({"limit": 3}, "daemon", "a@1")


def test_an_error_without_a_message_says_its_code() -> None:
    assert str(NotFound()) == "not found"
    assert NotFound().details == {}
    assert (NotFound().at, NotFound().instance) == (None, None)


def test_a_handlers_own_error_has_its_own_code() -> None:
    error = CommandError("out_of_stock", details={"left": 0})
    assert (error.code, str(error), error.at) == ("out_of_stock", "out of stock", "handler")
    assert (error.details, error.retryable) == ({"left": 0}, False)
    assert CommandError("busy", retryable=True).retryable
    assert CommandError.code == ErrorCode.INTERNAL, "the class itself is left alone"


@pytest.mark.parametrize("code", ErrorCode)
def test_an_error_of_the_daemon_becomes_its_class(code: ErrorCode) -> None:
    error = error_from(code, "why", details={"a": 1}, at="daemon", instance="a@1")
    assert type(error) is ERROR_CLASSES[code]
    assert (error.message, error.details, error.at, error.instance) == (
        ("why", {"a": 1}, "daemon", "a@1")
    )
    assert error.retryable is (code in RETRYABLE)


def test_an_error_of_a_handler_is_never_taken_for_the_daemons() -> None:
    error = error_from("not_found", "no page 7", at="handler")
    assert type(error) is CommandError
    assert (error.code, error.retryable, error.at) == ("not_found", False, "handler")


def test_an_unexpected_failure_of_a_handler_has_its_class() -> None:
    assert type(error_from("handler_error", "", at="handler")) is HandlerError


def test_a_code_nobody_knows_becomes_a_command_error() -> None:
    error = error_from("shiny", "new", retryable=True, at="daemon", instance="a@1")
    assert type(error) is CommandError
    assert (error.code, error.message, error.retryable) == ("shiny", "new", True)
    assert (error.at, error.instance) == ("daemon", "a@1")
    assert isinstance(error, AskrError)
