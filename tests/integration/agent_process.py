"""An agent in a process of its own, for tests that kill, stop and watch it."""

import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 20.0


class AgentProcess:
    """A Python program with an agent; what it says on standard error is kept.

    Attributes:
        process: the running process.
        said: its standard error so far.
    """

    def __init__(self, script: Path, environ: dict[str, str]) -> None:
        self.said = ""
        self.process = subprocess.Popen(
            [sys.executable, str(script)],
            cwd=script.parent,
            env={**environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def wait_until_it_says(self, words: str) -> str:
        """Reads on until ``words`` have been said, at most 20 s; returns everything said."""
        assert self.process.stderr is not None
        end = time.monotonic() + WAIT_S
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stderr, selectors.EVENT_READ)
            while words not in self.said:
                assert selector.select(max(0.0, end - time.monotonic())), self.said
                piece = os.read(self.process.stderr.fileno(), 65536)
                assert piece, f"it ended: {self.said}"
                self.said += piece.decode()
        return self.said

    def end(self, sign: int | None = signal.SIGTERM) -> int:
        """Sends a signal, if one is given, waits for the end and returns the exit status."""
        assert self.process.stderr is not None
        if sign is not None and self.process.poll() is None:
            self.process.send_signal(sign)
        with self.process.stderr:
            self.said += self.process.stderr.read().decode()
        return self.process.wait(WAIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.returncode is None:
            self.process.kill()
            self.end(signal.SIGKILL)
