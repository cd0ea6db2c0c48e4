"""Holds where a reader of a log begins, what it may ask for, and how events are acknowledged."""

from typing import Any

import pytest

from askrd.wire.bodies import dump
from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import UNACKED_MAX
from tests.unit.askrd.core.desk import MS, SECOND, body
from tests.unit.askrd.core.logbook import (
    ACK_WAIT_US,
    ack,
    begun,
    consume,
    emit,
    given,
    nak,
    read,
)


@pytest.mark.parametrize(
    ("wants", "seqs"),
    [
        ({}, [1, 2, 3, 4]),
        ({"start": "first"}, [1, 2, 3, 4]),
        ({"start": "new"}, [4]),
        ({"start_seq": 3}, [3, 4]),
        ({"start_seq": 99}, [4]),
        ({"since_ms": 1_500}, [2, 3, 4]),
        ({"since_ms": 0}, [4]),
    ],
)
def test_where_a_reader_begins(wants: dict[str, Any], seqs: list[int]) -> None:
    desk, emitter, reader = begun(1)
    desk.after(SECOND)
    emit(emitter, 2)
    desk.after(SECOND)
    emit(emitter, 3)
    desk.after(MS)
    read(reader, **wants)
    emit(emitter, 4)
    assert [seq for seq, _ in given(reader)] == seqs


def test_unsub_ends_reading() -> None:
    desk, emitter, reader = begun(1)
    read(reader)
    reader.say(Frame(kind=Kind.UNSUB, id=1))
    reader.heard()
    emit(emitter, 2)
    assert reader.heard() == []
    assert emitter.ask("$askr.logs.show", {"name": "orders"})["readers"] == 0
    read(reader)
    reader.lose()
    assert emitter.ask("$askr.logs.show", {"name": "orders"})["readers"] == 0
    assert len(desk.router.board.alarms) == 1  # the oldest event's age


@pytest.mark.parametrize(
    ("wants", "code"),
    [
        ({"log": "order"}, "not_found"),
        ({"ack": True}, "bad_request"),
        ({"consumer": "a b"}, "bad_request"),
        ({"start": "middle"}, "bad_request"),
        ({"start": "new", "start_seq": 1}, "bad_request"),
        ({"start_seq": 0}, "bad_request"),
        ({"since_ms": -1}, "bad_request"),
        ({"group": "g"}, "bad_request"),
        ({"retained": True}, "bad_request"),
        ({"when_full": "conflate"}, "bad_request"),
        ({"consumer": "c", "unacked_max": UNACKED_MAX + 1}, "bad_request"),
    ],
)
def test_what_cannot_be_is_refused(wants: dict[str, Any], code: str) -> None:
    desk, _, reader = begun()
    read(reader, **wants)
    assert reader.fails() == {1: code}
    assert reader.session.hearings == {}
    assert desk.router.board.workspaces["askr"].logs.by_name["orders"].consumers == {}


def test_an_unknown_log_says_what_may_have_been_meant() -> None:
    _, _, reader = begun()
    read(reader, log="order")
    (fail,) = reader.heard()
    assert body(fail)["details"] == {"nearest": ["orders"]}


def test_a_consumer_goes_on_where_it_was() -> None:
    _, emitter, reader = begun(1, 2, 3)
    consume(reader)
    assert given(reader) == [(1, 1), (2, 1), (3, 1)]
    ack(reader, 1)
    ack(reader, 2)
    ack(reader, 3)
    reader.say(Frame(kind=Kind.UNSUB, id=1))
    emit(emitter, 4)
    consume(reader, 2, start="first")
    assert given(reader) == [(4, 1)]


def test_nak_brings_an_event_back_after_its_delay() -> None:
    desk, _, reader = begun(1, 2)
    consume(reader)
    reader.heard()
    nak(reader, 1)
    assert given(reader) == [(1, 2)]
    nak(reader, 1, delay_ms=5_000)
    desk.after(4 * SECOND)
    assert given(reader) == []
    desk.after(2 * SECOND)
    assert given(reader) == [(1, 3)]


