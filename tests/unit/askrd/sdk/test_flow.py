"""Credit: what a sender may send and what its receiver gives back."""

from collections import deque

import pytest
from hypothesis import given, strategies as st

from askrd.sdk.flow import Receiving, Sending
from askrd.wire.bodies import Credit
from askrd.wire.limits import STREAM_BYTES, STREAM_CREDIT_MAX, STREAM_ITEMS


def test_a_sender_stops_when_its_items_are_used_up() -> None:
    sending = Sending()
    for _ in range(STREAM_ITEMS):
        assert sending.may_send()
        sending.spend(1)
    assert not sending.may_send()
    sending.grant(Credit(items=1, bytes=0))
    assert sending.may_send()


def test_the_last_item_may_go_beyond_the_bytes() -> None:
    sending = Sending()
    sending.spend(STREAM_BYTES - 1)
    assert sending.may_send()
    sending.spend(1000)
    assert not sending.may_send()
    sending.grant(Credit(items=0, bytes=999))
    assert not sending.may_send()
    sending.grant(Credit(items=0, bytes=1))
    assert sending.may_send()


@pytest.mark.parametrize("items", [-5, 0])
def test_negative_credit_takes_nothing_away(items: int) -> None:
    sending = Sending()
    sending.grant(Credit(items=items, bytes=-100))
    assert (sending.items, sending.bytes) == (STREAM_ITEMS, STREAM_BYTES)


def test_credit_has_a_bound() -> None:
    sending = Sending()
    sending.grant(Credit(items=STREAM_CREDIT_MAX, bytes=2 * STREAM_CREDIT_MAX))
    assert (sending.items, sending.bytes) == (STREAM_CREDIT_MAX, STREAM_CREDIT_MAX)


def test_a_receiver_gives_back_about_every_half_window() -> None:
    receiving = Receiving()
    given_back = [receiving.take(10) for _ in range(STREAM_ITEMS)]
    half = STREAM_ITEMS // 2
    assert [at for at, credit in enumerate(given_back) if credit is not None] == [
        half - 1,
        2 * half - 1,
    ]
    assert given_back[half - 1] == Credit(items=half, bytes=10 * half)


def test_a_large_item_is_given_back_at_once() -> None:
    assert Receiving().take(10**6) == Credit(items=1, bytes=10**6)


@given(st.lists(st.integers(0, 3 * STREAM_BYTES), max_size=400), st.integers(1, STREAM_ITEMS))
def test_neither_side_ever_waits_for_the_other_for_ever(sizes: list[int], behind: int) -> None:
    """Whatever the sizes, and however far the reader is behind, all items come through."""
    sending, receiving = Sending(), Receiving()
    to_send, on_their_way = deque(sizes), deque[int]()
    while to_send or on_their_way:
        if to_send and sending.may_send() and len(on_their_way) < behind:
            size = to_send.popleft()
            sending.spend(size)
            on_their_way.append(size)
            continue
        assert on_their_way, "the sender waits for credit and the reader for items"
        credit = receiving.take(on_their_way.popleft())
        if credit is not None:
            sending.grant(credit)
    assert sending.items <= STREAM_ITEMS
