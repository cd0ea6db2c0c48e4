"""A program that handles events: one run for each, in order unless several may run at once."""

import asyncio
import time
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from askr_cli.commands.event_lines import envelope, payload_of
from askr_cli.commands.listen import show_gap
from askr_cli.durations import duration_text
from askr_cli.programs.program import (
    CannotStart,
    Pieces,
    Program,
    signal_name,
    text_of,
    way_of_ending,
)
from askr_cli.programs.running import Running
from askr_cli.programs.template import Template, Unfilled
from askr_cli.safe_text import escaped_lines
from askr_cli.terminal import Terminal
from askrd.sdk.values import Event, Gap
from askrd.wire.errors import DeadlineExceeded

KEPT_BYTES_MAX = 64 * 1024
"""What `--json` keeps of one program's output; the rest is left out, and said to be."""


@dataclass(slots=True)
class Kept:
    """The beginning of what a program wrote.

    Attributes:
        data: as far as there is room.
        is_cut: whether there was more.
    """

    data: bytes = b""
    is_cut: bool = False

    def add(self, piece: bytes) -> None:
        """Takes in a piece as far as there is room."""
        room = KEPT_BYTES_MAX - len(self.data)
        self.is_cut |= len(piece) > room
        self.data += piece[:room]


class Handled:
    """Runs a program for each event.

    Attributes:
        failures: how many events were not handled well.
    """

    def __init__(
        self, template: Template, running: Running, terminal: Terminal, *, at_once: int
    ) -> None:
        """Prepares.

        Args:
            template: the program's words.
            running: owns the programs that run.
            terminal: where output and failures go.
            at_once: programs that may run at the same time; 1 keeps the order of the events.
        """
        self.failures = 0
        self._done = 0
        self._template = template
        self._running = running
        self._terminal = terminal
        self._room = asyncio.Semaphore(at_once)

    async def all_of(
        self, events: AsyncIterable[Event[Any] | Gap], timeout_ms: int | None, wanted: int | None
    ) -> None:
        """Handles events until there are no more; an event waits until a program may run.

        What waits is bounded by the reader, which says when it had to drop some.

        Args:
            events: a reader that has begun.
            timeout_ms: how long all of it may take; programs that still run then are ended.
            wanted: how many events are to be handled, or None.

        Raises:
            DeadlineExceeded: the time was over before so many were handled.
            AskrError: no more events can come.
        """
        try:
            async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1000):
                await self._handle_all(events)
        except TimeoutError:
            if wanted is not None:
                assert timeout_ms is not None
                raise _late(self._done, wanted, timeout_ms) from None

    async def _handle_all(self, events: AsyncIterable[Event[Any] | Gap]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                async for event in events:
                    if isinstance(event, Gap):
                        show_gap(self._terminal, event)
                        continue
                    await self._room.acquire()
                    group.create_task(self._handle(event))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _handle(self, event: Event[Any]) -> None:
        try:
            await self._run(event)
        except Unfilled as exc:
            self._failed(event, f"{exc.sentence}; the program was not run")
        except CannotStart as exc:
            self._failed(event, f"{self._template.program} cannot start: {exc.reason}")
        finally:
            self._room.release()
        self._done += 1

    async def _run(self, event: Event[Any]) -> None:
        payload = payload_of(event)
        words = self._template.filled(payload)
        begin = time.monotonic()
        out = Kept()
        async with self._running.program(words, _environ(event)) as program:
            program.watch_errors(self._pass_error)
            program.feed(_input(payload))
            await self._pass_output(program, out)
            status = await program.ended()
            await program.errors_read()
        ms = (time.monotonic() - begin) * 1000
        if self._terminal.json:
            self._print(event, status, ms, out)
        if status:
            self.failures += 1
            self._say(event, f"the program ended with {way_of_ending(status)}")
        elif self._terminal.verbose:
            self._terminal.note(f"{event.subject} was handled in {duration_text(ms)}")

    async def _pass_output(self, program: Program, out: Kept) -> None:
        """Hands on what the program writes: as it is, or made safe for a terminal, line by line."""
        terminal = self._terminal
        if terminal.json:
            async for piece in program.pieces():
                out.add(piece)
        elif terminal.out_is_terminal:
            async for line in program.lines(cut=True):
                terminal.write(text_of(line))
        else:
            async for piece in program.pieces():
                terminal.write_bytes(piece)

    async def _pass_error(self, line: bytes) -> None:
        self._terminal.err.write(f"{escaped_lines(text_of(line))}\n")
        self._terminal.err.flush()

    def _print(self, event: Event[Any], status: int, ms: float, out: Kept) -> None:
        facts: dict[str, Any] = envelope(event)
        facts |= {"status": status, "signal": signal_name(status), "ms": round(ms, 3)}
        facts["output"] = out.data.decode("utf-8", "replace")
        self._terminal.print_json(facts | ({"cut": True} if out.is_cut else {}))

    def _failed(self, event: Event[Any], sentence: str) -> None:
        self.failures += 1
        if self._terminal.json:
            self._terminal.print_json(envelope(event) | {"status": None, "error": sentence})
        self._say(event, sentence)

    def _say(self, event: Event[Any], sentence: str) -> None:
        self._terminal.say(f"{event.subject} (seq {event.seq}): {sentence}")


def _late(done: int, wanted: int, timeout_ms: int) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"{done} of {wanted} were handled within {duration_text(timeout_ms)}. "
        "Wait longer: --timeout D",
        details={"wanted": wanted, "came": done},
        at="client",
    )


def _environ(event: Event[Any]) -> Mapping[str, str]:
    return {
        "ASKR_EVENT": event.subject,
        "ASKR_FROM": f"{event.service}@{event.instance}",
        "ASKR_SEQ": str(event.seq),
        "ASKR_TS": str(event.ts_ms),
    }


async def _input(payload: Any) -> Pieces:
    """Yields a payload for standard input: bytes as they are, anything else as one line of JSON."""
    yield payload if isinstance(payload, bytes) else msgspec.json.encode(payload) + b"\n"