def test_what_is_given_back_in_order_does_not_count_as_delivered() -> None:
    desk, _, one = begun(1, deliveries_max=2)
    for _ in range(5):
        consume(one)
        assert given(one) == [(1, 1)]
        one.say(Frame(kind=Kind.UNSUB, id=1))
    consume(one)
    one.say(Frame(kind=Kind.BYE))
    two = desk.join("two", is_held=False)
    consume(two)
    assert given(two) == [(1, 1)]


def test_a_member_says_how_many_it_holds() -> None:
    desk, _, one = begun(1, 2, 3, 4, 5)
    two = desk.join("two", is_held=False)
    consume(one, unacked_max=1)
    consume(two, unacked_max=2)
    assert (given(one), given(two)) == ([(1, 1)], [(2, 1), (3, 1)])
    ack(one, 1)
    assert given(one) == [(4, 1)]
    nak(two, 2)
    assert given(two) == [(2, 2)]


def test_a_filter_of_a_consumer_changes_only_while_nobody_reads_for_it() -> None:
    _, emitter, reader = begun()
    consume(reader, 1, "orders.paid")
    consume(reader, 2, "orders.sent")
    assert reader.fails() == {2: "conflict"}
    reader.say(Frame(kind=Kind.UNSUB, id=1))
    consume(reader, 3, "orders.sent")
    emit(emitter, 1, subject="orders.paid")
    emit(emitter, 2, subject="orders.sent")
    assert given(reader) == [(2, 1)]


def test_ack_with_an_id_is_answered_after_the_commit() -> None:
    desk, _, reader = begun(1)
    consume(reader)
    reader.heard()
    desk.is_stored = False
    ack(reader, 1, id_=9)
    assert reader.heard() == []
    desk.commit(desk.router.board.gate.ticket)
    (ok,) = reader.heard()
    assert (ok.kind, ok.id) == (Kind.OK, 9)
    desk.is_stored = True
    ack(reader, 1, id_=9)
    assert reader.kinds() == [Kind.OK]


def test_a_late_ack_counts() -> None:
    desk, _, one = begun(1)
    consume(one)
    two = desk.join("two", is_held=False)
    consume(two)
    desk.after(ACK_WAIT_US + SECOND)
    ack(one, 1, id_=9)
    assert Kind.OK in one.kinds()
    desk.after(2 * ACK_WAIT_US)
    assert len(given(one)) + len(given(two)) <= 1


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"sub": 7, "seq": 1}, "not_found"),
        ({"sub": 2, "seq": 1}, "not_found"),
        ({"sub": 1, "seq": 99}, "bad_request"),
        ({"sub": 1, "seq": 0}, "bad_request"),
        ({"sub": 1}, "bad_request"),
        ({"sub": 1, "seq": 1, "delay_ms": 1}, "bad_request"),
    ],
)
def test_a_wrong_ack_is_refused(members: dict[str, int], code: str) -> None:
    _, _, reader = begun(1)
    consume(reader)
    read(reader, 2)
    reader.heard()
    reader.say(Frame(kind=Kind.ACK, id=9, payload=dump(members), coding=1))
    assert reader.fails() == {9: code}
    reader.say(Frame(kind=Kind.ACK, payload=dump(members), coding=1))
    assert reader.errors() == [(0, code)]


def test_nak_of_what_another_has_is_refused() -> None:
    desk, _, one = begun(1)
    two = desk.join("two", is_held=False)
    consume(one)
    consume(two)
    nak(two, 1, id_=9)
    assert two.fails() == {9: "gone"}
    nak(one, 1, id_=9)
    assert Kind.OK in one.kinds()
    nak(one, 1, id_=9, delay_ms=-1)
    assert one.fails() == {9: "bad_request"}


def test_an_ack_is_refused_while_the_store_is_too_far_behind() -> None:
    desk, emitter, reader = begun(1)
    consume(reader)
    reader.heard()
    desk.is_stored = False
    emit(emitter, *range(10_001))
    ack(reader, 1, id_=9)
    assert reader.fails() == {9: "busy"}
