"""`askr expose`: any program becomes a command."""

from typing import TYPE_CHECKING, Annotated

import typer

from askr_cli.durations import duration_ms
from askr_cli.exits import Exit, Usage
from askr_cli.terminal import Terminal
from askrd.wire.names import check_command, check_word, shown

if TYPE_CHECKING:
    import signal

    from askr_cli.programs.exposed import Exposed
    from askr_cli.programs.running import Running
    from askrd.sdk.askr import Askr

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="the command: word, or service.command", show_default=False
    ),
]
Words = Annotated[
    list[str],
    typer.Argument(
        metavar="PROGRAM...",
        help="the program and its arguments; {arg} = a member of the payload",
        show_default=False,
    ),
]
Value = Annotated[
    bool, typer.Option("--value", help="answer once with all of the output, not line by line")
]
Bytes = Annotated[bool, typer.Option("--bytes", help="the output is bytes, not lines of text")]
As = Annotated[
    str | None, typer.Option("--as", metavar="json", help="the output, or each line of it, is JSON")
]
StdinJson = Annotated[
    bool, typer.Option("--stdin-json", help="the program reads the payload as one line of JSON")
]
Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, metavar="N", help="programs that run at once")
]
Waiting = Annotated[
    int,
    typer.Option("--waiting", min=0, metavar="N", help="commands that may wait; further: busy"),
]
Doc = Annotated[str | None, typer.Option("--doc", metavar="TEXT", help="what askr describe says")]
Drain = Annotated[
    int,
    typer.Option(
        "--drain",
        metavar="D",
        parser=duration_ms,
        help="on SIGTERM: how long programs may finish  [default: 5s]",
        show_default=False,
    ),
]
CONCURRENCY = 8
DRAIN_MS = 5_000
_MARGIN_S = 3.0
"""After the drain: two seconds between SIGTERM and SIGKILL, one to say goodbye."""


def expose(
    terminal: Terminal,
    name: Name,
    program: Words,
    *,
    value: Value = False,
    bytes: Bytes = False,  # noqa: A002  # it is what people type
    as_: As = None,
    stdin_json: StdinJson = False,
    concurrency: Concurrency = CONCURRENCY,
    waiting: Waiting = 0,
    doc: Doc = None,
    drain: Drain = DRAIN_MS,
) -> int:
    """Offers a program as a command, until Ctrl-C or SIGTERM."""
    from askr_cli.programs.exposed import Exposed
    from askr_cli.programs.output import Form
    from askr_cli.programs.running import Running
    from askr_cli.programs.template import Template
    from askrd.sdk.askr import Askr

    service, command = _named(name)
    template = Template(program, path=terminal.environ.get("PATH"))
    form = Form(as_bytes=bytes, as_json=_is_json(as_, as_bytes=bytes))
    workspace = terminal.profile.workspace
    running = Running()
    running.know(_url_of(terminal), workspace)
    exposed = Exposed(
        f"{service}.{command}", template, form, running, terminal, stdin_json=stdin_json
    )
    agent = Askr(service, url=terminal.profile.url, workspace=workspace, doc=doc or "")
    timeout_ms = terminal.options.timeout_ms
    agent.command(
        command,
        doc=doc or f"Runs {template.program}.",
        timeout=None if timeout_ms is None else timeout_ms / 1000,
        reply="value" if value else "stream",
        concurrency=concurrency,
        waiting=waiting,
    )(exposed.value() if value else exposed.stream())
    return _serve(terminal, agent, exposed, running, drain / 1000)


def _named(name: str) -> tuple[str, str]:
    """Returns service and command; a bare word is both, so that it can be sent to as it is."""
    service, dot, command = name.partition(".")
    return check_word(service, "service"), check_command(command if dot else service)


def _is_json(text: str | None, *, as_bytes: bool) -> bool:
    if text not in {None, "json"}:
        raise Usage(f"--as {shown(str(text))}: output is text, --as json or --bytes")
    if text and as_bytes:
        raise Usage("--as json and --bytes exclude each other: the output is one or the other")
    return text is not None


def _url_of(terminal: Terminal) -> str:
    """Returns where the daemon is.

    Raises:
        CannotConnect: it does not answer.
    """
    url = terminal.client().url
    terminal.close()
    return url


def _serve(
    terminal: Terminal, agent: "Askr", exposed: "Exposed", running: "Running", drain_s: float
) -> int:
    from askr_cli.programs.running import on_signals, run_until_stopped
    from askrd.wire.bodies import Welcome

    @agent.on_connected
    async def say_so(welcome: Welcome) -> None:
        rows = await agent.services()
        if any(row.get("instance") == welcome.instance for row in rows):
            terminal.note(f"{exposed.name} is offered; try: askr describe {exposed.name}")

    @agent.on_disconnected
    def say_lost() -> None:
        terminal.note("lost the daemon; coming back")

    async def main(came: "list[signal.Signals]") -> int:
        def stop(sign: "signal.Signals") -> None:
            import asyncio
            import signal

            terminal.note("ending; once more to kill what runs")
            agent.stop()
            grace_s = drain_s if sign is signal.SIGTERM else 0.0
            asyncio.get_running_loop().call_later(grace_s, running.end_all)

        with on_signals(came, running, stop):
            await agent.serve(drain_timeout=drain_s + _MARGIN_S)
        return Exit.DONE

    return run_until_stopped(main)
