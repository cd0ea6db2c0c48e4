"""One program that runs: what goes in, what comes out, and its end with everything it started."""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, SubprocessStreamProtocol
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from askrd.wire.errors import AskrError

PIECE_BYTES = 64 * 1024
LINE_BYTES_MAX = 1024 * 1024
KILL_AFTER_S = 2.0
"""How long a program has to end after SIGTERM."""
LOOK_EVERY_S = 0.02
TAIL_LINES = 20
TAIL_LINE_CHARS = 500

Pieces = AsyncIterator[bytes]


class CannotStart(Exception):
    """The system refuses to start a program.

    Attributes:
        reason: in the system's words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LineTooLong(Exception):
    """A program wrote a line that is longer than 1 MiB."""


class _Watched(SubprocessStreamProtocol):
    """The streams of a process, and the moment it ends: pipes may outlive it in other hands."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit, loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


class Program:
    """A process in a group of its own; leaving the ``async with`` ends the whole group.

    What the program has started and left behind ends when the program itself has ended.

    Attributes:
        pid: of the process, and of its group.
        tail: the last lines of standard error, cut to 500 characters each.
        trouble: why its standard input broke off, when that was not the program's own doing.
    """

    def __init__(self, transport: asyncio.SubprocessTransport, watched: _Watched) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.trouble: AskrError | None = None
        self._transport = transport
        self._watched = watched
        loop = asyncio.get_running_loop()
        self._process = asyncio.subprocess.Process(transport, watched, loop)
        self.pid = transport.get_pid()
        self._tasks: list[asyncio.Task[None]] = []
        self._errors: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, words: Sequence[str], environ: Mapping[str, str], *, has_input: bool
    ) -> Self:
        """Starts a program; no shell is involved.

        Args:
            words: the program and its arguments.
            environ: its environment.
            has_input: whether something will be fed to it; otherwise its standard input is empty.

        Raises:
            CannotStart: the system refuses.
        """
        loop = asyncio.get_running_loop()
        try:
            transport, watched = await loop.subprocess_exec(
                lambda: _Watched(PIECE_BYTES, loop),
                *words,
                stdin=PIPE if has_input else asyncio.subprocess.DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                env=dict(environ),
                start_new_session=True,
            )
        except OSError as exc:
            raise CannotStart(exc.strerror or str(exc)) from exc
        return cls(transport, watched)

    # --- in and out -------------------------------------------------------------------------

    def feed(self, pieces: Pieces) -> None:
        """Writes pieces to its standard input as it reads them, then closes it.

        An error of ``pieces`` is kept as `trouble`, and the program is told to end.
        """
        self._begin(self._feed(pieces))

    def watch_errors(self, tell: Callable[[bytes], Coroutine[Any, Any, None]]) -> None:
        """Hands each line of its standard error to ``tell`` and keeps the last ones."""
        self._begin(self._watch_errors(tell))
        self._errors = self._tasks[-1]

    async def errors_read(self) -> None:
        """Returns when its standard error was read to the end; `tail` is complete then."""
        if self._errors is not None:
            await asyncio.wait([self._errors], timeout=KILL_AFTER_S)

    async def pieces(self) -> Pieces:
        """Yields what it writes to standard output, as it comes, at most 64 KiB at once."""
        assert self._process.stdout is not None
        while piece := await self._process.stdout.read(PIECE_BYTES):
            yield piece

    async def lines(self, *, cut: bool = False) -> Pieces:
        """Yields the lines of its standard output, each with its line end if it has one.

        Args:
            cut: whether a line of more than 1 MiB comes in pieces.

        Raises:
            LineTooLong: there is such a line, and it is not to be cut.
        """
        assert self._process.stdout is not None
        async for line in _lines(self._process.stdout, cut=cut):
            yield line

    async def _feed(self, pieces: Pieces) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        try:
            async for piece in pieces:
                stdin.write(piece)
                await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            return  # it has read enough
        except AskrError as exc:
            self.trouble = exc
            self.signal(signal.SIGTERM)
        finally:
            stdin.close()

    async def _watch_errors(self, tell: Callable[[bytes], Coroutine[Any, Any, None]]) -> None:
        assert self._process.stderr is not None
        async for line in _lines(self._process.stderr, cut=True):
            self.tail.append(text_of(line)[:TAIL_LINE_CHARS])
            await tell(line)

    # --- its end ----------------------------------------------------------------------------

    @property
    def status(self) -> int | None:
        """Its exit status, or minus the number of the signal that ended it; None = it runs."""
        return self._transport.get_returncode()

    async def ended(self) -> int:
        """Returns its `status` once it has ended."""
        await self._watched.exited.wait()
        status = self.status
        assert status is not None
        return status

    def signal(self, number: int) -> None:
        """Sends a signal to it and to what it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def end(self) -> None:
        """Ends what runs: SIGTERM, and SIGKILL to what is left of it 2 s later."""
        self.signal(signal.SIGTERM)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(KILL_AFTER_S):
                    await self._gone()
        finally:
            self.signal(signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(KILL_AFTER_S):
                await self._watched.exited.wait()

    async def _gone(self) -> None:
        await self._watched.exited.wait()
        while self._is_alive():  # noqa: ASYNC110  # nothing tells when a group ends
            await asyncio.sleep(LOOK_EVERY_S)

    def _is_alive(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    async def _end_rest(self) -> None:
        """Ends what the program left behind when it has ended."""
        await self._watched.exited.wait()
        if self._is_alive():
            await self.end()

    # --- what it owns -----------------------------------------------------------------------

    def _begin(self, step: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(step))

    async def __aenter__(self) -> Self:
        self._begin(self._end_rest())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.end()
        finally:
            for task in self._tasks:
                task.cancel()
            self._transport.close()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


async def _lines(stream: asyncio.StreamReader, *, cut: bool = False) -> Pieces:
    """Yields lines; one that is too long is an error, or comes in pieces when ``cut``."""
    begun = b""
    while piece := await stream.read(PIECE_BYTES):
        *whole, begun = (begun + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(begun) > LINE_BYTES_MAX:
            if not cut:
                raise LineTooLong
            yield begun
            begun = b""
    if begun:
        yield begun


def signal_name(status: int | None) -> str | None:
    """Returns the signal that ended a program, by its `status`; None when none did."""
    if status is None or status >= 0:
        return None
    try:
        return signal.Signals(-status).name
    except ValueError:
        return str(-status)


def way_of_ending(status: int) -> str:
    """Returns how a program ended, by its `status`: `exit status 3`, `signal SIGKILL`."""
    return f"signal {signal_name(status)}" if status < 0 else f"exit status {status}"


def text_of(line: bytes) -> str:
    """Returns a line as text without its end; what is not UTF-8 becomes U+FFFD."""
    return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")
