"""Draws the rows of a survey as a table that grows on a terminal; the only verb output with rich."""

import time
from types import TracebackType
from typing import Self

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from askr_cli.commands.survey_words import failure_text, verdict
from askr_cli.durations import duration_text
from askr_cli.render import json_text, member_text
from askr_cli.terminal import Terminal
from askrd.sdk.values import Row

DRAWN_PER_S = 10
LINES_AROUND = 4
"""Lines of the screen that rows do not get while the table grows."""
_STYLES = {"ok": "green", "failed": "red", "lost": "yellow"}


class LiveTable:
    """A table on a terminal: while rows come its newest ones, at the end all of them."""

    def __init__(self, terminal: Terminal) -> None:
        """Prepares; the terminal is touched from `__enter__` on."""
        self._rows: list[Row] = []
        self._begun = time.monotonic()
        self._console = Console(
            file=terminal.out, no_color=not terminal.colour, highlight=False, markup=False
        )
        self._live = Live(
            console=self._console,
            get_renderable=self._growing,
            refresh_per_second=DRAWN_PER_S,
            transient=True,
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
        if self._rows:
            self._console.print(_table(self._rows))

    def show(self, row: Row) -> None:
        """Adds one row; the screen has it within a tenth of a second."""
        self._rows.append(row)

    def _growing(self) -> RenderableType:
        """The newest rows, as many as the screen has lines, and for how long it has been asking."""
        place = max(1, self._console.size.height - LINES_AROUND)
        newest = self._rows[-place:]
        asked_s = time.monotonic() - self._begun
        hidden = f", {len(self._rows) - len(newest)} above" if len(newest) < len(self._rows) else ""
        status = Text(
            f"{len(self._rows)} answered{hidden}, asking for {asked_s:.1f} s", style="dim"
        )
        return Group(_table(newest), status) if newest else status


def _table(rows: list[Row]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("FROM", style="cyan", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("TIME", justify="right", no_wrap=True)
    table.add_column("VALUE", overflow="fold", ratio=1)
    for row in rows:
        how = verdict(row)
        said = json_text(row.value) if row.error is None else failure_text(row.error)
        table.add_row(
            Text(member_text(row.service, row.instance)),
            Text(how, style=_STYLES[how]),
            Text(duration_text(row.ms)),
            Text(said, style="" if row.error is None else "red"),
        )
    return table
