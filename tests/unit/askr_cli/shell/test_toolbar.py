"""The line of help below the prompt."""

import pytest

from askr_cli.shell.toolbar import IDLE, hint, laid_out
from tests.unit.askr_cli.shell.canned import names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", IDLE),
        ("s", "send  "),
        ("lis", "listen [PATTERN...]"),
        ("send ", "send TARGET"),
        ("send crawl ", "agent.crawl(url: string, depth: integer 1..5 = 1"),
        ("send crawl url=x dep", "Crawls."),
        ("send crawl --timeout ", "--timeout D"),
        ("state set a/b ", "state set KEY"),
        ("sned x", "Did you mean: send?"),
        ("send crawl | jq", "the output goes to this program"),
        ("ping; send crawl ", "agent.crawl(url"),
    ],
)
def test_hint_follows_what_is_typed(text: str, words: str) -> None:
    assert words in hint(text, names())


def test_a_long_hint_takes_two_lines_and_no_more() -> None:
    (first, second) = laid_out("word " * 12, "", 40)
    assert (len(first[1]), len(second[1])) == (40, 41)
    drawn = "".join(text for _, text in laid_out("word " * 100, "", 40)).split("\n")
    assert [len(line) for line in drawn] == [40, 40]
    assert drawn[1].endswith("…")


def test_trouble_stands_at_the_right_end() -> None:
    drawn = "".join(text for _, text in laid_out("hint", "reconnecting …", 40))
    assert drawn == " hint".ljust(23) + "  reconnecting … "
    assert "".join(text for _, text in laid_out("", "", 3)) == "   "
