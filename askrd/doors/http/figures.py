"""The figures of commands: the most used by name, all others together, so that labels have a bound."""

from __future__ import annotations

from collections.abc import Iterable

from askrd.core.statistics import CommandStatistics
from askrd.core.switchboard import Switchboard

COMMANDS_SHOWN_MAX = 200
OTHERS = "(others)"


class CommandRow:
    """The counters of one command, or of all that are not named.

    Attributes:
        name: canonical, or `(others)`. calls, errors: so many.
    """

    __slots__ = ("calls", "errors", "name")

    def __init__(self, name: str, counted: Iterable[CommandStatistics]) -> None:
        each = list(counted)
        self.name = name
        self.calls = sum(one.calls for one in each)
        self.errors = sum(one.errors for one in each)


def command_rows(board: Switchboard) -> list[tuple[str, CommandRow]]:
    """Returns workspace and counters of the most used commands, and of all others together."""
    found = [
        (counted.calls, space.name, name, counted)
        for space in board.workspaces.values()
        for name, counted in space.destinations.statistics.items()
        if counted.calls or counted.errors
    ]
    found.sort(key=lambda row: (-row[0], row[1], row[2]))
    rows = [(space, CommandRow(name, [one])) for _, space, name, one in found[:COMMANDS_SHOWN_MAX]]
    rest = [one for *_, one in found[COMMANDS_SHOWN_MAX:]]
    return [*rows, (OTHERS, CommandRow(OTHERS, rest))] if rest else rows
