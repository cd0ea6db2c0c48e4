"""What may stand in place of the word under the cursor: verbs, flags and names that are there.

Live names come from the file that every run refreshes; only when it is old, a short attempt asks
the daemon.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from askr_cli import grammar
from askr_cli.exits import Usage
from askr_cli.help_topics import TOPICS
from askr_cli.job_states import JobState
from askr_cli.known_names import (
    KnownNames,
    file_of,
    learn,
    learn_keys,
    learn_request,
    load,
    save,
)
from askr_cli.profile import Options
from askr_cli.shell.choices import instance_addresses, payload_choices
from askr_cli.shell.line import Typing, Word
from askr_cli.shell.live_names import LiveCommand, LiveNames, job_names, log_names
from askr_cli.terminal import Terminal, connect
from askr_cli.verbs import GROUPS, verb_of
from askrd.wire.errors import AskrError

_PLAIN = re.compile(r"[\w./@:,+=%-]+")
_VALUE_FLAGS = {"--url": "url", "--workspace": "workspace", "-w": "workspace"}
_PAYLOADS = {"[PAYLOAD]...", "[VALUE]..."}
_FILE_ITEM = re.compile(r"[^=@]+:?=@")
ATTEMPT_S = 0.2
JOBS_MAX = 100
_FIXED: dict[str, Sequence[str]] = {
    "bash|zsh|fish": ("bash", "zsh", "fish"),
    "install": ("install",),
    "STATE": list(JobState),
    "first|new|SEQ": ("first", "new"),
}
"""Words for a place where only a few things can stand, and those."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that may be typed.

    Attributes:
        name: what would stand there.
        help: a few words about it; may be empty.
    """

    name: str
    help: str = ""


FILES = Candidate("", "files")
"""Stands alone where the names of files may be typed; the shell knows them."""


def candidates(terminal: Terminal, words: Sequence[str]) -> list[Candidate]:
    """Returns what may stand in place of the last word.

    Args:
        terminal: gives the settings and, when names are old, the connection.
        words: the words after `askr`; the last one is being typed and may be empty.
    """
    typed = words[-1]
    verb_words, rest = _split(words[:-1])
    name = " ".join(verb_words)
    verb = verb_of(name)
    if verb is None:
        if name and name not in GROUPS:
            return []
        return _matching(typed, [*_verbs(name), *(_flags(()) if typed.startswith("-") else ())])
    parameters = grammar.command_of(verb).params
    flag = rest[-1] if rest else ""
    wanted = (
        next((p for p in parameters if flag in p.opts and not p.is_flag), None) if flag else None
    )
    if wanted is not None:
        metavar = str(wanted.metavar)
    elif typed.startswith("-"):
        return _matching(typed, _flags(parameters))
    else:
        metavar = _place(parameters, rest)
    if metavar in {"VERB", "[VERB]"}:
        topics = [Candidate(topic.name, topic.summary) for topic in TOPICS]
        return _matching(typed, [*_verbs(""), *topics])
    if metavar in {"FILE", "[FILE]"} or (metavar in _PAYLOADS and _FILE_ITEM.match(typed)):
        return [FILES]
    if name == "send" and metavar in _PAYLOADS:
        return _items(terminal, words, _positional(parameters, rest), typed)
    return _matching(typed, _names(terminal, metavar, words))


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Cuts the words into those that name the verb and the rest; shared flags are skipped."""
    verb: list[str] = []
    waiting = iter(range(len(words)))
    for index in waiting:
        word = words[index]
        if word.startswith("-"):
            if word in _VALUE_FLAGS or word in {"--timeout", "--context", "--key-file"}:
                next(waiting, None)
            continue
        verb.append(word)
        if " ".join(verb) not in GROUPS:
            return verb, list(words[index + 1 :])
    return verb, []


def _items(
    terminal: Terminal, words: Sequence[str], given: Sequence[str], typed: str
) -> list[Candidate]:
    """Names and values of a command's arguments, as the shell of askr offers them."""
    before = tuple(Word(word, word, 0) for word in given)
    names = _live(terminal, words, target=given[0])
    command = _as_shown(names).find(given[0])
    at = Typing(before, typed)
    return [
        Candidate(typed[: len(typed) - one.length] + one.text, one.doc)
        for one in payload_choices(at, command)
        if one.text.startswith(typed[len(typed) - one.length :]) and _PLAIN.fullmatch(one.text)
    ]


def _as_shown(names: KnownNames) -> LiveNames:
    """The names in the form in which the shell of askr reads them."""
    commands = {}
    for address in names.commands:
        service, _, name = address.partition(".")
        commands[address] = LiveCommand(service, name, request=names.requests.get(address))
    return LiveNames(commands, {key: tuple(ids) for key, ids in names.instances.items()})


def _verbs(prefix: str) -> list[Candidate]:
    found = []
    for word in grammar.words_after(prefix):
        name = f"{prefix} {word}".strip()
        verb = verb_of(name)
        found.append(Candidate(word, GROUPS[name] if verb is None else verb.summary))
    return found


