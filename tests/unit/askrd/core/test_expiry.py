"""Holds when entries go by themselves: in time, once, and with one alarm for all."""

from hypothesis import given, strategies as st

from askrd.core.expiry import SLOT_BITS, Expiry
from askrd.core.instants import NEVER_US
from askrd.core.wheel import Wheel

SLOT_US = 1 << SLOT_BITS
A, B = ("askr", "a"), ("askr", "b")


def test_an_entry_is_due_after_its_time_and_within_a_slot() -> None:
    wheel = Wheel()
    expiry = Expiry(wheel)
    at_us = 7 * SLOT_US + 5
    expiry.arm(A, at_us)
    assert expiry.at_us(A) == at_us
    assert expiry.due(at_us, 9) == []
    assert at_us < wheel.next_due_us <= at_us + SLOT_US
    assert expiry.due(wheel.next_due_us, 9) == [A]
    assert (len(expiry), wheel.next_due_us, expiry.at_us(A)) == (0, NEVER_US, NEVER_US)


def test_the_last_word_counts() -> None:
    wheel = Wheel()
    expiry = Expiry(wheel)
    expiry.arm(A, 9 * SLOT_US)
    expiry.arm(A, 3 * SLOT_US)
    expiry.arm(A, 5 * SLOT_US)
    expiry.arm(B, 4 * SLOT_US)
    expiry.spare(B)
    expiry.spare(("askr", "nobody"))
    assert expiry.due(5 * SLOT_US, 9) == []
    assert expiry.due(6 * SLOT_US, 9) == [A]
    assert expiry.due(20 * SLOT_US, 9) == []
    assert wheel.next_due_us == NEVER_US


def test_too_many_at_once_are_taken_in_turns() -> None:
    wheel = Wheel()
    expiry = Expiry(wheel)
    for number in range(5):
        expiry.arm(("askr", str(number)), 0)
    assert len(expiry.due(SLOT_US, 2)) == 2
    assert wheel.next_due_us == SLOT_US, "the next turn is due at once"
    assert len(expiry.due(SLOT_US, 9)) == 3


def test_an_entry_that_is_renewed_all_the_time_takes_no_room() -> None:
    expiry = Expiry(Wheel())
    for number in range(10_000):
        expiry.arm(A, number)
    assert len(expiry._heap) < 100
    assert expiry.due(SLOT_US, 9) == [A]


acts = st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 40))


@given(st.lists(acts, max_size=60))
def test_everything_goes_once_and_at_its_last_time(said: list[tuple[str, int | None]]) -> None:
    wheel = Wheel()
    expiry = Expiry(wheel)
    wanted: dict[tuple[str, str], int] = {}
    for key, slot in said:
        if slot is None:
            expiry.spare(("w", key))
            wanted.pop(("w", key), None)
        else:
            expiry.arm(("w", key), slot * SLOT_US)
            wanted["w", key] = slot
    gone: dict[tuple[str, str], int] = {}
    while wheel.next_due_us < NEVER_US:
        now_us = wheel.next_due_us
        for place in expiry.due(now_us, 2):
            assert place not in gone
            gone[place] = now_us // SLOT_US - 1
    assert gone == wanted
