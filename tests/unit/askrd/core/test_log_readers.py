"""Holds who gets what of a log: replay and follow, places that are shared, dead letters, gaps."""

from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import UNACKED_MAX
from tests.unit.askrd.core.desk import MS, SECOND, Desk, body
from tests.unit.askrd.core.logbook import (
    ACK_WAIT_US,
    DEAD,
    ack,
    begun,
    consume,
    create,
    emit,
    given,
    is_kept,
    options,
    pair,
    read,
)


def test_a_reader_gets_what_was_and_then_what_comes() -> None:
    _, emitter, reader = begun(10, 20)
    read(reader)
    emit(emitter, 30)
    subbed, *events = reader.heard()
    assert subbed.kind == Kind.SUBBED
    assert [(options(each).log_seq, body(each), is_kept(each)) for each in events] == [
        (1, 10, True),
        (2, 20, True),
        (3, 30, False),
    ]
    assert {options(each).sub for each in events} == {1}
    assert {each.name for each in events} == {b"orders.paid"}
    assert {each.stamp[8:] for each in events} == {emitter.session.origin}


def test_a_plain_listener_gets_the_event_once_and_at_once() -> None:
    desk, emitter, reader = begun()
    desk.is_stored = False
    reader.sub(7, "orders.*")
    read(reader, 8)
    reader.heard()
    emit(emitter, 1)
    (live,) = reader.heard()
    assert (live.kind, live.options) == (Kind.EVENT, b"")
    desk.commit(desk.router.board.gate.ticket)
    assert given(reader) == [(1, 0)]


def test_a_filter_leaves_events_out() -> None:
    _, emitter, reader = begun()
    emit(emitter, 1, subject="orders.paid")
    emit(emitter, 2, subject="orders.sent")
    emit(emitter, 3, subject="other.paid")
    read(reader, pattern="*.sent")
    assert given(reader) == [(2, 0)]


def test_the_daemons_own_news_can_be_logged() -> None:
    desk = Desk()
    me = desk.join(is_held=False)
    create(me, "news", "$askr.peer.*")
    desk.join("other")
    read(me, log="news")
    (event,) = [frame for frame in me.heard() if frame.kind == Kind.EVENT]
    assert event.name == b"$askr.peer.joined"


def test_emitted_comes_once_the_event_is_kept() -> None:
    desk, emitter, _ = begun()
    emitter.heard()
    desk.is_stored = False
    emitter.emit("orders.paid", id_=5)
    assert emitter.heard() == []
    desk.commit(desk.router.board.gate.ticket)
    (emitted,) = emitter.heard()
    assert (emitted.kind, emitted.id, body(emitted)["receivers"]) == (Kind.EMITTED, 5, 0)


def test_a_reader_that_does_not_read_gets_nothing_until_it_does() -> None:
    desk, emitter, reader = begun()
    read(reader)
    reader.pause()
    emit(emitter, *range(50))
    assert reader.session.outbox.waiting == (0, 0)
    reader.resume()
    desk.after(MS)
    assert [seq for seq, _ in given(reader)] == list(range(1, 51))


def test_a_long_log_comes_in_portions_and_whole() -> None:
    desk, emitter, reader = begun()
    payload = b"x" * 10_000
    for _ in range(200):
        emitter.emit("orders.paid", payload=payload, coding=2)
    read(reader)
    first = given(reader)
    assert 10 < len(first) < 40
    desk.after(SECOND)
    assert len(first) + len(given(reader)) == 200


def test_many_readers_at_once_wait_until_what_is_on_its_way_is_written() -> None:
    desk, emitter, reader = begun()
    for _ in range(20):
        emitter.emit("orders.paid", payload=b"x" * 10_000, coding=2)
    desk.router.board.queued_bytes = 0
    for number in range(20):
        read(reader, 1 + number)
        consume(reader, 101 + number, consumer=f"c{number}")
    told = given(reader)
    assert 100 < len(told) < 150, "each reader alone would have got all of it"
    rounds = 0
    while len(told) < 40 * 20:
        desk.after(1)
        more = given(reader)
        assert 100 <= len(more) < 150 or len(told) + len(more) == 40 * 20
        told += more
        rounds += 1
    assert rounds < 10


