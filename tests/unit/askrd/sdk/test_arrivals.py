"""What came for one command and waits for its reader."""

import pytest

from askrd.sdk.arrivals import Arrivals
from askrd.wire.bodies import Credit
from askrd.wire.errors import InstanceLost, LimitExceeded
from askrd.wire.frames import FLAG_MORE, Coding, Frame, Kind
from askrd.wire.limits import STREAM_ITEMS


def item(number: int, flags: int = 0) -> Frame:
    payload = str(number).encode()
    return Frame(kind=Kind.ITEM, id=1, payload=payload, coding=Coding.JSON, flags=flags)


def arrivals(waiting_max: int = STREAM_ITEMS) -> Arrivals:
    ticks = iter(range(10_000))
    return Arrivals(lambda: float(next(ticks)), waiting_max)


def test_items_are_taken_in_order_and_know_when_they_came() -> None:
    waiting = arrivals()
    waiting.take(item(1))
    waiting.take(item(2))
    assert waiting.has_news()
    assert waiting.next() == (item(1), 0.0)
    assert waiting.next() == (item(2), 1.0)
    assert waiting.next() is None
    assert not waiting.has_news()


def test_an_item_is_given_back_when_it_was_taken_and_not_when_it_came() -> None:
    waiting = arrivals()
    assert [waiting.take(item(n)) for n in range(STREAM_ITEMS)] == [None] * STREAM_ITEMS
    granted = []
    while came := waiting.next():
        granted.append(waiting.consumed(came[0]))
    half = STREAM_ITEMS // 2
    assert [credit.items for credit in granted if credit] == [half, half]


def test_a_row_is_given_back_by_nobody() -> None:
    waiting = arrivals(100)
    row = Frame(kind=Kind.REPLY, id=1, flags=FLAG_MORE)
    assert [waiting.consumed(row) for _ in range(100)] == [None] * 100


def test_more_items_than_there_is_credit_are_refused() -> None:
    waiting = arrivals(2)
    waiting.take(item(1))
    waiting.take(item(2))
    with pytest.raises(LimitExceeded, match="more than 2 items"):
        waiting.take(item(3))


def test_pieces_of_the_reply_are_no_items() -> None:
    waiting = arrivals()
    large = Frame(kind=Kind.ITEM, id=1, payload=b"x" * 140_000, flags=FLAG_MORE)
    assert waiting.take(large) == Credit(items=1, bytes=140_000)
    assert waiting.next() is None
    waiting.set_result(Frame(kind=Kind.REPLY, id=1, payload=b"y", coding=Coding.BYTES))
    assert waiting.outcome is not None
    assert waiting.outcome.payload == b"x" * 140_000 + b"y"
    assert waiting.done()


@pytest.mark.parametrize("kind", [Kind.END, Kind.RESET, Kind.PROGRESS])
def test_what_only_announces_the_outcome_is_passed_over(kind: Kind) -> None:
    waiting = arrivals()
    waiting.take(Frame(kind=kind, id=1))
    assert not waiting.has_news()


def test_everything_new_is_told() -> None:
    waiting, told = arrivals(), list[int]()
    waiting.on_news = lambda: told.append(1)
    waiting.take(item(1))
    waiting.set_exception(InstanceLost("gone"))
    assert len(told) == 2
    assert waiting.next() is not None
    assert isinstance(waiting.error, InstanceLost)
