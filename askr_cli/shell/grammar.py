"""Reads a typed statement: a `Request` that can be carried out, or a `Refusal` with the way out."""

from collections.abc import Sequence
from dataclasses import dataclass

from askr_cli.shell.line import Statement, Word
from askr_cli.shell.verbs import (
    FILE_WORD,
    NO_STDIN,
    OUTSIDE,
    Kind,
    Place,
    Verb,
    find_verb,
    groups,
    of_command_line,
    verbs,
)
from askrd.wire.names import nearest, shown


@dataclass(frozen=True, slots=True)
class Request:
    """A statement that can be carried out.

    Attributes:
        verb: what to do.
        arguments: as the command line takes them, without the verb.
    """

    verb: Verb
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A statement that cannot be carried out.

    Attributes:
        message: what is wrong and what to type instead.
    """

    message: str


_STDIN = "-"
_KEYBOARD = "standard input is the keyboard here: type the payload, JSON may go over several lines"


def read(statement: Statement) -> Request | Refusal:
    """Returns what a statement asks for, checked against the table."""
    words = statement.words
    find = find_verb
    if words[0].text == "askr" and len(words) > 1:
        words, find = words[1:], of_command_line  # copied from an example
    verb, length = find([word.text for word in words])
    if verb is None:
        return unknown_verb(words[0].text)
    if verb.own and (statement.programs or statement.background):
        return Refusal(f"'{verb.name}' cannot be piped or put in the background")
    if verb.name == "top" and statement.background:
        return Refusal("'top' fills the screen and cannot stay in the background: leave out '&'")
    return _read_arguments(verb, words[length:])


def unknown_verb(name: str) -> Refusal:
    """Returns why a statement cannot begin with ``name``, and what to type instead."""
    if name in groups():
        below = [verb.name for verb in verbs() if verb.name.startswith(f"{name} ")]
        return Refusal(f"'{name}' needs one more word: {', '.join(below)}")
    if name in OUTSIDE:
        return Refusal(f"'{name}' is for outside the shell: leave with Ctrl-D, then askr {name}")
    meant = nearest(name, [verb.name.split()[0] for verb in verbs()])
    hint = f" Did you mean: {', '.join(meant)}?" if meant else ""
    return Refusal(f"there is no verb {shown(name)}.{hint}  (help)")


def _read_arguments(verb: Verb, words: Sequence[Word]) -> Request | Refusal:
    arguments: list[str] = []
    given = 0
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word.raw == "--":
            arguments += [each.text for each in [word, *waiting]]
            given += len(waiting)
            break
        if word.raw == _STDIN:
            return Refusal(_KEYBOARD)
        if not word.is_option:
            arguments.append(_positional(verb, given, word))
            given += 1
            continue
        name, equals, value = word.text.partition("=")
        if name in {"--help", "-h"}:
            return Request(find_verb(["help"])[0] or verb, tuple(verb.name.split()))
        option = verb.option(name)
        if option is None:
            return _unknown_option(verb, name)
        arguments.append(word.text)
        if option.word and not equals:
            if not waiting:
                return Refusal(f"{option.name} needs a value: {option}")
            value = waiting.pop(0).text
            arguments.append(value)
        if option.word == FILE_WORD and value == _STDIN:
            return Refusal(f"{option.name} -: standard input is the keyboard here, name a file")
    return _counted(verb, given) or Request(verb, tuple(arguments))


def place_at(verb: Verb, position: int) -> Place | None:
    """Returns the place of the positional argument number ``position``, from 0; None beyond."""
    if position < len(verb.places):
        return verb.places[position]
    return verb.places[-1] if verb.places and verb.places[-1].many else None


def _positional(verb: Verb, position: int, word: Word) -> str:
    place = place_at(verb, position)
    return word.payload if place and place.kind in {Kind.PAYLOAD, Kind.VALUE} else word.text


def _unknown_option(verb: Verb, name: str) -> Refusal:
    if name in NO_STDIN:
        return Refusal(_KEYBOARD)
    known = [option.name for option in verb.options]
    meant = nearest(name, known)
    hint = f"Did you mean: {', '.join(meant)}?" if meant else f"It has: {' '.join(known) or 'none'}"
    return Refusal(f"'{verb.name}' has no option {shown(name)}. {hint}  (help {verb.name})")


def _counted(verb: Verb, given: int) -> Refusal | None:
    required = sum(place.required for place in verb.places)
    open_ended = bool(verb.places) and verb.places[-1].many
    if given < required:
        return Refusal(f"'{verb.name}' lacks {verb.places[given]}: {verb.usage}")
    if given > len(verb.places) and not open_ended:
        return Refusal(f"'{verb.name}' takes {len(verb.places) or 'no'} arguments: {verb.usage}")
    return None
