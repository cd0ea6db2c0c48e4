"""A program behind a command: the payload fills its words, its output is the answer."""

import asyncio
import inspect
import keyword
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

import msgspec

from askr_cli.durations import duration_text
from askr_cli.exits import Usage
from askr_cli.programs.output import Form
from askr_cli.programs.program import (
    CannotStart,
    Program,
    signal_name,
    text_of,
    way_of_ending,
)
from askr_cli.programs.running import Running
from askr_cli.programs.template import Template, Unfilled
from askr_cli.terminal import Terminal
from askrd.sdk.context import Context
from askrd.sdk.upload import Upload
from askrd.wire.errors import CommandError
from askrd.wire.names import shown

Json = Any
Handler = Callable[..., Any]
Scalar = str | int | float | bool
Text = Annotated[
    Any,
    msgspec.Meta(
        description="what the program reads: text, or bytes",
        extra_json_schema={"type": ["string", "null"]},
    ),
]

LINES_PER_S_MAX = 1_000
LINE_CHARS_MAX = 4_000
SIGNAL_BASE = 128
"""What a shell adds to the number of the signal that ended a program."""
_CONTEXT, _UPLOAD, _INPUT = "_context", "_upload", "input"


class Exposed:
    """One program as the handler of one command.

    Attributes:
        name: the command, `service.command`.
    """

    def __init__(
        self,
        name: str,
        template: Template,
        form: Form,
        running: Running,
        terminal: Terminal,
        *,
        stdin_json: bool,
    ) -> None:
        """Prepares.

        Args:
            name: the command, `service.command`.
            template: the program's words.
            form: how output becomes an answer.
            running: owns the programs that run.
            terminal: hears when one starts and ends.
            stdin_json: whether the payload is written to standard input as one line of JSON.

        Raises:
            Usage: a member of the payload cannot have its name.
        """
        for one in template.names:
            if keyword.iskeyword(one):
                raise Usage(f"{shown(f'{{{one}}}')} cannot name an argument: choose another word")
        self.name = name
        self._template = template
        self._form = form
        self._running = running
        self._terminal = terminal
        self._stdin_json = stdin_json
        self._is_read = True

    def stream(self) -> Handler:
        """Returns a handler that answers with a stream of items."""

        async def run(**given: Json) -> AsyncIterator[Json]:
            async with self._program(given) as program:
                async for item in self._form.items(program):
                    yield item
                await self._check(program)

        return self._typed(run)

    def value(self) -> Handler:
        """Returns a handler that answers with one value when the program has ended."""

        async def run(**given: Json) -> Json:
            async with self._program(given) as program:
                whole = await self._form.gathered(program)
                await self._check(program)
            return self._form.value(whole)

        return self._typed(run)

    def _typed(self, handler: Any) -> Handler:
        """Gives ``handler`` the parameters that the program's words want."""
        hints: dict[str, Any] = {_CONTEXT: Context, _UPLOAD: Upload}
        hints |= dict.fromkeys(self._template.names, Scalar)
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter(name, kind, annotation=hints[name]) for name in hints]
        if not self._template.names:
            hints[_INPUT] = Any if self._stdin_json else Text
            parameters.append(
                inspect.Parameter(_INPUT, kind, annotation=hints[_INPUT], default=None)
            )
        elif self._stdin_json:
            parameters.append(inspect.Parameter("_rest", inspect.Parameter.VAR_KEYWORD))
        handler.__signature__ = inspect.Signature(parameters)
        handler.__annotations__ = hints
        handler.__name__ = self.name.partition(".")[2]
        return handler  # type: ignore[no-any-return]

    @asynccontextmanager
    async def _program(self, given: dict[str, Json]) -> AsyncIterator[Program]:
        """Runs the program for one command; its words, its input, its narration."""
        context: Context = given.pop(_CONTEXT)
        upload: Upload[Any] = given.pop(_UPLOAD)
        payload = given if self._template.names else given.get(_INPUT)
        data = self._input(payload)
        program: Program | None = None
        begin = time.monotonic()
        try:
            words = self._template.filled(payload)
            async with self._running.program(words, self._environ(context)) as program:
                self._tell_start(context)
                program.watch_errors(partial(_progress, context, Pace()))
                program.feed(_pieces(data, upload))
                yield program
        except Unfilled as exc:
            raise CommandError("bad_request", f"{self.name}: {exc.sentence}") from None
        except CannotStart as exc:
            told = f"{self._template.program} cannot start: {exc.reason}"
            raise CommandError("cannot_start", told) from None
        finally:
            if program is not None:
                self._tell_end(context, program.status, (time.monotonic() - begin) * 1000)

    def _environ(self, context: Context) -> dict[str, str]:
        return {"ASKR_COMMAND": self.name, "ASKR_FROM": str(context.caller)}

    def _input(self, payload: Json) -> bytes:
        """Returns what of the payload goes to standard input."""
        if isinstance(payload, bytes):
            return payload
        if self._stdin_json:
            return msgspec.json.encode(payload) + b"\n"
        if payload is None or self._template.names:
            return b""
        if isinstance(payload, str):
            return payload.encode("utf-8", "replace")
        raise CommandError(
            "bad_request",
            f"{self.name} takes text or bytes, which its program reads, and no other payload",
        )

    async def _check(self, program: Program) -> None:
        """Returns when the program has ended well.

        Raises:
            CommandError: it has not.
            AskrError: what was uploaded broke off.
        """
        status = await program.ended()
        if program.trouble is not None:
            raise program.trouble
        await program.errors_read()
        if status:
            raise _failed(self._template, status, list(program.tail))

    def _tell_start(self, context: Context) -> None:
        self._say(context, {"state": "started"}, "starts")

    def _tell_end(self, context: Context, status: int | None, ms: float) -> None:
        facts = {"status": status, "signal": signal_name(status), "ms": round(ms, 3)}
        how = "was killed" if status is None else f"ended with {way_of_ending(status)}"
        self._say(context, {"state": "finished"} | facts, f"{how} after {duration_text(ms)}")

    def _say(self, context: Context, facts: Mapping[str, Json], what: str) -> None:
        """Tells people and programs what became of the program of one command."""
        caller = context.caller
        if self._terminal.json and self._is_read:
            who = {"service": caller.service, "instance": caller.instance}
            about = {"command": self.name, "id": context.id, "from": who}
            try:
                self._terminal.print_json(about | dict(facts))
            except BrokenPipeError:
                self._is_read = False  # commands go on
        elif self._terminal.verbose:
            self._terminal.note(f"{self.name} for {caller} {what}")


