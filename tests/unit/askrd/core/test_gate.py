"""Holds the queue before the store: in order, up to a ticket, bounded."""

import pytest

from askrd.core import gate
from askrd.core.gate import Gate, Gated
from askrd.wire.errors import Busy
from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.core.desk import Desk


def items(*tickets: int) -> list[Gated]:
    session = Desk().connect().session
    return [Gated(ticket, session, Frame(kind=Kind.GET)) for ticket in tickets]


def test_what_is_parked_comes_out_in_order_up_to_the_ticket() -> None:
    queue = Gate()
    first, second, behind, third = items(1, 2, 1, 3)
    for item in (first, second, behind, third):
        queue.park(item)
    assert queue.release(1) == [first]
    assert queue.release(2) == [second, behind]
    assert (queue.committed, len(queue)) == (2, 1)
    assert queue.release(1) == []
    assert queue.committed == 2, "what is committed stays so"


def test_a_gate_with_many_bytes_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "GATED_BYTES_MAX", 100)
    queue = Gate()
    for _ in range(2):
        queue.check_room()
        queue.ticket += 1
        queue.weigh(60)
    with pytest.raises(Busy, match="100 bytes"):
        queue.check_room()
    queue.release(1)
    queue.check_room()
    assert queue.waiting_bytes == 60
    queue.reject()
    assert queue.waiting_bytes == 0


def test_a_full_gate_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "GATED_MAX", 2)
    queue = Gate()
    for item in items(1, 1):
        queue.check_room()
        queue.park(item)
    with pytest.raises(Busy):
        queue.check_room()
