"""`askr listen`: events as they come, until enough came or the time is over."""

import time
from typing import Annotated

import typer

from askr_cli.commands.arguments import Count, Idle
from askr_cli.commands.event_lines import EventLines
from askr_cli.commands.frames import show
from askr_cli.durations import duration_text
from askr_cli.exits import Exit
from askr_cli.terminal import Terminal
from askrd.sdk.values import Gap
from askrd.wire.errors import DeadlineExceeded
from askrd.wire.names import check_pattern

Patterns = Annotated[
    list[str],
    typer.Argument(
        metavar="PATTERN...",
        help="event names; * = one segment or part of one, ** = the rest",
        show_default=False,
    ),
]
From = Annotated[
    str | None, typer.Option("--from", metavar="SERVICE", help="only events of this service")
]
Raw = Annotated[bool, typer.Option("--raw", help="payloads only, as they are; not to a terminal")]
Fields = Annotated[
    str | None,
    typer.Option("--fields", metavar="A,B.C", help="only these: payload.id,from.service,seq"),
]
Time = Annotated[bool, typer.Option("--time", help="with date and time zone")]
Delta = Annotated[bool, typer.Option("--delta", help="with the time since the event before")]


def listen(
    terminal: Terminal,
    pattern: Patterns,
    *,
    count: Count = None,
    idle: Idle = None,
    from_service: From = None,
    raw: Raw = False,
    fields: Fields = None,
    time: Time = False,
    delta: Delta = False,
) -> int:
    """Prints events as they come."""
    for one in pattern:
        check_pattern(one)
    lines = EventLines(terminal, raw=raw, fields=fields, time=time, delta=delta)
    if terminal.dry_run:
        for one in pattern:
            show(terminal, "sub", pattern=one)
        return 0
    wait = Wait(terminal, count=count, idle_ms=idle)
    client = terminal.client(reconnect=True)
    events = client.listen(*pattern, timeout=wait.timeout_s, idle=wait.idle_s, gaps=True)
    terminal.note(f"listening to {' '.join(pattern)} at {client.url}")
    for event in events:
        if isinstance(event, Gap):
            show_gap(terminal, event)
        elif from_service in {None, event.service}:
            lines.show(event)
            wait.one_came()
        if wait.over:
            break
    return wait.end()


class Wait:
    """Knows when a stream of things has been read long enough.

    Args:
        terminal: gives `--timeout` as it stands on the command line.
        count: how many are wanted, or None for no end.
        idle_ms: how long nothing may come, or None for ever.
    """

    def __init__(self, terminal: Terminal, *, count: int | None, idle_ms: int | None) -> None:
        timeout_ms = terminal.options.timeout_ms
        self.timeout_s = None if timeout_ms is None else timeout_ms / 1000
        self.idle_s = None if idle_ms is None else idle_ms / 1000
        self._wanted = self._left = count
        self._start = self._last = time.monotonic()

    def one_came(self) -> None:
        """Counts one of the wanted things."""
        self._last = time.monotonic()
        if self._left is not None:
            self._left -= 1

    @property
    def over(self) -> bool:
        """Whether enough came, or nothing wanted for too long."""
        idle = self.idle_s is not None and time.monotonic() - self._last >= self.idle_s
        return self._left == 0 or idle or self._late

    @property
    def _late(self) -> bool:
        return self.timeout_s is not None and time.monotonic() - self._start >= self.timeout_s

    def end(self) -> int:
        """Returns exit code 0.

        Raises:
            DeadlineExceeded: the time was over before enough came.
        """
        if self._left and self._late:
            assert self._wanted is not None
            assert self.timeout_s is not None
            came = self._wanted - self._left
            within = duration_text(self.timeout_s * 1000).replace(".0 ", " ")
            raise DeadlineExceeded(
                f"{came} of {self._wanted} came within {within}. Wait longer: --timeout D",
                details={"wanted": self._wanted, "came": came},
                at="client",
            )
        return Exit.DONE


def show_gap(terminal: Terminal, gap: Gap) -> None:
    """Says that events were lost; loss is never silent, not even with `--quiet`."""
    if terminal.json:
        terminal.print_json({"gap": {"missed": gap.missed}})
    terminal.say("events in between were missed" if gap.missed is None else str(gap))
