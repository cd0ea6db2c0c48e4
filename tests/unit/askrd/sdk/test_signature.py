"""A handler's parameters and result become schemas, and payloads are checked by them."""

import json
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pytest

from askrd.sdk.context import Caller, Context
from askrd.sdk.signature import read_signature
from askrd.sdk.upload import Upload
from askrd.wire.errors import BadRequest, SchemaInvalid
from askrd.wire.frames import Coding

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Order(msgspec.Struct):
    item: str
    amount: Positive = 1


@dataclass
class Point:
    x: float
    y: float


def crawl(url: str, depth: Positive = 2, *, deep: bool = False) -> list[str]:
    return [url] * depth


async def save(order: Order) -> None: ...


def echo(value):
    return value


def greet(name: str = "you") -> str:
    return name


def nothing() -> dict:
    return {}


def bound(function: Any, value: Any) -> dict[str, Any]:
    return read_signature(function).bind(json.dumps(value).encode(), Coding.JSON)


def refusal(function: Any, value: Any) -> SchemaInvalid:
    with pytest.raises(SchemaInvalid) as caught:
        bound(function, value)
    assert caught.value.at == "request"
    return caught.value


def test_parameters_and_result_become_schemas() -> None:
    signature = read_signature(crawl)
    assert signature.request == {
        "type": "object",
        "properties": {
            "url": {"type": "string"},
            "depth": {"type": "integer", "minimum": 1, "default": 2},
            "deep": {"type": "boolean", "default": False},
        },
        "required": ["url"],
        "additionalProperties": False,
    }
    assert signature.response == {"type": "array", "items": {"type": "string"}}
    assert (signature.name, signature.is_async) == ("crawl", False)


def test_sole_object_parameter_is_the_request() -> None:
    assert read_signature(save).request["required"] == ["item"]
    assert read_signature(save).response == {"type": "null"}


def test_no_annotation_is_no_schema() -> None:
    signature = read_signature(echo)
    assert signature.request == {}
    assert signature.response is None


def test_no_parameters_is_an_empty_object() -> None:
    assert read_signature(nothing).request == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


def test_object_is_keyword_arguments() -> None:
    assert bound(crawl, {"url": "u", "deep": True}) == {"url": "u", "deep": True}


@pytest.mark.parametrize(
    ("function", "value", "arguments"),
    [
        (greet, "ann", {"name": "ann"}),
        (greet, {"name": "ann"}, {"name": "ann"}),
        (greet, {}, {}),
        (echo, [1, 2], {"value": [1, 2]}),
        (echo, {"a": 1}, {"value": {"a": 1}}),
        (echo, {"value": 1}, {"value": 1}),
        (echo, {}, {"value": {}}),
        (echo, None, {"value": None}),
        (nothing, {}, {}),
        (nothing, None, {}),
    ],
)
def test_anything_else_is_the_sole_parameter(function, value, arguments) -> None:
    assert bound(function, value) == arguments


def test_sole_struct_is_sent_bare_or_by_its_name() -> None:
    wanted = {"order": Order("tea", 3)}
    assert bound(save, {"item": "tea", "amount": 3}) == wanted
    assert bound(save, {"order": {"item": "tea", "amount": 3}}) == wanted


def test_absent_payload_leaves_the_default() -> None:
    def keep(data: dict | None = None, *, other: Context) -> None: ...

    def count(depth=2): ...

    assert read_signature(greet).bind(b"", Coding.NONE) == {}
    assert read_signature(keep).bind(b"", Coding.NONE) == {"other": None}
    assert read_signature(count).bind(b"", Coding.NONE) == {}
    assert read_signature(count).bind(b"null", Coding.JSON) == {"depth": None}
    assert read_signature(echo).bind(b"", Coding.NONE) == {"value": None}
    assert read_signature(nothing).bind(b"", Coding.NONE) == {}
    with pytest.raises(SchemaInvalid, match=r"save: \$\.order is missing"):
        read_signature(save).bind(b"", Coding.NONE)


def test_bytes_reach_a_sole_parameter_untouched() -> None:
    def store(blob: bytes) -> None: ...

    assert read_signature(store).bind(b"\0\xff", Coding.BYTES) == {"blob": b"\0\xff"}
    assert read_signature(echo).bind(b"\0\xff", Coding.BYTES) == {"value": b"\0\xff"}
    with pytest.raises(SchemaInvalid, match=r"Expected str, got bytes at \$"):
        read_signature(greet).bind(b"\0\xff", Coding.BYTES)


@pytest.mark.parametrize(
    ("function", "value", "path", "expected"),
    [
        (crawl, {"url": "u", "depth": "x"}, "$.depth", "int"),
        (crawl, {"url": "u", "depth": 0}, "$.depth", "int >= 1"),
        (crawl, {"depth": 1}, "$.url", "a value"),
        (crawl, {"url": "u", "dept": 1}, "$.dept", "one of url, depth, deep"),
        (crawl, "u", "$", "an object with url, depth, deep"),
        (crawl, None, "$.url", "a value"),
        (nothing, {"a": 1}, "$.a", "no arguments"),
        (nothing, 5, "$", "no arguments"),
        (greet, 5, "$", "str"),
        (greet, {"nam": "ann"}, "$.nam", "one of name"),
        (save, {"item": "tea", "amount": 0}, "$.amount", "int >= 1"),
        (save, {"order": {"item": 1}}, "$.order.item", "str"),
    ],
)
def test_misfit_names_its_exact_path(function, value, path, expected) -> None:
    assert refusal(function, value).details == {"path": path, "expected": expected}


