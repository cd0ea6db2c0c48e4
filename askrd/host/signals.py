"""SIGTERM and Ctrl-C ask the daemon to drain, then to stop at once; SIGHUP asks it to read anew."""

import signal
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Takes over these signals while it is entered, and gives them back.

    Args:
        loop: the running loop; both callbacks run on it.
        drain: called at the first signal, with the signal.
        stop_now: called at every later one, with the signal.
        reload: called at every SIGHUP.
    """

    def __init__(
        self,
        loop: "AbstractEventLoop",
        *,
        drain: Callable[[signal.Signals], None],
        stop_now: Callable[[signal.Signals], None],
        reload: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop = loop
        self._drain = drain
        self._stop_now = stop_now
        self._reload = reload
        self._received = 0

    def __enter__(self) -> Self:
        for stop_signal in STOP_SIGNALS:
            self._loop.add_signal_handler(stop_signal, self._on_signal, stop_signal)
        self._loop.add_signal_handler(signal.SIGHUP, self._reload)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for stop_signal in STOP_SIGNALS:
            self._loop.remove_signal_handler(stop_signal)
        self._loop.remove_signal_handler(signal.SIGHUP)

    def _on_signal(self, received: signal.Signals) -> None:
        self._received += 1
        (self._drain if self._received == 1 else self._stop_now)(received)
