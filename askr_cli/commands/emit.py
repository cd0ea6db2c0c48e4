"""`askr emit`: an event for everyone who listens."""

import itertools
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from askr_cli.commands.answers import collect_answers, listeners, nobody_listens
from askr_cli.commands.arguments import Count, Lines, RawPayload, Words, asks_for_lines
from askr_cli.commands.datagrams import check_for_datagrams, emit_in_datagrams
from askr_cli.commands.frames import payload_members, show
from askr_cli.durations import duration_ms, duration_text
from askr_cli.exits import Usage
from askr_cli.payload import Payload, json_of, read_payload
from askr_cli.terminal import Terminal
from askrd.wire.names import check_subject

Name = Annotated[str, typer.Argument(metavar="EVENT", help="the event's name", show_default=False)]
Every = Annotated[
    int | None,
    typer.Option("--every", metavar="D", parser=duration_ms, help="again and again, D apart"),
]
RequireListener = Annotated[
    bool, typer.Option("--require-listener", help="exit 5 when nobody listens")
]


Retain = Annotated[
    bool,
    typer.Option("--retain", help="keep it for who listens later; without a payload: keep none"),
]
Udp = Annotated[
    bool, typer.Option("--udp", help="in a datagram, which may be lost; nobody answers")
]
Collect = Annotated[
    bool, typer.Option("--collect", help="print the answers of those who listen, for --timeout")
]


def emit(
    terminal: Terminal,
    event: Name,
    payload: Words = None,
    *,
    count: Count = None,
    every: Every = None,
    require_listener: RequireListener = False,
    retain: Retain = False,
    collect: Collect = False,
    udp: Udp = False,
    raw_payload: RawPayload = None,
    lines: Lines = None,
) -> int:
    """Emits an event, once or several times."""
    check_subject(event)
    if collect and (retain or every is not None or lines is not None or count not in {None, 1}):
        raise Usage("--collect asks once: leave --retain, --count, --every and --lines out")
    if udp:
        check_for_datagrams(wants_answer=retain or collect or require_listener)
    given = bool(payload) or raw_payload is not None
    if asks_for_lines(lines, payload=given):
        if count is not None:
            raise Usage("--lines - emits once per line: leave --count out")
        bodies = _from_lines(terminal)
    else:
        body = read_payload(payload or [], raw_file=raw_payload, read_stdin=terminal.read_stdin)
        times = count if count is not None else (None if every is not None else 1)
        if collect:
            return collect_answers(terminal, event, body, require_listener=require_listener)
        bodies = itertools.repeat(body) if times is None else itertools.repeat(body, times)
    if terminal.dry_run:
        once = bodies if lines else itertools.islice(bodies, 1)
        return _show_frames(terminal, event, once, retain=retain, udp=udp)
    if every is not None:
        bodies = _paced(bodies, every / 1000)
    if udp:
        return emit_in_datagrams(terminal, event, bodies)
    is_one = count == 1 or (count is None and every is None and lines is None)
    emissions = _Emissions(terminal, event, tells_each=is_one or terminal.verbose, retain=retain)
    return emissions.emit_all(bodies, require_listener=require_listener, sums_up=not is_one)


def _show_frames(
    terminal: Terminal, event: str, bodies: Iterator[Payload], *, retain: bool, udp: bool
) -> int:
    for body in bodies:
        members = payload_members(body)
        kept = retain or None
        show(terminal, "emit", id=None if udp else 1, event=event, **members, retain=kept)
    return 0


class _Emissions:
    """The emissions of one run, told one by one or summed up at the end.

    Args:
        terminal: where to tell.
        event: name of the event.
        tells_each: whether people hear of each; programs always do.
        retain: whether each is kept for who listens later.
    """

    def __init__(self, terminal: Terminal, event: str, *, tells_each: bool, retain: bool) -> None:
        self._terminal = terminal
        self._event = event
        self._retain = retain
        self._tells_each = tells_each
        self._count = self._fewest = self._most = 0
        self._start_s = time.monotonic()

    def emit_all(self, bodies: Iterator[Payload], *, require_listener: bool, sums_up: bool) -> int:
        """Emits once for each body; returns the exit code."""
        try:
            for body in bodies:
                self.emit(body, require_listener=require_listener)
        finally:
            if sums_up:
                self.sum_up()
        return 0

    def emit(self, payload: Payload, *, require_listener: bool) -> None:
        terminal, event = self._terminal, self._event
        told = terminal.client().emit(event, payload, confirm=True, retain=self._retain)
        assert told is not None
        if require_listener and not told.receivers:
            raise nobody_listens(event, told.seq)
        self._fewest = min(self._fewest, told.receivers) if self._count else told.receivers
        self._most = max(self._most, told.receivers)
        self._count += 1
        if terminal.json:
            terminal.print_json(
                {"ok": True, "event": event, "receivers": told.receivers, "seq": told.seq}
            )
        elif self._tells_each:
            kept = ""
            if self._retain:
                kept = "; retained" if payload is not None else "; retained no more"
            to = listeners(told.receivers, told.receivers)
            terminal.note(f"emitted {event} to {to}{kept}")

    def sum_up(self) -> None:
        """Says in one line what was emitted; nothing when nothing was."""
        if not self._count or self._terminal.json:
            return
        times = "once" if self._count == 1 else f"{self._count} times"
        took = duration_text((time.monotonic() - self._start_s) * 1000)
        to = listeners(self._fewest, self._most)
        self._terminal.note(f"emitted {self._event} {times} in {took} to {to}")


def _from_lines(terminal: Terminal) -> Iterator[Payload]:
    for number, line in enumerate(terminal.read_lines(), start=1):
        yield json_of(line, f"line {number}")


def _paced(bodies: Iterator[Payload], every_s: float) -> Iterator[Payload]:
    """Yields each body when its turn has come; a late one does not delay those after it."""
    start = time.monotonic()
    for number, body in enumerate(bodies):
        time.sleep(max(0.0, start + number * every_s - time.monotonic()))
        yield body
