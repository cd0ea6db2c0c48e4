"""`askr listen`: events as they come, until enough came or the time is over."""

import threading
import time
from typing import Annotated, Any

import typer

from askr_cli.commands.arguments import Count, Idle
from askr_cli.commands.event_lines import EventLines
from askr_cli.commands.frames import show
from askr_cli.commands.listen_wishes import Earlier, Wishes
from askr_cli.commands.reader_watch import ReaderWatch
from askr_cli.durations import duration_ms, duration_text
from askr_cli.exits import Exit
from askr_cli.terminal import Terminal
from askrd.sdk.values import Event, Gap
from askrd.wire.errors import DeadlineExceeded

Patterns = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATTERN]...",
        help="event names; * = one segment or part of one, ** = the rest; a log needs none",
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
Since = Annotated[
    int | None,
    typer.Option("--since", metavar="D", parser=duration_ms, help="those of the last D first"),
]
Retained = Annotated[
    bool, typer.Option("--retained", help="the last one of each event first, where retained")
]
Group = Annotated[
    str | None,
    typer.Option("--group", metavar="NAME", help="share the work: each event goes to one of us"),
]
Log = Annotated[
    str | None, typer.Option("--log", metavar="LOG", help="read a durable log, then follow it")
]
Consumer = Annotated[
    str | None,
    typer.Option("--consumer", metavar="NAME", help="the log remembers how far NAME has come"),
]
Ack = Annotated[
    bool, typer.Option("--ack", help="ack each when it is printed; unacked ones come again")
]
Start = Annotated[
    str | None,
    typer.Option("--start", metavar="first|new|SEQ", help="where in the log a new reader begins"),
]


def listen(
    terminal: Terminal,
    pattern: Patterns = None,
    *,
    count: Count = None,
    idle: Idle = None,
    from_service: From = None,
    since: Since = None,
    retained: Retained = False,
    group: Group = None,
    log: Log = None,
    consumer: Consumer = None,
    ack: Ack = False,
    start: Start = None,
    raw: Raw = False,
    fields: Fields = None,
    time: Time = False,
    delta: Delta = False,
) -> int:
    """Prints events as they come, after those that are asked for from before."""
    acks = ack or (consumer is not None and count is not None)  # else more than N would be done
    earlier = Earlier(
        since_ms=since, retained=retained, group=group, log=log, consumer=consumer, ack=acks,
        start=start,
    )  # fmt: skip
    wishes = Wishes(tuple(pattern or ()), earlier)
    wishes.check(one_service=from_service is not None)
    lines = EventLines(terminal, raw=raw, fields=fields, time=time, delta=delta)
    if terminal.dry_run:
        for one in wishes.patterns:
            show(terminal, "sub", pattern=one, **wishes.frame_members())
        return 0
    wait = Wait(terminal, count=count, idle_ms=idle)
    terminal.next_steps |= wishes.next_steps()
    client = terminal.client(reconnect=True)
    showing = threading.Lock()  # what has been printed is acked before a reader's leaving ends it

    def leave() -> None:
        with showing:
            events.close()

    with (
        client.listen(
            *wishes.patterns, count=count if wishes.has_consumer else None, gaps=True,
            timeout=wait.timeout_s, idle=wait.idle_s, **wishes.arguments(),
        ) as events,
        ReaderWatch(terminal.out, leave) as reader,
    ):  # fmt: skip
        terminal.note(f"listening to {wishes} at {client.url}")
        for event in events:
            if isinstance(event, Gap):
                show_gap(terminal, event)
            elif from_service in {None, event.service}:
                with showing:
                    _show(lines, event, acks=acks)
                wait.one_came()
            if wait.over:
                break
    if reader.is_gone:
        raise BrokenPipeError  # nobody reads: that fewer came is no failure
    return wait.end()


def _show(lines: EventLines, event: Event[Any], *, acks: bool) -> None:
    lines.show(event)
    if acks:
        _ = event.ack()  # in a thread it has been taken when this returns


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
    if gap.missed is None:
        terminal.say("events in between were missed")
    elif gap.from_seq:
        terminal.say(str(gap))
    else:
        lost = "1 event is" if gap.missed == 1 else f"{gap.missed} events are"
        terminal.say(f"{lost} not kept any more")