class Pace:
    """Slows down whoever says more than 1000 lines a second."""

    def __init__(self) -> None:
        self._until = 0.0
        self._left = 0

    async def step(self) -> None:
        """Returns when one more line may be said."""
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            self._until, self._left = now + 1.0, LINES_PER_S_MAX
        if self._left == 0:
            await asyncio.sleep(self._until - now)
            await self.step()
            return
        self._left -= 1


async def _progress(context: Context, pace: Pace, line: bytes) -> None:
    await pace.step()
    context.progress(text_of(line)[:LINE_CHARS_MAX])


async def _pieces(data: bytes, upload: Upload[Any]) -> AsyncIterator[bytes]:
    """Yields the payload, then what is uploaded; items that are no bytes as lines of JSON."""
    if data:
        yield data
    async for piece in upload:
        yield piece if isinstance(piece, bytes) else msgspec.json.encode(piece) + b"\n"


def _failed(template: Template, status: int, tail: list[str]) -> CommandError:
    last = next((line.strip() for line in reversed(tail) if line.strip()), "")
    details = {
        "status": status if status > 0 else SIGNAL_BASE - status,
        "signal": signal_name(status),
        "stderr": "\n".join(tail),
    }
    message = f"{template.program} ended with {way_of_ending(status)}{': ' + last if last else ''}"
    return CommandError("exit_status", message, details=details)
