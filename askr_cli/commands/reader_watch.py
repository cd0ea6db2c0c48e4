"""Notices that nobody reads standard output any more, also while there is nothing to write."""

import os
import select
import stat
import threading
from collections.abc import Callable
from io import UnsupportedOperation
from types import TracebackType
from typing import Self, TextIO

_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class ReaderWatch:
    """Watches the other end of a pipe or socket inside a ``with`` block; of anything else, nothing.

    Attributes:
        is_gone: whether the reader has left.
    """

    def __init__(self, out: TextIO, on_gone: Callable[[], object]) -> None:
        """Prepares.

        Args:
            out: what is written to.
            on_gone: called once, from a thread of its own, when its reader has left.
        """
        self.is_gone = False
        self._on_gone = on_gone
        self._watched = _pipe_in(out)
        self._ear, self._bell = os.pipe() if self._watched is not None else (-1, -1)
        self._thread = threading.Thread(target=self._run, name="askr-reader", daemon=True)

    def __enter__(self) -> Self:
        if self._watched is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._watched is not None:
            os.close(self._bell)  # the thread hears that, and ends
            self._thread.join()
            os.close(self._ear)

    def _run(self) -> None:
        assert self._watched is not None
        poll = select.poll()
        poll.register(self._watched, 0)
        poll.register(self._ear, select.POLLIN)
        for descriptor, happened in poll.poll():
            if descriptor == self._watched and happened & _GONE:
                self.is_gone = True
                self._on_gone()


def _pipe_in(out: TextIO) -> int | None:
    """Returns the descriptor of ``out`` when somebody may be reading from its other end."""
    try:
        descriptor = out.fileno()
        mode = os.fstat(descriptor).st_mode
    except (UnsupportedOperation, OSError, AttributeError):
        return None
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