def _flags(parameters: Sequence[Any]) -> list[Candidate]:
    if not parameters:
        parameters = grammar.root().params
    return [
        Candidate(flag, parameter.help or "")
        for parameter in parameters
        if parameter.param_type_name == "option" and not parameter.hidden
        for flag in parameter.opts
        if flag.startswith("--")
    ]


def _positional(parameters: Sequence[Any], words: Sequence[str]) -> list[str]:
    """Returns the words that are no option and no value of one."""
    takes_value = {
        flag
        for parameter in parameters
        if parameter.param_type_name == "option" and not parameter.is_flag
        for flag in parameter.opts
    }
    found = []
    waiting = iter(words)
    for word in waiting:
        if word in takes_value:
            next(waiting, None)
        elif not word.startswith("-"):
            found.append(word)
    return found


def _place(parameters: Sequence[Any], words: Sequence[str]) -> str:
    """Returns what the next positional argument is called."""
    count = len(_positional(parameters, words))
    places = [p for p in parameters if p.param_type_name == "argument"]
    if not places:
        return ""
    place = places[min(count, len(places) - 1)]
    if count >= len(places) and place.nargs != -1:
        return ""
    return str(place.metavar)


def _names(terminal: Terminal, metavar: str, words: Sequence[str]) -> list[Candidate]:
    kind = metavar.strip("[].")
    if kind in _FIXED:
        return [Candidate(word) for word in _FIXED[kind]]
    if kind in {"LOG", "JOB"}:
        return _kept(terminal, kind, words)
    if kind not in {"TARGET", "EVENT", "PATTERN", "KEY", "PREFIX", "SERVICE", "ID"}:
        return []
    names = _live(terminal, words, with_keys=kind in {"KEY", "PREFIX"})
    match kind:
        case "TARGET":
            found = [*names.commands, *(names.services if "describe" in words else _bare(names))]
            found += instance_addresses(words[-1], _as_shown(names))
        case "EVENT" | "PATTERN":
            found = names.events
        case "KEY" | "PREFIX":
            found = names.keys
        case "ID":
            found = sorted({one for ids in names.instances.values() for one in ids})
        case _:
            found = names.services
    return [Candidate(name) for name in found if _PLAIN.fullmatch(name)]


def _kept(terminal: Terminal, kind: str, words: Sequence[str]) -> list[Candidate]:
    """Durable logs, or the newest jobs: they change too often to be remembered."""
    hurried = partial(connect, name="completion", patience_s=ATTEMPT_S)
    try:
        with terminal.with_options(_options(words), connect=hurried) as place:
            client = place.client()
            if kind == "LOG":
                found = log_names(client.send("$askr.logs.list", timeout=ATTEMPT_S))
            else:
                body = {"limit": JOBS_MAX}
                found = job_names(client.send("$askr.jobs.list", body, timeout=ATTEMPT_S))
    except (AskrError, Usage):
        return []
    return [Candidate(name, about) for name, about in found.items() if _PLAIN.fullmatch(name)]


def _bare(names: KnownNames) -> list[str]:
    """Commands that exactly one service offers and whose bare name therefore suffices."""
    seen: dict[str, int] = {}
    for address in names.commands:
        command = address.partition(".")[2]
        seen[command] = seen.get(command, 0) + 1
    return sorted(name for name, count in seen.items() if count == 1 and "." not in name)


def _live(
    terminal: Terminal, words: Sequence[str], target: str = "", *, with_keys: bool = False
) -> KnownNames:
    """The names that are there, with the schema of ``target`` when it is a command."""
    try:
        hurried = partial(connect, name="completion", patience_s=ATTEMPT_S)
        place = terminal.with_options(_options(words), connect=hurried)
        profile = place.profile
    except Usage:
        return KnownNames()
    path = file_of(profile, terminal.environ)
    names = load(path)
    is_seen = any(key.startswith(words[-1]) for key in names.keys)
    lacks_keys = with_keys and not names.keys_fresh and not (names.fresh and is_seen)
    if names.fresh and not lacks_keys and not _lacks(names, target):
        return names
    try:
        with place:
            client = place.client()
            if not names.fresh:
                learn(names, client)
            if lacks_keys:
                learn_keys(names, client)
            if command := _lacks(names, target):
                learn_request(names, client, command)
    except AskrError:
        return names
    save(path, names)
    return names


def _lacks(names: KnownNames, target: str) -> str:
    """Returns the command that ``target`` means when its schema is not known, else nothing."""
    command = _as_shown(names).find(target)
    return "" if command is None or command.address in names.requests else command.address


def _options(words: Sequence[str]) -> Options:
    """The shared options in an unfinished line that decide which daemon is meant."""
    found: dict[str, Any] = {}
    for flag, value in pairwise(words):
        if flag in _VALUE_FLAGS:
            found[_VALUE_FLAGS[flag]] = value
    return Options(**found)


def _matching(typed: str, found: Iterable[Candidate]) -> list[Candidate]:
    return [one for one in found if one.name.startswith(typed)]