def test_members_take_turns() -> None:
    desk, emitter, one = begun()
    two = desk.join("two", is_held=False)
    consume(one)
    consume(two)
    for number in range(6):
        emit(emitter, number)
    assert given(one) == [(1, 1), (3, 1), (5, 1)]
    assert given(two) == [(2, 1), (4, 1), (6, 1)]


def test_a_paused_member_is_passed_over() -> None:
    desk, emitter, one = begun()
    two = desk.join("two", is_held=False)
    consume(one)
    consume(two)
    one.pause()
    emit(emitter, 1, 2, 3)
    assert given(two) == [(1, 1), (2, 1), (3, 1)]


def test_what_is_not_acknowledged_in_time_comes_again() -> None:
    desk, _, reader = begun(1, 2)
    consume(reader)
    ack(reader, 1)
    reader.heard()
    desk.after(ACK_WAIT_US - SECOND)
    assert given(reader) == []
    desk.after(2 * SECOND)
    (again,) = [frame for frame in reader.heard() if frame.kind == Kind.EVENT]
    assert (pair(again), is_kept(again)) == ((2, 2), True)


def test_a_lost_members_events_go_to_others_at_once() -> None:
    desk, emitter, one = begun()
    two = desk.join("two", is_held=False)
    consume(one)
    consume(two)
    emit(emitter, 1, 2, 3, 4)
    assert given(two) == [(2, 1), (4, 1)]
    one.lose()
    assert given(two) == [(1, 2), (3, 2)]


def test_an_event_that_came_too_often_is_a_dead_letter() -> None:
    desk, emitter, reader = begun(77, deliveries_max=3)
    emitter.sub(1, DEAD)
    emitter.heard()
    consume(reader)
    for delivery in (1, 2, 3):
        assert given(reader) == [(1, delivery)]
        desk.after(ACK_WAIT_US + SECOND)
    (letter,) = [frame for frame in emitter.heard() if frame.kind == Kind.EVENT]
    assert body(letter) == {
        "log": "orders",
        "consumer": "billing",
        "seq": 1,
        "event": "orders.paid",
        "deliveries": 3,
        "payload": 77,
    }
    assert given(reader) == []
    (row,) = emitter.ask("$askr.logs.consumers", {"name": "orders"})
    assert (row["dead"], row["unacked"], row["seq"]) == (1, 0, 1)


def test_bytes_are_base64_in_a_dead_letter() -> None:
    desk, emitter, reader = begun(deliveries_max=1)
    emitter.sub(1, DEAD)
    emitter.emit("orders.raw", payload=b"\xff\x00", coding=2)
    emitter.emit("orders.none")
    emitter.emit("orders.broken", payload=b"{", coding=1)
    consume(reader)
    desk.after(ACK_WAIT_US + SECOND)
    letters = [body(frame) for frame in emitter.heard() if frame.name.startswith(b"$askr.dead")]
    assert [(each.get("b"), "payload" in each) for each in letters] == [
        ("/wA=", False),
        (None, False),
        ("ew==", False),
    ]


def test_a_dead_letter_that_does_not_fit_is_told_without_its_payload() -> None:
    desk, emitter, reader = begun(deliveries_max=1)
    emitter.sub(1, DEAD)
    emitter.emit("orders.raw", payload=bytes(1_000_000), coding=2)
    consume(reader)
    desk.after(ACK_WAIT_US + SECOND)
    (letter,) = [body(frame) for frame in emitter.heard() if frame.name.startswith(b"$askr.dead")]
    assert (letter["omitted"], letter["seq"]) == (True, 1)
    assert "b" not in letter


def test_a_dead_letter_makes_no_further_one() -> None:
    desk = Desk()
    me = desk.join(is_held=False)
    create(me, "orders", "orders.**", "$askr.dead.**", deliveries_max=1)
    emit(me, 1)
    consume(me)
    desk.after(5 * ACK_WAIT_US)
    assert [frame.name for frame in me.heard() if frame.kind == Kind.EVENT] == [
        b"orders.paid",
        DEAD.encode(),
    ]


