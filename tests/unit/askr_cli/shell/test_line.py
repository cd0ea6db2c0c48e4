"""Cutting a typed line into statements and words."""

import pytest
from hypothesis import given, strategies as st

from askr_cli.shell.line import LineError, OpenBracket, is_open, statements, typing


def words(text: str) -> list[list[str]]:
    return [[word.payload for word in statement.words] for statement in statements(text)]


def test_words_are_separated_by_white_space() -> None:
    assert words("  send   agent.fetch ") == [["send", "agent.fetch"]]


def test_json_is_one_word_with_its_spaces_quotes_and_semicolons() -> None:
    assert words('send crawl {"url": "a b; c | d", "n": [1, 2]}') == [
        ["send", "crawl", '{"url": "a b; c | d", "n": [1, 2]}']
    ]


def test_a_bracket_inside_a_json_string_closes_nothing() -> None:
    assert words(r'send x {"a": "} \" ]"} y') == [["send", "x", r'{"a": "} \" ]"}', "y"]]


def test_json_after_an_item_name_is_one_word() -> None:
    assert words('send x k:={"a": 1} b=2') == [["send", "x", 'k:={"a": 1}', "b=2"]]


def test_a_tag_selector_is_no_json() -> None:
    assert words("send agent@{zone=eu}.fetch") == [["send", "agent@{zone=eu}.fetch"]]


def test_quotes_hold_a_word_together_and_go_away() -> None:
    assert words("""send x a="b c" 'd e' f\\ g""") == [["send", "x", "a=b c", "d e", "f g"]]


def test_a_quoted_json_string_keeps_its_quotes_as_a_payload() -> None:
    (statement,) = statements('send "x" "hi there" k:="v w"')
    assert [word.payload for word in statement.words[2:]] == ['"hi there"', 'k:="v w"']
    assert statement.words[1].text == "x"


def test_semicolons_and_line_ends_separate_statements_and_comments_are_nothing() -> None:
    assert words("# first\nsend a; send b\n\n# last\nping") == [
        ["send", "a"],
        ["send", "b"],
        ["ping"],
    ]


def test_programs_stand_behind_pipes() -> None:
    (statement,) = statements("send a | jq '.[0] | keys' | head -1")
    assert [word.text for word in statement.words] == ["send", "a"]
    assert statement.programs == (("jq", ".[0] | keys"), ("head", "-1"))
    assert statement.text == "send a | jq '.[0] | keys' | head -1"


def test_an_ampersand_at_the_end_means_background() -> None:
    (behind,) = statements("listen X &")
    (before,) = statements("listen X&Y")
    assert (behind.background, len(behind.words)) == (True, 2)
    assert before.background is False


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('send "a', 'the quote " is not closed'),
        ("send a |", "a program is missing after '|'"),
        ("| jq", "a command is missing before '|'"),
        ("send a | jq 'x", "the quote ' is not closed"),
        ("state ls > f", "there is no > here, only |: state ls | tee FILE"),
        ("state ls >>f", "there is no >> here, only |"),
        ("send a 2>&1", "there is no 2> here, only |"),
        ("send a < f", "there is no < here, only |"),
        ("ping && ping", "there is no && here: write two lines, or ; between the commands"),
        ("ping || ping", "there is no || here: write two lines"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(LineError, match=reason.replace("|", r"\|")):
        statements(text)


def test_signs_of_other_shells_are_text_in_quotes() -> None:
    assert words("send a '>' '&&'") == [["send", "a", ">", "&&"]]


@pytest.mark.parametrize("text", ["send x {", 'send x {"a": [1,', 'send x {"a": "}'])
def test_an_open_bracket_asks_for_another_line(text: str) -> None:
    assert is_open(text)
    with pytest.raises(OpenBracket):
        statements(text)


@pytest.mark.parametrize("text", ["", "send x", "send x {}", 'send "a', "send x | jq {"])
def test_nothing_else_asks_for_another_line(text: str) -> None:
    assert not is_open(text)


def test_json_may_go_over_several_lines() -> None:
    assert words('send x {\n "a":\n 1}\n') == [["send", "x", '{\n "a":\n 1}']]


def test_typing_knows_the_finished_words_and_the_unfinished_one() -> None:
    at = typing('ping; send crawl {"url": "x')
    assert ([word.text for word in at.before], at.current) == (["send", "crawl"], '{"url": "x')
    assert (typing("send ").current, typing("sen").current) == ("", "sen")


def test_typing_knows_that_it_is_behind_a_pipe() -> None:
    assert typing("send a | j").is_program
    assert not typing("send a | jq .; se").is_program


@given(st.text(alphabet="ab{}[]\"'\\|;& \n=:#-", max_size=40))
def test_any_text_is_cut_or_refused_and_typing_never_fails(text: str) -> None:
    typing(text)
    try:
        found = statements(text)
    except LineError:
        return
    assert all(statement.words for statement in found)
