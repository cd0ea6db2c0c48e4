"""Holds what a program's output becomes: lines, bytes, JSON, or one value."""

import asyncio
import os
from typing import Any

import pytest

from askr_cli.programs import output
from askr_cli.programs.output import Form
from askr_cli.programs.program import Program
from askrd.wire.errors import CommandError


def items_of(form: Form, script: str) -> list[Any]:
    async def within() -> list[Any]:
        async with asyncio.timeout(10), await _started(script) as program:
            return [item async for item in form.items(program)]

    return asyncio.run(within())


def value_of(form: Form, script: str) -> Any:
    async def within() -> bytes:
        async with asyncio.timeout(10), await _started(script) as program:
            return await form.gathered(program)

    return form.value(asyncio.run(within()))


async def _started(script: str) -> Program:
    return await Program.start(["sh", "-c", script], dict(os.environ), has_input=False)


def test_lines_are_items() -> None:
    assert items_of(Form(), "printf 'a\\r\\n\\nb\\377'") == ["a", "", "b\ufffd"]
    assert items_of(Form(), "true") == []


def test_bytes_are_items_as_they_come() -> None:
    assert b"".join(items_of(Form(as_bytes=True), "printf 'a\\n\\377'")) == b"a\n\xff"


def test_lines_of_json_are_items() -> None:
    assert items_of(Form(as_json=True), "echo 1; echo; echo '{\"a\": null}'") == [1, {"a": None}]


def test_what_is_no_json_is_an_error() -> None:
    with pytest.raises(CommandError) as told:
        items_of(Form(as_json=True), "echo nope")
    assert told.value.code == "bad_output"


def test_a_line_that_is_too_long_is_an_error() -> None:
    with pytest.raises(CommandError) as told:
        items_of(Form(), "head -c 2000000 /dev/zero")
    assert "--bytes" in str(told.value)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (Form(), "[1]\n"),
        (Form(as_json=True), [1]),
        (Form(as_bytes=True), b"[1]\n\n"),
    ],
)
def test_all_of_it_is_a_value(form: Form, value: object) -> None:
    assert value_of(form, "echo '[1]'; echo") == value


def test_a_value_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "GATHERED_BYTES_MAX", 1_000)
    with pytest.raises(CommandError) as told:
        value_of(Form(), "yes")
    assert "more than 1000 bytes" in str(told.value)
