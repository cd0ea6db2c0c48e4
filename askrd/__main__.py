"""The program `askrd`: reads the command line, finds the configuration, starts the daemon.

The daemon itself, with asyncio and all that comes with it, is imported by `serve` alone, so
that every other command answers at once.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from askrd.config import (
    KEYS,
    ConfigError,
    default_toml,
    load,
    tables_toml,
    toml_value,
)
from askrd.version import BUILD, VERSION
from askrd.wire.errors import AskrError, InternalError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_UsageError: type[Exception] = typer.BadParameter.__mro__[2]
"""What the parser raises for a bad command line; typer exports only this subclass of it."""

app = typer.Typer(
    name="askrd",
    help="The askr daemon: services and terminals connect to it and command, tell and watch "
    "each other.",
    epilog="Start here: askrd serve. Then, in another terminal: askr ping",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(
    name="config",
    help="Checks, shows and prints the daemon's configuration.",
    rich_markup_mode=None,
)
app.add_typer(config_app)

JsonFlag = Annotated[bool, typer.Option("--json", help="Answer in JSON, errors too.")]
"""Declared everywhere so that it is known everywhere; its value is the context's object."""
ConfigFlag = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Configuration file, instead of /etc/askr/askrd.toml."
    ),
]


DataFlag = Annotated[
    str | None,
    typer.Option(
        "--data", metavar="DIR", help="Directory where state is kept, instead of in memory."
    ),
]
ForceFlag = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


def _version(context: typer.Context, asked: bool) -> None:  # noqa: FBT001  # typer's signature
    if not asked:
        return
    if context.obj:
        facts = {"version": VERSION, "build": BUILD, "protocol": "askr/1", "python": _python()}
        _say(json.dumps(facts))
    else:
        _say(f"askrd {VERSION} ({BUILD}, askr/1, Python {_python()})")
    raise typer.Exit


@app.callback()
def _every_command(
    *,
    _json: JsonFlag = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """The askr daemon: services and terminals connect to it."""


@config_app.callback()
def _every_config_command(*, _json: JsonFlag = False) -> None:
    """Checks, shows and prints the daemon's configuration."""


@app.command()
def serve(
    context: typer.Context,
    *,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            "--listen",
            metavar="URL",
            help="Where to listen, instead of the defaults: ws://HOST:PORT, unix:PATH, for TLS "
            "only wss://HOST:PORT, for events in datagrams udp://HOST:PORT; port 0 = any free "
            "one. Repeatable.",
        ),
    ] = None,
    config: ConfigFlag = None,
    insecure: Annotated[
        bool | None,
        typer.Option(
            "--insecure/--no-insecure",
            help="Listen beyond this machine although nobody has to authenticate.",
        ),
    ] = None,
    workspace: Annotated[
        str | None,
        typer.Option("--workspace", "-w", help="Workspace of peers that do not name one."),
    ] = None,
    log_format: Annotated[
        str | None, typer.Option("--log-format", metavar="auto|text|json")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", metavar="debug|info|warning|error")
    ] = None,
    drain: Annotated[
        str | None,
        typer.Option(
            "--drain",
            metavar="DURATION",
            help="Time that commands in flight have to finish after SIGTERM: 20s, 1m.",
        ),
    ] = None,
    data: DataFlag = None,
    _json: JsonFlag = False,
) -> None:
    """Runs the daemon in the foreground until SIGTERM or Ctrl-C."""
    flags: dict[str, object] = {
        "listen": listen or None,
        "insecure": insecure,
        "workspace": workspace,
        "log_format": log_format,
        "log_level": log_level,
        "drain_s": drain,
        "data": data,
    }
    loaded = load(flags, os.environ, config)
    from askrd import daemon

    context.exit(daemon.run(loaded, json_ready=context.obj))


@app.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    *,
    data: DataFlag = None,
    config: ConfigFlag = None,
    force: ForceFlag = False,
    _json: JsonFlag = False,
) -> None:
    """Copies the state of one moment to FILE, also while the daemon runs."""
    from askrd.store.backup import back_up

    copy = back_up(_data_of(data, config), file, is_forced=force)
    _say(
        _printable(f"backed up: {copy}")
        if not context.obj
        else json.dumps({"ok": True, **copy.facts})
    )


@app.command()
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    *,
    data: DataFlag = None,
    config: ConfigFlag = None,
    force: ForceFlag = False,
    _json: JsonFlag = False,
) -> None:
    """Makes a backup the state of a daemon that is not running."""
    from askrd.store.backup import restore as put_in_place

    copy = put_in_place(file, _data_of(data, config), is_forced=force)
    _say(
        _printable(f"restored: {copy}")
        if not context.obj
        else json.dumps({"ok": True, **copy.facts})
    )


def _data_of(data: str | None, config: Path | None) -> Path:
    """Returns the data directory that `askrd serve` would use here.

    Raises:
        ConfigError: there is none.
    """
    found = load({"data": data}, os.environ, config).config.data
    if not found:
        raise ConfigError("no data directory is set, so there is nothing to copy. Name it: --data")
    return Path(found)


