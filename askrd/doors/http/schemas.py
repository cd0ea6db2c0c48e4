"""JSON Schemas of services in one document: their own definitions become the document's."""

from __future__ import annotations

import re
from urllib.parse import unquote

from askrd.wire.bodies import Json
from askrd.wire.limits import JSON_DEPTH_MAX

DEFINITIONS = ("$defs", "definitions")
_NOT_KEY = re.compile(r"[^A-Za-z0-9_\-.]")


class Schemas:
    """The `components.schemas` of a document.

    Attributes:
        placed: schemas by name.
    """

    def __init__(self) -> None:
        self.placed: dict[str, Json] = {}

    def place(self, name: str, schema: Json) -> Json:
        """Keeps a schema under a name and returns a reference to it.

        References within it that lead to its own definitions lead to the document's then; what a
        reference of another kind means is left to the reader. What is no schema, or nested too
        deeply, allows everything.
        """
        if not isinstance(schema, dict):
            schema = {}
        outer = {word: each for word, each in schema.items() if word not in DEFINITIONS}
        self.placed[name] = _moved(name, outer, JSON_DEPTH_MAX)
        for word in DEFINITIONS:
            inner = schema.get(word)
            for key, each in (inner if isinstance(inner, dict) else {}).items():
                self.placed[_inner(name, key)] = _moved(name, each, JSON_DEPTH_MAX)
        return {"$ref": f"#/components/schemas/{name}"}


def _moved(name: str, schema: Json, depth: int) -> Json:
    """Returns a schema whose references lead to where its definitions are now."""
    if not depth:
        return True
    if isinstance(schema, list):
        return [_moved(name, each, depth - 1) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _moved(name, each, depth - 1) for key, each in schema.items()}
    ref = schema.get("$ref")
    if isinstance(ref, str):
        found["$ref"] = _moved_ref(name, ref)
    return found


def _moved_ref(name: str, ref: str) -> str:
    if ref == "#":
        return f"#/components/schemas/{name}"
    for word in DEFINITIONS:
        start = f"#/{word}/"
        if ref.startswith(start):
            key = unquote(ref.removeprefix(start)).replace("~1", "/").replace("~0", "~")
            return f"#/components/schemas/{_inner(name, key)}"
    return ref


def _inner(name: str, key: str) -> str:
    return f"{name}.{_NOT_KEY.sub(lambda found: f'-{ord(found[0]):x}-', key)}"
