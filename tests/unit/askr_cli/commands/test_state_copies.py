"""Holds the lines of `askr state export` and `import`: what is written can be read back."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from askr_cli.commands.state_copies import line_of, read_line
from askrd.sdk.values import Entry
from askrd.wire.errors import BadRequest
from tests.unit.askr_cli.terminals import said

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(VALUES | st.binary(), st.none() | st.floats(0.001, 4e6))
def test_what_is_written_is_read_back(value: Any, ttl: float | None) -> None:
    entry = Entry("a/b", value, 7, 9, ttl=ttl)
    text = msgspec.json.encode(line_of(entry))

    key, read, left = read_line(text)

    assert key == "a/b"
    assert (msgspec.json.decode(read) if isinstance(read, msgspec.Raw) else read) == value
    assert (left is None) == (ttl is None)
    assert left == pytest.approx(ttl, abs=0.001)
    assert set(msgspec.json.decode(text)) - {"ttl_ms"} == {
        "key",
        "rev",
        "ts",
        "b" if isinstance(value, bytes) else "value",
    }


@pytest.mark.parametrize("prefix", ["old", "old/"])
def test_an_entry_can_be_put_below_a_key(prefix: str) -> None:
    assert read_line(b'{"key":"a","value":1}', prefix)[0] == "old/a"


def test_what_later_versions_say_besides_is_left_alone() -> None:
    assert read_line(b'{"key":"a","value":null,"more":[1]}') == ("a", msgspec.Raw(b"null"), None)


@pytest.mark.parametrize("text", [b"", b"\xff", b'{"key":"a","value":NaN}', b'{"key":"a"}', b"1"])
def test_what_is_no_entry_is_refused(text: bytes) -> None:
    with pytest.raises(BadRequest):
        read_line(text)


@pytest.mark.parametrize(
    "words",
    [
        ("state", "import", "/nonexistent/file"),
        ("state", "set", "a", "1", "--ttl", "soon"),
        ("state", "incr", "a", "--by", "1.5"),
        ("state", "history", "a", "--count", "0"),
        ("state", "watch", "a", "--since", "-1"),
        ("state", "watch", "a", "--since", "1", "--initial"),
        ("state", "patch", "a"),
    ],
)
def test_what_cannot_be_meant_exits_2_before_anything_is_sent(words: tuple[str, ...]) -> None:
    code, out, err = said(*words)
    assert (code, out) == (2, "")
    assert err.startswith("askr: ")
