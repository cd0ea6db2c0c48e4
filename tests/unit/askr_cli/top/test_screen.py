"""The screen of the live monitor, at every size."""

import pytest
from rich.cells import cell_len

from askr_cli.top.model import Monitor, View
from askr_cli.top.screen import Looks, draw, report
from askr_cli.top.snapshot import read_snapshot
from askr_cli.top.tables import Focus
from tests.unit.askr_cli.top.canned import stats


def view(commands: int = 0) -> View:
    monitor = Monitor()
    for second in (10, 11):
        value = stats(second)
        value["commands"] += [
            {"name": f"many.c{number:03}", "calls": 0} for number in range(commands)
        ]
        monitor.take(read_snapshot(value))
    found = monitor.view()
    assert found is not None
    return found


def lines_of(looks: Looks, columns: int, lines: int, commands: int = 0) -> list[str]:
    return draw(view(commands), looks, columns, lines).plain.split("\n")


@pytest.mark.parametrize("columns", [1, 20, 40, 80, 120, 139, 140, 250])
@pytest.mark.parametrize("lines", [1, 2, 5, 12, 24, 60])
@pytest.mark.parametrize("helping", [False, True])
def test_the_screen_is_exactly_as_large_as_the_terminal(
    columns: int, lines: int, helping: bool
) -> None:
    drawn = lines_of(Looks(helping=helping), columns, lines, commands=50)
    assert len(drawn) == lines
    assert {cell_len(line) for line in drawn} == {columns}


def test_the_usual_terminal_shows_header_tables_and_keys() -> None:
    drawn = "\n".join(lines_of(Looks(), 80, 24))
    for words in (
        "askrd 0.1.0 (pure)  up 11 s  2 connections  workspace askr",
        "every 1 s",
        "100/s",
        "p50 ~0.50 ms  p99 ≤3.1 s  errors 11 (1.0/s)",
        "dropped 3 (0/s)",
        "agent.fetch                        100     1  0.50 ms  0.90 ms   1.9 ms       0",
        "FETCHED_TIME",
        "askr-agent-k3Tz9a",
        "1.2 kB",
        "WAITING FOR",
        "q quit",
    ):
        assert words in drawn, words


def test_a_narrow_terminal_leaves_words_out_and_cuts_none() -> None:
    head, commands, events, *_, keys = lines_of(Looks(), 60, 20)
    assert head.split("  ")[:2] == [" askrd 0.1.0 (pure)", "up 11 s"]
    assert head.endswith("  every 1 s ")
    whole = {"askrd", "0.1.0", "(pure)", "up", "11", "s", "2", "connections", "every", "1"}
    assert set(head.split()) <= whole
    assert commands.endswith("…")
    assert events.endswith("…")
    assert keys.split("  ")[:2] == [" q quit", "? help"]
    assert keys.rstrip().endswith("sort: busiest")


def test_a_wide_terminal_puts_tables_side_by_side() -> None:
    drawn = lines_of(Looks(), 160, 24)
    assert any("COMMANDS" in line and "EVENTS" in line for line in drawn)


def test_names_of_strangers_cannot_drive_the_terminal() -> None:
    drawn = "\n".join(lines_of(Looks(), 80, 24))
    assert "\x1b" not in drawn
    assert "orders.\\u001b[31mpaid" in drawn


def test_scrolling_moves_the_chosen_table_and_stops_at_its_end() -> None:
    looks = Looks(offset=2)
    assert "agent.fetch" not in "\n".join(lines_of(looks, 80, 24, commands=50))
    looks.offset = 10_000
    drawn = "\n".join(lines_of(looks, 80, 24, commands=50))
    assert "many.c049" in drawn
    assert looks.offset < 53


def test_a_small_terminal_keeps_the_table_that_was_chosen() -> None:
    drawn = "\n".join(lines_of(Looks(focus=Focus.PEERS), 80, 8, commands=50))
    assert "PEERS" in drawn
    assert "COMMANDS" not in drawn


def test_the_table_that_was_chosen_has_a_mark_in_its_title() -> None:
    drawn = "\n".join(lines_of(Looks(focus=Focus.EVENTS), 80, 24))
    assert "▸ EVENTS" in drawn
    assert "▸ COMMANDS" not in drawn


def test_the_name_of_the_daemon_is_whole_or_absent() -> None:
    name = view().snapshot.daemon.id
    whole = lines_of(Looks(), 140, 24)[0]
    assert f"  {name}  " in whole
    least = len(whole.split(name)[0].rstrip()) + len(" every 1 s ") + 2
    for columns in range(least, 140):
        line = lines_of(Looks(), columns, 24)[0]
        assert line.replace("every 1 s", "").split()[-1] in {"askr", name}, line


def test_trouble_and_pause_are_said_at_the_top() -> None:
    assert "PAUSED" in lines_of(Looks(paused=True), 80, 24)[0]
    assert "reconnecting …" in lines_of(Looks(trouble="reconnecting …"), 80, 24)[0]
    waiting = draw(None, Looks(trouble="reconnecting …"), 80, 24).plain
    assert "reconnecting …" in waiting


def test_report_has_every_row_and_no_keys() -> None:
    lines = report(view(commands=50), 100)
    assert any("many.c049" in line for line in lines)
    assert not any("quit" in line or "▸" in line for line in lines)
    assert report(None, 100) == []
