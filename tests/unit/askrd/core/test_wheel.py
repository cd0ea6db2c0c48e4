"""Holds the one wheel of the core: early enough, not too early, each session once."""

from askrd.core.instants import NEVER_US
from askrd.core.wheel import SLOT_BITS, Wheel
from tests.unit.askrd.core.desk import Desk

SLOT_US = 1 << SLOT_BITS


def test_a_session_is_due_after_its_time_and_within_a_slot() -> None:
    wheel, session = Wheel(), Desk().connect().session
    session.due_us = NEVER_US
    at_us = 5 * SLOT_US + 17
    wheel.arm(session, at_us)
    assert wheel.due(at_us) == []
    assert at_us < wheel.next_due_us <= at_us + SLOT_US
    assert wheel.due(wheel.next_due_us) == [session]
    assert (session.due_us, wheel.next_due_us, len(wheel)) == (NEVER_US, NEVER_US, 0)


def test_an_earlier_time_wins_and_the_session_comes_once() -> None:
    wheel, session = Wheel(), Desk().connect().session
    session.due_us = NEVER_US
    wheel.arm(session, 9 * SLOT_US)
    wheel.arm(session, 3 * SLOT_US)
    wheel.arm(session, 7 * SLOT_US)
    assert wheel.due(5 * SLOT_US) == [session]
    assert wheel.due(20 * SLOT_US) == []
    assert len(wheel) == 0


def test_two_times_in_one_slot_are_one() -> None:
    wheel, session = Wheel(), Desk().connect().session
    session.due_us = NEVER_US
    wheel.arm(session, SLOT_US + 9)
    wheel.arm(session, SLOT_US + 5)
    assert wheel.due(9 * SLOT_US) == [session]


def test_sessions_come_in_the_order_of_their_slots() -> None:
    desk, wheel = Desk(), Wheel()
    sessions = [desk.connect().session for _ in range(3)]
    for session, slot in zip(sessions, (5, 2, 4), strict=True):
        session.due_us = NEVER_US
        wheel.arm(session, slot * SLOT_US)
    assert wheel.due(9 * SLOT_US) == [sessions[1], sessions[2], sessions[0]]


def test_the_first_of_several_reminders_counts() -> None:
    wheel = Wheel()
    wheel.remind(7 * SLOT_US, of="one")
    wheel.remind(5 * SLOT_US, of="other")
    assert wheel.next_due_us == 5 * SLOT_US
    wheel.remind(9 * SLOT_US, of="other")
    assert wheel.next_due_us == 7 * SLOT_US
    wheel.remind(NEVER_US, of="one")
    assert wheel.next_due_us == 9 * SLOT_US


def test_a_reminder_counts_with_the_sessions() -> None:
    wheel, session = Wheel(), Desk().connect().session
    session.due_us = NEVER_US
    wheel.remind(7 * SLOT_US)
    wheel.arm(session, 3 * SLOT_US)
    assert wheel.next_due_us == 4 * SLOT_US
    assert wheel.due(4 * SLOT_US) == [session]
    assert wheel.next_due_us == 7 * SLOT_US
    wheel.remind(NEVER_US)
    assert wheel.next_due_us == NEVER_US
