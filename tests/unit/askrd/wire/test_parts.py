"""Holds the putting together of large frames: whole again, bounded, and each byte once."""

import tracemalloc

import pytest

from askrd.wire.codec import Malformed, encode
from askrd.wire.errors import BadRequest
from askrd.wire.frames import FLAG_MORE, Coding, Frame, Kind
from askrd.wire.limits import PART_GROUPS_MAX
from askrd.wire.parts import Parts

LIMIT = 2000
LARGE = encode(Frame(kind=Kind.CALL, id=5, name=b"a.b", payload=bytes(LIMIT - 27)))


def part(payload: bytes, *, group: int = 1, more: bool = True) -> Frame:
    flags = FLAG_MORE if more else 0
    return Frame(kind=Kind.PART, id=group, payload=payload, coding=Coding.BYTES, flags=flags)


@pytest.mark.parametrize("size", [1, 7, 500, LIMIT])
def test_a_frame_cut_anywhere_is_whole_again(size: int) -> None:
    parts = Parts(LIMIT)
    pieces = [LARGE[at : at + size] for at in range(0, len(LARGE), size)]
    for piece in pieces[:-1]:
        assert parts.add(part(piece)) is None
    assert parts.held_bytes == len(LARGE) - len(pieces[-1])
    assert parts.add(part(pieces[-1], more=False)) == LARGE
    assert parts.held_bytes == 0


def test_groups_do_not_mix() -> None:
    parts = Parts(LIMIT)
    first, second = encode(Frame(kind=Kind.PING, id=1)), encode(Frame(kind=Kind.PING, id=2))
    assert parts.add(part(first[:9], group=1)) is None
    assert parts.add(part(second[:3], group=2)) is None
    assert parts.add(part(first[9:], group=1, more=False)) == first
    assert parts.add(part(second[3:], group=2, more=False)) == second


def test_only_so_many_groups_may_be_open() -> None:
    parts = Parts(LIMIT)
    for group in range(PART_GROUPS_MAX):
        assert parts.add(part(b"x", group=group)) is None
    with pytest.raises(Malformed, match="more than 4 groups of parts are open"):
        parts.add(part(b"x", group=99))


def test_a_group_above_the_frame_limit_is_refused_before_it_is_kept() -> None:
    parts = Parts(LIMIT)
    assert parts.add(part(bytes(LIMIT))) is None
    with pytest.raises(Malformed, match="above the frame limit"):
        parts.add(part(b"x"))
    assert parts.held_bytes == LIMIT


def test_empty_parts_cost_nothing() -> None:
    parts = Parts(LIMIT)
    empty = part(b"")
    parts.add(empty)
    tracemalloc.start()
    for _ in range(10_000):
        parts.add(empty)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1000


@pytest.mark.parametrize("whole", [b"", b"short", LARGE + b"x"])
def test_parts_that_make_no_frame_are_refused_and_forgotten(whole: bytes) -> None:
    parts = Parts(LIMIT + 1)
    with pytest.raises(BadRequest):
        parts.add(part(whole, more=False))
    assert parts.held_bytes == 0


def test_a_part_holds_no_parts() -> None:
    parts = Parts(LIMIT)
    with pytest.raises(BadRequest, match="a part holds no parts"):
        parts.add(part(encode(part(b"x")), more=False))
