"""`askr state watch`: changes as they come, after what is there, or after what was missed."""

from shlex import quote
from typing import Annotated

import typer

from askr_cli.commands.arguments import Count, Prefix
from askr_cli.commands.frames import show
from askr_cli.commands.listen import Wait
from askr_cli.commands.reader_watch import ReaderWatch
from askr_cli.commands.state import change_row, value_of
from askr_cli.exits import Usage
from askr_cli.render import dim, json_text
from askr_cli.safe_text import escaped
from askr_cli.terminal import Terminal
from askrd.sdk.values import Change, Synced
from askrd.wire.errors import ErrorCode
from askrd.wire.names import check_prefix

Initial = Annotated[bool, typer.Option("--initial", help="what is there first, then the changes")]
Since = Annotated[
    int | None,
    typer.Option("--since", min=0, metavar="REV", help="what changed after REV first"),
]


def watch(
    terminal: Terminal,
    prefix: Prefix = "",
    *,
    initial: Initial = False,
    since: Since = None,
    count: Count = None,
) -> int:
    """Prints changes as they come."""
    check_prefix(prefix)
    if initial and since is not None:
        raise Usage("--initial tells everything that is there, --since REV what changed: give one")
    if terminal.dry_run:
        return show(terminal, "watch", prefix=prefix, since=since)
    terminal.next_steps = {
        ErrorCode.GONE: f"askr state watch {quote(prefix)} --initial"
        if prefix
        else "askr state watch --initial"
    }
    wait = Wait(terminal, count=count, idle_ms=None)
    state = terminal.client(reconnect=True).state
    shows = initial
    changes = state.watch(prefix, since=since, timeout=wait.timeout_s)
    with changes, ReaderWatch(terminal.out, changes.close) as reader:
        for change in changes:
            if isinstance(change, Synced):
                if terminal.json and (initial or since is not None):
                    terminal.print_json({"synced": change.rev})
                terminal.note(f"watching {prefix or 'everything'} from rev {change.rev}")
                shows = True  # after a lost connection only what is new is told again
            elif shows or not change.snapshot:
                _show(terminal, change)
                wait.one_came()
            if wait.over:
                break
    if reader.is_gone:
        raise BrokenPipeError  # nobody reads: that fewer came is no failure
    return wait.end()


def _show(terminal: Terminal, change: Change) -> None:
    if terminal.json:
        terminal.print_json(change_row(change))
        return
    colour = terminal.colour
    rev = dim(f"rev {change.rev}", colour=colour)
    if change.op == "set":
        more = json_text(value_of(change), colour=colour)
    else:
        more = "" if change.cause in {"del", ""} else f"({escaped(change.cause)})"
    terminal.write_safe(f"{change.op}  {escaped(change.key)}  {rev}  {more}".rstrip())
