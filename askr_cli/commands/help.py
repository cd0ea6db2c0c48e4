"""`askr help`: every verb with its examples, offline; and the exit codes; as JSON, the whole tree for programs."""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from askr_cli import grammar
from askr_cli.exits import MEANINGS, Usage
from askr_cli.help_topics import ADDRESSES, KEEPING, PROGRAMS, TOPICS, page
from askr_cli.terminal import Terminal
from askr_cli.verb import Verb
from askr_cli.verbs import GROUPS, VERBS, verb_of
from askrd.wire.names import nearest, shown

Topic = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[VERB]", help="a verb, or exits, options, addresses, programs, keeping"
    ),
]


def help_(terminal: Terminal, verb: Topic = None) -> int:
    """Explains a verb, or lists them all."""
    name = " ".join(verb or [])
    text = page(name)
    if text is not None:
        return _show_page(terminal, name, text)
    if name and name not in GROUPS and verb_of(name) is None:
        known_names = [*(known.name for known in VERBS), *(topic.name for topic in TOPICS)]
        close = nearest(name, known_names)
        hint = f" Did you mean: {', '.join(close)}?" if close else ""
        raise Usage(f"there is no verb {shown(name)} in this version.{hint}  (askr help)")
    if terminal.json:
        told: dict[str, Any] = {"verbs": [described(known) for known in _below(name)]}
        terminal.print_json(told if name else told | {"exits": exits()})
        return 0
    terminal.write(help_text(name))
    return 0


def _show_page(terminal: Terminal, name: str, text: str) -> int:
    if terminal.json:
        terminal.print_json({name: _TABLES[name]()})
    else:
        terminal.write(text)
    return 0


def exits() -> list[dict[str, Any]]:
    """Returns every exit code with its name and meaning, for programs."""
    return [
        {"code": int(code), "name": code.name.lower(), "meaning": meaning}
        for code, meaning in MEANINGS.items()
    ]


def options() -> list[dict[str, Any]]:
    """Returns the options that every verb has, for programs."""
    parameters = grammar.shared_parameters()
    return [_option(parameter) for parameter in parameters if not parameter.hidden]


def addresses() -> list[dict[str, Any]]:
    """Returns every form of an address, for programs."""
    return [{"form": form, "meaning": meaning} for form, meaning in ADDRESSES]


def programs() -> list[dict[str, Any]]:
    """Returns what holds for the programs that askr runs, for programs."""
    return [{"about": about, "meaning": meaning} for about, meaning in PROGRAMS]


def keeping() -> list[dict[str, Any]]:
    """Returns what is kept of what is said, for programs."""
    return [{"about": about, "meaning": meaning} for about, meaning in KEEPING]


_TABLES: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "exits": exits,
    "options": options,
    "addresses": addresses,
    "programs": programs,
    "keeping": keeping,
}


def help_text(name: str) -> str:
    """Returns the help of the verb or group ``name`` (empty = `askr` itself)."""
    context = grammar.root().make_context("askr", [], resilient_parsing=True)
    for word in name.split():
        command = context.command.get_command(context, word)
        context = command.make_context(word, [], parent=context, resilient_parsing=True)
    return str(context.get_help())


def described(verb: Verb) -> dict[str, Any]:
    """Returns what programs may want to know about a verb."""
    parameters = grammar.command_of(verb).params
    return {
        "verb": verb.name,
        "summary": verb.summary,
        "writes": verb.writes,
        "examples": [{"line": line, "meaning": meaning} for line, meaning in verb.examples],
        "arguments": [_argument(p) for p in parameters if p.param_type_name == "argument"],
        "options": [_option(p) for p in parameters if p.param_type_name == "option"],
    }


def _below(name: str) -> list[Verb]:
    return [
        verb
        for verb in VERBS
        if not verb.hidden and (not name or verb.name == name or verb.name.startswith(f"{name} "))
    ]


def _argument(parameter: Any) -> dict[str, Any]:
    return {
        "name": parameter.metavar or parameter.name,
        "help": parameter.help or "",
        "required": parameter.required,
        "repeated": parameter.nargs == -1,
    }


def _option(parameter: Any) -> dict[str, Any]:
    return {
        "flags": list(parameter.opts),
        "value": None if parameter.is_flag else parameter.metavar,
        "help": parameter.help or "",
        "repeated": parameter.multiple,
    }
