"""Holds how the rows of a survey are shown in each form, and how the run ends."""

import json
import os
from io import TextIOWrapper

import pytest

from askr_cli.commands.survey_rows import UnaskedRows, show_survey
from askr_cli.commands.survey_words import row_line, row_object
from askr_cli.profile import Options
from askrd.sdk.values import Row
from askrd.wire.bodies import Summary
from askrd.wire.errors import Busy, CommandError, InstanceLost
from tests.unit.askr_cli.terminals import KeptTerminal

GOOD = Row("agent", "k3Tz9a", True, {"up": "\x1b[2J"}, None, 1.23456)
BUSY = Row("agent", "p01x7d", False, None, Busy("no room", at="daemon"), 2.0)
LOST = Row("agent", "zzzzzz", False, None, InstanceLost("it left\n\x1b[2J"), 3.0)


class Canned:
    """A survey whose rows are there already."""

    def __init__(self, *rows: Row) -> None:
        self.rows = rows
        lost = sum(row is LOST for row in rows)
        good = sum(row.ok for row in rows)
        self.summary = Summary(ok=good, failed=len(rows) - good - lost, lost=lost)

    def __iter__(self):
        return iter(self.rows)


def shown(
    *rows: Row, wanted: int = 0, as_json: bool = False, is_terminal: bool = False, term: str = "x"
) -> tuple[int, str, str]:
    terminal = KeptTerminal(
        options=Options(json=as_json), is_terminal=is_terminal, environ={"TERM": term}
    )
    code = show_survey(terminal, Canned(*rows), wanted=wanted)
    return code, terminal.kept_out.text, terminal.kept_err.text


def test_a_plain_line_per_row_and_the_summary_beside_them() -> None:
    code, out, err = shown(GOOD, BUSY, LOST)
    assert code == 6
    assert out.splitlines() == [
        r'agent@k3Tz9a {"up":"\u001b[2J"}',
        "agent@p01x7d failed: no room (busy)",
        r"agent@zzzzzz lost: it left\n\u001b[2J (instance_lost)",
    ]
    assert err == "1 ok, 1 failed, 1 lost\n"


def test_an_object_per_row_and_the_summary_last() -> None:
    code, out, err = shown(GOOD, BUSY, as_json=True)
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (6, "")
    assert rows == [
        {
            "from": {"service": "agent", "instance": "k3Tz9a"},
            "ok": True,
            "value": {"up": "\x1b[2J"},
            "ms": 1.235,
        },
        {
            "from": {"service": "agent", "instance": "p01x7d"},
            "ok": False,
            "error": {
                "code": "busy",
                "message": "no room",
                "details": {},
                "retryable": True,
                "at": "daemon",
            },
            "ms": 2.0,
        },
        {"summary": {"ok": 1, "failed": 1, "lost": 0}},
    ]


@pytest.mark.parametrize(
    ("rows", "wanted", "code"),
    [
        ((GOOD, GOOD), 0, 0),
        ((), 0, 0),
        ((GOOD, LOST), 0, 6),
        ((BUSY,), 0, 6),
        ((BUSY, GOOD), 1, 0),
        ((GOOD, GOOD), 2, 0),
        ((GOOD,), 2, 6),
        ((BUSY,), 1, 6),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_the_exit_code_says_whether_enough_rows_were_good(
    rows: tuple[Row, ...], wanted: int, code: int, as_json: bool
) -> None:
    assert shown(*rows, wanted=wanted, as_json=as_json)[0] == code


def test_a_missed_quorum_is_told() -> None:
    assert shown(GOOD, wanted=2)[2] == "1 ok, 0 failed, 0 lost: 2 good rows were wanted\n"
    assert shown(BUSY, wanted=1)[2] == "0 ok, 1 failed, 0 lost: 1 good row was wanted\n"


def test_values_of_rows_are_json_and_null_is_null() -> None:
    null = Row("a", "b", True, None, None, 0.1)
    text = Row("a", "b", True, "x", None, 0.1)
    raw = Row("a", "b", True, b"\0\xff", None, 0.1)
    assert [row_line(row) for row in (null, text, raw)] == [
        "a@b null", 'a@b "x"', 'a@b {"b":"AP8="}',
    ]  # fmt: skip
    assert row_object(raw)["value"] == {"b": "AP8="}


def test_a_handlers_own_error_is_a_failed_row() -> None:
    error = CommandError("page_missing", "no such page", details={"page": 7})
    row = Row("a", "b", False, None, error, 0.1)
    assert row_line(row) == "a@b failed: no such page (page_missing)"
    assert row_object(row)["error"]["details"] == {"page": 7}


def test_on_a_terminal_the_rows_are_a_table_that_strangers_cannot_drive() -> None:
    code, out, err = shown(GOOD, BUSY, LOST, is_terminal=True, term="xterm")
    assert code == 6
    for words in ("FROM", "agent@k3Tz9a", r'{"up":"\u001b[2J"}', "no room (busy)", "lost"):
        assert words in out
    assert "\x1b[2J" not in out.replace("\x1b[2K", "")
    assert err == "1 ok, 1 failed, 1 lost\n"


def test_a_dumb_terminal_gets_plain_lines() -> None:
    assert shown(GOOD, is_terminal=True, term="dumb")[1] == shown(GOOD)[1]


def test_rows_nobody_asked_for_are_shown_and_counted() -> None:
    terminal = KeptTerminal(options=Options(json=True))
    with UnaskedRows(terminal) as rows:
        assert not rows.came
        for row in (GOOD, BUSY, LOST):
            rows.show(row)
        assert rows.came
        assert rows.end() == 6
    lines = [json.loads(line) for line in terminal.kept_out.text.splitlines()]
    assert lines[:3] == [row_object(row) for row in (GOOD, BUSY, LOST)]
    assert lines[3] == {"summary": {"ok": 1, "failed": 1, "lost": 1}}


def test_rows_nobody_reads_are_told_at_the_end_not_where_they_come() -> None:
    terminal = KeptTerminal()
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as closed:
        terminal.out = TextIOWrapper(closed, write_through=True)
        with UnaskedRows(terminal) as rows:
            rows.show(GOOD)
            rows.show(GOOD)
            with pytest.raises(BrokenPipeError):
                rows.end()
