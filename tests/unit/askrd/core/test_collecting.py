"""Holds the rules of collecting: who is asked, what is passed on, and when the end comes."""

import pytest

from askrd.wire.bodies import dump
from askrd.wire.frames import FLAG_MORE, FLAG_SEALED, Coding, Frame, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import MS, SECOND, Desk, Mate, body, event_options
from tests.unit.askrd.core.logbook import create

both = pytest.mark.parametrize("is_fast", [True, False])


def asked(mate: Mate) -> int:
    """Returns the id under which it may answer the one event it got."""
    (event,) = [frame for frame in mate.heard() if frame.kind == Kind.EVENT]
    return event_options(event).answer


def collect(mate: Mate, id_: int, subject: str = "q", ttl_ms: int = 0) -> None:
    mate.publish(subject, "?", id_, collect=True, fields={"ttl_ms": ttl_ms})


@both
def test_answers_come_under_the_emitters_id_and_then_the_end(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    me, one, two = desk.join(), desk.join("one"), desk.join("two")
    for mate in (one, two):
        mate.sub(4, "q")
        mate.heard()
    collect(me, 7)
    ids = asked(one), asked(two)
    assert min(ids) > 0
    two.answer(ids[1], {"from": "two"})
    assert [(f.kind, f.id, f.stamp, body(f)) for f in me.heard()] == [
        (Kind.ANSWER, 7, b"two@i2", {"from": "two"})
    ]
    one.answer(ids[0], 1)
    answer, end = me.heard()
    assert (answer.stamp, body(answer)) == (b"one@i1", 1)
    assert (end.kind, end.id) == (Kind.EMITTED, 7)
    assert body(end) == {"receivers": 2, "seq": 1, "answers": 2}
    me.emit("q", id_=7)
    assert me.kinds() == [Kind.EMITTED], "the id is free again"


def test_nothing_to_say_is_no_answer_and_null_is_one() -> None:
    desk = Desk()
    me, one, two = desk.join(), desk.join("one"), desk.join("two")
    for mate in (one, two):
        mate.sub(4, "q")
        mate.heard()
    collect(me, 7)
    one.answer(asked(one))
    two.say(Frame(kind=Kind.ANSWER, id=asked(two), payload=b"null", coding=Coding.JSON))
    answer, end = me.heard()
    assert (answer.kind, answer.payload) == (Kind.ANSWER, b"null")
    assert body(end)["answers"] == 1


def test_nobody_listens_is_the_end_at_once() -> None:
    me = Desk().join()
    collect(me, 7)
    (end,) = me.heard()
    assert body(end) == {"receivers": 0, "seq": 1, "answers": 0}


def test_the_time_is_over() -> None:
    desk = Desk()
    me, one = desk.join(), desk.join("one")
    one.sub(4, "q")
    one.heard()
    collect(me, 7)
    collect(me, 8, ttl_ms=500)
    first, second = [event_options(f).answer for f in one.heard()]
    desk.after(700 * MS)
    (end,) = me.heard()
    assert (end.id, body(end)["answers"]) == (8, 0)
    one.answer(second, "late")
    assert me.heard() == []
    assert desk.router.board.totals.late_replies == 1
    one.answer(first, "in time")
    assert [frame.id for frame in me.heard()] == [7, 7]
    collect(me, 9)
    desk.after(2_200 * MS)
    assert [frame.id for frame in me.heard() if frame.kind == Kind.EMITTED] == [9]


def test_who_leaves_is_not_waited_for() -> None:
    desk = Desk()
    me, one, two = desk.join(), desk.join("one"), desk.join("two")
    for mate in (one, two):
        mate.sub(4, "q")
        mate.heard()
    collect(me, 7)
    two.answer(asked(two), 1)
    me.heard()
    one.lose()
    (end,) = me.heard()
    assert body(end) == {"receivers": 2, "seq": 1, "answers": 1}


def test_when_the_emitter_leaves_late_answers_go_nowhere() -> None:
    desk = Desk()
    me, one = desk.join(), desk.join("one")
    one.sub(4, "q")
    one.heard()
    collect(me, 7)
    id_ = asked(one)
    me.lose()
    assert one.session.answering == {}
    one.answer(id_, 1)
    assert one.errors() == []


def test_a_second_answer_is_dropped_and_a_forged_one_refused() -> None:
    desk = Desk()
    me, one, two = desk.join(), desk.join("one"), desk.join("two")
    for mate in (one, two):
        mate.sub(4, "q")
        mate.heard()
    collect(me, 7)
    id_ = asked(one)
    one.answer(id_, 1)
    one.answer(id_, 2)
    one.answer(id_ + 5, 3)
    assert one.errors() == [(id_ + 5, "bad_request")]
    assert [body(frame) for frame in me.heard()] == [1]
    totals = desk.router.board.totals
    assert (totals.late_replies, totals.forged_replies) == (1, 1)


def test_a_bad_answer_may_be_said_better() -> None:
    desk = Desk(limits=Limits(payload_bytes_max=100))
    me, one = desk.join(), desk.join("one")
    one.sub(4, "q")
    one.heard()
    collect(me, 7)
    id_ = asked(one)
    one.say(Frame(kind=Kind.ANSWER, id=id_, flags=FLAG_MORE))
    one.answer(id_, "x" * 200)
    assert one.errors() == [(id_, "bad_request"), (id_, "payload_too_large")]
    one.say(Frame(kind=Kind.ANSWER, id=id_, payload=b"s", coding=2, flags=FLAG_SEALED))
    answer, _ = me.heard()
    assert (answer.flags, answer.payload) == (FLAG_SEALED, b"s")


def test_members_of_groups_and_slow_readers_are_asked_too() -> None:
    desk = Desk()
    me, one, two = desk.join(), desk.join("one"), desk.join("two")
    for mate in (one, two):
        mate.sub(4, "q", group="g")
    two.sub(5, "q", when_full="conflate")
    one.sub(6, "q")
    for mate in (one, two):
        mate.heard()
    collect(me, 7)
    plain, grouped = [event_options(f) for f in one.heard()]
    assert (plain.sub, grouped.sub) == (0, 4)
    (newest,) = [event_options(f) for f in two.heard()]
    assert newest.sub == 5
    for mate, id_ in ((one, plain.answer), (one, grouped.answer), (two, newest.answer)):
        mate.answer(id_, id_)
    assert body(me.heard()[-1]) == {"receivers": 3, "seq": 1, "answers": 3}


def test_what_cannot_be_collected_is_refused_and_not_emitted() -> None:
    desk = Desk(limits=Limits(commands_in_flight_max=2))
    me, one = desk.join(), desk.join("one")
    one.sub(4, "**")
    one.heard()
    me.emit("q", options=dump({"collect": True}))
    assert me.errors() == [(0, "bad_request")]
    collect(me, 1, ttl_ms=60_001)
    assert me.fails() == {1: "bad_request"}
    collect(me, 2, ttl_ms=60_000)
    collect(me, 3)
    collect(me, 4)
    assert me.fails() == {4: "limit_exceeded"}
    assert len(one.events()) == 2
    me.emit("q", id_=2)
    assert me.errors() == [(2, "bad_request")]
    desk.router.drain(1_000, desk.now_us)
    desk.after(SECOND)
    me.heard()
    collect(me, 5)
    assert me.fails() == {5: "draining"}


@pytest.mark.parametrize("is_refused", [False, True])
def test_an_event_of_a_log_is_not_ended_before_the_store_has_it(is_refused: bool) -> None:
    desk = Desk()
    me, one = desk.join(), desk.join("one")
    create(me, "questions", "q")
    one.sub(4, "q")
    desk.is_stored = False
    one.heard()
    collect(me, 7, ttl_ms=500)
    id_ = asked(one)
    desk.after(SECOND)
    assert me.heard() == [], "the time is over, and the store is not ready"
    one.answer(id_, "late")
    assert me.heard() == []
    assert desk.router.board.totals.late_replies == 1
    if is_refused:
        desk.router.rejected("disk full", desk.now_us)
        assert me.fails() == {7: "storage_unavailable"}
    else:
        desk.commit(desk.router.board.gate.ticket)
        (end,) = me.heard()
        assert (end.kind, body(end)["answers"]) == (Kind.EMITTED, 0)
    assert not me.session.collections
    assert 7 not in me.session.taken
