"""A place of a payload is found in a JSON Schema, whatever leads there."""

from typing import Any

import pytest

from askrd.sdk.schema import alternatives, choices_at

LOOP: dict[str, Any] = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}


def test_alternatives_follow_references_and_choices() -> None:
    defs = {"A": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/B"}]}, "B": {"type": "string"}}

    assert list(alternatives({"$ref": "#/$defs/A"}, defs)) == [{"type": "null"}, {"type": "string"}]


def test_schema_that_refers_to_itself_ends() -> None:
    assert choices_at(LOOP, "$") == []


@pytest.mark.parametrize("path", ["$", "$.a", "$[0]", "$['a']", "$.a[...].b", "nonsense"])
def test_place_without_choices_has_none(path: str) -> None:
    assert choices_at({}, path) == []
    assert choices_at({"type": "object", "properties": {"b": {"enum": [1]}}}, path) == []


def test_choices_of_several_alternatives_are_joined() -> None:
    one, other = ({"properties": {"a": {"enum": each}}} for each in ([1, 2], [2, 3]))

    assert choices_at({"anyOf": [one, other]}, "$.a") == [1, 2, 3]
