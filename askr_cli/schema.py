"""Reads a JSON Schema as far as a hint needs it: names, types, ranges, choices, defaults.

Schemas come from services, so nothing here trusts their shape: what is not understood is left out.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_DEPTH_MAX = 8
_TYPE_DEPTH_MAX = 4
_CHOICES_SHOWN_MAX = 8
_BOUNDS = (("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum"))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One named argument of a command.

    Attributes:
        name: its name.
        type: a few words for people: ``string``, ``integer 1..5``, ``array of string``.
        required: whether it must be given.
        default: its default as JSON text, or None.
        choices: the only values allowed, as JSON texts; empty when there are no such.
        is_text: whether its value is a plain string, written ``name=value``.
    """

    name: str
    type: str
    required: bool
    default: str | None = None
    choices: tuple[str, ...] = ()
    is_text: bool = False

    def __str__(self) -> str:
        default = "" if self.default is None else f" = {self.default}"
        mark = "" if self.required or default else "?"
        return f"{self.name}{mark}: {self.type}{default}"


def parameters(schema: object, root: Schema | None = None) -> tuple[Parameter, ...]:
    """Returns the named arguments of a request schema, required ones first.

    Args:
        schema: a JSON Schema with ``properties`` (also behind a ``$ref``); anything else has none.
        root: the schema in which references are looked up; None = ``schema`` itself.
    """
    if not isinstance(schema, Mapping):
        return ()
    meant = resolved(schema, root or schema)
    properties = meant.get("properties")
    required = meant.get("required")
    if not isinstance(properties, Mapping):
        return ()
    needed = set(map(str, required)) if isinstance(required, list) else set()
    found = [
        _parameter(str(name), prop, root or schema, required=str(name) in needed)
        for name, prop in properties.items()
        if isinstance(prop, Mapping)
    ]
    return tuple(sorted(found, key=lambda parameter: not parameter.required))


def _parameter(name: str, prop: Schema, root: Schema, *, required: bool) -> Parameter:
    meant = resolved(prop, root)
    default = json.dumps(prop["default"], ensure_ascii=False) if "default" in prop else None
    return Parameter(
        name,
        type_of(prop, root),
        required,
        default,
        _choices(prop, root),
        is_text=_is_text(meant),
    )


def _is_text(meant: Schema) -> bool:
    enum = meant.get("enum")
    if isinstance(enum, list):
        return bool(enum) and all(isinstance(value, str) for value in enum)
    return meant.get("type") == "string"


def _choices(prop: Schema, root: Schema) -> tuple[str, ...]:
    meant = resolved(prop, root)
    if meant.get("type") == "boolean":
        return ("true", "false")
    values = meant.get("enum")
    if not isinstance(values, list):
        values = [meant["const"]] if "const" in meant else []
    return tuple(json.dumps(value, ensure_ascii=False) for value in values)


def resolved(schema: Schema, root: Schema) -> Schema:
    """Follows local references in ``root``; an unknown or endless one is an empty schema."""
    for _ in range(_DEPTH_MAX):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        target: Any = root
        for part in reference.removeprefix("#").strip("/").split("/"):
            target = target.get(part) if isinstance(target, Mapping) else None
        if not isinstance(target, Mapping):
            return {}
        schema = target
    return {}


def type_of(schema: object, root: Schema | None = None, depth: int = 0) -> str:
    """Returns a type in a few words; ``any`` when the schema says nothing."""
    if not isinstance(schema, Mapping) or depth > _TYPE_DEPTH_MAX:
        return "any"
    root = root or schema
    schema = resolved(schema, root)
    if isinstance(values := schema.get("enum"), list):
        return _one_of(values)
    if isinstance(alternatives := schema.get("anyOf", schema.get("oneOf")), list):
        shown = alternatives[:_CHOICES_SHOWN_MAX]
        return " or ".join(dict.fromkeys(type_of(each, root, depth + 1) for each in shown))
    name = schema.get("type")
    if isinstance(name, list):
        return " or ".join(map(str, name))
    if name == "array" and "items" in schema:
        return f"array of {type_of(schema['items'], root, depth + 1)}"
    if isinstance(name, str):
        return f"{name}{_range_of(schema)}"
    return "any"


def _one_of(values: list[Any]) -> str:
    shown = [json.dumps(value, ensure_ascii=False) for value in values[:_CHOICES_SHOWN_MAX]]
    return "|".join(shown + ["…"] * (len(values) > _CHOICES_SHOWN_MAX))


def _range_of(schema: Schema) -> str:
    for low, high in _BOUNDS:
        if low in schema and high in schema:
            return f" {schema[low]}..{schema[high]}"
        if low in schema:
            return f" {'>' if low.startswith('ex') else '≥'} {schema[low]}"
        if high in schema:
            return f" {'<' if high.startswith('ex') else '≤'} {schema[high]}"
    return ""


def signature(name: str, request: object, response: object) -> str:
    """Returns ``crawl(url: string, depth: integer 1..5 = 1) → array of string``.

    Args:
        name: of the command.
        request: schema of the payload, or None when the command says nothing about it.
        response: schema of the value, or None.
    """
    result = f" → {type_of(response)}" if isinstance(response, Mapping) else ""
    if not isinstance(request, Mapping):
        return f"{name}(…){result}"
    named = parameters(request)
    meant = resolved(request, request)
    if named or meant.get("type") == "object":
        return f"{name}({', '.join(map(str, named))}){result}"
    return f"{name}({'' if meant.get('type') == 'null' else type_of(request)}){result}"
