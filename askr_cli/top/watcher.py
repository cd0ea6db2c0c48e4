"""Asks the daemon for its counters at an interval, in a thread, so that keys never wait."""

import threading
from collections.abc import Callable
from typing import Any, Protocol

from askrd.wire.errors import AskrError

RECONNECTING = "reconnecting …"


class Counting(Protocol):
    """What can be asked for the daemon's counters."""

    @property
    def is_connected(self) -> bool:
        """Whether an answer can be expected now."""

    def stats(self) -> Any:
        """Returns the value of ``$askr.stats``."""


class Watcher:
    """The newest counters, and why there are no newer ones.

    Args:
        client: answers with the counters.
        interval_s: seconds between two questions.
        told: called from the watcher's thread whenever there is something new.
    """

    def __init__(self, client: Counting, interval_s: float, told: Callable[[], None]) -> None:
        self._client = client
        self._interval_s = interval_s
        self._told = told
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._value: Any = None
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="askr top", daemon=True)

    def start(self) -> None:
        """Begins to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Asks no more. A question under way is not waited for."""
        self._stopping.set()

    def take(self) -> tuple[Any, str]:
        """Returns the newest counters, once (None when they were taken), and the trouble."""
        with self._lock:
            value, self._value = self._value, None
            return value, self._trouble

    def _run(self) -> None:
        while not self._stopping.is_set():
            value, trouble = self._look()
            with self._lock:
                self._value, self._trouble = value, trouble
            self._told()
            self._stopping.wait(self._interval_s)

    def _look(self) -> tuple[Any, str]:
        if not self._client.is_connected:
            return None, RECONNECTING
        try:
            return self._client.stats(), ""
        except AskrError as error:
            return None, trouble_of(error)


def trouble_of(error: AskrError) -> str:
    """Returns a few words for the screen on why there are no numbers."""
    lost = {"connection_lost", "unavailable", "draining"}
    return RECONNECTING if error.code in lost else f"no numbers: {error.code}"
