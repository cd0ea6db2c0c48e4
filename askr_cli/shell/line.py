"""Cuts a typed line into statements and words, as a person means it who types JSON all day.

Quoting is a shell's, with one difference: an argument that begins with ``{`` or ``[`` (also after
``:=``) is JSON up to its closing bracket, spaces and quotes included.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

_REDIRECTION = re.compile(r"[12&]?>>?|<")
_ONE_EACH = "there is no {} here: write two lines, or ; between the commands in shell -c"
_OPENING = "{["
_CLOSING = "}]"


class LineError(Exception):
    """The line cannot be cut into words; the message says why."""


class OpenBracket(LineError):
    """A JSON bracket is still open, so another line may follow."""


@dataclass(frozen=True, slots=True)
class Word:
    """One argument of a statement.

    Attributes:
        text: what is meant, quotes taken away.
        raw: what was typed.
        start: offset of its first character in the whole text.
    """

    text: str
    raw: str
    start: int

    @property
    def is_option(self) -> bool:
        """Whether it asks for an option: it begins with ``-`` and is no number."""
        return self.raw.startswith("-") and len(self.raw) > 1 and not self.raw[1].isdigit()

    @property
    def payload(self) -> str:
        """The word where a payload is expected: a quoted JSON string keeps its quotes."""
        name, assigns, value = self.raw.partition(":=")
        if self.raw.startswith('"') or (assigns and value.startswith('"') and "=" not in name):
            return self.raw
        return self.text


@dataclass(frozen=True, slots=True)
class Statement:
    """One command of a line.

    Attributes:
        words: the verb and its arguments.
        text: as typed, with pipes.
        programs: arguments of each program after a ``|``.
        background: whether it ended with ``&``.
    """

    words: tuple[Word, ...]
    text: str
    programs: tuple[tuple[str, ...], ...] = ()
    background: bool = False


@dataclass(slots=True)
class _Scanner:
    text: str
    at: int = 0
    words: list[Word] = field(default_factory=list)

    def peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def word(self) -> Word:
        """Reads one word; stands behind it afterwards."""
        start, parts = self.at, []
        while (char := self.peek()) and not char.isspace() and char not in ";|":
            if char in _OPENING and self._json_may_begin(start):
                parts.append(self._brackets())
            elif char in "'\"":
                parts.append(self._quoted(char))
            elif char == "\\" and self.at + 1 < len(self.text):
                parts.append(self.text[self.at + 1])
                self.at += 2
            else:
                parts.append(char)
                self.at += 1
        return Word("".join(parts), self.text[start : self.at], start)

    def _json_may_begin(self, start: int) -> bool:
        return self.at == start or self.text[start : self.at].endswith(":=")

    def _brackets(self) -> str:
        start, depth = self.at, 0
        while char := self.peek():
            if char == '"':
                self._skip_json_string()
                continue
            depth += (char in _OPENING) - (char in _CLOSING)
            self.at += 1
            if depth == 0:
                return self.text[start : self.at]
        raise OpenBracket(f"the bracket {self.text[start]!r} is not closed")

    def _skip_json_string(self) -> None:
        self.at += 1
        while (char := self.peek()) and char != '"':
            self.at += 2 if char == "\\" else 1
        self.at += 1

    def _quoted(self, quote: str) -> str:
        start, parts = self.at, []
        self.at += 1
        while (char := self.peek()) and char != quote:
            if (
                char == "\\"
                and quote == '"'
                and self.text[self.at + 1 : self.at + 2] in {'"', "\\"}
            ):
                self.at += 1
                char = self.peek()
            parts.append(char)
            self.at += 1
        if not self.peek():
            raise LineError(f"the quote {self.text[start]} is not closed")
        self.at += 1
        return "".join(parts)

    def program(self) -> tuple[str, ...]:
        """Reads the program after a ``|`` up to the next ``|`` or ``;``."""
        start = self.at
        while (char := self.peek()) and char not in "|;":
            if char in "'\"":
                self._quoted(char)
            else:
                self.at += 1
        try:
            words = tuple(shlex.split(self.text[start : self.at]))
        except ValueError as error:
            raise LineError(f"cannot read the program after '|': {error}") from error
        if not words:
            raise LineError("a program is missing after '|'; an example: send fetch | jq .")
        return words


def statements(text: str) -> list[Statement]:
    """Returns the statements of ``text``, which are separated by ``;`` or line ends.

    Raises:
        OpenBracket: a JSON bracket is still open.
        LineError: a quote is open, or a pipe leads nowhere.
    """
    return list(_statements(text))


def _statements(text: str) -> Iterator[Statement]:
    scanner = _Scanner(text)
    words: list[Word] = []
    programs: list[tuple[str, ...]] = []
    start = 0
    while True:
        char = scanner.peek()
        if char in {"", ";", "\n"}:
            if words or programs:
                yield _statement(words, programs, text[start : scanner.at])
            if not char:
                return
            scanner.at += 1
            start, words, programs = scanner.at, [], []
        elif char.isspace():
            scanner.at += 1
        elif char == "#" and not words:
            scanner.at = _line_end(text, scanner.at)
        elif char == "|":
            scanner.at += 1
            if scanner.peek() == "|":
                raise LineError(_ONE_EACH.format("||"))
            programs.append(scanner.program())
        else:
            words.append(_checked(scanner.word()))


def _checked(word: Word) -> Word:
    """Returns the word, unless it is a sign that other shells know and this one does not."""
    if sign := _REDIRECTION.match(word.raw):
        raise LineError(f"there is no {sign[0]} here, only |: state ls | tee FILE")
    if word.raw == "&&":
        raise LineError(_ONE_EACH.format("&&"))
    return word


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _statement(words: list[Word], programs: list[tuple[str, ...]], text: str) -> Statement:
    background = len(words) > 1 and words[-1].raw == "&"
    if background:
        words = words[:-1]
    if not words:
        raise LineError("a command is missing before '|'; an example: send fetch | jq .")
    if background and programs:
        raise LineError("a command in the background cannot be piped; leave out '&' or '|'")
    return Statement(tuple(words), text.strip(), tuple(programs), background)


def is_open(text: str) -> bool:
    """Says whether another line has to follow, because a JSON bracket is open."""
    try:
        statements(text)
    except OpenBracket:
        return True
    except LineError:
        pass
    return False


@dataclass(frozen=True, slots=True)
class Typing:
    """Where the cursor stands in the statement that is being typed.

    Attributes:
        before: the finished words left of the cursor.
        current: the unfinished word, as typed; may be empty, may be open JSON.
        is_program: whether the cursor is behind a ``|``.
    """

    before: tuple[Word, ...]
    current: str
    is_program: bool = False


def typing(text: str) -> Typing:
    """Returns what is being typed at the end of ``text``; never fails."""
    scanner = _Scanner(text)
    words: list[Word] = []
    while char := scanner.peek():
        if char in ";\n":
            scanner.at += 1
            words = []
        elif char == "|":
            scanner.at += 1
            try:
                scanner.program()
            except LineError:
                return Typing(tuple(words), "", is_program=True)
            if not scanner.peek():
                return Typing(tuple(words), "", is_program=True)
        elif char.isspace():
            scanner.at += 1
        else:
            start = scanner.at
            try:
                word = scanner.word()
            except LineError:
                return Typing(tuple(words), text[start:])
            if not scanner.peek():
                return Typing(tuple(words), word.raw)
            words.append(word)
    return Typing(tuple(words), "")
