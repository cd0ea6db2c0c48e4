"""Holds how a payload fills the words of a program: each word stays one word."""

import pytest
from hypothesis import given, strategies as st

from askr_cli.exits import Usage
from askr_cli.programs.template import Template, Unfilled

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def test_members_fill_arguments_anywhere() -> None:
    template = Template(["echo", "--size={w}x{h}", "{name}", "plain"])
    assert template.names == ("w", "h", "name")
    assert template.filled({"w": "3", "h": 4, "name": "a b", "more": 1}) == [
        "echo", "--size=3x4", "a b", "plain",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "word"),
    [("a", "a"), ("", ""), (7, "7"), (1.5, "1.5"), (True, "true"), (None, "null"), ([1], "[1]")],
)
def test_strings_stand_as_they_are_and_everything_else_as_json(value: object, word: str) -> None:
    assert Template(["echo", "{a}"]).filled({"a": value}) == ["echo", word]


@given(texts)
def test_no_text_becomes_more_than_its_word(text: str) -> None:
    assert Template(["echo", "{a}", "-{a}-"]).filled({"a": text}) == ["echo", text, f"-{text}-"]


@pytest.mark.parametrize(
    ("word", "filled"),
    [
        ("{{a}", "{a}"),
        ("{{{a}", "{A"),
        ("{}", "{}"),
        ("{print $1}", "{print $1}"),
        ("{0}", "{0}"),
        ("{ a }", "{ a }"),
        ("}}{a}}", "}}A}"),
    ],
)
def test_a_doubled_brace_is_a_brace_and_others_are_what_they_are(word: str, filled: str) -> None:
    assert Template(["echo", word]).filled({"a": "A"}) == ["echo", filled]


def test_a_missing_member_is_named() -> None:
    with pytest.raises(Unfilled) as told:
        Template(["echo", "{a}", "{b}"]).filled({"a": 1})
    assert "'b'" in told.value.sentence


@pytest.mark.parametrize("payload", [None, "a", 1, ["a"], b"bytes"])
def test_only_an_object_fills_words(payload: object) -> None:
    with pytest.raises(Unfilled) as told:
        Template(["echo", "{a}"]).filled(payload)
    assert "no object with a" in told.value.sentence


@pytest.mark.parametrize("payload", [None, "a", 1, {"a": 1}, b"bytes"])
def test_words_that_want_nothing_take_every_payload(payload: object) -> None:
    assert Template(["echo", "x"]).filled(payload) == ["echo", "x"]


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_no_argument_can_have_is_refused(text: str) -> None:
    with pytest.raises(Unfilled) as told:
        Template(["echo", "{a}"]).filled({"a": text})
    assert "'a'" in told.value.sentence


def test_a_payload_never_says_which_program_runs() -> None:
    with pytest.raises(Usage) as told:
        Template(["{program}", "x"])
    assert "never says which program runs" in told.value.sentence


def test_a_program_that_is_not_there_is_refused() -> None:
    with pytest.raises(Usage) as told:
        Template(["no-such-program-here"])
    assert "no-such-program-here" in told.value.sentence


@pytest.mark.parametrize("words", [("sh", "-c", "echo {n}"), ("sh", "-ec", "echo {n}", "sh")])
def test_no_payload_becomes_part_of_a_line_that_a_shell_reads(words: tuple[str, ...]) -> None:
    with pytest.raises(Usage, match="would run what the payload says"):
        Template(words)
    beside = Template(("sh", "-c", "echo ${{1}}", "sh", "{n}"))
    assert beside.filled({"n": "$(date)"})[-1] == "$(date)"
