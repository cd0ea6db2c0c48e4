"""Holds how rows beside the state are kept: in their turn, and once more after a refusal."""

from askrd.core import records
from askrd.core.effects import Persist, Record
from askrd.core.switchboard import Switchboard
from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.core.desk import Desk


class Told:
    """A deed that says what came of it."""

    def __init__(self, name: str, said: list[str]) -> None:
        self.name = name
        self.said = said

    def done(self, board: Switchboard) -> None:
        self.said.append(f"{self.name} done")

    def undone(self, board: Switchboard, reason: str) -> None:
        self.said.append(f"{self.name} undone: {reason}")


def rows(desk: Desk) -> list[tuple[int, str, bytes | None]]:
    return [(e.ticket, e.key, e.value) for e in desk.effects if isinstance(e, Record)]


def test_a_deed_waits_for_its_row() -> None:
    desk = Desk(is_stored=False)
    board = desk.router.board
    said: list[str] = []
    space = board.workspace("askr")
    records.keep(board, space, "jobs", "1", b"a", deed=Told("one", said))
    records.in_turn(board, Told("two", said))
    desk.settle()
    assert rows(desk) == [(1, "1", b"a")]
    assert said == []
    desk.commit(1)
    assert said == ["one done", "two done"]
    records.in_turn(board, Told("three", said))
    assert said[2:] == ["three done"], "nothing waits, so neither does it"


def test_a_refusal_undoes_deeds_and_keeps_loose_rows_for_later() -> None:
    desk = Desk(is_stored=False)
    board = desk.router.board
    said: list[str] = []
    space = board.workspace("askr")
    records.keep(board, space, "jobs", "1", b"old")
    records.keep(board, space, "jobs", "2", b"b", deed=Told("two", said))
    records.keep(board, space, "jobs", "1", b"new")
    desk.settle()
    desk.router.rejected("no room", desk.now_us)
    assert said == ["two undone: no room"]
    assert not board.gate.is_settled
    desk.effects.clear()
    records.keep(board, space, "jobs", "3", None)
    desk.settle()
    assert rows(desk) == [(4, "1", b"new"), (5, "3", None)]
    desk.commit(5)
    assert board.gate.is_settled


def test_a_newer_row_wins_over_one_that_was_refused() -> None:
    desk = Desk(is_stored=False)
    board = desk.router.board
    space = board.workspace("askr")
    records.keep(board, space, "jobs", "1", b"old")
    desk.settle()
    desk.router.rejected("no room", desk.now_us)
    desk.effects.clear()
    records.keep(board, space, "jobs", "1", b"new")
    desk.settle()
    assert rows(desk)[-1][1:] == ("1", b"new")
    desk.commit(board.gate.ticket)
    assert board.gate.is_settled


def test_the_id_of_a_request_is_in_use_until_its_deed() -> None:
    desk = Desk(is_stored=False)
    board = desk.router.board
    said: list[str] = []
    me = desk.join()
    space = board.workspace("askr")
    frame = Frame(kind=Kind.CALL, id=7)
    one = Told("one", said)
    records.keep(board, space, "jobs", "1", b"a", deed=one, session=me.session, frame=frame)
    assert me.session.taken == {7}
    desk.commit(1)
    assert me.session.taken == set()


def test_a_write_of_state_saves_refused_rows_and_a_row_saves_refused_state() -> None:
    desk = Desk(is_stored=False)
    board, me = desk.router.board, desk.join()
    space = board.workspace("askr")
    records.keep(board, space, "jobs", "1", b"a")
    me.put(1, "fast", 1, fast=True)
    for _ in range(2):
        desk.settle()
        desk.router.rejected("no room", desk.now_us)
        desk.effects.clear()
        me.put(2, "other", 2)
        desk.settle()
        assert rows(desk) == [(desk.router.board.gate.ticket - 1, "1", b"a")]
        kept = [(e.key, e.entry and e.entry.value) for e in desk.effects if isinstance(e, Persist)]
        assert kept == [("fast", b"1"), ("other", b"2")]
    desk.router.rejected("no room", desk.now_us)
    desk.effects.clear()
    records.keep(board, space, "jobs", "2", b"b")
    desk.settle()
    desk.commit(board.gate.ticket)
    assert {each.key for each in desk.effects if isinstance(each, Persist | Record)} == {
        "fast",
        "1",
        "2",
    }
    assert board.gate.is_settled


def test_a_store_that_refused_is_tried_again_although_nobody_writes() -> None:
    desk = Desk(is_stored=False)
    board = desk.router.board
    records.keep(board, board.workspace("askr"), "jobs", "1", b"a", deed=Told("one", []))
    desk.settle()
    for _ in range(2):
        desk.router.rejected("no room", desk.now_us)
        assert board.gate.refusal == "no room"
        desk.effects.clear()
        desk.after(records.AGAIN_US)
        assert [type(effect) for effect in desk.effects] == [Persist]
    desk.commit(board.gate.ticket)
    assert (board.gate.refusal, board.gate.is_settled) == ("", True)
    desk.effects.clear()
    desk.after(2 * records.AGAIN_US)
    assert desk.effects == []


def test_what_is_to_be_kept_nevertheless_is_given_to_it_then() -> None:
    desk = Desk(is_stored=False)
    board = desk.router.board
    records.keep(board, board.workspace("askr"), "jobs", "1", b"a")
    desk.settle()
    desk.router.rejected("no room", desk.now_us)
    desk.effects.clear()
    desk.after(records.AGAIN_US)
    assert [
        (effect.key, effect.value) for effect in desk.effects if isinstance(effect, Record)
    ] == [("1", b"a")]
