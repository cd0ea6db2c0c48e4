"""Holds that a daemon may be killed after any row it wrote: the next one begins, and keeps its word."""

from __future__ import annotations

from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.core.desk import MS, SECOND, Desk, Mate
from tests.unit.askrd.core.logbook import (
    Rows,
    Store,
    ack,
    begun,
    consume,
    create,
    emit,
    given,
    nak,
    read,
    restarted,
)


class Word:
    """What the daemon has promised, and after which row.

    Attributes:
        emitted: after so many rows an event was answered as kept. acked: the same for an `ack`.
        purged: after so many rows events up to a number were answered as gone.
    """

    def __init__(self) -> None:
        self.emitted: dict[int, int] = {}
        self.acked: dict[int, int] = {}
        self.purged: dict[int, int] = {}


def lived() -> tuple[Store, Word]:
    """A short life of a log: what it wrote, and what was promised when."""
    desk, me, reader = begun()
    store, word = Store(desk), Word()
    consume(reader)
    for seq in range(1, 13):
        me.emit("orders.paid", id_=5)
        assert Kind.EMITTED in me.kinds()
        word.emitted[seq] = len(store.records)
        if seq % 3 == 0:
            ack(reader, seq - 1, id_=9)
            assert Kind.OK in reader.kinds()
            word.acked[seq - 1] = len(store.records)
        if seq % 4 == 0:
            nak(reader, seq, id_=9)
            desk.after(60 * MS)
    me.ask("$askr.logs.purge", {"name": "orders", "upto": 3})
    word.purged[3] = len(store.records)
    desk.after(100 * MS)
    create(me, count=5)
    desk.after(100 * MS)
    reader.lose()
    desk.after(100 * MS)
    return store, word


def test_every_promise_is_kept_whenever_the_daemon_is_killed() -> None:
    store, word = lived()
    count = len(store.records)
    assert count >= 30
    for kill in range(count + 1):
        rows = store.rows_after(kill)
        if ("logs", "orders") not in rows:
            continue
        desk = restarted(rows)
        me = desk.join("me", is_held=False)
        read(me)
        all_of_it = {seq for seq, _ in given(me)}
        consume(me, 2)
        work = {seq for seq, _ in given(me)}
        promised = {seq for seq, after in word.emitted.items() if after <= kill}
        gone = max((seq for seq, after in word.purged.items() if after <= kill), default=0)
        acked = {seq for seq, after in word.acked.items() if after <= kill}
        newest = {seq for seq in promised if seq > gone}
        has_limit = body_count(me) == 5
        if has_limit:
            newest = set(sorted(newest)[-5:])
        assert newest <= all_of_it
        assert not any(seq <= gone for seq in all_of_it)
        assert not work & acked
        assert newest - acked <= work


def body_count(me: Mate) -> int:
    count: int = me.ask("$askr.logs.show", {"name": "orders"})["count"]
    return count


def test_numbers_go_on_behind_every_one_that_was_promised() -> None:
    store, word = lived()
    for kill in range(len(store.records) + 1):
        rows = store.rows_after(kill)
        if ("logs", "orders") not in rows:
            continue
        me = restarted(rows).join("me", is_held=False)
        emit(me, 0)
        last = me.ask("$askr.logs.show", {"name": "orders"})["last_seq"]
        assert last > max((seq for seq, after in word.emitted.items() if after <= kill), default=0)


def test_a_removal_is_finished_by_the_next_daemon_whenever_it_is_killed() -> None:
    desk, me, reader = begun(*range(20))
    consume(reader)
    ack(reader, 3)
    reader.say(Frame(kind=Kind.UNSUB, id=1))
    desk.after(100 * MS)
    store = Store(desk)
    me.ask("$askr.logs.remove", {"name": "orders"})
    answered = len(store.records)
    desk.after(SECOND)
    assert store.rows == {}
    for kill in range(answered, len(store.records) + 1):
        assert_nothing_is_left(store.rows_after(kill))


def assert_nothing_is_left(rows: Rows) -> None:
    desk: Desk = restarted(rows)
    me = desk.join("me", is_held=False)
    assert me.ask("$askr.logs.list") == []
    desk.after(SECOND)
    assert Store(desk, rows).rows == {}
