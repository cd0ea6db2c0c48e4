"""Holds how events get into a log while the store is slow, full or refuses: loss is never silent."""

from askrd.core.effects import Note
from askrd.wire.frames import Kind
from askrd.wire.limits import GATED_BYTES_MAX, GATED_MAX
from tests.unit.askrd.core.desk import MS, SECOND, Desk, json
from tests.unit.askrd.core.logbook import (
    Store,
    begun,
    consume,
    create,
    emit,
    given,
    log_of,
    read,
    restarted,
)


def notes(desk: Desk) -> list[str]:
    found = [effect for effect in desk.effects if isinstance(effect, Note)]
    return [note.event for note in found if note.event.startswith("log")]


def test_readers_get_an_event_once_it_is_kept() -> None:
    desk, me, reader = begun()
    read(reader)
    consume(reader, 2)
    reader.heard()
    desk.is_stored = False
    emit(me, 1, 2)
    first = desk.router.board.gate.ticket - 1
    assert reader.heard() == []
    desk.commit(first)
    assert given(reader) == [(1, 0), (1, 1)]
    desk.commit(first + 1)
    assert given(reader) == [(2, 0), (2, 1)]


def test_a_refused_event_leaves_the_log_and_its_emitter_is_told() -> None:
    desk, me, reader = begun(1)
    me.heard()
    store = Store(desk)
    desk.is_stored = False
    me.emit("orders.paid", id_=5)
    emit(me, 3)
    store.refuse()
    assert me.fails() == {5: "storage_unavailable"}
    assert (len(log_of(desk)), log_of(desk).refused) == (1, 2)
    assert notes(desk) == ["log refused an event"]
    desk.is_stored = True
    emit(me, 4)
    read(reader)
    assert [seq for seq, _ in given(reader)] == [1, 4]
    assert me.ask("$askr.logs.show", {"name": "orders"})["refused"] == 2
    again = restarted(store.rows)
    assert (len(log_of(again)), log_of(again).last) == (2, 4)


def test_refusals_are_noted_at_most_once_a_second() -> None:
    desk, me, _ = begun()
    desk.is_stored = False
    for _ in range(3):
        emit(me, 1)
        desk.router.rejected("disk full", desk.now_us)
    desk.settle()
    assert notes(desk) == ["log refused an event"]
    desk.after(2 * SECOND)
    emit(me, 1)
    desk.router.rejected("disk full", desk.now_us)
    desk.settle()
    assert notes(desk) == ["log refused an event"] * 2


def test_an_emitter_is_told_busy_while_the_store_is_too_far_behind() -> None:
    desk, me, listener = begun()
    listener.sub(1, "orders.paid")
    desk.is_stored = False
    emit(me, *range(GATED_MAX + 2))
    assert me.errors() == [(0, "busy")] * 2
    me.emit("orders.paid", id_=7)
    assert me.fails() == {7: "busy"}
    assert listener.kinds().count(Kind.EVENT) == GATED_MAX
    assert len(log_of(desk)) == GATED_MAX
    desk.commit(desk.router.board.gate.ticket)
    emit(me, 1)
    assert (me.errors(), listener.kinds()) == ([], [Kind.EVENT])


