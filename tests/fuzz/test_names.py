"""Throws any text at the grammar of names, and holds its matching against slow models."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from askrd.wire import names
from askrd.wire.errors import BadRequest
from tests.fuzz.throwing import fuzzed, outcome

any_text = st.text(st.characters(), max_size=30) | st.text("ab.*@{}=,$/ \x1b\ud800ü", max_size=12)


@pytest.mark.parametrize(
    "check",
    [
        names.parse_address,
        names.check_workspace,
        names.check_command,
        names.check_subject,
        names.check_pattern,
        names.check_key,
        names.check_prefix,
    ],
)
@fuzzed
@given(text=any_text)
def test_any_name_is_taken_or_a_bad_request(check: Callable[[str], Any], text: str) -> None:
    taken = outcome(check, text, BadRequest)
    if isinstance(taken, BadRequest):
        assert taken.message.isprintable()
    else:
        assert text.isprintable()


@fuzzed
@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_a_segment_fits_exactly_when_the_model_says_so(pattern: str, segment: str) -> None:
    model = ".*".join(map(re.escape, pattern.split("*")))
    assert names.segment_matches(pattern, segment) == bool(re.fullmatch(model, segment))


SEGMENTS = st.lists(st.text("ab$", min_size=1, max_size=3), min_size=1, max_size=4)
WILD = st.lists(st.text("ab*$", min_size=1, max_size=3), min_size=1, max_size=4)


def pattern_model(pattern: str) -> str:
    *before, last = pattern.split(".")
    fixed = before if last == "**" else [*before, last]
    segments = [re.escape(one).replace(r"\*", "[^.]*") for one in fixed]
    if last != "**":
        return r"\.".join(segments)
    return r"\.".join(segments) + r"(?:\.[^.]+)*" if segments else ".+"


@fuzzed
@given(WILD | WILD.map(lambda parts: [*parts, "**"]), SEGMENTS)
def test_a_pattern_fits_exactly_when_the_model_says_so(wanted: list[str], had: list[str]) -> None:
    pattern, subject = ".".join(wanted), ".".join(had)
    if isinstance(outcome(names.check_pattern, pattern, BadRequest), BadRequest):
        return
    model = bool(re.fullmatch(pattern_model(pattern), subject))
    own = subject.startswith("$") and pattern.startswith("*")
    assert names.pattern_matches(pattern, subject) == (model and not own)


@fuzzed
@given(st.text("ab/", max_size=6), st.text("ab/", max_size=8))
def test_a_prefix_covers_exactly_what_the_model_says(prefix: str, key: str) -> None:
    try:
        names.check_prefix(prefix)
        names.check_key(key)
    except BadRequest:
        return
    parts, had = prefix.split("/"), key.split("/")
    if prefix.endswith("/"):
        model = had[: len(parts) - 1] == parts[:-1] and len(had) >= len(parts)
    else:
        model = not prefix or had[: len(parts)] == parts
    assert names.prefix_matches(prefix, key) == model


@fuzzed
@given(any_text, st.lists(any_text, max_size=10))
def test_suggestions_are_known_names(name: str, known: list[str]) -> None:
    found = names.nearest(name, known)
    assert set(found) <= set(known)
    assert len(found) <= 3


@fuzzed
@given(any_text)
def test_shown_text_is_one_printable_piece(text: str) -> None:
    assert names.shown(text).isprintable()
