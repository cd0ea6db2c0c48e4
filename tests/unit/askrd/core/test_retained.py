"""Holds the rules of retained events: the last one of a subject, first and flagged, as safe as state."""

import pytest

from askrd.core import retained
from askrd.core.effects import Record
from askrd.core.event import Event
from askrd.wire.frames import FLAG_KEPT, Frame, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import SECOND, Desk, Mate, body, event_options

both = pytest.mark.parametrize("is_fast", [True, False])


def last_ticket(desk: Desk) -> int:
    return max(effect.ticket for effect in desk.effects if isinstance(effect, Record))


def kept(mate: Mate, pattern: str, id_: int) -> list[tuple[str, object]]:
    """Returns what a new subscription is told first, and ends it."""
    mate.heard()
    mate.sub(id_, pattern)
    _, *rows = mate.heard()
    assert all(row.flags & FLAG_KEPT and event_options(row).sub == id_ for row in rows)
    return [(row.name.decode(), body(row)) for row in rows]


@both
def test_the_last_event_of_a_subject_comes_first(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    me, other = desk.join(), desk.join("other")
    other.sub(1, "door.**")
    other.heard()
    me.retain("door.front", "open")
    me.retain("door.back", "open", id_=5)
    me.retain("door.front", "shut")
    me.emit("door.front", payload=b'"seen"', coding=1)
    (answer,) = me.heard()
    assert (answer.kind, answer.id, body(answer)["receivers"]) == (Kind.EMITTED, 5, 1)
    live = other.heard()
    assert [(frame.flags, frame.options) for frame in live] == [(0, b"")] * 4
    assert kept(other, "door.*", 2) == [("door.back", "open"), ("door.front", "shut")]
    assert kept(other, "door.front", 3) == [("door.front", "shut")]
    assert kept(other, "window.*", 4) == []
    other.sub(5, "door.*", retained=False)
    assert other.kinds() == [Kind.SUBBED]


def test_without_a_payload_nothing_is_retained_any_more() -> None:
    desk = Desk()
    me = desk.join()
    me.retain("a", 1)
    me.retain("a", id_=4)
    assert [frame.kind for frame in me.heard()] == [Kind.EMITTED]
    assert kept(me, "a", 1) == []
    assert len(me.session.in_open_workspace.retained) == 0
    records = [effect for effect in desk.effects if isinstance(effect, Record)]
    assert [(r.shelf, r.key, r.value is None) for r in records] == [
        ("retained", "a", False),
        ("retained", "a", True),
    ]


def test_what_since_gives_is_not_given_again_as_retained() -> None:
    desk = Desk()
    me = desk.join()
    me.retain("a", 1)
    me.retain("b", 2)
    me.sub(1, "*", since_ms=1_000)
    assert [name for name, *_ in me.events()] == ["a", "b"]


def test_an_answer_waits_until_the_event_is_safe_and_the_event_does_not() -> None:
    desk = Desk(is_stored=False)
    me, other = desk.join(), desk.join("other")
    other.sub(1, "a")
    other.heard()
    me.retain("a", 1, id_=3)
    assert me.heard() == []
    assert [frame.kind for frame in other.heard()] == [Kind.EVENT]
    me.emit("b", id_=3)
    assert me.errors() == [(3, "bad_request")], "the id is in use until then"
    desk.commit(last_ticket(desk))
    assert me.kinds() == [Kind.EMITTED]


def test_what_the_store_refuses_is_not_retained() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    me.retain("a", "first", id_=1)
    desk.commit(last_ticket(desk))
    me.heard()
    me.retain("a", "second", id_=2)
    me.retain("a", "third", id_=3)
    me.retain("b", "new", id_=4)
    desk.router.rejected("disk full", desk.now_us)
    assert me.fails() == dict.fromkeys((2, 3, 4), "storage_unavailable")
    assert kept(me, "*", 9) == [("a", "first")]


def test_an_event_without_an_id_is_saved_again_after_a_refusal() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    me.retain("a", "first")
    desk.router.rejected("disk full", desk.now_us)
    assert kept(me, "a", 9) == [("a", "first")]
    before = last_ticket(desk)
    me.retain("b", "second")
    again = [e for e in desk.effects if isinstance(e, Record) and e.ticket > before]
    assert [effect.key for effect in again] == ["a", "b"]


def test_what_was_refused_is_saved_again_in_time_even_when_nothing_else_is_written() -> None:
    desk = Desk(is_stored=False)
    me = desk.join(is_held=False)
    me.retain("a", "first")
    desk.router.rejected("disk full", desk.now_us)
    before = last_ticket(desk)
    desk.now_us += 61 * SECOND
    desk.router.tick(desk.now_us)
    desk.settle()
    again = [e for e in desk.effects if isinstance(e, Record) and e.ticket > before]
    assert [effect.key for effect in again] == ["a"]


def test_retained_events_are_back_after_a_restart() -> None:
    desk = Desk()
    me = desk.join()
    me.retain("b", 1)
    me.retain("a", {"x": 1})
    rows = [
        (effect.shelf, effect.key, effect.value)
        for effect in desk.effects
        if isinstance(effect, Record) and effect.value is not None
    ]
    last = me.session.in_open_workspace.seq
    later = Desk()
    later.router.restore("askr", [], 0, later.now_us, sorted(rows))
    back = later.join()
    assert kept(back, "*", 1) == [("b", 1), ("a", {"x": 1})]
    back.sub(3, "*", retained=False, after={"epoch": "e", "seq": 0})
    assert back.kinds() == [Kind.SUBBED], "what was before the start is no gap"
    back.say(Frame(kind=Kind.UNSUB, id=3))
    back.sub(4, "a", retained=False)
    back.heard()
    back.emit("a")
    (live,) = back.heard()
    assert live.id > last, "no event is numbered below what is retained"
    back.sub(2, "a", retained=False, since_ms=1_000)
    assert [seq for _, seq, _, _ in back.events()] == [live.id], "the ring begins with the daemon"


def test_more_than_may_be_retained_is_refused_and_not_emitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retained, "RETAINED_MAX", 2)
    monkeypatch.setattr(retained, "RETAINED_BYTES_MAX", 1_000)
    desk = Desk()
    me = desk.join()
    me.sub(1, "**")
    me.heard()
    me.retain("a", 1)
    me.retain("b", 1)
    me.heard()
    me.retain("c", 1, id_=5)
    assert me.fails() == {5: "limit_exceeded"}
    me.retain("a", "x" * 2_000, id_=6)
    assert me.fails() == {6: "limit_exceeded"}
    me.retain("b", id_=7)
    me.retain("c", 1, id_=8)
    assert me.fails() == {}
    assert kept(me, "**", 2) == [("a", 1), ("c", 1)]


