"""Holds the strict check of JSON: what every decoder reads the same way passes, nothing else."""

import pytest

from askrd.wire.errors import BadRequest
from askrd.wire.limits import JSON_DEPTH_MAX
from askrd.wire.strict_json import check


@pytest.mark.parametrize(
    "text",
    [
        b"null",
        b' {"a": [1, -0.5e3, true, false, null, ""]} ',
        b'"\\ud83d\\ude00 \xf0\x9f\x98\x80 \\u0000"',
        b'{"a":{"x":1},"b":{"x":1}}',
        b"9" * 4000,
        b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX,
        b'{"a":' * JSON_DEPTH_MAX + b"1" + b"}" * JSON_DEPTH_MAX,
        b"[" + b"[]," * 100 + b"[]]",
        b'["' + b"[{" * 100 + b'"]',
        b'["\\"' + b"[{" * 100 + b'\\\\"]',
    ],
)
def test_strict_json_passes(text: bytes) -> None:
    check(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "not strict JSON"),
        (b"{", "not strict JSON"),
        (b"1 2", "not strict JSON"),
        (b"NaN", "not strict JSON"),
        (b"[-Infinity]", "not strict JSON"),
        (b"1e999", "out of range"),
        (b"9" * 5000, "out of range"),
        (b'"\xff"', "not UTF-8: byte 1 is 0xff"),
        (b'"\xed\xa0\x80"', "not UTF-8: byte 1 is 0xed"),
        (b'{"a":"\\ud800"}', r"\\uD800 to \\uDFFF stand in pairs only"),
        (b'{"a":1,"a":1}', "the key 'a' stands twice"),
        (b'{"a":1,"\\u0061":1}', "the key 'a' stands twice"),
        (b'[{"b":{"c":1,"x":2,"c":3}}]', "the key 'c' stands twice"),
        (b'{"\\u001b[2J":1,"\\u001b[2J":1}', r"the key '\\x1b\[2J' stands twice"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64"),
        (b"[" * 100_000, "nested deeper than 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64"),
        (b"[[]," * 40 + b'[{"a":' * 13 + b"1" + b"}]" * 13 + b"]" * 40, "nested deeper than 64"),
    ],
)
def test_everything_else_is_refused_with_a_reason(text: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said) as caught:
        check(text)
    assert caught.value.message.isprintable()
