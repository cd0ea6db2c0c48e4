"""Makes a value that a JSON Schema accepts, as far as its plain words say what that is.

Schemas come from services, so nothing here trusts their shape: what is not understood is null.
"""

import math
from collections.abc import Mapping
from typing import Any

from askr_cli.schema import Schema, resolved

_DEPTH_MAX = 8
_ITEMS_MAX = 8
_VALUES_MAX = 200
_LENGTH_MAX = 200
_FORMATS = {
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "email": "name@example.org",
    "uri": "https://example.org",
}


def example(schema: object, root: Schema) -> Any:
    """Returns the smallest telling value that ``schema`` accepts.

    Objects have the members that must be given, arrays one item. What is deeper than eight
    schemas, or comes after two hundred values, is null.

    Args:
        schema: what the value is for.
        root: the schema in which local references are looked up.
    """
    return _Maker(root).value(schema, 0)


class _Maker:
    """Makes the values of one example, and knows when it has become large enough."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._left = _VALUES_MAX

    def value(self, schema: object, depth: int) -> Any:
        self._left -= 1
        if not isinstance(schema, Mapping) or depth > _DEPTH_MAX or self._left < 0:
            return None
        schema = resolved(schema, self._root)
        if "const" in schema:
            return schema["const"]
        if isinstance(choices := schema.get("enum"), list) and choices:
            return choices[0]
        for word in ("anyOf", "oneOf", "allOf"):
            if isinstance(alternatives := schema.get(word), list) and alternatives:
                return self.value(_first(alternatives, {"type": "null"}), depth + 1)
        kind = schema.get("type")
        if isinstance(kind, list) and kind:
            kind = _first(kind, "null")
        return self._of_kind(kind, schema, depth)

    def _of_kind(self, kind: object, schema: Schema, depth: int) -> Any:
        match kind:
            case "string":
                return _text(schema)
            case "integer":
                return _number(schema, 1, whole=True)
            case "number":
                return _number(schema, 1.5, whole=False)
            case "boolean":
                return True
            case "array":
                return self._array(schema, depth)
            case "object":
                return self._object(schema, depth)
            case _:
                return None

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        places = schema.get("prefixItems")
        if isinstance(places, list) and places:
            return [self.value(place, depth + 1) for place in places[:_ITEMS_MAX]]
        least, most = schema.get("minItems"), schema.get("maxItems")
        if most == 0 or "items" not in schema:
            return []
        count = least if isinstance(least, int) and least > 0 else 1
        return [self.value(schema["items"], depth + 1)] * min(count, _ITEMS_MAX)

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        members, required = schema.get("properties"), schema.get("required")
        found = members if isinstance(members, Mapping) else {}
        names = [str(name) for name in required] if isinstance(required, list) else []
        value = {name: self.value(found.get(name), depth + 1) for name in names}
        others = schema.get("additionalProperties")
        if not found and isinstance(others, Mapping):
            value |= {"key": self.value(others, depth + 1)}
        return value


def _first(alternatives: list[Any], nothing: Any) -> Any:
    """Returns the first alternative that says something."""
    return next((one for one in alternatives if one != nothing), nothing)


def _text(schema: Schema) -> str:
    form = schema.get("format")
    if isinstance(form, str) and form in _FORMATS:
        return _FORMATS[form]
    least, most = _length(schema, "minLength", 0), _length(schema, "maxLength", _LENGTH_MAX)
    return ("text" * (least // 4 + 1))[: max(least, min(4, most))]


def _length(schema: Schema, word: str, usual: int) -> int:
    length = schema.get(word)
    return min(length, _LENGTH_MAX) if isinstance(length, int) and length >= 0 else usual


def _number(schema: Schema, usual: float, *, whole: bool) -> float:
    step = 1 if whole else 0.5
    value = usual
    if (low := _bound(schema, "minimum")) is not None and value < low:
        value = math.ceil(low) if whole else low
    if (low := _bound(schema, "exclusiveMinimum")) is not None and value <= low:
        value = math.floor(low) + 1 if whole else low + step
    if (high := _bound(schema, "maximum")) is not None and value > high:
        value = math.floor(high) if whole else high
    if (high := _bound(schema, "exclusiveMaximum")) is not None and value >= high:
        value = math.ceil(high) - 1 if whole else high - step
    multiple = _bound(schema, "multipleOf")
    return math.ceil(value / multiple) * multiple if multiple and multiple > 0 else value


def _bound(schema: Schema, word: str) -> float | None:
    """Returns a bound that can be reckoned with."""
    bound = schema.get(word)
    if not isinstance(bound, int | float) or isinstance(bound, bool):
        return None
    return bound if bound == 0 or 1e-9 < abs(bound) < 1e15 else None