def test_collect_and_retain_do_not_go_together() -> None:
    me = Desk().join()
    me.publish("a", 1, 4, retain=True, collect=True)
    me.publish("a", 1, 5, retain=1)
    me.publish("a", 1, 6, keep=True)
    assert me.fails() == dict.fromkeys((4, 5, 6), "bad_request")


def test_of_many_that_are_refused_the_last_one_has_a_short_way_back() -> None:
    desk = Desk()
    me = desk.join()
    me.retain("a", 0)
    board = desk.router.board
    table = board.workspace("askr").retained
    row = [table.put(b"a", Event(board.workspace("askr"), b"a", seq, b"")) for seq in range(3)]
    for keeping in row:
        keeping.undone(board, "disk full")
    assert [each.before for each in row] == [row[0].before] * 3
    assert kept(me, "a", 1) == [("a", 0)]


def test_what_there_is_no_room_to_tell_is_told_as_a_gap() -> None:
    desk = Desk(limits=Limits(outbox_frames_max=4))
    me, late = desk.join(), desk.join("late")
    late.heard()
    for number in range(6):
        me.retain(f"a.b{number}", number)
    late.say(*(Frame(kind=Kind.SUB, id=sub, name=b"a.*") for sub in (1, 2)))
    told = late.heard()
    assert [event_options(frame).sub for frame in told if frame.kind == Kind.EVENT] == [1] * 6
    (gap,) = [frame for frame in told if frame.kind == Kind.GAP]
    assert event_options(gap).sub == 2
    assert (body(gap)["missed"], body(gap)["from"], body(gap)["to"]) == (6, 1, 6)
