"""Runs a program on a terminal of any size and reads its screen as a person sees it."""

import os
import signal
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pexpect
import pyte

PATIENCE_S = 20.0
ROOT = Path(__file__).resolve().parents[2]

OTHER_SCREEN_ON = b"\x1b[?1049h"
OTHER_SCREEN_OFF = b"\x1b[?1049l"
CURSOR_ON = b"\x1b[?25h"


class OnScreen:
    """`askr` on a terminal; a context manager that kills it at the end if it still runs.

    Attributes:
        output: every byte it wrote.
    """

    def __init__(
        self, *words: str, home: Path, url: str, columns: int = 80, lines: int = 24, **environ: str
    ) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ASKR", "XDG", "NO_COL"))}
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self.output = b""
        self._modes = 0
        self._child = pexpect.spawn(
            sys.executable,
            ["-m", "askr_cli", *words],
            cwd=str(home),
            dimensions=(lines, columns),
            timeout=PATIENCE_S,
            env=kept
            | {
                "HOME": str(home),
                "XDG_STATE_HOME": str(home / "state"),
                "XDG_RUNTIME_DIR": str(home / "run"),
                "PYTHONPATH": str(ROOT),
                "ASKR_URL": url,
                "TERM": "xterm-256color",
            }
            | environ,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._child.close(force=True)

    @property
    def text(self) -> str:
        """The screen, line by line, without trailing white space."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def lines(self) -> list[str]:
        """The lines of the screen that are not empty."""
        return [line for line in self.text.split("\n") if line]

    def type(self, text: str) -> None:
        """Presses keys."""
        self._child.send(text)

    def enter(self, line: str) -> None:
        """Types a line, waits until it stands there, and presses Enter."""
        self.type(line)
        last = line.splitlines()[-1]
        self.wait_for(last)
        self.type("\r")

    def resize(self, columns: int, lines: int) -> None:
        """Gives the window another size."""
        self._screen.resize(lines, columns)
        self._child.setwinsize(lines, columns)

    def signal(self, number: int) -> None:
        """Sends a signal to the program."""
        os.kill(self._child.pid, number)

    def wait_for(self, wanted: str | Callable[[str], bool]) -> str:
        """Reads until the screen holds a text or fulfils a condition; returns the screen."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            text = self.text
            if wanted in text if isinstance(wanted, str) else wanted(text):
                return text
            assert time.monotonic() < deadline_s, f"{wanted!r} never came:\n{text}"
            assert self._read() or self._child.isalive(), f"it ended early:\n{self.text}"

    def end(self) -> int:
        """Reads until the program ends; returns its exit code, negative for a signal."""
        deadline_s = time.monotonic() + PATIENCE_S
        while self._read() or self._child.isalive():
            assert time.monotonic() < deadline_s, f"it does not end:\n{self.text}"
        self._modes = termios.tcgetattr(self._child.child_fd)[3]
        self._child.close()
        if self._child.signalstatus is not None:
            return -int(self._child.signalstatus)
        return int(self._child.exitstatus or 0)

    def is_cooked(self) -> bool:
        """Whether the terminal shows what is typed and gives it line by line; asked after `end`."""
        return bool(self._modes & termios.ECHO) and bool(self._modes & termios.ICANON)

    def _read(self) -> bool:
        try:
            data = self._child.read_nonblocking(65_536, timeout=0.1)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.output += data
        self._stream.feed(data)
        self._answer_queries(data)
        return True

    def _answer_queries(self, data: bytes) -> None:
        if b"\x1b[6n" in data:  # where is the cursor?
            cursor = self._screen.cursor
            self._child.send(f"\x1b[{cursor.y + 1};{cursor.x + 1}R")


INTERRUPT = "\x03"
END = "\x04"
TERMINATE = signal.SIGTERM
