"""What can be typed next, from the table of verbs and the live names.

Pure: the shell puts it behind its Tab key, and the completion of other shells asks it for the
items of a payload and for the addresses of instances.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from askr_cli.job_states import JobState
from askr_cli.schema import Parameter
from askr_cli.shell.grammar import place_at
from askr_cli.shell.line import Typing, typing
from askr_cli.shell.live_names import LiveCommand, LiveNames
from askr_cli.shell.verbs import Kind, Option, Verb, find_verb, groups, verbs

CHOICES_MAX = 200

_OPEN_KEY = re.compile(r'[{,]\s*("?)([\w-]*)$')
_OPEN_VALUE = re.compile(r'"([\w-]+)"\s*:\s*("?[\w.-]*)$')


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to type next.

    Attributes:
        text: takes the place of the last ``length`` characters.
        length: how many typed characters it replaces.
        doc: a few words beside it.
        shown: what the menu shows; `text` when empty.
    """

    text: str
    length: int
    doc: str = ""
    shown: str = ""


def choices(text: str, names: LiveNames) -> list[Choice]:
    """Returns what can be typed at the end of ``text``, the best first."""
    at = typing(text)
    found: list[Choice] = []
    if not at.is_program:
        for choice in _choices(at, names):
            found.append(choice)
            if len(found) >= CHOICES_MAX:
                break
    return found


def _choices(at: Typing, names: LiveNames) -> Iterator[Choice]:
    words = [word.text for word in at.before]
    is_option = at.current.startswith("-")
    verb, length = find_verb([*words, at.current] if is_option else words)
    is_group = len(words) == 1 and words[0] in groups() and not is_option
    if verb is None or is_group or (not at.current and not at.before):
        yield from _verbs(words, at.current)
        return
    waiting, given = _walk(verb, at)
    if waiting is not None:
        yield from _of_kind(waiting, at.current, names)
        return
    if at.current.startswith("-"):
        yield from _options(verb, words[length:], at.current)
        return
    place = place_at(verb, given)
    if place is None:
        return
    if verb.name == "describe":
        yield from _of_kind(Kind.THING, at.current, names)
    elif place.kind is Kind.PAYLOAD:
        yield from payload_choices(at, names.find(words[length]))
    else:
        yield from _of_kind(place.kind, at.current, names)


def _walk(verb: Verb, at: Typing) -> tuple[Kind | None, int]:
    """Returns the kind of value that an option waits for, and how many places are filled."""
    waiting: Option | None = None
    given = 0
    for word in at.before[len(verb.name.split()) :]:
        if waiting is not None:
            waiting = None
        elif word.is_option:
            option = verb.option(word.text.partition("=")[0])
            waiting = option if option and option.word and "=" not in word.text else None
        else:
            given += 1
    return (waiting.kind if waiting else None), given


def _verbs(words: list[str], current: str) -> Iterator[Choice]:
    if words and words[0] not in groups():
        return
    typed = " ".join([*words, current])
    for verb in verbs():
        if verb.name.startswith(typed) and (not words or not verb.own):
            yield Choice(verb.name.split()[-1] if words else verb.name, len(current), verb.doc)


def _options(verb: Verb, words: list[str], current: str) -> Iterator[Choice]:
    for option in verb.options:
        if option.name.startswith(current) and (option.many or option.name not in words):
            yield Choice(option.name, len(current), option.doc, str(option))


def _of_kind(kind: Kind, current: str, names: LiveNames) -> Iterator[Choice]:
    offer = _OFFERS.get(kind)
    offers = offer(names) if offer else {}
    if kind is Kind.TARGET:
        offers |= instance_addresses(current, names)
    yield from _matching(offers, current)


def _things(names: LiveNames) -> dict[str, str]:
    return dict.fromkeys(names.services, "service") | names.targets() | dict(names.events)


def _events(names: LiveNames) -> dict[str, str]:
    return {name: doc for name, doc in names.events.items() if "*" not in name}


def _instances(names: LiveNames) -> dict[str, str]:
    return {one: service for service, ids in names.instances.items() for one in ids}


