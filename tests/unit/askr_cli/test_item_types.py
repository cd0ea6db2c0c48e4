"""Holds what is said when an item has the wrong type."""

import pytest

from askr_cli.item_types import item_hint


@pytest.mark.parametrize(
    ("item", "expected", "hint"),
    [
        ("a=x", "int", "Write a:=1 for a number"),
        ("a=5", "int", "Write a:=5 for a number"),
        ("a=x", "float", "Write a:=1.5 for a number"),
        ("a=true", "bool", "Write a:=true for yes or no"),
        ("a=yes", "bool | null", "Write a:=true for yes or no"),
        ("a=x", "array", """Write a:='["text"]' for a list"""),
        ("a=[1]", "array", "Write a:='[1]' for a list"),
        ("a=x", "object", """Write a:='{"name":"text"}' for an object"""),
        ("a:=5", "str", "Write a=5 for text"),
        ("a:=5", "int", ""),
        ("a=x", "str", ""),
        ("a=x", "something else", ""),
        ("b=x", "int", ""),
        ('{"a": "x"}', "int", ""),
    ],
)
def test_an_item_of_the_wrong_type_is_told_how_it_is_written(
    item: str, expected: str, hint: str
) -> None:
    assert item_hint([item], {"path": "$.a", "expected": expected}) == hint


@pytest.mark.parametrize("details", [{}, {"path": 5}, {"path": "$.a.b", "expected": "int"}])
def test_what_is_no_item_gets_no_hint(details: dict[str, object]) -> None:
    assert item_hint(["a=x"], details) == ""
