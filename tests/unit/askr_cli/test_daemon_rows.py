"""Holds what is said to the daemon's commands, and which rows are read from their answers."""

import msgspec
import pytest

from askr_cli.daemon_rows import rows_in, said


def test_what_is_not_given_is_left_out() -> None:
    assert said({"name": "a", "upto": None, "count": 0}) == msgspec.Raw(b'{"name":"a","count":0}')
    assert said({"name": None}) is None
    assert said({}) is None


@pytest.mark.parametrize(
    ("told", "rows"),
    [
        ([{"id": "1"}], [{"id": "1"}]),
        ({"jobs": [{"id": "1"}]}, [{"id": "1"}]),
        ([{"id": "1"}, 2, None], [{"id": "1"}]),
        ({}, []),
        (None, []),
        ("jobs", []),
    ],
)
def test_rows_are_read_from_a_list_or_an_object(told: object, rows: list[object]) -> None:
    assert rows_in(told, "jobs") == rows
