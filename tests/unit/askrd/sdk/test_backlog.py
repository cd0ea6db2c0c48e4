"""Holds the backlogs: bounded, in order, and never silent about a loss."""

from typing import Any

import pytest

from askrd.sdk.backlog import (
    LOG_GOES_ON_BELOW,
    LOG_PAUSED_ABOVE,
    ChangeBacklog,
    EventBacklog,
    LogBacklog,
)
from askrd.sdk.values import Change, Event, Gap, Synced
from askrd.wire.frames import Frame, Kind


def event(seq: int, subject: bytes = b"tick") -> Event[Any]:
    return Event(Frame(kind=Kind.EVENT, id=seq, name=subject))


def seqs(backlog: EventBacklog) -> list[Any]:
    items = [backlog.take() for _ in range(len(backlog))]
    return [item.seq if isinstance(item, Event) else item for item in items]


def test_events_come_in_order() -> None:
    backlog = EventBacklog()
    for seq in (1, 2, 3):
        backlog.put(event(seq))

    assert seqs(backlog) == [1, 2, 3]
    assert len(backlog) == 0
    with pytest.raises(IndexError):
        backlog.take()


def test_the_oldest_events_make_room_and_a_gap_tells_of_them() -> None:
    backlog = EventBacklog(items_max=2)
    for seq in range(1, 6):
        backlog.put(event(seq, b"odd" if seq % 2 else b"even"))

    assert seqs(backlog) == [Gap(3, 1, 3, {"odd": 2, "even": 1}), 4, 5]


def test_a_gap_that_is_dropped_is_counted_too() -> None:
    backlog = EventBacklog(items_max=1)
    backlog.put(Gap(10, 1, 10, {"a": 10}))
    backlog.put(event(11))
    backlog.put(event(12))

    assert seqs(backlog) == [Gap(11, 1, 11, {"a": 10, "tick": 1}), 12]


def test_a_dropped_gap_of_unknown_size_makes_the_size_unknown() -> None:
    backlog = EventBacklog(items_max=1)
    backlog.put(Gap(None))
    backlog.put(event(3))

    assert seqs(backlog) == [Gap(None), 3]


def test_at_most_sixteen_lost_subjects_are_named() -> None:
    backlog = EventBacklog(items_max=1)
    for seq in range(1, 22):
        backlog.put(event(seq, b"s%d" % seq))

    gap = backlog.take()

    assert isinstance(gap, Gap)
    assert (gap.missed, len(gap.subjects)) == (20, 16)


def test_an_unread_change_gives_way_to_a_newer_one_of_its_key() -> None:
    backlog = ChangeBacklog()
    first, other, newer = Change("set", "a", 1), Change("set", "b", 2), Change("del", "a", 3)
    for item in (first, Synced(1), other, newer):
        backlog.put(item)

    assert [backlog.take() for _ in range(len(backlog))] == [Synced(1), other, newer]
    with pytest.raises(IndexError):
        backlog.take()


def test_changes_told_afterwards_all_stay() -> None:
    backlog = ChangeBacklog()
    past = [Change("set", "a", rev, past=True) for rev in (1, 2)]
    live = [Change("set", "a", rev) for rev in (3, 4)]
    for item in (*past, Synced(2), *live):
        backlog.put(item)

    assert [backlog.take() for _ in range(len(backlog))] == [*past, Synced(2), live[-1]]


def test_a_log_is_paused_while_many_events_wait_and_goes_on_when_few_are_left() -> None:
    backlog, trace = LogBacklog(), []
    backlog.pause = lambda: trace.append(("pause", len(backlog)))
    backlog.go_on = lambda: trace.append(("go on", len(backlog)))
    for seq in range(LOG_PAUSED_ABOVE + 500):
        backlog.put(event(seq))
    assert trace == [("pause", LOG_PAUSED_ABOVE)]
    while backlog:
        backlog.take()
    assert trace == [("pause", LOG_PAUSED_ABOVE), ("go on", LOG_GOES_ON_BELOW)]
