"""Holds what a write is told that something stands against which is not safe yet."""

import pytest

from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.core.desk import Desk, Mate, body, options, put


def answers(mate: Mate) -> dict[int, str]:
    """`ok` or the code, by id."""
    return {
        frame.id: "ok" if frame.kind == Kind.OK else body(frame)["code"]
        for frame in mate.heard()
        if frame.kind in (Kind.OK, Kind.FAIL)
    }


def delete(id_: int, key: str) -> Frame:
    return Frame(kind=Kind.DEL, id=id_, name=key.encode())


def waiting() -> tuple[Desk, Mate, Mate]:
    """Returns a desk where the store has an entry, and the end of another is on its way."""
    desk = Desk()
    one, two = desk.join(), desk.join("two")
    one.say(put(1, "there", 1), put(2, "here", 1))
    desk.is_stored = False
    one.say(put(3, "new", 1), delete(4, "there"), put(5, "here", "text"))
    one.heard()
    return desk, one, two


AGAINST = [put(1, "new", 2, if_rev=0), delete(1, "there"), put(1, "here", 1, op="incr")]
CODES = ["conflict", "not_found", "bad_request"]


@pytest.mark.parametrize(("write", "code"), list(zip(AGAINST, CODES, strict=True)))
def test_a_no_waits_until_what_stands_against_it_is_safe(write: Frame, code: str) -> None:
    desk, _, two = waiting()
    two.say(write)
    assert two.heard() == []
    desk.commit(desk.router.board.gate.ticket)
    assert answers(two) == {1: code}


@pytest.mark.parametrize("write", AGAINST)
def test_what_stood_against_it_may_not_come_to_be(write: Frame) -> None:
    desk, _, two = waiting()
    two.say(write)
    assert two.heard() == []
    desk.is_stored = True
    desk.router.rejected("disk full", desk.now_us)
    desk.settle()
    assert answers(two) == {1: "ok"}


def test_who_is_told_of_a_conflict_can_read_what_is_there() -> None:
    desk, _, two = waiting()
    two.put(1, "new", 2, if_rev=0)
    desk.commit(desk.router.board.gate.ticket)
    (no,) = two.heard()
    two.get(2, "new")
    (found,) = two.heard()
    assert body(no)["details"]["rev"] == options(found).rev


def test_a_later_write_of_the_same_peer_is_not_overtaken() -> None:
    desk, _, two = waiting()
    two.say(delete(1, "there"), put(2, "there", 2))
    desk.commit(desk.router.board.gate.ticket)
    assert answers(two) == {1: "not_found", 2: "ok"}
    two.get(3, "there")
    assert [frame.payload for frame in two.heard()] == [b"2"]


def test_a_no_that_waits_for_one_that_left_is_told_to_nobody() -> None:
    desk, _, two = waiting()
    two.say(*AGAINST[:1])
    two.lose()
    desk.router.rejected("disk full", desk.now_us)
    desk.settle()
    state = desk.router.board.workspaces["askr"].state
    assert state.head("new") is None


def test_a_no_to_what_is_safe_is_told_at_once() -> None:
    _, one, _ = waiting()
    one.say(put(8, "none", 1, if_rev=7), delete(9, "none"))
    assert answers(one) == {8: "conflict", 9: "not_found"}
