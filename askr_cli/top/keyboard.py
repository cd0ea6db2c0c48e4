"""Reads single keys from the terminal, and leaves it as it was however the monitor ends."""

import os
import select
import signal
import termios
import tty
from enum import Enum, auto
from types import FrameType, TracebackType
from typing import Any, Self

from askr_cli.exits import Usage


class Key(Enum):
    """What a pressed key asks for."""

    QUIT = auto()
    PAUSE = auto()
    SORT = auto()
    TABLE = auto()
    HELP = auto()
    UP = auto()
    DOWN = auto()
    PAGE_UP = auto()
    PAGE_DOWN = auto()
    FIRST = auto()


_SEQUENCES = {
    b"\x1b[A": Key.UP,
    b"\x1bOA": Key.UP,
    b"\x1b[B": Key.DOWN,
    b"\x1bOB": Key.DOWN,
    b"\x1b[5~": Key.PAGE_UP,
    b"\x1b[6~": Key.PAGE_DOWN,
    b"\x1b[H": Key.FIRST,
    b"\x1b[1~": Key.FIRST,
    b"\x1bOH": Key.FIRST,
    b"q": Key.QUIT,
    b"Q": Key.QUIT,
    b"p": Key.PAUSE,
    b" ": Key.PAUSE,
    b"s": Key.SORT,
    b"\t": Key.TABLE,
    b"?": Key.HELP,
    b"h": Key.HELP,
    b"k": Key.UP,
    b"j": Key.DOWN,
    b"g": Key.FIRST,
}
_LONGEST = max(map(len, _SEQUENCES))
_READ_BYTES = 256
_VSUSP_OFF = b"\x00"


def keys_in(data: bytes) -> list[Key]:
    """Returns the keys that were pressed; bytes that mean nothing are left out."""
    keys, at = [], 0
    while at < len(data):
        for length in range(_LONGEST, 0, -1):
            key = _SEQUENCES.get(data[at : at + length])
            if key is not None:
                keys.append(key)
                break
        else:
            length = 1
        at += length
    return keys


class Keyboard:
    """The terminal in a mode that gives every key at once; a context manager.

    It also wakes up when the window changes its size, or when `wake` is called.

    Args:
        file: descriptor of the terminal.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._saved: list[Any] = []
        self._resized_before: Any = None
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)

    def __enter__(self) -> Self:
        try:
            self._saved = termios.tcgetattr(self._file)
        except termios.error as error:
            self._close()
            raise Usage(
                "top reads its keys from a terminal, and standard input is none; "
                "use --once or --json"
            ) from error
        self._resized_before = signal.signal(signal.SIGWINCH, self._resized)
        tty.setcbreak(self._file)
        changed = termios.tcgetattr(self._file)
        changed[6][termios.VSUSP] = _VSUSP_OFF  # Ctrl-Z would leave the other screen behind
        termios.tcsetattr(self._file, termios.TCSANOW, changed)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        termios.tcsetattr(self._file, termios.TCSAFLUSH, self._saved)
        signal.signal(signal.SIGWINCH, self._resized_before)
        self._close()

    def _close(self) -> None:
        os.close(self._woken)
        os.close(self._waker)

    def _resized(self, _number: int, _frame: FrameType | None) -> None:
        self.wake()

    def wake(self) -> None:
        """Ends the wait of `keys`; may be called from any thread."""
        try:
            os.write(self._waker, b".")
        except OSError:
            return  # a full pipe wakes as well; a closed one has nobody to wake

    def keys(self, timeout_s: float | None = None) -> list[Key]:
        """Waits for keys, a new window size, `wake` or the timeout.

        Returns:
            The keys that were pressed; none when something else ended the wait. When the
            terminal is gone it is `Key.QUIT`.
        """
        ready, _, _ = select.select([self._file, self._woken], [], [], timeout_s)
        if self._woken in ready:
            os.read(self._woken, _READ_BYTES)
        if self._file not in ready:
            return []
        data = os.read(self._file, _READ_BYTES)
        return keys_in(data) if data else [Key.QUIT]
