"""The figures of commands: the most used by name, all others together."""

from askrd.core.statistics import CommandStatistics
from askrd.core.switchboard import Daemon, Switchboard
from askrd.doors.http.exposition import exposition
from askrd.doors.http.figures import COMMANDS_SHOWN_MAX, OTHERS, command_rows
from askrd.wire.limits import Limits


def board(commands: int) -> Switchboard:
    made = Switchboard(Daemon("d", "e", "1", 'a "build"\n', "askr"), Limits())
    counted = made.workspace("askr").destinations.statistics
    for number in range(commands):
        counted[f"s.c{number}"] = CommandStatistics()
        counted[f"s.c{number}"].calls = number
        counted[f"s.c{number}"].errors = 1
    return made


def test_few_commands_are_all_named() -> None:
    rows = command_rows(board(3))
    assert [(space, row.name, row.calls) for space, row in rows] == [
        ("askr", "s.c2", 2), ("askr", "s.c1", 1), ("askr", "s.c0", 0),
    ]  # fmt: skip


def test_of_many_commands_the_least_used_are_one_row() -> None:
    rows = command_rows(board(COMMANDS_SHOWN_MAX + 5))
    assert len(rows) == COMMANDS_SHOWN_MAX + 1
    space, others = rows[-1]
    assert (space, others.name, others.calls, others.errors) == (OTHERS, OTHERS, 10, 5)


def test_what_the_daemon_is_called_cannot_break_a_line() -> None:
    text, kind = exposition(board(0), "")
    assert kind.startswith("text/plain")
    assert b'build="a \\"build\\"\\n"' in text
