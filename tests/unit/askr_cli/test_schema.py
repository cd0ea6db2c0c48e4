"""Reading JSON Schemas for hints."""

from hypothesis import given, strategies as st

from askr_cli.schema import Parameter, parameters, signature, type_of

CRAWL = {
    "type": "object",
    "properties": {
        "depth": {"type": "integer", "minimum": 1, "maximum": 5, "default": 1},
        "url": {"type": "string"},
        "mode": {"$ref": "#/$defs/Mode"},
        "follow": {"type": "boolean"},
    },
    "required": ["url"],
    "$defs": {"Mode": {"enum": ["fast", "deep"]}},
}


def test_required_arguments_come_first_with_type_default_and_choices() -> None:
    assert parameters(CRAWL) == (
        Parameter("url", "string", True, is_text=True),
        Parameter("depth", "integer 1..5", False, "1"),
        Parameter("mode", '"fast"|"deep"', False, None, ('"fast"', '"deep"'), is_text=True),
        Parameter("follow", "boolean", False, None, ("true", "false")),
    )


def test_signature_reads_like_a_function() -> None:
    assert signature("crawl", CRAWL, {"type": "array", "items": {"type": "string"}}) == (
        'crawl(url: string, depth: integer 1..5 = 1, mode?: "fast"|"deep", follow?: boolean)'
        " → array of string"
    )


def test_signature_of_a_sole_value_of_nothing_and_of_the_unknown() -> None:
    assert signature("a", {"type": "integer"}, None) == "a(integer)"
    assert signature("b", {"type": "object", "properties": {}}, {"type": "null"}) == "b() → null"
    assert signature("c", None, None) == "c(…)"


def test_open_ranges_alternatives_and_long_choices_are_short() -> None:
    assert type_of({"type": "number", "exclusiveMinimum": 0}) == "number > 0"
    assert type_of({"type": "integer", "maximum": 9}) == "integer ≤ 9"
    assert type_of({"anyOf": [{"type": "string"}, {"type": "null"}]}) == "string or null"
    assert type_of({"enum": list(range(20))}).endswith("|…")


def test_a_schema_that_refers_to_itself_ends() -> None:
    assert type_of({"$ref": "#"}) == "any"
    endless: dict[str, object] = {"type": "array"}
    endless["items"] = endless
    assert type_of(endless).startswith("array of array")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "enum", "$ref", "anyOf", "required", "a"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(anything)
def test_no_schema_of_a_stranger_is_trouble(schema: object) -> None:
    assert isinstance(type_of(schema), str)
    assert isinstance(signature("x", schema, schema), str)
    assert isinstance(parameters(schema), tuple)
