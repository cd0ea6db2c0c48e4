"""One type at the border: its JSON Schema, and the check of every payload that claims to have it.

msgspec types, dataclasses, TypedDicts, enums and `Annotated` limits are msgspec's own business.
A class with ``model_validate`` and ``model_json_schema`` (pydantic's) is taken as it is, without
importing pydantic.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Literal, cast, get_args, get_origin

import msgspec

from askrd.sdk.schema import alternatives, choices_at
from askrd.wire.errors import BadRequest, SchemaInvalid
from askrd.wire.frames import Coding

Side = Literal["request", "response"]
"""Which schema a payload did not fit; the `at` of the error."""

_AT = re.compile(r"(?P<what>.*?)(?: - at (?:`key` in )?`(?P<path>\$[^`]*)`)?", re.DOTALL)
_FIELD = re.compile(r"Object (?P<how>contains unknown|missing required) field `(?P<field>.*)`")
_EXPECTED = re.compile(r"Expected (?P<wanted>.*?)(?:, got .*)?", re.DOTALL)
_CHOICE = re.compile(r"Invalid (?:enum )?value (?P<given>.*)", re.DOTALL)
_STEPS = re.compile(r"\.[^.\[]+|\[(?:\d+|\.\.\.)\]")
_GIVEN_CHARS_MAX = 64
"""Characters of a value that is no choice; the rest is cut off."""
_CHOICES_MAX = 20
"""Choices that a message names; the schema has them all."""
_CANDIDATES_MAX = 1_000
"""Members of one object that are tried to find the one at fault."""
_NONE, _JSON, _BYTES = Coding.NONE, Coding.JSON, Coding.BYTES
_BINARY = (bytes, bytearray, memoryview)
_PLAIN = (bytes, str, bool, int, float, dict, list, type(None))


class Shape:
    """A type, ready to check payloads."""

    __slots__ = ("_decoder", "_hint", "_members", "_name", "_schema", "_sure")

    def __init__(self, hint: Any, name: str, *, members: tuple[str, ...] | None = None) -> None:
        """Prepares ``hint``.

        Args:
            hint: a type annotation; `Any` takes everything.
            name: what messages call it.
            members: the members an object may have, for the message about an unknown one.

        Raises:
            BadRequest: the type cannot be described by a JSON Schema.
        """
        self._hint = hint
        self._name = name
        self._members = members
        self._sure = _sure_of(hint)
        try:
            self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
                hint, dec_hook=_from_builtins
            )
            self._schema = {} if hint is Any else _schema_of(hint)
        except (TypeError, ValueError) as exc:
            raise BadRequest(
                f"{name}: its type cannot be written as a JSON Schema "
                f"({str(exc).splitlines()[0]}); use builtins, dataclasses, msgspec Structs "
                "or pydantic models"
            ) from exc

    @property
    def schema(self) -> dict[str, Any]:
        """A copy of the JSON Schema; references lead to its own ``$defs``."""
        copy: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self._schema))
        return copy

    @property
    def takes_objects(self) -> bool:
        """Whether some JSON object may fit."""
        return any(
            schema.get("type", "object") == "object" and "enum" not in schema
            for schema in alternatives(self._schema, self._schema.get("$defs", {}))
        )

    def may_share(self, other: "Shape") -> bool:
        """Says whether some value may fit both, judging by the JSON types they take."""
        mine, theirs = self.json_types(), other.json_types()
        return mine is None or theirs is None or not mine.isdisjoint(theirs)

    def json_types(self) -> set[str] | None:
        """Returns the JSON types that may fit; None when that is not plain to see."""
        found: set[str] = set()
        for schema in alternatives(self._schema, self._schema.get("$defs", {})):
            kind = schema.get("type")
            if not isinstance(kind, str):
                return None
            found |= {"number", "integer"} if kind == "number" else {kind}
        return found

    @property
    def takes_null(self) -> bool:
        """Whether no value at all fits."""
        try:
            self._decoder.decode(b"null")
        except msgspec.MsgspecError:
            return False
        return True

    def read(self, data: bytes, coding: int, *, at: Side = "request") -> Any:
        """Returns the payload as a value of the type.

        Raises:
            SchemaInvalid: it does not fit; ``details`` has ``path`` and ``expected``.
        """
        if coding == _BYTES and self._hint is bytes:
            return data
        try:
            if coding == _BYTES:
                return msgspec.convert(bytes(data), self._hint, dec_hook=_from_builtins)
            return self._decoder.decode(data if coding == _JSON else b"null")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise self._misfit(exc, data, coding, at) from exc

    def write(self, value: Any, *, at: Side = "response") -> tuple[bytes, Coding]:
        """Returns ``value`` as payload bytes and their coding.

        Raises:
            SchemaInvalid: it does not fit, or cannot be said in JSON.
        """
        is_sure = self._hint is Any or type(value) is self._sure
        if is_sure and type(value) is bytes:
            return value, _BYTES
        data, coding = said(value, self._name, at=at)
        if not is_sure and not isinstance(value, msgspec.Raw):
            self.read(data, coding, at=at)
        return data, coding

    def _misfit(self, exc: Exception, data: bytes, coding: int, at: Side) -> SchemaInvalid:
        place = _AT.fullmatch(str(exc))
        what = place["what"] if place else str(exc)
        path = (place and place["path"]) or "$"
        if "[...]" in path and coding == Coding.JSON:
            path = self._exact(path, str(exc), data)
        if isinstance(exc.__cause__, _ModelMisfit):
            path += exc.__cause__.path
        expected, said_so = what, f"{what.replace('`', '')} at {path}"
        if field := _FIELD.fullmatch(what):
            path = f"{path}.{field['field']}"
            is_missing = field["how"] == "missing required"
            expected = self._expected_field(path, is_missing=is_missing)
            said_so = f"{path} is {'missing' if is_missing else f'unknown; expected {expected}'}"
        elif (choice := _CHOICE.fullmatch(what)) and (found := choices_at(self._schema, path)):
            expected = f"one of {_listed(found)}"
            given = choice["given"]
            given = given if len(given) <= _GIVEN_CHARS_MAX else f"{given[:_GIVEN_CHARS_MAX]}…"
            said_so = f"{path} is {given}; expected {expected}"
        elif wanted := _EXPECTED.fullmatch(what):
            expected = wanted["wanted"].replace("`", "")
        elif not isinstance(exc, msgspec.ValidationError):
            expected = "JSON"
        details = {"path": path, "expected": expected}
        return SchemaInvalid(f"{self._name}: {said_so}", details=details, at=at)

    def _expected_field(self, path: str, *, is_missing: bool) -> str:
        if is_missing:
            return "a value"
        if self._members is None or path.count(".") != 1:
            return "no such member"
        return f"one of {', '.join(self._members)}" if self._members else "no arguments"

    def _exact(self, path: str, refusal: str, data: bytes) -> str:
        """Returns ``path`` with the keys in it that msgspec writes as ``[...]``."""
        root = place = msgspec.json.decode(data)
        exact = "$"
        for step in _STEPS.findall(path):
            if step == "[...]":
                key = self._culprit(place, root, refusal)
                if key is None:
                    return path
                exact += _step(key)
                place = place[key]
            else:
                exact += step
                place = place[int(step[1:-1]) if step[0] == "[" else step[1:]]
        return exact

    def _culprit(self, place: Any, root: Any, refusal: str) -> str | None:
        """Returns the key whose member alone is refused in the same words; the others go."""
        if not isinstance(place, dict) or len(place) > _CANDIDATES_MAX:
            return None
        for key, member in list(place.items()):
            place.clear()
            place[key] = member
            try:
                self._decoder.decode(msgspec.json.encode(root))
            except msgspec.ValidationError as exc:
                if str(exc) == refusal:
                    return str(key)
        return None


def _sure_of(hint: Any) -> type | None:
    """Returns the type whose values all fit ``hint`` once they are said in JSON; None for none."""
    origin, inner = get_origin(hint), get_args(hint)
    if (origin is dict and inner == (str, Any)) or (origin is list and inner == (Any,)):
        return cast("type", origin)
    return hint if hint in _PLAIN else None


def said(value: Any, name: str = "the payload", *, at: Side = "request") -> tuple[bytes, Coding]:
    """Returns any value as payload bytes and their coding, without a type to check it against.

    None is no payload, bytes stay bytes, `msgspec.Raw` is JSON that is already encoded, the rest
    becomes JSON.

    Raises:
        SchemaInvalid: it cannot be said in JSON.
    """
    if value is None:
        return b"", _NONE
    if type(value) is bytes:
        return value, _BYTES
    if isinstance(value, _BINARY):
        return bytes(value), _BYTES
    try:
        data = _encode(value)
        if b"null" in data:
            _refuse_non_numbers(value)
        return data, _JSON
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as exc:
        raise SchemaInvalid(
            f"{name} cannot be said in JSON: {exc}",
            details={"path": "$", "expected": "JSON"},
            at=at,
        ) from exc


def _refuse_non_numbers(value: Any) -> None:
    """Raises when a NaN or Infinity hides in ``value``: JSON would say null in its place.

    Raises:
        ValueError: one does.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is no number in JSON")
    elif isinstance(value, dict):
        for member in value.values():
            _refuse_non_numbers(member)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            _refuse_non_numbers(item)


