"""`askr top`: the live monitor, and its snapshots for scripts."""

import shutil
import sys
import time
from contextlib import ExitStack
from typing import Annotated

import typer

from askr_cli.durations import duration_ms
from askr_cli.exits import Exit, Usage
from askr_cli.profile import Options
from askr_cli.terminal import Terminal
from askr_cli.top.model import Monitor
from askr_cli.top.snapshot import read_snapshot
from askrd.wire.errors import AskrError

INTERVAL_MS_MIN = 100
PLAIN_COLUMNS = 100

Interval = Annotated[
    int,
    typer.Option(
        "--interval",
        metavar="D",
        parser=duration_ms,
        help="between two looks, at least 100ms  [default: 1s]",
        show_default=False,
    ),
]
Once = Annotated[bool, typer.Option("--once", help="print one look and leave")]


def top(terminal: Terminal, *, interval: Interval = 1_000, once: Once = False) -> int:
    """Shows what the daemon counts; `--json` prints one object per look."""
    if interval < INTERVAL_MS_MIN:
        raise Usage(f"--interval {interval}ms is too short: the shortest is {INTERVAL_MS_MIN}ms")
    if once:
        return _once(terminal)
    if terminal.json:
        return _lines(terminal, interval / 1000)
    if not (sys.stdin and sys.stdin.isatty() and terminal.out_is_terminal):
        raise Usage("top needs a terminal to draw on: use --once, or --json for one object a look")
    if terminal.environ.get("TERM") == "dumb":
        raise Usage("top moves the cursor, and TERM=dumb says that this terminal cannot: --once")
    return _live(terminal, interval / 1000)


def _once(terminal: Terminal) -> int:
    value = terminal.client().stats()
    if terminal.json:
        terminal.print_json(value)
        return Exit.DONE
    from askr_cli.top.screen import report

    monitor = Monitor()
    monitor.take(read_snapshot(value))
    columns = PLAIN_COLUMNS
    if terminal.out_is_terminal:
        columns = shutil.get_terminal_size((PLAIN_COLUMNS, 24)).columns
    for line in report(monitor.view(), columns):
        terminal.write(line)
    return Exit.DONE


def _lines(terminal: Terminal, interval_s: float) -> int:
    client = terminal.client(reconnect=True)
    in_trouble = False
    while True:
        try:
            terminal.print_json(client.stats())
            in_trouble = False
        except AskrError as error:
            if not in_trouble:
                terminal.note(f"{error}; asking again every {interval_s:g} s")
            in_trouble = True
        time.sleep(interval_s)


def _live(terminal: Terminal, interval_s: float) -> int:
    from askr_cli.top.keyboard import Keyboard
    from askr_cli.top.live import Screen, show
    from askr_cli.top.watcher import Watcher

    with ExitStack() as stack:
        hushed = stack.enter_context(terminal.with_options(Options(quiet=True)))
        client = hushed.client(reconnect=True)  # words about it would disturb the screen
        keyboard = stack.enter_context(Keyboard(sys.stdin.fileno()))
        watcher = Watcher(client, interval_s, keyboard.wake)
        screen = stack.enter_context(Screen(terminal))
        stack.callback(watcher.stop)
        watcher.start()
        show(screen, keyboard, watcher, interval_s)
    return Exit.DONE
