"""`askr on`: any program handles events."""

from typing import TYPE_CHECKING, Annotated

import typer

from askr_cli.commands.arguments import Count, Idle
from askr_cli.exits import Exit
from askr_cli.terminal import Terminal, reason_of
from askrd.wire.names import check_pattern

if TYPE_CHECKING:
    import signal

    from askr_cli.programs.template import Template

Pattern = Annotated[
    str,
    typer.Argument(
        metavar="PATTERN",
        help="an event's name; * = one segment or part of one, ** = the rest",
        show_default=False,
    ),
]
Words = Annotated[
    list[str],
    typer.Argument(
        metavar="PROGRAM...",
        help="the program and its arguments; {field} = a member of the payload",
        show_default=False,
    ),
]
Concurrency = Annotated[
    int,
    typer.Option(
        "--concurrency", min=1, metavar="N", help="programs that run at once; 1 keeps the order"
    ),
]


def on(
    terminal: Terminal,
    event: Pattern,
    program: Words,
    *,
    count: Count = None,
    idle: Idle = None,
    concurrency: Concurrency = 1,
) -> int:
    """Runs a program for each event; it reads the payload from its standard input."""
    from askr_cli.programs.template import Template

    check_pattern(event)
    template = Template(program, path=terminal.environ.get("PATH"))
    idle_s = None if idle is None else idle / 1000
    failures = _run(terminal, event, template, count, idle_s, concurrency)
    return Exit.FAILED if failures else Exit.DONE


def _run(
    terminal: Terminal,
    event: str,
    template: "Template",
    count: int | None,
    idle_s: float | None,
    concurrency: int,
) -> int:
    """Returns how many events were not handled well."""
    import asyncio

    from askr_cli.programs.handled import Handled
    from askr_cli.programs.running import Running, on_signals, run_until_stopped
    from askrd.sdk.client import Client

    profile = terminal.profile

    async def main(came: "list[signal.Signals]") -> int:
        running = Running()
        handled = Handled(template, running, terminal, at_once=concurrency)
        task = asyncio.current_task()
        assert task is not None
        with on_signals(came, running, lambda _: task.cancel()):
            async with Client(profile.url, workspace=profile.workspace, name="on") as connected:
                connected.on_disconnected = lambda error: terminal.note(
                    f"lost the daemon ({reason_of(error)}); coming back"
                )
                running.know(connected.url, profile.workspace)
                async with connected.listen(
                    event, count=count, idle=idle_s, gaps=True, retained=False
                ) as events:
                    terminal.note(f"waiting for {event} at {connected.url}")
                    await handled.all_of(events, terminal.options.timeout_ms, count)
        return handled.failures

    return run_until_stopped(main)