def test_a_consumer_that_acknowledges_nothing_moves_as_it_is_given() -> None:
    desk, emitter, reader = begun(1, 2)
    consume(reader, ack=False)
    assert given(reader) == [(1, 1), (2, 1)]
    desk.after(ACK_WAIT_US * 2)
    reader.say(Frame(kind=Kind.UNSUB, id=1))
    emit(emitter, 3)
    consume(reader, 2, ack=False)
    assert given(reader) == [(3, 1)]
    ack(reader, 3, sub=2, id_=9)
    assert reader.fails() == {9: "not_found"}


def test_no_more_than_so_many_are_unacknowledged() -> None:
    _, _, reader = begun(*range(UNACKED_MAX + 5))
    consume(reader)
    assert len(given(reader)) == UNACKED_MAX
    ack(reader, 3)
    assert given(reader) == [(UNACKED_MAX + 1, 1)]


def test_a_member_that_is_silent_for_long_is_given_nothing_until_it_is_heard() -> None:
    desk, emitter, _ = begun()
    silent = desk.join("silent")
    consume(silent)
    silent.heard()
    desk.after(21 * SECOND)
    emit(emitter, 1)
    assert given(silent) == []
    silent.say(Frame(kind=Kind.PONG))
    assert given(silent) == [(1, 1)]


def test_a_half_closed_peer_is_given_nothing_that_it_cannot_acknowledge() -> None:
    desk, emitter, reader = begun()
    consume(reader)
    read(reader, 2)
    reader.heard()
    desk.router.half_close(reader.session, desk.now_us)
    emit(emitter, 1)
    events = [options(frame).sub for frame in reader.heard() if frame.kind == Kind.EVENT]
    assert events == [2]


def test_a_draining_daemon_hands_out_nothing() -> None:
    desk, emitter, reader = begun()
    consume(reader)
    reader.heard()
    desk.router.drain(1_000, desk.now_us)
    emit(emitter, 1)
    assert given(reader) == []


def test_a_consumer_behind_the_oldest_event_is_told_what_it_missed() -> None:
    _, emitter, reader = begun(count=3)
    consume(reader)
    reader.say(Frame(kind=Kind.UNSUB, id=1))
    emit(emitter, *range(10))
    reader.heard()
    consume(reader)
    subbed, gap, *events = reader.heard()
    assert (subbed.kind, gap.kind, body(gap), options(gap).sub) == (
        Kind.SUBBED,
        Kind.GAP,
        {"missed": 7},
        1,
    )
    assert [pair(each) for each in events] == [(8, 1), (9, 1), (10, 1)]


def test_an_unacknowledged_event_that_went_is_told_as_missed() -> None:
    desk, emitter, reader = begun(1, 2, count=2)
    consume(reader)
    reader.heard()
    emit(emitter, 3)
    reader.heard()
    desk.after(ACK_WAIT_US + SECOND)
    frames = [frame for frame in reader.heard() if frame.kind in (Kind.EVENT, Kind.GAP)]
    assert (frames[0].kind, body(frames[0])) == (Kind.GAP, {"missed": 1})
    assert [pair(frame) for frame in frames[1:]] == [(2, 2), (3, 2)]


def test_a_reader_behind_the_oldest_event_is_told_what_it_missed() -> None:
    desk, emitter, reader = begun(count=2)
    read(reader)
    reader.pause()
    emit(emitter, *range(5))
    reader.resume()
    desk.after(MS)
    frames = [frame for frame in reader.heard() if frame.kind in (Kind.EVENT, Kind.GAP)]
    assert body(frames[0]) == {"missed": 3}
    assert [pair(frame)[0] for frame in frames[1:]] == [4, 5]


def test_why_says_who_reads_an_event_from_a_log() -> None:
    _, emitter, reader = begun()
    read(reader, 1, "**")
    consume(reader, 2, "orders.paid")
    answer = emitter.ask("$askr.why", {"event": "orders.paid"})
    assert answer["candidates"][0]["reason"] == (
        "it listens to ** from log orders, and orders.paid from log orders, consumer billing"
    )
    assert emitter.ask("$askr.why", {"event": "other"})["verdict"] == "nobody"
