"""Holds how a service, a command or an event is explained, whatever its schema looks like."""

import shlex

import msgspec
from hypothesis import HealthCheck, given, settings, strategies as st

from askr_cli.commands.describe import description
from askr_cli.payload import read_payload
from askr_cli.safe_text import escaped

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "properties",
                    "required",
                    "items",
                    "anyOf",
                    "enum",
                    "default",
                    "$ref",
                    "x",
                    "minimum",
                    "minLength",
                    "minItems",
                    "prefixItems",
                    "additionalProperties",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_the_line_to_try_has_what_must_be_given() -> None:
    request = {
        "type": "object",
        "properties": {
            "url": {"type": "string"},
            "depth": {"type": "integer"},
            "flags": {"type": "array", "default": []},
        },
        "required": ["url", "depth"],
    }
    lines = description({"target": "agent.crawl", "request": request})
    assert lines[-1] == "  askr send agent.crawl url=text depth:=1"


ORDER = {
    "type": "object",
    "properties": {
        "item": {"$ref": "#/$defs/Item"},
        "mode": {"enum": ["very fast", "slow"]},
        "amounts": {"type": "array", "items": {"type": "integer", "minimum": 5}},
        "gift": {"type": "boolean"},
        "weight": {"type": "number"},
        "note": {"anyOf": [{"type": "null"}, {"type": "string"}], "default": None},
    },
    "required": ["item", "mode", "amounts", "gift", "weight"],
    "$defs": {
        "Item": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "On the label.\nMore."},
                "makers": {"type": "array", "items": {"$ref": "#/$defs/Maker"}},
                "parts": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
            },
            "required": ["name", "makers"],
        },
        "Maker": {"type": "object", "properties": {"since": {"type": "integer", "default": 1}}},
    },
}


def tried(request: dict[str, object]) -> object:
    """The payload of the line to try, as a shell and the terminal read it."""
    line = description({"target": "shop.order", "request": request})[-1]
    words = shlex.split(line)
    assert words[:3] == ["askr", "send", "shop.order"]
    payload = read_payload(words[3:], raw_file=None, read_stdin=bytes)
    return None if payload is None else msgspec.json.decode(bytes(payload))


def test_the_line_to_try_is_valid_for_objects_choices_lists_and_numbers() -> None:
    assert tried(ORDER) == {
        "item": {"name": "text", "makers": [{}]},
        "mode": "very fast",
        "amounts": [5],
        "gift": True,
        "weight": 1.5,
    }


def test_the_line_to_try_has_a_whole_payload_where_items_cannot_say_it() -> None:
    assert tried({"type": "array", "items": {"type": "string"}}) == ["text"]
    assert tried({"type": "string"}) == "text"
    odd = {"properties": {"a:b": {"type": "integer"}}, "required": ["a:b"], "type": "object"}
    assert tried(odd) == {"a:b": 1}
    file_like = {"properties": {"a": {"enum": ["@x"]}}, "required": ["a"], "type": "object"}
    assert tried(file_like) == {"a": "@x"}


def test_nested_objects_and_choices_are_shown_once() -> None:
    lines = description({"target": "shop.order", "request": ORDER})
    start = lines.index("arguments")
    assert lines[start : start + 11] == [
        "arguments",
        "  item       object",
        "    name     string                          On the label.",
        "    makers   array of object",
        "      since  integer               = 1",
        "    parts    array of object       optional",
        '  mode       "very fast"|"slow"',
        "  amounts    array of integer ≥ 5",
        "  gift       boolean",
        "  weight     number",
        "  note       null or string        = null",
    ]


def test_choices_that_contain_each_other_end() -> None:
    loop = {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}]}
    request = {"type": "object", "properties": {"a": loop}, "required": ["a"]}
    lines = description({"target": "a.b", "request": request | {"$defs": {"A": loop}}})
    assert lines[-1] == "  askr send a.b a:=null"


def test_the_whole_documentation_is_shown() -> None:
    lines = description({"target": "a.b", "doc": "First.\n\nSecond\x1b[2J.\n"})
    assert lines[:4] == ["a.b", "  First.", "", r"  Second\u001b[2J."]


def test_an_event_is_to_be_listened_to() -> None:
    lines = description({"target": "PAID", "event": "PAID", "request": {"type": "integer"}})
    assert lines == ["PAID", "", "payload    integer", "", "try", "  askr listen PAID"]


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first text takes long to make
@given(
    st.dictionaries(
        st.sampled_from(
            ["target", "doc", "request", "response", "commands", "emits", "tags", "instances",
             "timeout_ms", "guarantees", "version", "event"]
        ),
        json_values,
    )
)  # fmt: skip
def test_nothing_a_service_says_about_itself_breaks_the_explanation(told: dict) -> None:
    assert all(line == escaped(line) for line in description(told))
