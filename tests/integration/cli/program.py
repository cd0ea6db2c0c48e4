"""Runs the program `askr` as a script does: arguments, environment, pipes, signals, exit code."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        code: its exit code.
        out: what it wrote to standard output.
        err: what it wrote to standard error.
    """

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on standard output."""
        assert self.out.count("\n") == 1, self
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON values on standard output, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Running:
    """A run that has not ended yet; its narration is read as it comes.

    Attributes:
        process: the process.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._narration = b""
        self._said = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            with self._said:
                self._narration += line
                self._said.notify_all()

    def wait_for_narration(self, text: str) -> None:
        """Returns when ``text`` stands in what the run said on standard error."""
        with self._said:
            found = self._said.wait_for(lambda: text.encode() in self._narration, PATIENCE_S)
            assert found, self._narration

    def line(self) -> str:
        """Returns the next line of standard output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def stop(self, sign: int = signal.SIGINT) -> Ended:
        """Sends a signal and returns how the run ended."""
        self.process.send_signal(sign)
        return self.end()

    def end(self) -> Ended:
        """Waits for the end of the run."""
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return Ended(code, out.decode(), self._narration.decode())


class Askr:
    """The program in a home directory of its own.

    Attributes:
        url: where the daemon is; empty = the program finds out.
        environ: what its environment is, to be changed by a test.
        cwd: the directory it runs in.
    """

    def __init__(self, home: Path, url: str | None = None) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ASKR", "XDG", "NO_COL"))}
        self.environ = kept | {
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home / "run"),
            "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
        }
        self.url = url or ""
        if url is not None:
            self.environ["ASKR_URL"] = url
        self.cwd = home

    def __call__(self, *words: str, stdin: bytes | None = None) -> Ended:
        """Runs one command line to its end.

        Without ``stdin`` standard input stays open and silent: whoever reads it, hangs.
        """
        if stdin is not None:
            with self._popen(words, subprocess.PIPE) as process:
                out, err = process.communicate(stdin, timeout=PATIENCE_S)
                return Ended(process.returncode, out.decode(), err.decode())
        with self.running(*words) as run:
            return run.end()

    @contextlib.contextmanager
    def running(self, *words: str) -> Iterator[Running]:
        """Starts a command line and kills it at the end of the block if it still runs."""
        reading, writing = os.pipe()
        try:
            with self._popen(words, reading) as process:
                run = Running(process)
                try:
                    yield run
                finally:
                    process.kill()
                    process.wait(PATIENCE_S)
                    run._reader.join(PATIENCE_S)
        finally:
            os.close(reading)
            os.close(writing)

    def _popen(self, words: tuple[str, ...], stdin: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "askr_cli", *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environ,
            cwd=self.cwd,
        )
