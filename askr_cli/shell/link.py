"""Notices when the daemon goes away and comes back, and says each once."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from askr_cli.terminal import Terminal, connect
from askrd.wire.errors import AskrError, ErrorCode

if TYPE_CHECKING:
    from askrd.sync import Client

_RECONNECT = True


class Link:
    """The shell's own connection.

    Attributes:
        trouble: why the daemon cannot be reached now; empty when it can.

    Args:
        terminal: says where the daemon is, and whether narration is hushed.
    """

    def __init__(self, terminal: Terminal) -> None:
        self.trouble = ""
        self._terminal = terminal
        self._out: TextIO = terminal.err
        self._redraw: Callable[[], None] = lambda: None

    def open(self) -> "Client":
        """Returns a connected client that comes back by itself.

        Raises:
            CannotConnect: nobody answers there.
            AskrError: the daemon refused.
        """
        logging.getLogger("askrd.sdk").addFilter(_is_news)
        return connect(self._terminal.profile, _RECONNECT, self._turned, name="shell")

    def speak_to(self, out: TextIO, redraw: Callable[[], None]) -> None:
        """Prints to ``out`` from now on, and has the prompt drawn again by ``redraw``."""
        self._out = out
        self._redraw = redraw

    def _turned(self, _sentence: str) -> None:
        """Takes note that the connection was lost or, the next time, that it came back."""
        is_lost = not self.trouble
        self.trouble = "reconnecting …" if is_lost else ""
        words = "the connection to askrd is lost; reconnecting" if is_lost else "connected again"
        if not self._terminal.quiet:
            self._out.write(f"askr: {words}\n")
            self._out.flush()
        self._redraw()


def _is_news(record: logging.LogRecord) -> bool:
    """Whether the person does not know it: that a cancelled command was cancelled, they do."""
    said = record.args[0] if isinstance(record.args, tuple) and record.args else None
    return not (isinstance(said, AskrError) and said.code == ErrorCode.CANCELLED)