@config_app.command()
def check(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="File to check, as --config has it.")
    ] = None,
    *,
    config: ConfigFlag = None,
    _json: JsonFlag = False,
) -> None:
    """Validates a file, or everything `askrd serve` would find here, and says what is wrong."""
    if file is not None and config is not None:
        raise ConfigError("two files to check: give one, as FILE or with --config")
    named = file or config
    environ = os.environ if named is None else _without_settings(os.environ)
    loaded = load({}, environ, named)
    changed = [name for name, origin in loaded.origin.items() if origin != "default"]
    if context.obj:
        file_name = None if loaded.file is None else str(loaded.file)
        _say(json.dumps({"ok": True, "file": file_name, "set": changed}))
        return
    where = "no file, only defaults" if loaded.file is None else str(loaded.file)
    _say(_printable(f"ok: {where} ({len(changed)} of {len(KEYS)} settings set)"))


@config_app.command()
def show(
    context: typer.Context,
    *,
    config: ConfigFlag = None,
    origin: Annotated[
        bool, typer.Option("--origin", help="Say for each value where it comes from.")
    ] = False,
    _json: JsonFlag = False,
) -> None:
    """Prints every value that `askrd serve` would use here."""
    loaded = load({}, os.environ, config)
    values = loaded.values
    if context.obj:
        answer: dict[str, object] = {"ok": True, "config": values | loaded.tables}
        if origin:
            answer["origin"] = dict(loaded.origin)
        _say(json.dumps(answer))
        return
    lines = [f"{name} = {toml_value(value)}" for name, value in values.items()]
    if origin:
        width = max(map(len, lines[1:]))
        origins = (loaded.origin[name] for name in values)
        lines = [
            f"{line:<{width}}  # {_printable(o)}" for line, o in zip(lines, origins, strict=True)
        ]
    _say("\n".join(lines + tables_toml(loaded.config)))


@config_app.command()
def default(context: typer.Context, *, _json: JsonFlag = False) -> None:
    """Prints a configuration file with every key, its meaning and its default."""
    if context.obj:
        keys = [
            {
                "key": key.name,
                "default": key.default,
                "unit": key.unit or None,
                "doc": key.sentence,
                "environment": key.variable,
            }
            for key in KEYS
        ]
        _say(json.dumps({"ok": True, "keys": keys}))
        return
    _say(default_toml().rstrip())


def run(arguments: Sequence[str]) -> int:
    """Carries out one command line and returns the exit code.

    Args:
        arguments: the words after `askrd`.
    """
    in_json = _wants_json(arguments)
    try:
        if not arguments:
            raise ConfigError("no command given. Start the daemon: askrd serve  (askrd --help)")
        code = app(args=list(arguments), prog_name="askrd", standalone_mode=False, obj=in_json)
        return int(code or 0)
    except ConfigError as error:
        return _refused(error, EXIT_USAGE, in_json=in_json)
    except AskrError as error:
        return _refused(error, EXIT_FAILED, in_json=in_json)
    except _UsageError as error:
        return _refused(ConfigError(_usage(error)), EXIT_USAGE, in_json=in_json)
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _silence_stdout()
        return 0
    except SystemExit as ended:
        # The parser turns a broken pipe into this; for us it is no failure.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        _silence_stdout()
        return 0


def main() -> NoReturn:
    """Runs the program with the arguments of this process."""
    sys.exit(run(sys.argv[1:]))


def _refused(error: AskrError, exit_code: int, *, in_json: bool) -> int:
    """Says why nothing happened: a sentence on stderr, and with `--json` an object on stdout."""
    if in_json:
        failure = {
            "code": str(error.code),
            "message": error.message,
            "details": error.details,
            "retryable": error.retryable,
            "at": error.at or "daemon",
        }
        try:
            print(json.dumps({"ok": False, "error": failure}), flush=True)
        except OSError:
            _silence_stdout()
    with suppress(OSError):
        print(f"askrd: {_printable(error.message)}", file=sys.stderr, flush=True)
    return exit_code


def _usage(error: Exception) -> str:
    """Returns a parser's complaint as one sentence that names the way out."""
    format_message = getattr(error, "format_message", error.__str__)
    sentence = " ".join(str(format_message()).split())
    if sentence[-1:] not in {".", "?"}:
        sentence += "."
    context: Any = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "askrd"
    return f"{sentence} See: {path} --help"


def _say(text: str) -> None:
    """Prints an answer, now, so that a failure to do so is noticed here.

    Raises:
        BrokenPipeError: nobody reads any more.
        InternalError: the answer cannot be written.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as exc:
        _silence_stdout()
        raise InternalError(f"cannot write the answer to stdout ({exc.strerror})") from exc


def _wants_json(arguments: Sequence[str]) -> bool:
    """Says whether `--json` stands anywhere before `--`; also when the rest cannot be parsed."""
    words = list(arguments)
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def _without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("ASKRD_")}


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _silence_stdout() -> None:
    """Lets the interpreter's last flush go nowhere instead of complaining."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
