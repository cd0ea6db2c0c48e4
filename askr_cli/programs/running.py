"""All programs of one run of askr: none of them outlives it, whichever way it ends."""

import asyncio
import os
import signal
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from askr_cli.exits import Terminated
from askr_cli.programs.program import KILL_AFTER_S, CannotStart, Program

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

OnSignal = Callable[[signal.Signals], object]


class Running:
    """The programs that run now.

    Attributes:
        environ: what every program's environment has beside that of askr.
        is_ending: whether no more are started.
    """

    def __init__(self) -> None:
        """Starts with none."""
        self.environ: dict[str, str] = {}
        self.is_ending = False
        self._programs: set[Program] = set()

    def know(self, url: str, workspace: str | None) -> None:
        """Lets programs that call askr reach the same place."""
        self.environ = {"ASKR_URL": url} | ({"ASKR_WORKSPACE": workspace} if workspace else {})

    def __len__(self) -> int:
        return len(self._programs)

    @asynccontextmanager
    async def program(
        self, words: Sequence[str], environ: Mapping[str, str], *, has_input: bool = True
    ) -> AsyncIterator[Program]:
        """Starts a program; it ends with the block, if it has not ended before.

        Args:
            words: the program and its arguments.
            environ: what its environment has besides.
            has_input: whether something will be fed to it.

        Raises:
            CannotStart: the system refuses, or all programs are being ended.
        """
        if self.is_ending:
            raise CannotStart("askr is stopping")
        everything = {**os.environ, **self.environ, **environ}
        program = await _started(Program.start(words, everything, has_input=has_input))
        self._programs.add(program)
        try:
            async with program:
                if self.is_ending:  # since it was asked for
                    raise CannotStart("askr is stopping")
                yield program
        finally:
            self._programs.discard(program)

    def end_all(self) -> None:
        """Starts no more and ends those that run: SIGTERM, and SIGKILL 2 s later."""
        self.is_ending = True
        for program in self._programs:
            program.signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(KILL_AFTER_S, self.kill_all)

    def kill_all(self) -> None:
        """Starts no more and kills those that run."""
        self.is_ending = True
        for program in self._programs:
            program.signal(signal.SIGKILL)


async def _started(start: Coroutine[Any, Any, Program]) -> Program:
    """Returns a program once it runs; one that is cancelled meanwhile is ended like any other."""
    starting = asyncio.get_running_loop().create_task(start)
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        async with await starting:
            raise


def run_until_stopped(main: Callable[[list[signal.Signals]], Awaitable[int]]) -> int:
    """Runs a loop of its own and returns what ``main`` returns.

    Args:
        main: gets a list that it fills, by `on_signals`, with the signals that came.

    Raises:
        Terminated: SIGTERM came first.
        KeyboardInterrupt: Ctrl-C came first.
    """
    came: list[signal.Signals] = []

    async def inside() -> int:
        return await main(came)

    code = 0
    try:
        code = asyncio.run(inside())
    except asyncio.CancelledError:
        if not came:
            raise
    if came:
        raise Terminated if came[0] is signal.SIGTERM else KeyboardInterrupt
    return code


@contextmanager
def on_signals(came: list[signal.Signals], running: Running, first: OnSignal) -> Iterator[None]:
    """Calls ``first`` for the first SIGINT or SIGTERM inside the block; another one kills.

    Args:
        came: takes the signals.
        running: the programs that are killed by a second signal, and at the end of the block.
        first: begins to end the run.
    """
    loop = asyncio.get_running_loop()

    def take(sign: signal.Signals) -> None:
        came.append(sign)
        if len(came) == 1:
            first(sign)
        else:
            running.kill_all()

    for sign in _SIGNALS:
        loop.add_signal_handler(sign, take, sign)
    try:
        yield
    finally:
        running.kill_all()
        for sign in _SIGNALS:
            loop.remove_signal_handler(sign)
