"""The colours of the line that is being typed."""

import pytest

from askr_cli.shell.colours import fragments


@pytest.mark.parametrize(
    ("text", "coloured"),
    [
        ("send fetch", [("verb", "send")]),
        ("sned fetch", [("wrong", "sned")]),
        ("state set a -5 --json", [("verb", "state"), ("verb", "set"), ("number", "-5"),
                                   ("option", "--json")]),
        ('send x {"a": 1}', [("verb", "send"), ("mark", "{"), ("string", '"a"'), ("mark", ":"),
                             ("number", "1"), ("mark", "}")]),
        ("ping; nope", [("verb", "ping"), ("mark", ";"), ("wrong", "nope")]),
        ("ping | jq .", [("verb", "ping"), ("mark", "|")]),
    ],
)  # fmt: skip
def test_pieces_have_their_colour_and_make_up_the_line(
    text: str, coloured: list[tuple[str, str]]
) -> None:
    pieces = fragments(text)
    assert "".join(piece for _, piece in pieces) == text
    assert [piece for piece in pieces if piece[0]] == coloured
