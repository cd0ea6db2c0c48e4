"""`askr shell`: at a prompt, or with the statements of a script."""

import sys
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from askr_cli.exits import Usage
from askr_cli.profile import Profile
from askr_cli.shell.runner import Leave, Runner
from askr_cli.terminal import Terminal, connect
from askrd.version import VERSION
from askrd.wire.names import WORKSPACE_DEFAULT

if TYPE_CHECKING:
    from askrd.sync import Client

_PAUSE_S = 0.05
_RECONNECT = True

Statements = Annotated[
    str | None,
    typer.Option("--command", "-c", metavar="LINES", help="run these statements, then leave"),
]
Source = Annotated[
    str | None,
    typer.Argument(metavar="[-]", help="- runs the statements that standard input says"),
]


def shell(terminal: Terminal, source: Source = None, *, command: Statements = None) -> int:
    """Opens a prompt, or runs the statements of a script over one connection."""
    if source is not None and source != "-":
        raise Usage("the shell reads - (standard input) or nothing; a line is run with -c 'LINE'")
    if source is not None and command is not None:
        raise Usage("give either - or -c, not both")
    if command is not None:
        return _run_script(terminal, command)
    if source is not None:
        return _run_script(terminal, terminal.read_stdin().decode("utf-8", "replace"))
    if not (sys.stdin and sys.stdin.isatty() and terminal.out_is_terminal):
        raise Usage("the prompt needs a terminal; for a script use -c 'LINES', or - to read them")
    return _open_prompt(terminal)


def _run_script(terminal: Terminal, text: str) -> int:
    """Runs all statements, also after a failure; returns the last failure's exit code."""
    from askr_cli.shell.link import Link

    with closing(Link(terminal).open()) as client:
        runner = Runner(terminal, client, _connect_behind, terminal.out)
        try:
            return runner.run(text)
        except Leave as leaving:
            return leaving.code
        finally:
            runner.jobs.end_all()


def _connect_behind(profile: Profile, name: str) -> "Client":
    """Connects a background job, which comes back by itself."""
    return connect(profile, _RECONNECT, name=name)


def _open_prompt(terminal: Terminal) -> int:
    from prompt_toolkit.patch_stdout import StdoutProxy

    from askr_cli.shell.history import ShellHistory, history_path
    from askr_cli.shell.link import Link
    from askr_cli.shell.loop import Prompt, run_plain
    from askr_cli.shell.registry import Registry

    link = Link(terminal)
    shown = terminal.profile.workspace or WORKSPACE_DEFAULT
    workspace = "" if shown == WORKSPACE_DEFAULT else shown
    with ExitStack() as stack:
        client = stack.enter_context(closing(link.open()))
        terminal.note(f"askr {VERSION} at {client.url}, workspace {shown}")
        if terminal.environ.get("TERM") == "dumb":
            runner = Runner(terminal, client, _connect_behind, terminal.out)
            stack.callback(runner.jobs.end_all)
            return run_plain(runner, workspace)
        above_prompt: Any = stack.enter_context(StdoutProxy(_PAUSE_S, raw=True))
        runner = Runner(terminal, client, _connect_behind, above_prompt)
        stack.callback(runner.jobs.end_all)
        prompt = Prompt(
            runner,
            Registry(client, lambda: [entry.key for entry in client.state.entries("")]),
            ShellHistory(history_path(terminal.environ)),
            workspace=workspace,
            trouble=lambda: link.trouble,
            colour=terminal.colour,
        )
        link.speak_to(above_prompt, prompt.redraw)
        return prompt.run()