def test_message_says_what_to_do() -> None:
    assert refusal(nothing, {"x": 1}).message == "nothing: $.x is unknown; expected no arguments"
    assert refusal(crawl, {"dept": 1}).message == (
        "crawl: $.dept is unknown; expected one of url, depth, deep"
    )
    assert refusal(crawl, {"url": 1}).message == "crawl: Expected str, got int at $.url"


def test_payload_that_is_no_json_is_said_to_be_none() -> None:
    with pytest.raises(SchemaInvalid) as caught:
        read_signature(crawl).bind(b'{"url":', Coding.JSON)
    assert caught.value.details == {"path": "$", "expected": "JSON"}


def test_context_is_given_by_annotation() -> None:
    def fetch(ctx: Context, depth: int) -> int:
        return depth

    signature = read_signature(fetch)
    context = Context(
        service="a", command="fetch", caller=Caller("t", "i"), id=1, deadline=5.0,
        clock=lambda: 3.0, tell=print,
    )  # fmt: skip
    assert signature.request["required"] == ["depth"]
    assert signature.bind(b"2", Coding.JSON, context) == {"depth": 2, "ctx": context}


def test_keyword_parameters_take_any_name() -> None:
    def collect(kind: str, **rest: int) -> None: ...

    assert bound(collect, {"kind": "a", "n": 1}) == {"kind": "a", "n": 1}


async def items() -> AsyncIterator[int]:
    yield 1


def rows() -> Generator[int, None, str]:
    yield 1
    return "never sent"


async def anything():  # type: ignore[no-untyped-def]
    yield 1


async def listed() -> list[int]:  # type: ignore[misc]
    yield 1


async def two_uploads(first: Upload, second: Upload[int]) -> None: ...


async def store(name: str, content: Upload[int], ctx: Context) -> None: ...


@pytest.mark.parametrize(
    ("function", "is_async", "schema"),
    [
        (items, True, {"type": "integer"}),
        (rows, False, {"type": "integer"}),
        (anything, True, None),
    ],
)
def test_generator_is_a_stream_and_its_response_is_an_item(function, is_async, schema) -> None:
    signature = read_signature(function)
    assert (signature.is_stream, signature.is_async, signature.response) == (
        True, is_async, schema,
    )  # fmt: skip


def test_item_is_checked_as_the_generator_says() -> None:
    signature = read_signature(items)
    assert signature.encode(1) == (b"1", Coding.JSON)
    with pytest.raises(SchemaInvalid, match="Expected int"):
        signature.encode("one")


def test_object_that_is_called_may_be_a_generator() -> None:
    class Tail:
        async def __call__(self, lines: int) -> AsyncIterator[str]:
            yield "line"

    signature = read_signature(Tail(), "tail")
    assert (signature.is_stream, signature.is_async) == (True, True)
    assert signature.response == {"type": "string"}


def test_upload_is_no_part_of_the_payload() -> None:
    signature = read_signature(store)
    assert (signature.upload_name, signature.parameters) == ("content", ("name",))
    assert signature.bind(b'"a.bin"', Coding.JSON) == {"name": "a.bin", "ctx": None}
    assert signature.piece is not None
    assert signature.piece.read(b"1", Coding.JSON) == 1


def spread(*values: int) -> None: ...


def positional(value: int, /) -> None: ...


def opaque(value: print) -> None: ...  # type: ignore[valid-type]


def unknown(value: "Nowhere") -> None: ...  # noqa: F821


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (listed, r"returns AsyncIterator\[...\] or Iterator\[...\]"),
        (two_uploads, "'second: .*Upload.*' is a second"),
        (spread, r"'\*values: int' cannot be filled"),
        (positional, "cannot be filled"),
        (opaque, "cannot be written as a JSON Schema"),
        (unknown, "'Nowhere' is not defined"),
    ],
)
def test_what_cannot_be_a_handler_is_refused_when_it_is_read(function, why) -> None:
    with pytest.raises(BadRequest, match=why):
        read_signature(function)


def test_result_is_checked_on_the_way_out() -> None:
    signature = read_signature(crawl)
    assert signature.encode(["a"]) == (b'["a"]', Coding.JSON)
    with pytest.raises(SchemaInvalid) as caught:
        signature.encode(["a", 1])
    assert caught.value.at == "response"
    assert caught.value.details == {"path": "$[1]", "expected": "str"}


def test_result_without_annotation_is_whatever_json_can_say() -> None:
    signature = read_signature(echo)
    assert signature.encode(None) == (b"", Coding.NONE)
    assert signature.encode(b"\0") == (b"\0", Coding.BYTES)
    assert signature.encode(Point(1, 2)) == (b'{"x":1,"y":2}', Coding.JSON)
    with pytest.raises(SchemaInvalid, match="echo's result cannot be said in JSON"):
        signature.encode(object())
