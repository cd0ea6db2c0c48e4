"""Says how an item of a payload is written, when a command wanted another type than it got."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from askr_cli.payload import item_of

_WRITTEN = {
    "int": ("1", "a number"),
    "float": ("1.5", "a number"),
    "bool": ("true", "yes or no"),
    "array": ('["text"]', "a list"),
    "object": ('{"name":"text"}', "an object"),
    "null": ("null", "nothing"),
}
"""What a service calls a type, with a value of it and a word for people."""


def item_hint(words: Sequence[str], details: Mapping[str, Any]) -> str:
    """Returns a sentence on how the refused item is written; empty when it was written right.

    Args:
        words: the payload as it was typed.
        details: of a `schema_invalid`: `path` as `$.name`, `expected` as a type.
    """
    name = str(details.get("path", "")).removeprefix("$.")
    expected = str(details.get("expected", "")).partition(" ")[0]
    found = next((item for item in map(item_of, words) if item and item[0] == name), None)
    if found is None:
        return ""
    _, sign, text = found
    if sign == ":=" and expected == "str":
        return f"Write {name}={shlex.quote(text)} for text"
    if sign != "=" or expected not in _WRITTEN:
        return ""
    value, what = _WRITTEN[expected]
    return f"Write {name}:={shlex.quote(text if _is(expected, text) else value)} for {what}"


def _is(expected: str, text: str) -> bool:
    """Whether the text, without its being a text, would be right."""
    match expected:
        case "int":
            return text.removeprefix("-").isdecimal() and text.isascii()
        case "bool":
            return text in {"true", "false"}
        case "array" | "object":
            return text[:1] + text[-1:] == {"array": "[]", "object": "{}"}[expected]
        case _:
            return False
