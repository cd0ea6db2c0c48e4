"""Looks into a JSON Schema: what may stand at a place of a payload."""

import re
from collections.abc import Iterator
from typing import Any

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\['(.*?)'\]|\[\.\.\.\]")
_REFERENCES_MAX = 10
"""References that follow each other; a schema that refers to itself ends here."""


def alternatives(
    schema: dict[str, Any], defs: dict[str, Any], depth: int = 0
) -> Iterator[dict[str, Any]]:
    """Yields the schemas of which one has to fit, with references followed.

    Args:
        schema: where to look.
        defs: what its references lead to.
        depth: how many references have led here.
    """
    if depth > _REFERENCES_MAX:
        return
    if reference := schema.get("$ref"):
        yield from alternatives(defs.get(reference.rpartition("/")[2], {}), defs, depth + 1)
    elif "anyOf" in schema:
        for choice in schema["anyOf"]:
            yield from alternatives(choice, defs, depth)
    else:
        yield schema


def choices_at(schema: dict[str, Any], path: str) -> list[Any]:
    """Returns the values of an enum that may stand at ``path``, as ``$.modes[0]``; empty for none."""
    defs = schema.get("$defs", {})
    places = list(alternatives(schema, defs))
    for step in _STEP.finditer(path):
        name, index, key = step.groups()
        inner = [found for place in places for found in _inside(place, name or key, index)]
        places = [choice for found in inner for choice in alternatives(found, defs)]
    choices: list[Any] = []
    for place in places:
        choices += [one for one in place.get("enum", ()) if one not in choices]
    return choices


def _inside(place: dict[str, Any], name: str | None, index: str | None) -> Iterator[dict[str, Any]]:
    if index is not None:
        first = place.get("prefixItems", [])
        found = first[int(index)] if int(index) < len(first) else place.get("items")
    else:
        found = place.get("properties", {}).get(name, place.get("additionalProperties"))
    if isinstance(found, dict):
        yield found
