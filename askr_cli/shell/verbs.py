"""The verbs of the shell: those of the command line, read from its own table, and a few more.

One table feeds completion, hints, help and validation alike. What may stand at a place is known by
the word that help shows for it: TARGET, EVENT, KEY and so on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from askr_cli import verbs as table
from askr_cli.grammar import command_of
from askr_cli.help_topics import page
from askr_cli.verb import Verb as TableVerb


class Kind(StrEnum):
    """What stands at a place, by the word for it; decides what completes it."""

    TARGET = "TARGET"
    THING = "THING"
    EVENT = "EVENT"
    PATTERN = "PATTERN"
    KEY = "KEY"
    PREFIX = "PREFIX"
    PAYLOAD = "PAYLOAD"
    VALUE = "VALUE"
    DURATION = "D"
    SERVICE = "SERVICE"
    INSTANCE = "ID"
    LOG = "LOG"
    JOB = "JOB"
    STATE = "STATE"
    VERB = "VERB"
    OTHER = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A positional argument.

    Attributes:
        word: the word for it in help, without brackets.
        required: whether it must be given.
        many: whether it may be repeated; only the last place.
    """

    word: str
    required: bool = True
    many: bool = False

    @property
    def kind(self) -> Kind:
        """What stands there."""
        return _kind_of(self.word)

    def __str__(self) -> str:
        shown = f"{self.word}{'...' if self.many else ''}"
        return shown if self.required else f"[{shown}]"


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a verb.

    Attributes:
        name: its long form, with dashes.
        doc: a few words.
        word: the word for its value in help, or empty for a flag.
        short: its one-letter form, or empty.
        many: whether it may be repeated.
        shared: whether every verb has it.
    """

    name: str
    doc: str
    word: str = ""
    short: str = ""
    many: bool = False
    shared: bool = False

    @property
    def kind(self) -> Kind:
        """What its value is."""
        return _kind_of(self.word)

    def __str__(self) -> str:
        return f"{self.name} {self.word}" if self.word else self.name


def _kind_of(word: str) -> Kind:
    return Kind(word) if word in set(Kind) else Kind.OTHER


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing the shell can do.

    Attributes:
        name: one or two words.
        places: its positional arguments, in order.
        options: its own options first, then those that every verb has.
        doc: what it does, in a few words.
        examples: lines that can be typed as they are.
        own: whether the shell carries it out itself; the command line does not have it.
    """

    name: str
    places: tuple[Place, ...]
    options: tuple[Option, ...]
    doc: str
    examples: tuple[str, ...] = ()
    own: bool = False

    @property
    def usage(self) -> str:
        """The verb and its places."""
        return " ".join([self.name, *map(str, self.places)])

    def option(self, name: str) -> Option | None:
        """Returns the option called ``name``, long or short."""
        return next((each for each in self.options if name in {each.name, each.short}), None)


OWN = (
    Verb("jobs", (), (), "list what runs in the background of the shell", ("jobs",), own=True),
    Verb("kill", (Place("%JOB"),), (), "end a background job", ("kill %1",), own=True),
    Verb("clear", (), (), "empty the screen", ("clear",), own=True),
    Verb(
        "help",
        (Place("VERB", required=False, many=True),),
        (),
        "explain the verbs, or one of them",
        ("help", "help state watch"),
        own=True,
    ),
    Verb("exit", (), (), "leave; Ctrl-D does the same", ("exit",), own=True),
)
"""Verbs that only the shell has."""

OUTSIDE = ("demo", "shell", "completion", "expose", "on")
"""Verbs of the command line that make no sense inside, and are refused with that reason."""

NO_STDIN = ("--lines",)
"""Options that read standard input, which in the shell is the keyboard."""

FILE_WORD = "FILE"
"""The word for the name of a file; `-` in its place is standard input."""

ALIASES = {"quit": "exit", "?": "help"}

_SHARED = {
    "--url", "--context", "--workspace", "--key-file", "--timeout", "--json", "--quiet",
    "--verbose", "--no-color", "--help", "--dry-run",
}  # fmt: skip


