"""The words of a program with `{name}` in them, filled from a payload and never seen by a shell."""

import re
import shutil
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from askr_cli.exits import Usage
from askr_cli.render import json_text
from askrd.wire.names import shown

_SHELLS = frozenset({"sh", "ash", "bash", "dash", "fish", "ksh", "mksh", "zsh"})
_HOLE = re.compile(r"\{\{|\{([A-Za-z][A-Za-z0-9_]*)\}")


class Unfilled(Exception):
    """A payload does not fill the words of a program.

    Attributes:
        sentence: what is missing or cannot stand in a word.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Template:
    """A program and its arguments.

    `{name}` stands for a member of the payload, anywhere in an argument; `{{` is a brace. Other
    braces are what they are. A word stays one word, whatever is filled in.

    Attributes:
        program: the program, without its arguments.
        names: the members that are wanted, in the order in which they appear first.
    """

    def __init__(self, words: Sequence[str], *, path: str | None = None) -> None:
        """Reads the words.

        Args:
            words: the program, then its arguments.
            path: where programs are looked for; None = this process's own path.

        Raises:
            Usage: there is no such program, or a payload would decide which one runs, or what a
                shell reads.
        """
        if not words:
            raise Usage("say which program: askr expose NAME -- PROGRAM [ARGUMENT]...")
        if any(match[1] for match in _HOLE.finditer(words[0])):
            raise Usage(
                f"{shown(words[0])}: a payload fills arguments and never says which program runs; "
                "write the program's name"
            )
        self.program = _HOLE.sub(_brace, words[0])
        if shutil.which(self.program, path=path) is None:
            raise Usage(f"there is no program {shown(self.program)} that can be run here")
        self._arguments = tuple(words[1:])
        self._check_script()
        self.names = tuple(
            dict.fromkeys(
                match[1]
                for word in self._arguments
                for match in _HOLE.finditer(word)
                if match[1] is not None
            )
        )

    def _check_script(self) -> None:
        """Returns when no payload becomes part of a line that a shell reads.

        Raises:
            Usage: it would.
        """
        if Path(self.program).name not in _SHELLS:
            return
        for flag, script in pairwise(self._arguments):
            is_line = re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", flag) is not None
            if is_line and any(match[1] for match in _HOLE.finditer(script)):
                raise Usage(
                    f"{shown(script)}: {Path(self.program).name} would run what the payload says. "
                    """Give it as an argument: sh -c 'echo "$1"' sh {name}"""
                )

    def __str__(self) -> str:
        return " ".join([self.program, *self._arguments])

    def filled(self, members: Any) -> list[str]:
        """Returns the program and its arguments with what the payload says.

        Strings stand as they are, everything else as compact JSON.

        Args:
            members: the payload; an object unless nothing is wanted of it.

        Raises:
            Unfilled: a member is missing, or has a character that no argument can have.
        """
        if self.names and not isinstance(members, Mapping):
            raise Unfilled(f"the payload is no object with {', '.join(self.names)}")
        texts = {name: _text(name, members) for name in self.names}
        return [
            self.program,
            *(
                _HOLE.sub(lambda match: texts[match[1]] if match[1] else "{", word)
                for word in self._arguments
            ),
        ]


def _brace(_: re.Match[str]) -> str:
    return "{"


def _text(name: str, members: Mapping[str, Any]) -> str:
    if name not in members:
        raise Unfilled(f"the payload has no member '{name}'")
    value = members[name]
    text = value if isinstance(value, str) else json_text(value)
    if "\0" in text:
        raise Unfilled(f"'{name}' has a zero character, which no program's argument can have")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unfilled(f"'{name}' has characters that are not UTF-8") from None
    return text
