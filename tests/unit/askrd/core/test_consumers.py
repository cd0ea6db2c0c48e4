"""Holds the table of a consumer: what is unacknowledged, when it comes again, what is kept."""

import msgspec
import pytest

from askrd.core.consumers import Consumer
from askrd.core.instants import NEVER_US

ONE, TWO = "one", "two"


def begun(count: int = 0) -> Consumer:
    consumer = Consumer("billing", "**", 0)
    consumer.members[ONE] = consumer.members[TWO] = 0
    for seq in range(1, count + 1):
        consumer.take(seq, ONE, seq * 10)
    return consumer


def test_what_is_acknowledged_is_over() -> None:
    consumer = begun(3)
    assert (consumer.acked, consumer.position, consumer.members[ONE]) == (0, 3, 3)
    event = consumer.drop(1)
    assert event is not None
    assert (event.seq, event.reader) == (1, None)
    assert (consumer.drop(1), consumer.acked, consumer.members[ONE]) == (None, 1, 2)
    consumer.drop(3)
    assert consumer.acked == 1
    consumer.drop(2)
    assert (consumer.acked, consumer.due_us) == (3, NEVER_US)


def test_what_is_late_comes_again_oldest_first() -> None:
    consumer = begun(3)
    assert consumer.due_us == 10
    assert [event.seq for event in consumer.ripen(25)] == [1, 2]
    assert (consumer.due_us, consumer.members[ONE]) == (30, 1)
    again = consumer.next_again()
    assert again is not None
    consumer.hand(again, TWO, 99)
    assert (again.seq, again.deliveries, again.reader) == (1, 2, TWO)
    consumer.drop(2)
    assert consumer.next_again() is None


def test_what_is_given_back_waits_for_its_time() -> None:
    consumer = begun(1)
    event = consumer.unacked[1]
    consumer.give_back(event, 500, is_counted=False)
    assert (event.deliveries, event.reader, consumer.members[ONE]) == (0, None, 0)
    assert consumer.next_again() is None
    assert (consumer.ripen(499), consumer.ripen(500)) == ([], [event])
    assert consumer.next_again() is event


def test_turns() -> None:
    consumer = begun()
    consumer.turn(ONE)
    assert list(consumer.members) == [TWO, ONE]


def test_what_is_kept_is_restored() -> None:
    consumer = begun(3)
    consumer.drop(2)
    consumer.give_back(consumer.unacked[1], 500)
    again = Consumer.restored("billing", consumer.kept())
    assert (again.pattern, again.position, again.acked, list(again.unacked)) == ("**", 3, 0, [1, 3])
    assert again.next_again() is None
    assert [event.seq for event in again.ripen(0)] == [1, 3]
    first, second = again.next_again(), again.next_again()
    assert first is not None
    assert second is not None
    assert [(first.seq, first.deliveries), (second.seq, second.deliveries)] == [(1, 1), (3, 0)]


def test_what_is_no_consumer_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        Consumer.restored("billing", b"{}")


def test_reminders_of_long_life_leave_nothing_behind() -> None:
    consumer = begun()
    for seq in range(1, 10_000):
        consumer.take(seq, ONE, seq)
        consumer.drop(seq)
    assert len(consumer._due) < 200
