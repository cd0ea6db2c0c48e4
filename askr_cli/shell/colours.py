"""Colours the line while it is typed: the verb, options, strings and numbers."""

import re
from collections.abc import Callable

from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.lexers import Lexer

from askr_cli.shell.verbs import find_verb, groups, verbs

_PIECES = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>"(?:[^"\\]|\\.)*"?|'[^']*'?)
    |(?P<option>--?[A-Za-z][\w-]*)
    |(?P<number>-?\d+(?:\.\d+)?\b)
    |(?P<mark>[{}\[\]|;&,]|:=|=|:)
    |(?P<word>[^\s"'{}\[\]|;&,=:]+)""",
    re.VERBOSE,
)
STYLES = {
    "verb": "bold ansigreen",
    "wrong": "ansired",
    "option": "ansicyan",
    "string": "ansiyellow",
    "number": "ansimagenta",
    "mark": "ansibrightblack",
}


def fragments(text: str) -> list[tuple[str, str]]:
    """Cuts one line into pieces, each with the name of its style, or an empty name.

    The pieces, joined, are the line.
    """
    found: list[tuple[str, str]] = []
    words: list[str] = []
    for piece in _PIECES.finditer(text):
        kind = piece.lastgroup or ""
        if kind == "mark" and piece[0] in "|;":
            words = ["|"] if piece[0] == "|" else []
        if kind == "word":
            words.append(piece[0])
            kind = _word_style(words)
        found.append((kind if kind in STYLES else "", piece[0]))
    return found


def _word_style(words: list[str]) -> str:
    verb, length = find_verb(words)
    if verb is not None:
        return "verb" if len(words) <= length else ""
    if len(words) > 1:
        return "wrong" if len(words) == 2 and words[0] in groups() else ""
    begun = any(verb.name.startswith(words[0]) for verb in verbs())
    return "verb" if begun else "wrong"


class LineLexer(Lexer):
    """Colours a document line by line; only a first line begins with a verb."""

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """Returns the pieces of each line."""

        def line(number: int) -> StyleAndTextTuples:
            text = document.lines[number] if number < len(document.lines) else ""
            pieces = fragments(text)
            if number:
                pieces = [(name if name not in {"verb", "wrong"} else "", p) for name, p in pieces]
            return [(STYLES.get(name, ""), piece) for name, piece in pieces]

        return line
