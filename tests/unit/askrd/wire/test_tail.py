"""Holds that a tail keeps the last bytes, and never more than it may."""

import pytest
from hypothesis import given, strategies as st

from askrd.wire.tail import Tail


def test_what_was_sent_comes_again_from_any_byte_that_is_kept() -> None:
    tail = Tail()
    for chunk in (b"abc", b"defg", memoryview(b"hi")):
        tail.add(chunk)
    assert tail.end == 9
    for at in range(10):
        assert tail.holds(at)
        assert b"".join(tail.since(at)) == b"abcdefghi"[at:]
    assert not tail.holds(10)
    assert not tail.holds(-1)


def test_what_is_confirmed_is_forgotten() -> None:
    tail = Tail()
    tail.add(b"abc")
    tail.add(b"defg")
    assert tail.confirm(3)
    assert tail.kept_bytes == 4
    assert not tail.holds(2)
    assert tail.confirm(5)
    assert b"".join(tail.since(5)) == b"fg"
    assert tail.confirm(7)
    assert (tail.kept_bytes, tail.since(7)) == (0, [])


def test_an_old_confirmation_changes_nothing() -> None:
    tail = Tail()
    tail.add(b"abc")
    assert tail.confirm(3)
    assert tail.confirm(0)
    assert tail.kept_bytes == 0


def test_more_than_was_sent_cannot_be_confirmed() -> None:
    tail = Tail()
    tail.add(b"abc")
    assert not tail.confirm(4)
    assert tail.kept_bytes == 3


def test_uncounted_bytes_may_go_in_front() -> None:
    tail = Tail(-5)
    tail.add(b"HELLOabc")
    assert tail.end == 3
    assert b"".join(tail.since(0)) == b"abc"


@pytest.mark.parametrize("size", [10, 11, 25])
def test_one_large_chunk_leaves_its_end(size: int) -> None:
    tail = Tail(bytes_max=10)
    tail.add(b"first")
    whole = bytes(range(size))
    tail.add(whole)
    assert tail.kept_bytes == 10
    assert b"".join(tail.since(tail.end - 10)) == whole[-10:]
    assert not tail.holds(tail.end - 11)


@given(st.lists(st.binary(max_size=12)), st.integers(1, 20), st.lists(st.integers(0, 200)))
def test_it_holds_a_suffix_of_what_was_sent_within_its_bound(
    chunks: list[bytes], bytes_max: int, confirms: list[int]
) -> None:
    tail = Tail(bytes_max=bytes_max)
    sent = b""
    for chunk, confirmed in zip(chunks, [*confirms, *[0] * len(chunks)], strict=False):
        tail.add(chunk)
        sent += chunk
        assert tail.confirm(confirmed) == (confirmed <= len(sent))
        assert tail.kept_bytes <= bytes_max
        assert tail.end == len(sent)
        for at in range(len(sent) + 1):
            if tail.holds(at):
                assert b"".join(tail.since(at)) == sent[at:]