def test_bytes_that_wait_for_the_store_are_bounded() -> None:
    desk, me, _ = begun()
    me.heard()
    desk.is_stored = False
    size = 1_000_000
    for _ in range(GATED_BYTES_MAX // size + 3):
        me.emit("orders.paid", payload=bytes(size), coding=2)
    assert me.errors() == [(0, "busy")] * 2
    gate = desk.router.board.gate
    assert GATED_BYTES_MAX <= gate.waiting_bytes < GATED_BYTES_MAX + 2 * size
    desk.commit(gate.ticket)
    assert gate.waiting_bytes == 0


def test_the_daemons_own_news_are_counted_when_they_cannot_be_kept() -> None:
    desk, me, _ = begun()
    create(me, "news", "$askr.peer.*")
    desk.is_stored = False
    emit(me, *range(GATED_MAX))
    desk.join("other")
    assert (len(log_of(desk, "news")), log_of(desk, "news").refused) == (0, 1)
    assert notes(desk) == ["log refused an event"]


def test_events_beyond_the_limits_go_with_their_rows() -> None:
    desk, me, _ = begun(*range(10), count=3)
    assert [log_of(desk).first, log_of(desk).last, len(log_of(desk))] == [8, 10, 3]
    desk.after(SECOND)
    kept = [int(key, 16) for shelf, key in sorted(Store(desk).rows) if shelf == "log/orders"]
    assert kept == [8, 9, 10]
    create(me, bytes=1024)
    for _ in range(5):
        me.emit("orders.paid", payload=bytes(400), coding=2)
    assert (len(log_of(desk)), log_of(desk).size < 1024) == (2, True)


def test_events_go_when_they_are_too_old() -> None:
    desk, me, _ = begun(1, age_ms=5_000)
    desk.after(3 * SECOND)
    emit(me, 2)
    desk.after(3 * SECOND)
    assert (len(log_of(desk)), log_of(desk).first) == (1, 2)
    desk.after(3 * SECOND)
    assert (len(log_of(desk)), log_of(desk).first) == (0, 3)
    desk.after(SECOND)
    assert {shelf for shelf, _ in Store(desk).rows} == {"logs"}


def test_a_log_that_has_far_too_much_is_trimmed_in_portions() -> None:
    desk, me, _ = begun(*range(3_000))
    create(me, count=10)
    assert len(log_of(desk)) == 2_000
    desk.after(SECOND)
    assert len(log_of(desk)) == 10


def test_an_event_that_was_purged_before_it_was_kept_is_no_trouble() -> None:
    desk, me, reader = begun(count=1)
    read(reader)
    reader.heard()
    desk.is_stored = False
    emit(me, 1, 2)
    me.say(json(Kind.CALL, {"name": "orders", "upto": 1}, id=1, name=b"$askr.logs.purge"))
    desk.commit(desk.router.board.gate.ticket)
    desk.after(MS)
    assert [(frame.kind) for frame in reader.heard()] == [Kind.GAP, Kind.EVENT]
    emit(me, 3)
    me.say(json(Kind.CALL, {"name": "orders"}, id=1, name=b"$askr.logs.purge"))
    desk.router.rejected("disk full", desk.now_us)
    assert (len(log_of(desk)), log_of(desk).refused, log_of(desk).is_over) == (0, 1, False)


def test_an_event_that_the_store_refuses_pushes_no_older_one_out() -> None:
    desk, me, reader = begun(1, 2, 3, count=3)
    store = Store(desk)
    desk.is_stored = False
    emit(me, 4, 5)
    store.refuse()
    desk.is_stored = True
    read(reader)
    assert given(reader) == [(1, 0), (2, 0), (3, 0)]
    emit(me, 6)
    assert [log_of(desk).first, len(log_of(desk))] == [2, 3]


def test_an_event_is_in_all_logs_that_it_fits_or_refused() -> None:
    desk, me, _ = begun()
    create(me, "audit", "**")
    desk.is_stored = False
    gate = desk.router.board.gate
    while gate.ticket - gate.committed < GATED_MAX - 1:
        me.say(json(Kind.PUT, 1, id=gate.ticket + 1, name=b"k%d" % gate.ticket))
    me.heard()
    me.emit("orders.paid", 50_001)
    me.emit("orders.paid", 50_002)
    desk.commit(gate.ticket)
    assert {f.id: f.kind for f in me.heard() if f.id > 50_000} == {
        50_001: Kind.EMITTED,
        50_002: Kind.FAIL,
    }
    assert (len(log_of(desk)), len(log_of(desk, "audit"))) == (1, 1)


def test_an_event_in_two_logs_is_kept_in_both() -> None:
    desk, me, _ = begun()
    create(me, "audit", "**")
    emit(me, 1)
    assert (len(log_of(desk)), len(log_of(desk, "audit"))) == (1, 1)
