"""Turns the table of verbs into commands that parse a command line.

Every verb gets the shared options beside its own, so they work before and after it. A verb's
module is imported only when that verb is asked for.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from askr_cli.durations import duration_ms
from askr_cli.exits import Usage
from askr_cli.profile import Options
from askr_cli.terminal import Terminal
from askr_cli.verb import Verb
from askr_cli.verbs import DEFAULTS, GROUPS, VERBS, verb_of
from askrd.wire.names import nearest, shown

LINE_CHARS = 100

Url = Annotated[str | None, typer.Option("--url", metavar="URL", help="where the daemon is")]
Context = Annotated[str | None, typer.Option("--context", metavar="NAME", hidden=True)]
Workspace = Annotated[
    str | None, typer.Option("--workspace", "-w", metavar="W", help="the workspace to work in")
]
KeyFile = Annotated[str | None, typer.Option("--key-file", metavar="FILE", hidden=True)]
Timeout = Annotated[
    int | None,
    typer.Option(
        "--timeout",
        metavar="D",
        parser=duration_ms,
        help="how long to wait: 300ms 5s 2m 1h; a bare number is seconds",
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="output for programs")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no narration")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="more narration")]
NoColor = Annotated[bool, typer.Option("--no-color", help="no colour")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show the frame, send nothing")]
Version = Annotated[bool, typer.Option("--version", help="print the version and leave")]

Parameter = inspect.Parameter


def _parameter(name: str, annotation: Any, *, default: Any = None) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_SHARED = (
    _parameter("timeout_ms", Timeout),
    _parameter("json", JsonFlag, default=False),
    _parameter("quiet", Quiet, default=False),
    _parameter("verbose", Verbose, default=False),
    _parameter("no_color", NoColor, default=False),
    _parameter("url", Url),
    _parameter("workspace", Workspace),
    _parameter("context", Context),
    _parameter("key_file", KeyFile),
)
_NAMES = {parameter.name for parameter in _SHARED} | {"help"}
_SHARED_LINE = "Shared options (--json --timeout --url --workspace ...): see askr help options"
_DRY_RUN = _parameter("dry_run", DryRun, default=False)
_CONTEXT = Parameter("ctx", Parameter.KEYWORD_ONLY, annotation=typer.Context)

Execute = Callable[[Terminal, Callable[[Terminal], int]], int]
"""Carries out a verb with a terminal and translates what goes wrong into an exit code."""


class Line:
    """What the commands need to know about the line they are part of.

    Attributes:
        terminal: the terminal of the whole run.
        execute: carries out a verb.
        bare: carries out a line without a verb.
    """

    def __init__(self, terminal: Terminal, execute: Execute, bare: Callable[[Terminal], int]):
        self.terminal = terminal
        self.execute = execute
        self.bare = bare


class VerbCommand(TyperCommand):
    """A command that shows its examples first."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Returns the words of the usage line after the verb."""
        arguments = [p for p in self.params if p.param_type_name == "argument"]
        return [*(str(p.make_metavar(ctx=ctx)) for p in arguments), "[options]"]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the summary, the examples, the usage and the options."""
        verb = verb_of(str(self.name))
        assert verb is not None
        formatter.write(f"{_titled(verb)}\n\n")
        width = max((len(line) for line, _ in verb.examples), default=0)
        for line, meaning in verb.examples:
            formatter.write(f"  {line.ljust(width)}  # {meaning}\n")
        formatter.write("\n" if verb.examples else "")
        self.format_usage(ctx, formatter)
        self.format_options(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes the verb's own arguments and options; the shared ones have a page."""
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            mine = [p for p in self.params if p.param_type_name == kind and p.name not in _NAMES]
            rows = list(filter(None, (one.get_help_record(ctx) for one in mine)))
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        formatter.write(f"\n{_SHARED_LINE}\n")


class VerbGroup(TyperGroup):
    """A group that imports a verb when it is asked for."""

    prefix = ""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the options before the verb; a group may mean a verb when none is named."""
        default = DEFAULTS.get(self.prefix)
        said = {"--help", "-h", *self.list_commands(ctx)} & set(args)
        if default and not said and (not args or args[0].startswith("-")):
            args = [default, *args]
        return list(super().parse_args(ctx, args))

    def list_commands(self, ctx: Any) -> list[str]:
        """Returns the words that may follow, in the order of the table."""
        return words_after(self.prefix)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Returns the command or group that ``cmd_name`` names, or None."""
        name = f"{self.prefix} {cmd_name}".strip()
        if name in GROUPS:
            return _group(name)
        verb = verb_of(name)
        return None if verb is None else command_of(verb)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Returns name, command and remaining arguments.

        Raises:
            Usage: there is no such verb.
        """
        if self.get_command(ctx, args[0]) is None:
            raise Usage(_unknown(f"{self.prefix} {args[0]}".strip(), self.list_commands(ctx)))
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes what each verb does, examples of a group, and where there is more."""
        formatter.write(f"{GROUPS.get(self.prefix, 'askr: talk to what runs behind askrd')}\n\n")
        words = self.list_commands(ctx)
        width = max(map(len, words))
        for word in words:
            name = f"{self.prefix} {word}".strip()
            verb = verb_of(name)
            summary = GROUPS[name] if verb is None else verb.summary
            formatter.write(f"  askr {self.prefix + ' ' if self.prefix else ''}")
            formatter.write(f"{word.ljust(width)}  {summary}\n")
        formatter.write("\n")
        self._format_examples(formatter)
        self.format_usage(ctx, formatter)
        if self.prefix:
            if default := DEFAULTS.get(self.prefix):
                name = f"askr {self.prefix}"
                formatter.write(f"\n{name} alone is {name} {default}\n")
            formatter.write(f"\n{_SHARED_LINE}\n")
            formatter.write(f"More on one verb: askr help {self.prefix} {words[0]}\n")
            return
        # Typer lists the commands again after the options: they are above already.
        TyperCommand.format_options(self, ctx, formatter)  # type: ignore[arg-type]
        formatter.write("\nExamples of one verb: askr help send\n")
        formatter.write("Exit codes: askr help exits    Options of every verb: askr help options\n")

    def _format_examples(self, formatter: Any) -> None:
        """Writes the first example of each verb of a group."""
        verbs = [verb for verb in VERBS if self.prefix and verb.name.startswith(f"{self.prefix} ")]
        lines = [verb.examples[0] for verb in verbs if verb.examples]
        width = max((len(line) for line, _ in lines), default=0)
        for line, meaning in lines:
            formatter.write(f"  {line.ljust(width)}  # {meaning}\n")
        formatter.write("\n" if lines else "")


