"""Shows the rows of a survey as they come: an object a line, a plain line, or a live table."""

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from askr_cli.commands.survey_words import (
    is_enough,
    row_line,
    row_object,
    summary_text,
    verdict,
)
from askr_cli.exits import Exit
from askr_cli.terminal import Terminal
from askrd.sdk.values import Row
from askrd.wire.bodies import Summary

if TYPE_CHECKING:
    from askr_cli.commands.survey_table import LiveTable
    from askrd.sdk.blocking_streams import Survey


def show_survey(terminal: Terminal, survey: "Survey", *, wanted: int) -> int:
    """Shows every row and then how many were good; returns the exit code.

    Args:
        terminal: where to show them.
        survey: what the client returned.
        wanted: how many good rows end it; 0 = it ends when all have answered.
    """
    with _form(terminal) as form:
        for row in survey:
            form.show(row)
    assert survey.summary is not None  # it has ended
    return _show_summary(terminal, survey.summary, wanted=wanted)


class UnaskedRows:
    """Shows the rows of a command of which nobody knew that it is a survey: its service says so.

    Attributes:
        came: whether there was a row.
    """

    def __init__(self, terminal: Terminal) -> None:
        """Prepares; nothing is shown before the first row."""
        self.came = False
        self._terminal = terminal
        self._counts = dict.fromkeys(("ok", "failed", "lost"), 0)
        self._form: LiveTable | Lines | None = None
        self._ending = ExitStack()
        self._trouble: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending.close()

    def show(self, row: Row) -> None:
        """Shows one row; the client's own thread calls it, where nobody could catch an error."""
        self.came = True
        self._counts[verdict(row)] += 1
        try:
            if self._form is None:
                self._form = _form(self._terminal)
                self._ending.enter_context(self._form)
            if self._trouble is None:
                self._form.show(row)
        except OSError as exc:
            self._trouble = exc

    def end(self) -> int:
        """Shows how many were good; returns the exit code.

        Raises:
            BrokenPipeError: nobody reads the rows any more.
            OSError: they could not be written.
        """
        self._ending.close()
        if self._trouble is not None:
            raise self._trouble
        return _show_summary(self._terminal, Summary(**self._counts), wanted=0)


def _show_summary(terminal: Terminal, counts: Summary, *, wanted: int) -> int:
    if terminal.json:
        terminal.print_json({"summary": counts})
    else:
        terminal.note(summary_text(counts, wanted=wanted))
    return Exit.DONE if is_enough(counts, wanted=wanted) else Exit.REMOTE


def _form(terminal: Terminal) -> "LiveTable | Lines":
    if terminal.json:
        return Lines(terminal, as_json=True)
    if terminal.out_is_terminal and terminal.environ.get("TERM") != "dumb":
        from askr_cli.commands.survey_table import LiveTable

        return LiveTable(terminal)
    return Lines(terminal, as_json=False)


class Lines:
    """The rows as lines, of JSON or for people; the plain sibling of the live table."""

    def __init__(self, terminal: Terminal, *, as_json: bool) -> None:
        self._terminal = terminal
        self._as_json = as_json

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is left to show."""

    def show(self, row: Row) -> None:
        """Prints one row."""
        if self._as_json:
            self._terminal.print_json(row_object(row))
        else:
            self._terminal.write_safe(row_line(row))
