"""Examples made from JSON Schemas: what they are, and that no schema of a stranger is trouble."""

import pytest

from askr_cli.schema_examples import example


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 7}, 7),
        ({"enum": ["b", "a"]}, "b"),
        ({"type": "null"}, None),
        ({"type": "boolean"}, True),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "number", "exclusiveMaximum": 1}, 0.5),
        ({"type": "integer", "minimum": 7, "multipleOf": 5}, 10),
        ({"type": "number"}, 1.5),
        ({"type": "string"}, "text"),
        ({"type": "string", "minLength": 6}, "textte"),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"type": ["null", "string"]}, "text"),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"type": "array"}, []),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}, ["text", 1]),
        ({"type": "object"}, {}),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"key": 1}),
        ({}, None),
        ({"$ref": "#/nowhere"}, None),
    ],
)
def test_a_schema_has_an_example(schema: dict[str, object], value: object) -> None:
    found = example(schema, schema)
    assert (type(found), found) == (type(value), value)


def test_an_object_has_the_members_that_must_be_given() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": "string"}},
        "required": ["a"],
        "$defs": {"A": {"type": "object", "properties": {}, "required": ["unknown"]}},
    }
    assert example(schema, schema) == {"a": {"unknown": None}}


def test_a_schema_that_contains_itself_ends() -> None:
    names = [f"n{number}" for number in range(30)]
    endless: dict[str, object] = {
        "type": "object",
        "properties": {name: {"$ref": "#/$defs/A"} for name in names},
        "required": names,
    }
    found = example(endless, endless | {"$defs": {"A": endless}})
    assert found["n0"]["n0"]["n0"]["n0"]
    assert found["n29"] is None
