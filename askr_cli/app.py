"""One command line, from its words to its exit code.

The process, the shell and the tour all come through `run`.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec
import typer

from askr_cli import grammar
from askr_cli.exits import Exit, Terminated, Usage, error_object, exit_of, failure
from askr_cli.profile import Options
from askr_cli.render import error_sentence
from askr_cli.safe_text import escaped
from askr_cli.terminal import Terminal
from askrd.wire.errors import AskrError, ErrorCode


def run(words: Sequence[str], terminal: Terminal) -> int:
    """Carries out one command line.

    Args:
        words: the arguments after `askr`.
        terminal: where to write, and which connection to use.

    Returns:
        The exit code. Failures that can be foreseen are told on the terminal, not raised.
    """
    line = grammar.Line(terminal, execute, _bare)
    try:
        with grammar.root().make_context("askr", list(words), obj=line) as ctx:
            return int(ctx.command.invoke(ctx) or 0)
    except typer.Exit as leaving:
        return leaving.exit_code
    except Usage as error:
        return _fail_usage(_speaking(terminal, words), error.sentence)
    except typer.TyperException as error:
        return _fail_usage(_speaking(terminal, words), _usage_sentence(error))


def execute(terminal: Terminal, verb: Callable[[Terminal], int]) -> int:
    """Carries out ``verb`` and closes its connection; its failures become an exit code."""
    try:
        with terminal:
            return _guarded(terminal, verb)
    except BrokenPipeError:
        _silence(terminal)
        return Exit.DONE


def _guarded(terminal: Terminal, verb: Callable[[Terminal], int]) -> int:
    try:
        code = verb(terminal)
    except AskrError as error:
        return fail(terminal, error)
    except Usage as error:
        return _fail_usage(terminal, error.sentence)
    except UnicodeEncodeError:
        return _fail_usage(terminal, "the command line has bytes that are not UTF-8")
    except Terminated:
        return _stopped(terminal, Exit.TERMINATED, "terminated")
    except KeyboardInterrupt:
        return _stopped(terminal, Exit.INTERRUPTED, "interrupted")
    _remember_names(terminal)
    return code


def fail(terminal: Terminal, error: AskrError) -> int:
    """Tells people and programs about ``error``; returns its exit code."""
    if terminal.json:
        _print_failure(terminal, error_object(error))
    terminal.say(error_sentence(error, terminal.next_steps))
    return exit_of(error)


def _fail_usage(terminal: Terminal, sentence: str) -> int:
    if terminal.json:
        _print_failure(terminal, failure("usage", sentence))
    terminal.say(sentence)
    return Exit.USAGE


def _stopped(terminal: Terminal, code: Exit, word: str) -> int:
    if terminal.json and terminal.awaiting:
        _print_failure(terminal, failure(ErrorCode.CANCELLED, f"{terminal.awaiting} was {word}"))
    if terminal.says_cancelled:
        terminal.note_cancelled()
    elif terminal.awaiting:
        terminal.note(f"{terminal.awaiting} was {word}; the daemon was asked to cancel it")
    return code


def _print_failure(terminal: Terminal, value: Any) -> None:
    error = value["error"]
    error["message"] = escaped(error["message"])
    try:
        terminal.print_json(value)
    except (UnicodeEncodeError, TypeError, msgspec.MsgspecError):
        terminal.print_json(value | {"error": error | {"details": {}}})


def _speaking(terminal: Terminal, words: Sequence[str]) -> Terminal:
    """The terminal for a line that could not be parsed: `--json` is looked for by hand."""
    asked = "--json" in words[: words.index("--")] if "--" in words else "--json" in words
    return terminal.with_options(Options(json=asked))


def _usage_sentence(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "askr"
    message = _one_line(error.format_message())
    if message.startswith("Missing argument") and "|" in message:
        message = message.partition(". Choose from")[0]  # the argument's name says it already
    if message.startswith("No such option"):
        message = _no_such_option(error, path)
    return f"{message[:1].lower()}{message[1:]}  ({path} --help)"


def _one_line(message: str) -> str:
    """Puts a parser's message, choices listed below each other included, on one line."""
    return " ".join(message.replace("Choose from:\n", "Choose from: ").split()).rstrip(".,")


def _no_such_option(error: Any, path: str) -> str:
    option = str(error.option_name)
    if option[1:2].isdigit():
        return f"{option} looks like an option: write -- before it"
    close = get_close_matches(option, error.possibilities or (), n=1, cutoff=0.75)
    hint = f". Did you mean: {close[0]}?" if close else ""
    verb = path.removeprefix("askr").strip()
    what = f"{verb} has" if verb else "there is"
    return f"{what} no option {option} in this version{hint}"


def _bare(terminal: Terminal) -> int:
    """A bare `askr`: the shell for a person, help and exit code 2 for a script."""
    from askr_cli.verbs import verb_of

    shell = verb_of("shell")
    if shell is not None and terminal.out_is_terminal and sys.stdin.isatty() and not terminal.json:
        return shell.function()(terminal)
    if not terminal.json:
        ctx = grammar.root().make_context("askr", [], resilient_parsing=True)
        terminal.err.write(ctx.get_help() + "\n")
        return Exit.USAGE
    raise Usage("say what to do: askr VERB  (askr help)")


def _remember_names(terminal: Terminal) -> None:
    if terminal.connected is not None:
        from askr_cli.known_names import refresh

        refresh(terminal)


def _silence(terminal: Terminal) -> None:
    """Nobody reads our output any more: what is left in the buffers goes nowhere."""
    for stream in (terminal.out, terminal.err):
        try:
            stream.flush()
        except BrokenPipeError:
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
