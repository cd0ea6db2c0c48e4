"""Rows of JSON objects without framing: glued, cut anywhere, and broken."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from askrd.doors.json_texts import Garbage, JsonTexts, TooLong

KIB = 1_024
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def texts() -> JsonTexts:
    return JsonTexts(KIB)


@given(
    objects=st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=5),
    ascii_only=st.booleans(),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_objects_come_out_as_they_went_in_however_they_are_cut(
    objects: list[object], ascii_only: bool, cuts: list[int]
) -> None:
    written = [json.dumps(each, ensure_ascii=ascii_only).encode() for each in objects]
    data = b" \n".join(written)
    split = JsonTexts(1_024 * KIB)
    found: list[object] = []
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        found += split.feed(data[start:end])
    assert found == written
    assert split.size == 0


def test_an_object_may_come_byte_by_byte() -> None:
    data = b'{"a":"}\\"{","b":[{}]}'
    split = texts()
    found = [split.feed(bytes([byte])) for byte in data]
    assert found == [*[[]] * (len(data) - 1), [data]]


@pytest.mark.parametrize(
    "garbage",
    [
        b"x",
        b"]",
        b"[1]",
        b'"text"',
        b"\x00",
        b'{"a":1]',
        b'{"a":"\n',
        b'{"a":\x01',
        b'{"a":' + b"[" * 64,
    ],
)
def test_garbage_is_one_finding_and_takes_the_rest_of_its_chunk_along(garbage: bytes) -> None:
    split = texts()
    assert split.feed(b"{} " + garbage + b' {"b":2}') == [b"{}", Garbage(garbage + b' {"b":2}')]
    assert split.feed(b'{"c":3}') == [b'{"c":3}']


@pytest.mark.parametrize("broken", [b'{"a', b'{"a":"x', b'{"a":1', b'{"a":1,', b'{"a":[1,2'])
def test_a_text_that_broke_off_is_given_up_when_another_one_begins(broken: bytes) -> None:
    split = texts()
    assert split.feed(broken) == []
    assert split.feed(b'{"type":"x"}') == [Garbage(broken), b'{"type":"x"}']


@pytest.mark.parametrize("begun", [b'{"a":', b'{"a": ', b'{"a":[', b'{"a":[1, '])
def test_a_text_goes_on_where_an_object_may_stand(begun: bytes) -> None:
    split = texts()
    end = b"]}" if b"[" in begun else b"}"
    assert split.feed(begun) == []
    assert split.feed(b'{"type":"x"}') == []
    assert split.feed(end) == [begun + b'{"type":"x"}' + end]


def test_a_cut_behind_a_backslash_keeps_the_string_open() -> None:
    split = texts()
    assert split.feed(b'{"a":"\\') == []
    assert split.feed(b'"{"}') == [b'{"a":"\\"{"}']


def test_a_text_above_the_limit_is_read_to_its_end_and_not_kept() -> None:
    split = texts()
    long = b'{"mid":"m","data":"' + b"x" * KIB + b'"}'
    found = split.feed(long[:700]) + split.feed(long[700:] + b'{"b":2}')
    assert found == [TooLong(long[:KIB], len(long)), b'{"b":2}']


def test_a_text_of_the_limit_is_kept() -> None:
    exact = b'{"d":"' + b"x" * (KIB - 8) + b'"}'
    assert len(exact) == KIB
    assert texts().feed(exact) == [exact]