def words_after(prefix: str) -> list[str]:
    """Returns the words that may follow ``prefix`` (empty = `askr`), in the table's order."""
    words: dict[str, None] = {}
    for verb in VERBS:
        if verb.hidden:
            continue
        first, _, second = verb.name.partition(" ")
        if not prefix:
            words[first] = None
        elif first == prefix:
            words[second] = None
    return list(words)


def shared_options() -> list[tuple[str, str]]:
    """Returns the options that every verb has, each as it is typed and with a few words."""
    ctx = root().make_context("askr", [], resilient_parsing=True)
    return list(filter(None, (one.get_help_record(ctx) for one in shared_parameters())))


def shared_parameters() -> list[Any]:
    """Returns the options that every verb has, as the parser knows them."""
    return [one for one in root().params if one.name in _NAMES]


def commands() -> dict[str, Any]:
    """Returns every verb's command by its full name; imports them all."""
    return {verb.name: command_of(verb) for verb in VERBS}


def root() -> Any:
    """Returns the command `askr` itself."""
    return _group("")


def command_of(verb: Verb) -> Any:
    """Returns the command that parses ``verb``'s arguments and carries it out."""
    holder = _typer()
    holder.command(verb.name, cls=VerbCommand)(_bound(verb))
    return get_command(holder)


def _group(prefix: str) -> Any:
    kind = type("VerbGroupOf", (VerbGroup,), {"prefix": prefix})
    holder = typer.Typer(
        cls=kind,
        invoke_without_command=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=_settings(),
        subcommand_metavar="VERB ...",
        options_metavar="[options]",
    )
    holder.callback()(_bare(prefix))
    return get_command(holder)


def _typer() -> typer.Typer:
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=_settings(),
    )


def _settings() -> dict[str, Any]:
    return {"help_option_names": ["--help", "-h"], "max_content_width": LINE_CHARS}


def _bound(verb: Verb) -> Callable[..., int]:
    """Returns a function with the verb's own and the shared options as its parameters."""
    function = verb.function()
    own = [
        parameter.replace(kind=Parameter.KEYWORD_ONLY)
        for parameter in list(inspect.signature(function).parameters.values())[1:]
    ]
    names = [parameter.name for parameter in own]
    shared = (*_SHARED, _DRY_RUN) if verb.shows_frame else _SHARED

    def call(ctx: typer.Context, **given: Any) -> int:
        line: Line = ctx.find_root().obj
        terminal = line.terminal.with_options(options_of(ctx))
        terminal.verb = verb.name
        arguments = {name: given[name] for name in names}
        return line.execute(terminal, lambda terminal: function(terminal, **arguments))

    call.__signature__ = inspect.Signature([_CONTEXT, *own, *shared])  # type: ignore[attr-defined]
    call.__annotations__ = {}
    return call


def _bare(prefix: str) -> Callable[..., int]:
    """Returns what happens when no verb follows: help, or the shell for a bare `askr`."""

    def call(ctx: typer.Context, **given: Any) -> int:
        if ctx.invoked_subcommand is not None:
            return 0
        line: Line = ctx.find_root().obj
        terminal = line.terminal.with_options(options_of(ctx))
        if prefix:
            raise Usage(
                f"{prefix} takes one of: {', '.join(words_after(prefix))}  (askr {prefix} --help)"
            )
        if given.get("version"):
            return line.execute(terminal, print_version)
        return line.execute(terminal, line.bare)

    version = [] if prefix else [_parameter("version", Version, default=False)]
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_CONTEXT, *version, *_SHARED]
    )
    call.__annotations__ = {}
    return call


def print_version(terminal: Terminal) -> int:
    """Prints the version of the program."""
    from askrd.version import VERSION

    if terminal.json:
        terminal.print_json({"ok": True, "version": VERSION, "protocol": 1})
    else:
        terminal.write(f"askr {VERSION}")
    return 0


def options_of(ctx: Any) -> Options:
    """Returns the shared options given at any place of the line; the later place wins."""
    names = Options.__slots__
    options = Options()
    chain = []
    while ctx is not None:
        chain.append(ctx)
        ctx = ctx.parent
    for level in reversed(chain):
        given = {name: value for name, value in level.params.items() if name in names}
        options = Options(**given).over(options)
    return options


def _unknown(name: str, words: list[str]) -> str:
    group, _, last = name.rpartition(" ")
    close = nearest(last, words)
    hint = f" Did you mean: {close[0]}?" if close else ""
    page = f"askr help {group}".rstrip()
    return f"there is no verb {shown(name)} in this version.{hint}  ({page})"


def _titled(verb: Verb) -> str:
    return f"askr {verb.name}: {verb.summary}"