_OFFERS: dict[Kind, Callable[[LiveNames], dict[str, str]]] = {
    Kind.TARGET: LiveNames.targets,
    Kind.THING: _things,
    Kind.EVENT: _events,
    Kind.PATTERN: lambda names: {**names.events, "**": "every event"},
    Kind.KEY: lambda names: dict.fromkeys(names.keys, ""),
    Kind.PREFIX: lambda names: dict.fromkeys(_prefixes(names.keys), ""),
    Kind.SERVICE: lambda names: dict.fromkeys(names.services, ""),
    Kind.INSTANCE: _instances,
    Kind.LOG: lambda names: dict(names.logs),
    Kind.JOB: lambda names: dict(names.jobs),
    Kind.STATE: lambda _: dict.fromkeys(JobState, ""),
    Kind.VERB: lambda _: {verb.name: verb.doc for verb in verbs()},
    Kind.DURATION: lambda _: dict.fromkeys(("300ms", "5s", "1m"), ""),
}
"""What stands at each kind of place, with a few words on it; other kinds have nothing to offer."""


def instance_addresses(current: str, names: LiveNames) -> dict[str, str]:
    """Returns addresses of single instances and of all together, once an ``@`` is typed."""
    service, at, _ = current.partition("@")
    if not at:
        return {}
    commands = [command for command in names.commands.values() if command.service == service]
    single = {
        f"{service}@{instance}.{command.name}": command.doc
        for instance in names.instances.get(service, ())
        for command in commands
    }
    return single | {f"{service}@*.{command.name}": "every instance" for command in commands}


def _prefixes(keys: Iterable[str]) -> list[str]:
    found = {
        "/".join(parts[:length])
        for key in keys
        for parts in [key.split("/")]
        for length in range(1, len(parts) + 1)
    }
    return sorted(found)


def _matching(offers: Mapping[str, str], current: str) -> Iterator[Choice]:
    """Yields what begins with ``current``, then what has its letters in order."""
    low = current.lower()
    first = [name for name in offers if name.lower().startswith(low)]
    taken = set(first)
    then = [name for name in offers if name not in taken and has_letters(low, name.lower())]
    for name in first + sorted(then, key=len):
        yield Choice(name, len(current), offers[name])


def has_letters(letters: str, name: str) -> bool:
    """Says whether ``name`` holds all ``letters`` in this order."""
    rest = iter(name)
    return all(letter in rest for letter in letters)


def payload_choices(at: Typing, command: LiveCommand | None) -> Iterator[Choice]:
    """Yields names and values of the arguments of ``command``, as items or inside JSON."""
    if command is None:
        return
    arguments = command.arguments
    if at.current.startswith("{"):
        yield from _inside_json(at.current, arguments)
        return
    if any(word.text.startswith(("{", "[")) for word in at.before):
        return
    name, equals, typed = at.current.partition("=")
    if not equals:
        given = {word.text.partition("=")[0].rstrip(":") for word in at.before}
        yield from _items(at.current, [each for each in arguments if each.name not in given])
        return
    argument = next((each for each in arguments if each.name == name.rstrip(":")), None)
    if argument:
        for value in argument.choices:
            meant = value if name.endswith(":") else _plain(value)
            written = value if name.endswith(":") else shlex.quote(meant)
            if meant.startswith(typed) or written.startswith(typed):
                yield Choice(written, len(typed), argument.type)


def _plain(value: str) -> str:
    return str(json.loads(value)) if value.startswith('"') else value


def _items(current: str, arguments: list[Parameter]) -> Iterator[Choice]:
    for argument in arguments:
        if argument.name.startswith(current):
            text = f"{argument.name}{'=' if argument.is_text else ':='}"
            needed = "required" if argument.required else "optional"
            default = "" if argument.default is None else f", default {argument.default}"
            yield Choice(text, len(current), f"{argument.type}, {needed}{default}")


def _inside_json(current: str, arguments: tuple[Parameter, ...]) -> Iterator[Choice]:
    if value := _OPEN_VALUE.search(current):
        name, typed = value.groups()
        for argument in arguments:
            if argument.name == name:
                for each in argument.choices:
                    if each.startswith(typed):
                        yield Choice(each, len(typed), argument.type)
    elif key := _OPEN_KEY.search(current):
        quote, typed = key.groups()
        for argument in arguments:
            if argument.name.startswith(typed) and f'"{argument.name}"' not in current:
                length = len(quote) + len(typed)
                yield Choice(f'"{argument.name}": ', length, argument.type, argument.name)
