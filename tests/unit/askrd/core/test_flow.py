"""Holds the account of one direction of a stream."""

from askrd.core.flow import Flow
from askrd.wire.limits import STREAM_BYTES, STREAM_CREDIT_MAX, STREAM_ITEMS


def test_items_and_bytes_are_spent_and_the_last_item_may_go_beyond() -> None:
    flow = Flow()
    assert flow.spend(STREAM_BYTES - 1)
    assert flow.spend(5_000)
    assert (flow.items, flow.bytes) == (STREAM_ITEMS - 2, 1 - 5_000)
    assert not flow.spend(0)
    assert flow.grant(0, 5_000)
    assert flow.spend(0)


def test_items_run_out_whatever_their_size() -> None:
    flow = Flow()
    assert all(flow.spend(0) for _ in range(STREAM_ITEMS))
    assert not flow.spend(0)
    assert flow.bytes == STREAM_BYTES


def test_credit_beyond_the_bound_counts_nothing() -> None:
    flow = Flow()
    for more in ((STREAM_CREDIT_MAX, 0), (0, STREAM_CREDIT_MAX), (2**80, 2**80)):
        assert not flow.grant(*more)
    assert (flow.items, flow.bytes) == (STREAM_ITEMS, STREAM_BYTES)
    assert flow.grant(STREAM_CREDIT_MAX - STREAM_ITEMS, STREAM_CREDIT_MAX - STREAM_BYTES)


def test_what_was_granted_at_first_is_known() -> None:
    flow = Flow()
    assert flow.granted == (0, 0)
    flow.grant(3, 40)
    flow.grant(1, 2)
    assert flow.granted == (4, 42)