def value_of(data: bytes, coding: int, *, at: Side = "request") -> Any:
    """Returns a payload as builtins: whatever JSON says, bytes, or None.

    Raises:
        SchemaInvalid: it calls itself JSON and is not.
    """
    if coding == _BYTES:
        return data
    if coding != _JSON:
        return None
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ANYTHING.read(data, coding, at=at)


class _ModelMisfit(ValueError):
    """A model's own refusal, with the way from the model to the member at fault."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


def _from_builtins(hint: Any, value: Any) -> Any:
    try:
        return hint.model_validate(value)
    except ValueError as exc:
        errors = getattr(exc, "errors", None)
        first = errors()[0] if callable(errors) and errors() else {}
        steps = "".join(_step(part) for part in first.get("loc", ()))
        raise _ModelMisfit(str(first.get("msg", exc)), steps) from exc


def _to_builtins(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"{type(value).__name__} is none of the types JSON knows")
    return dump(mode="json", by_alias=True)


def _schema_of(hint: Any) -> dict[str, Any]:
    schema = msgspec.json.schema(hint, schema_hook=_model_schema)
    defs: dict[str, Any] = schema.pop("$defs", {})
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        schema = dict(defs[name])
        if reference.encode() not in msgspec.json.encode([schema, defs]):
            del defs[name]
    for nested in list(_nested_defs([schema, defs])):
        defs.update(nested)
    return {**schema, "$defs": defs} if defs else schema


def _model_schema(hint: Any) -> dict[str, Any]:
    describe = getattr(hint, "model_json_schema", None)
    if describe is None or not hasattr(hint, "model_validate"):
        raise TypeError(f"{getattr(hint, '__name__', hint)} is no such type")
    prefix = f"{hint.__name__}."
    schema: dict[str, Any] = describe(ref_template=f"#/$defs/{prefix}{{model}}")
    if nested := schema.pop("$defs", None):
        schema["$defs"] = {prefix + name: nested[name] for name in nested}
    return schema


def _nested_defs(schema: Any) -> Iterator[dict[str, Any]]:
    """Takes every ``$defs`` out of a schema's inside."""
    members = schema.values() if isinstance(schema, dict) else schema
    for member in members:
        if isinstance(member, dict):
            if isinstance(member.get("$defs"), dict):
                nested = member.pop("$defs")
                yield from _nested_defs(nested)
                yield nested
            yield from _nested_defs(member)
        elif isinstance(member, list):
            yield from _nested_defs(member)


def _listed(choices: list[Any]) -> str:
    named = ", ".join(map(repr, choices[:_CHOICES_MAX]))
    more = len(choices) - _CHOICES_MAX
    return f"{named} and {more} more" if more > 0 else named


def _step(part: object) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if re.fullmatch(r"\w+", str(part)) else f"[{str(part)!r}]"


_encode = msgspec.json.Encoder(enc_hook=_to_builtins).encode
_decode = msgspec.json.Decoder().decode
ANYTHING = Shape(Any, "the payload")
"""What has no annotation: every payload fits."""
