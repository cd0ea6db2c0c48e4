"""Holds how events are handled by programs: in order, bounded, and told safely."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from askr_cli.profile import Options
from askr_cli.programs.handled import KEPT_BYTES_MAX, Handled, Kept
from askr_cli.programs.running import Running
from askr_cli.programs.template import Template
from askrd.sdk.values import Event, Gap
from askrd.wire.errors import ConnectionLost, DeadlineExceeded
from askrd.wire.frames import Coding, Frame, Kind
from tests.unit.askr_cli.terminals import KeptTerminal

Item = Event[Any] | Gap | Exception


def event(payload: bytes, coding: Coding = Coding.JSON) -> Event[Any]:
    return Event(
        Frame(kind=Kind.EVENT, id=1, name=b"X", payload=payload, coding=coding, stamp=b"me@k3Tz9a")
    )


async def told(items: Sequence[Item]) -> AsyncIterator[Event[Any] | Gap]:
    for item in items:
        if isinstance(item, Exception):
            raise item
        yield item


def handle(
    terminal: KeptTerminal,
    items: Sequence[Item],
    *words: str,
    at_once: int = 1,
    timeout_ms: int | None = None,
    wanted: int | None = None,
) -> Handled:
    """Handles ``items`` by a program that is not given more than 10 s."""

    async def within() -> Handled:
        handled = Handled(Template(words), Running(), terminal, at_once=at_once)
        async with asyncio.timeout(10):
            await handled.all_of(told(items), timeout_ms, wanted)
        return handled

    return asyncio.run(within())


def test_output_is_passed_on_as_it_is_in_a_pipe() -> None:
    terminal = KeptTerminal()
    handle(terminal, [event(b"\x1b[2J", Coding.BYTES), event(b'"a"')], "cat")
    assert terminal.kept_out.text == '\x1b[2J"a"\n'


def test_output_cannot_drive_a_terminal() -> None:
    terminal = KeptTerminal(is_terminal=True)
    handle(
        terminal, [event(b"a\x1b[2J\nb", Coding.BYTES)], "sh", "-c", "cat; printf '\\033[2J' >&2"
    )
    assert terminal.kept_out.text == "a\\u001b[2J\nb\n"
    assert terminal.kept_err.text == "\\u001b[2J\n"


def test_several_at_once_wait_for_each_other(tmp_path: Path) -> None:
    script = f"read n; touch {tmp_path}/$n; until [ -e {tmp_path}/2 ]; do sleep 0.01; done; echo $n"
    terminal = KeptTerminal()
    handle(terminal, [event(b"1"), event(b"2")], "sh", "-c", script, at_once=2)
    assert sorted(terminal.kept_out.text.split()) == ["1", "2"]


def test_loss_is_told() -> None:
    terminal = KeptTerminal()
    handle(terminal, [Gap(3, 1, 3, {"X": 3}), event(b"1")], "cat")
    assert "3" in terminal.kept_err.text
    assert terminal.kept_out.text == "1\n"


def test_failures_are_counted_and_told() -> None:
    terminal = KeptTerminal()
    handled = handle(terminal, [event(b'{"n": 4}'), event(b"{}")], "sh", "-c", "exit $0", "{n}")
    assert handled.failures == 2
    first, second = terminal.kept_err.text.splitlines()
    assert first.endswith("the program ended with exit status 4")
    assert second.endswith("the payload has no member 'n'; the program was not run")


def test_json_keeps_the_beginning_of_the_output() -> None:
    terminal = KeptTerminal(options=Options(json=True))
    handle(terminal, [event(b"1")], "head", "-c", "100000", "/dev/zero")
    line = json.loads(terminal.kept_out.text)
    assert (len(line["output"]), line["cut"], line["status"]) == (KEPT_BYTES_MAX, True, 0)
    assert (line["event"], line["payload"]) == ("X", 1)


def test_what_is_kept_has_a_bound() -> None:
    kept = Kept()
    kept.add(bytes(KEPT_BYTES_MAX))
    assert (len(kept.data), kept.is_cut) == (KEPT_BYTES_MAX, False)
    kept.add(b"x")
    assert (len(kept.data), kept.is_cut) == (KEPT_BYTES_MAX, True)


def test_too_few_in_time_is_an_error_that_says_how_many() -> None:
    with pytest.raises(DeadlineExceeded) as told_so:
        handle(KeptTerminal(), [event(b"1")], "sleep", "100", timeout_ms=100, wanted=2)
    assert told_so.value.details == {"wanted": 2, "came": 0}
    assert handle(KeptTerminal(), [event(b"1")], "sleep", "100", timeout_ms=100).failures == 0


def test_no_more_events_is_an_error_of_its_own_kind() -> None:
    with pytest.raises(ConnectionLost):
        handle(KeptTerminal(), [event(b"1"), ConnectionLost("gone")], "true")
