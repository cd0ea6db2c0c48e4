"""Holds that foreign text cannot drive a terminal."""

import json
import unicodedata

import pytest
from hypothesis import given, strategies as st

from askr_cli.safe_text import escaped, escaped_lines

HOSTILE = {
    "clear screen": "\x1b[2J",
    "title": "\x1b]0;owned\x07",
    "one-byte CSI": "\x9b31m",
    "carriage return": "good\rbad",
    "backspace": "bad\b\b\bgood",
    "delete": "a\x7fb",
    "right-to-left override": "abc\u202etxt.exe",
    "isolate": "\u2066hidden\u2069",
    "zero width": "pay\u200bpal",
    "byte order mark": "\ufeffa",
    "line separator": "a\u2028b",
    "lone surrogate": "a\udc9bb",
    "tag characters": "a\U000e0041b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_becomes_visible(text: str) -> None:
    safe = escaped(text)
    assert safe != text
    assert safe.isprintable()


def test_escaped_text_is_on_one_line() -> None:
    assert escaped("a\nb\tc\rd") == r"a\nb\tc\rd"


def test_lines_keep_their_breaks() -> None:
    assert escaped_lines("a\n\tb\r\x1b") == "a\n\tb" + r"\r\u001b"


def test_ordinary_text_of_any_language_stays() -> None:
    text = "Grüße, Привет, 你好, مرحبا, 🎉 → ok"
    assert escaped(text) == text


@given(st.text())
def test_json_stays_the_same_json(text: str) -> None:
    assert json.loads(escaped_lines(json.dumps(text, ensure_ascii=False))) == text


@given(st.text(st.characters()))
def test_nothing_that_controls_gets_through(text: str) -> None:
    kinds = {unicodedata.category(c) for c in escaped(text)}
    assert kinds.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