@cache
def verbs() -> tuple[Verb, ...]:
    """Returns every verb: the command line's, then the shell's own."""
    left_out = {*OUTSIDE, *(verb.name for verb in OWN)}
    inside = [
        verb for verb in table.VERBS if verb.name not in left_out and not verb.name.startswith("_")
    ]
    return (*map(_verb_of, inside), *OWN)


def _verb_of(verb: TableVerb) -> Verb:
    parameters = command_of(verb).params
    places = [_place_of(each) for each in parameters if each.param_type_name == "argument"]
    options = [_option_of(each) for each in parameters if each.param_type_name == "option"]
    hidden = {each.opts[0] for each in parameters if getattr(each, "hidden", False)}
    listed = [each for each in options if each.name not in {*hidden, *NO_STDIN, "--help"}]
    return Verb(
        verb.name,
        tuple(places),
        tuple(sorted(listed, key=lambda option: option.shared)),
        verb.summary,
        tuple(_typed(line) for line, _ in verb.examples if line.startswith("askr ")),
    )


def _typed(line: str) -> str:
    return line.removeprefix("askr ")


def _place_of(parameter: Any) -> Place:
    word = str(parameter.metavar or parameter.name).strip("[].").replace("]", "")
    return Place(word, required=bool(parameter.required), many=parameter.nargs == -1)


def _option_of(parameter: Any) -> Option:
    long = next(name for name in parameter.opts if name.startswith("--"))
    short = next((name for name in parameter.opts if not name.startswith("--")), "")
    word = "" if parameter.is_flag else str(parameter.metavar or "VALUE")
    doc = str(parameter.help or "")
    return Option(long, doc, word, short, bool(parameter.multiple), long in _SHARED)


def find_verb(words: Sequence[str]) -> tuple[Verb | None, int]:
    """Returns the verb that ``words`` begin with, and how many words name it."""
    for length in (2, 1):
        name = " ".join(words[:length])
        name = ALIASES.get(name, name)
        if length == 1 and name in table.DEFAULTS and words[1:]:
            break
        for verb in verbs():
            if verb.name == name and len(words) >= length:
                return verb, length
    return _default_verb(words)


def _default_verb(words: Sequence[str]) -> tuple[Verb | None, int]:
    """Returns the verb that a group means when no second word follows: `logs` is `logs list`."""
    default = table.DEFAULTS.get(words[0]) if words else None
    if default is None or not (words[1:2] == [] or words[1].startswith("-")):
        return None, 0
    name = f"{words[0]} {default}"
    return next(verb for verb in verbs() if verb.name == name), 1


def of_command_line(words: Sequence[str]) -> tuple[Verb | None, int]:
    """Returns what `find_verb` does, but never a verb that only the shell has."""
    verb, length = find_verb(words)
    return _default_verb(words) if verb is not None and verb.own else (verb, length)


def groups() -> tuple[str, ...]:
    """Returns first words that need a second one, as in ``state get``."""
    return tuple(dict.fromkeys(verb.name.split()[0] for verb in verbs() if " " in verb.name))


def help_text(words: Sequence[str]) -> str:
    """Returns help for one verb or topic, or for all verbs when ``words`` are neither."""
    verb, _ = find_verb(words)
    if verb is not None and " ".join(words) not in groups():
        return _help_for(verb)
    if (text := page(" ".join(words))) is not None:
        return text
    below = [verb for verb in verbs() if words and verb.name.split()[0] == words[0]]
    chosen = below or verbs()
    width = max(len(verb.usage) for verb in chosen)
    lines = [f"  {verb.usage:<{width}}  {verb.doc}" for verb in chosen]
    return "\n".join([*lines, *(() if below else _KEYS)])


_KEYS = (
    "",
    "  VERB ... | jq .x   give the output to a program     VERB ... &   keep it in the background",
    "  Tab completes, Ctrl-R searches the history, Ctrl-C cancels, Ctrl-D leaves; help VERB: more",
)


def _help_for(verb: Verb) -> str:
    named = [(f"{o.short}, {o}" if o.short else f"    {o}", o.doc) for o in verb.options]
    width = max((len(name) for name, _ in named), default=0)
    lines = [f"{verb.usage}    {verb.doc}"]
    lines += [f"  {name:<{width}}  {doc}" for name, doc in named]
    lines += ["", *(f"  {example}" for example in verb.examples)] if verb.examples else []
    return "\n".join(lines)
