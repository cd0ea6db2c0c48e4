"""Holds how values and items of streams are printed in each form."""

import json

from askr_cli.commands.send_output import show_items, show_value
from askr_cli.profile import Options
from askrd.sdk.values import Outcome
from tests.unit.askr_cli.terminals import KeptTerminal

ITEMS = [1, "two\x1b", None, {"a": [3]}, b"\0\xff"]


def items_shown(*, as_json: bool = False, raw: bool = False) -> bytes:
    terminal = KeptTerminal(options=Options(json=as_json))
    assert show_items(terminal, ITEMS, raw=raw) == len(ITEMS)
    return terminal.kept_out.buffer.getvalue()


def test_items_are_compact_json_one_a_line() -> None:
    assert items_shown().decode().splitlines() == [
        "1", r'"two\u001b"', "null", '{"a":[3]}', '{"b":"AP8="}',
    ]  # fmt: skip


def test_items_for_programs_are_objects() -> None:
    lines = items_shown(as_json=True).decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"item": item} for item in (1, "two\x1b", None, {"a": [3]}, {"b": "AP8="})
    ]


def test_raw_items_are_bytes_as_they_are_and_lines_of_json() -> None:
    assert items_shown(raw=True) == b'1\n"two\\u001b"\nnull\n{"a":[3]}\n\0\xff'


def test_no_value_prints_nothing_but_an_answer_for_programs() -> None:
    outcome = Outcome(None, "agent", "k3Tz9a", 7, 1.23456)
    terminal = KeptTerminal()
    show_value(terminal, "fetch", outcome)
    assert terminal.kept_out.text == ""
    terminal = KeptTerminal(options=Options(json=True))
    show_value(terminal, "fetch", outcome)
    assert json.loads(terminal.kept_out.text) == {
        "ok": True,
        "target": "fetch",
        "value": None,
        "from": {"service": "agent", "instance": "k3Tz9a"},
        "id": 7,
        "ms": 1.235,
    }
