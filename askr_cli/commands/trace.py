"""`askr send --trace`: a trace id that travels with a command, and its times for a person."""

import time
from collections.abc import Mapping

from askr_cli.durations import duration_text
from askr_cli.terminal import Terminal
from askrd.sdk.trace import TRACEPARENT, span_below


class Trace:
    """The trace of one command; told on standard error.

    Attributes:
        headers: what travels with the command.
    """

    def __init__(self, terminal: Terminal, headers: Mapping[str, str]) -> None:
        """Begins a trace, or goes on with the one that ``headers`` name."""
        parent = span_below(headers)
        self.headers = {**headers, TRACEPARENT: parent}
        self._id = parent.split("-")[1]
        self._terminal = terminal
        self._begun = time.monotonic()

    def begin(self, target: str, url: str) -> None:
        """Says the trace id, and how long connecting took."""
        self._terminal.note(f"trace {self._id}")
        self.tell(f"connected to {url}, sending {target}")
        self._begun = time.monotonic()

    def tell(self, what: str) -> None:
        """Says what happened, with the time since the command was sent."""
        elapsed = duration_text((time.monotonic() - self._begun) * 1000)
        self._terminal.note(f"  {elapsed.rjust(9)}  {what}")
