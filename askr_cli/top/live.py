"""Joins keys, counters and screen into the running monitor."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from askr_cli.terminal import Terminal
from askr_cli.top.keyboard import Key, Keyboard
from askr_cli.top.model import Monitor
from askr_cli.top.screen import Looks, draw
from askr_cli.top.snapshot import read_snapshot
from askr_cli.top.watcher import Watcher

PAGE_ROWS = 10


class Screen:
    """The terminal's other screen, so that what stood there before comes back; a context manager.

    Args:
        terminal: where to draw.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._console = Console(
            file=terminal.out,
            no_color=not terminal.colour,
            force_terminal=True,
            legacy_windows=False,
            highlight=False,
        )
        self._live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, monitor: Monitor, looks: Looks) -> None:
        """Draws the newest view in the size that the terminal has now."""
        columns, lines = self._console.size
        self._live.update(draw(monitor.view(), looks, columns, lines), refresh=True)


def show(screen: Screen, keyboard: Keyboard, watcher: Watcher, interval_s: float) -> None:
    """Runs the monitor until somebody quits.

    Args:
        screen: to draw on.
        keyboard: gives keys, and wakes when there are new counters or a new size.
        watcher: gives the counters.
        interval_s: seconds between two looks, for the header.
    """
    monitor = Monitor()
    looks = Looks(interval_s=interval_s)
    while True:
        screen.show(monitor, looks)
        keys = keyboard.keys()
        value, trouble = watcher.take()
        looks.trouble = trouble
        if value is not None and not looks.paused:
            monitor.take(read_snapshot(value))
        for key in keys:
            if key is Key.QUIT:
                return
            press(key, looks)
        monitor.order = looks.order


def press(key: Key, looks: Looks) -> None:
    """Changes what is shown as a key asks; the drawing brings the offset back into the table."""
    match key:
        case Key.PAUSE:
            looks.paused = not looks.paused
        case Key.HELP:
            looks.helping = not looks.helping
        case Key.SORT:
            looks.order, looks.offset = looks.order.following(), 0
        case Key.TABLE:
            looks.focus, looks.offset = looks.focus.following(), 0
        case Key.FIRST:
            looks.offset = 0
        case _:
            looks.offset = max(0, looks.offset + _STEPS.get(key, 0))


_STEPS = {Key.UP: -1, Key.DOWN: 1, Key.PAGE_UP: -PAGE_ROWS, Key.PAGE_DOWN: PAGE_ROWS}
