"""A type checks payloads and names the exact place of a misfit."""

import enum
import json
from typing import Any, Literal, TypedDict

import msgspec
import pytest

from askrd.sdk.shape import Shape, said, value_of
from askrd.wire.errors import BadRequest, SchemaInvalid
from askrd.wire.frames import Coding


class Tree(msgspec.Struct):
    name: str
    children: "list[Tree]" = []


class Row(TypedDict):
    count: int


class Refusal(ValueError):
    def errors(self) -> list[dict[str, Any]]:
        return [{"loc": ("lines", 2, "unit price"), "msg": "Input should be a number"}]


class Invoice:
    """What a pydantic model looks like from outside."""

    def __init__(self, total: int) -> None:
        self.total = total

    @classmethod
    def model_validate(cls, value: Any) -> "Invoice":
        if value.get("total") != 1:
            raise Refusal
        return cls(1)

    @classmethod
    def model_json_schema(cls, *, ref_template: str) -> dict[str, Any]:
        line = {"$ref": ref_template.format(model="Line")}
        return {
            "type": "object",
            "properties": {"line": line},
            "$defs": {"Line": {"type": "object"}},
        }

    def model_dump(self, *, mode: str, by_alias: bool) -> dict[str, int]:
        assert (mode, by_alias) == ("json", True)
        return {"total": self.total}


def details(hint: Any, value: Any) -> dict[str, Any]:
    with pytest.raises(SchemaInvalid) as caught:
        Shape(hint, "it").read(json.dumps(value).encode(), Coding.JSON)
    return caught.value.details


@pytest.mark.parametrize(
    ("hint", "value", "path"),
    [
        (int, "x", "$"),
        (list[int], [1, "x"], "$[1]"),
        (dict[str, int], {"a": 1, "b": "x"}, "$.b"),
        (dict[str, dict[str, list[int]]], {"a": {}, "b c": {"d": [1], "e": [1, "x"]}}, "$['b c'].e[1]"),
        (dict[str, Tree], {"a": {"name": "n"}, "b": {"name": 1}}, "$.b.name"),
        (dict[str, Tree], {"a": {"name": "n"}, "b": {}}, "$.b.name"),
        (list[Row], [{"count": 1}, {"count": None}], "$[1].count"),
        (Tree, {"name": "a", "children": [{"name": "b", "children": [{"name": 0}]}]}, "$.children[0].children[0].name"),
        (list[Invoice], [{"total": 1}, {"total": 2}], "$[1].lines[2]['unit price']"),
    ],
)  # fmt: skip
def test_path_is_exact(hint, value, path) -> None:
    assert details(hint, value)["path"] == path


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


class Job(msgspec.Struct, tag="job"):
    mode: Mode = Mode.FAST


class Pause(msgspec.Struct, tag="pause"):
    pass


@pytest.mark.parametrize(
    ("hint", "value", "path", "expected"),
    [
        (Mode, "medium", "$", "one of 'fast', 'slow'"),
        (Mode | None, "medium", "$", "one of 'fast', 'slow'"),
        (Literal[1, 2], 3, "$", "one of 1, 2"),
        (list[Mode], ["fast", "x"], "$[1]", "one of 'fast', 'slow'"),
        (tuple[int, Mode], [1, "x"], "$[1]", "one of 'fast', 'slow'"),
        (dict[str, list[Mode]], {"a b": ["x"]}, "$['a b'][0]", "one of 'fast', 'slow'"),
        (Job | Pause, {"type": "job", "mode": "x"}, "$.mode", "one of 'fast', 'slow'"),
        (Job | Pause, {"type": "jog"}, "$.type", "one of 'job', 'pause'"),
    ],
)
def test_choices_are_named(hint: Any, value: Any, path: str, expected: str) -> None:
    assert details(hint, value) == {"path": path, "expected": expected}


def test_message_about_a_choice_says_what_came_and_what_may() -> None:
    with pytest.raises(SchemaInvalid) as caught:
        Shape(Mode, "it").read(b'"medium"', Coding.JSON)
    assert caught.value.message == "it: $ is 'medium'; expected one of 'fast', 'slow'"


