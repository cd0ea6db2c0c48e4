"""Holds what people see of values, tables and errors."""

import json

import pytest

from askr_cli.render import columns, drawn_table, error_sentence, json_text, peer_text
from askrd.wire.errors import CommandError, CommandUnknown, NoInstance

HOSTILE = "\x1b[2J\u202e\x9b1m"


@pytest.mark.parametrize("value", [0, None, "é", [1, {"a": [True]}], {"k": HOSTILE}, -1.5])
@pytest.mark.parametrize("pretty", [True, False])
def test_json_text_is_the_same_value(value: object, pretty: bool) -> None:
    assert json.loads(json_text(value, pretty=pretty)) == value


def test_compact_is_one_line_and_pretty_several() -> None:
    assert json_text({"a": [1]}) == '{"a":[1]}'
    assert json_text({"a": [1]}, pretty=True) == '{\n  "a": [\n    1\n  ]\n}'


def test_bytes_are_base64() -> None:
    assert json_text(b"\0\xff") == '{"b":"AP8="}'


def test_colours_surround_and_never_come_from_the_payload() -> None:
    coloured = json_text({"k": HOSTILE}, colour=True)
    assert coloured == '{\x1b[36m"k"\x1b[0m:\x1b[32m"\\u001b[2J\\u202e\\u009b1m"\x1b[0m}'


def test_columns_are_aligned_and_safe() -> None:
    assert columns(("name", "n"), [("a\x1b", "1"), ("bc", "22")]).splitlines() == [
        "NAME     N",
        r"a\u001b  1",
        "bc       22",
    ]


def test_drawn_tables_are_safe() -> None:
    drawn = drawn_table(("name",), [(HOSTILE,), ("[bold]x[/bold]",)], colour=False)
    assert "\x1b" not in drawn
    assert "[bold]x[/bold]" in drawn


def test_a_peer_is_service_and_instance() -> None:
    assert peer_text("agent", "k3Tz9a") == "agent-k3Tz9a"
    assert peer_text("", HOSTILE) == r"\u001b[2J\u202e\u009b1m"


def test_an_error_says_the_next_step() -> None:
    error = CommandUnknown(
        "no service offers 'fetsh' in workspace askr", details={"nearest": ["fetch"]}
    )
    assert error_sentence(error) == (
        "no service offers 'fetsh' in workspace askr. Did you mean: fetch?  (askr services)"
    )


def test_a_step_is_not_said_twice() -> None:
    error = NoInstance(
        "nobody is there (askr services). Did you mean: a?", details={"nearest": "a"}
    )
    assert error_sentence(error) == "nobody is there (askr services). Did you mean: a?"


def test_a_handlers_error_names_who_raised_it() -> None:
    error = CommandError("page_missing", "no such page", instance="agent@k3Tz9a")
    assert error_sentence(error) == (
        "agent@k3Tz9a answered with an error: no such page (page_missing)"
    )
