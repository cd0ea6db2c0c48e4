"""Holds how a payload is shown, and that numbers are not given twice."""

import msgspec
import pytest

from askrd.core.effects import Record
from askrd.core.job_rows import next_number, shown
from askrd.wire.bodies import dump
from askrd.wire.frames import FLAG_SEALED, Coding
from tests.unit.askrd.core.desk import Desk


@pytest.mark.parametrize(
    ("payload", "coding", "flags", "told"),
    [
        (b"", Coding.NONE, 0, {"value": None}),
        (b"", Coding.JSON, 0, {"value": None}),
        (b'{"a":1}', Coding.JSON, 0, {"value": {"a": 1}}),
        (b"{no", Coding.JSON, 0, {"b": "e25v"}),
        (b"[" * 100_000, Coding.JSON, 0, None),
        (b"", Coding.BYTES, 0, {"b": ""}),
        (b"\0", Coding.BYTES, 0, {"b": "AA=="}),
        (b"7", Coding.JSON, FLAG_SEALED, {"b": "Nw==", "c": "sealed"}),
    ],
)
def test_a_payload_is_shown_as_what_it_is(
    payload: bytes, coding: int, flags: int, told: dict[str, object] | None
) -> None:
    said = msgspec.json.decode(dump(shown(payload, coding, flags)))
    assert said == told if told is not None else "b" in said


def test_numbers_are_reserved_a_thousand_at_a_time() -> None:
    desk = Desk()
    board = desk.router.board
    given = [next_number(board, board.workspace("askr")) for _ in range(1_002)]
    desk.settle()
    assert given == list(range(1, 1_003))
    kept = [(e.key, e.value) for e in desk.effects if isinstance(e, Record)]
    assert kept == [("reserved", b'{"reserved":1001}'), ("reserved", b'{"reserved":2002}')]