def test_message_about_many_choices_stays_short() -> None:
    many = Literal[tuple(range(100))]  # type: ignore[valid-type]
    assert details(many, 100)["expected"].endswith("18, 19 and 80 more")
    with pytest.raises(SchemaInvalid) as caught:
        Shape(Mode, "it").read(json.dumps("x" * 1000).encode(), Coding.JSON)
    assert len(caught.value.message) < 200


def test_message_never_shows_the_value() -> None:
    with pytest.raises(SchemaInvalid) as caught:
        Shape(int, "it").read(b'"secret"', Coding.JSON)
    assert caught.value.message == "it: Expected int, got str at $"


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b"nul"])
def test_broken_json_is_refused_as_such(data) -> None:
    with pytest.raises(SchemaInvalid) as caught:
        value_of(data, Coding.JSON)
    assert caught.value.details == {"path": "$", "expected": "JSON"}


def test_recursive_type_keeps_its_definition() -> None:
    schema = Shape(Tree, "it").schema
    assert schema["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    assert set(schema["$defs"]) == {"Tree"}


def test_plain_type_has_no_definitions() -> None:
    assert Shape(dict, "it").schema == {"type": "object"}


def test_model_schema_is_hoisted_with_its_references() -> None:
    schema = Shape(list[Invoice], "it").schema
    assert schema == {
        "type": "array",
        "items": {"type": "object", "properties": {"line": {"$ref": "#/$defs/Invoice.Line"}}},
        "$defs": {"Invoice.Line": {"type": "object"}},
    }


def test_model_crosses_both_ways() -> None:
    shape = Shape(Invoice, "it")
    assert shape.write(Invoice(1)) == (b'{"total":1}', Coding.JSON)
    assert shape.read(b'{"total":1}', Coding.JSON).total == 1
    with pytest.raises(SchemaInvalid, match="Input should be a number"):
        shape.write(Invoice(2))


@pytest.mark.parametrize(
    ("hint", "answer"),
    [(Any, True), (dict, True), (Tree, True), (Tree | None, True), (Row, True), (Invoice, True),
     (int, False), (list[Tree], False), (str | None, False), (bytes, False)],
)  # fmt: skip
def test_says_whether_an_object_may_fit(hint, answer) -> None:
    assert Shape(hint, "it").takes_objects is answer


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [(int, str, False), (int, float, True), (int | None, str | None, True), (Tree, Row, True),
     (Any, int, True), (dict, list, False), (Tree, list[Tree], False)],
)  # fmt: skip
def test_says_whether_two_types_may_share_a_value(one, other, answer) -> None:
    assert Shape(one, "one").may_share(Shape(other, "other")) is answer
    assert Shape(other, "other").may_share(Shape(one, "one")) is answer


def test_type_that_json_cannot_say_is_refused_early() -> None:
    with pytest.raises(BadRequest, match="pydantic models"):
        Shape(object, "it")


@pytest.mark.parametrize(
    ("value", "payload"),
    [
        (None, (b"", Coding.NONE)),
        (b"\0", (b"\0", Coding.BYTES)),
        (memoryview(b"\0"), (b"\0", Coding.BYTES)),
        (msgspec.Raw(b"[1]"), (b"[1]", Coding.JSON)),
        ({"a": 1}, (b'{"a":1}', Coding.JSON)),
    ],
)
def test_any_value_becomes_a_payload(value, payload) -> None:
    assert said(value) == payload


@pytest.mark.parametrize("value", [object(), "\ud800", {(1, 2): 3}])
def test_what_json_cannot_say_is_refused(value) -> None:
    with pytest.raises(SchemaInvalid, match="cannot be said in JSON"):
        said(value)


@pytest.mark.parametrize(
    "value", [float("nan"), [1, float("inf")], {"a": {"b": (float("-inf"), None)}}], ids=repr
)
def test_a_number_that_json_has_no_word_for_is_refused_not_nulled(value: Any) -> None:
    with pytest.raises(SchemaInvalid, match="no number in JSON"):
        said(value)


def test_null_beside_ordinary_numbers_is_fine() -> None:
    assert said({"a": None, "b": [1.5, "null"]})[0] == b'{"a":null,"b":[1.5,"null"]}'
