"""Holds what of consumers is kept, and when: acknowledgements outlive the daemon."""

import pytest

from askrd.wire.frames import Kind
from askrd.wire.limits import GATED_MAX
from tests.unit.askrd.core.desk import MS, SECOND, Desk
from tests.unit.askrd.core.logbook import (
    Store,
    ack,
    begun,
    consume,
    emit,
    given,
    nak,
    restarted,
)


def consumer_rows(desk: Desk) -> int:
    return sum(record.shelf == "consumers" for record in Store(desk).records)


def after_restart(store: Store) -> list[tuple[int, int]]:
    again = restarted(store.rows)
    me = again.join()
    consume(me)
    return given(me)


def test_many_acknowledgements_are_one_write() -> None:
    desk, _, reader = begun(*range(100))
    consume(reader)
    before = consumer_rows(desk)
    for seq in range(1, 100):
        ack(reader, seq)
    assert consumer_rows(desk) == before
    desk.after(100 * MS)
    assert consumer_rows(desk) == before + 1
    assert after_restart(Store(desk)) == [(100, 1)]


def test_an_ack_that_was_answered_outlives_the_daemon() -> None:
    desk, _, reader = begun(1, 2, 3)
    consume(reader)
    ack(reader, 2, id_=9)
    assert Kind.OK in reader.kinds()
    assert after_restart(Store(desk)) == [(1, 1), (3, 1)]


def test_what_was_delivered_and_naked_is_counted_on() -> None:
    desk, _, reader = begun(1)
    consume(reader)
    nak(reader, 1, delay_ms=10_000)
    desk.after(SECOND)
    assert after_restart(Store(desk)) == [(1, 2)]


def test_a_delivery_that_the_daemons_end_cuts_short_is_none() -> None:
    desk, _, reader = begun(1, deliveries_max=1)
    consume(reader)
    desk.router.close_all("going")
    desk.settle()
    assert after_restart(Store(desk)) == [(1, 1)]


def test_what_moved_is_kept_when_the_daemon_goes() -> None:
    desk, _, reader = begun(1, 2)
    consume(reader)
    ack(reader, 1)
    assert after_restart(Store(desk)) == [(1, 1), (2, 1)]
    desk.router.close_all("going")
    desk.settle()
    assert after_restart(Store(desk)) == [(2, 1)]


def test_a_consumer_is_kept_from_its_beginning() -> None:
    desk, me, reader = begun(1)
    consume(reader, start="new")
    again = restarted(Store(desk).rows)
    me = again.join()
    emit(me, 2)
    consume(me)
    assert given(me) == [(2, 1)]


@pytest.mark.parametrize("id_", [0, 9])
def test_an_ack_that_the_store_refused_is_kept_later(id_: int) -> None:
    desk, me, reader = begun(1, 2)
    consume(reader)
    reader.heard()
    store = Store(desk)
    desk.is_stored = False
    ack(reader, 1, id_=id_)
    desk.after(100 * MS)
    store.refuse()
    assert reader.fails() == ({9: "storage_unavailable"} if id_ else {})
    desk.is_stored = True
    emit(me, 3)
    desk.after(100 * MS)
    assert after_restart(store) == [(2, 1), (3, 1)]


def test_places_wait_while_the_store_is_too_far_behind() -> None:
    desk, me, reader = begun(1)
    consume(reader)
    desk.is_stored = False
    emit(me, *range(GATED_MAX))
    before = consumer_rows(desk)
    ack(reader, 1)
    desk.after(SECOND)
    assert consumer_rows(desk) == before
    desk.is_stored = True
    desk.commit(desk.router.board.gate.ticket)
    desk.after(100 * MS)
    assert consumer_rows(desk) == before + 1


def test_sweeping_waits_while_the_store_is_too_far_behind() -> None:
    desk, me, _ = begun(1, 2, age_ms=5_000)
    desk.is_stored = False
    emit(me, *range(GATED_MAX))
    desk.after(10 * SECOND)
    log = desk.router.board.workspaces["askr"].logs.by_name["orders"]
    assert len(log.doomed) == GATED_MAX + 2
    desk.is_stored = True
    desk.commit(desk.router.board.gate.ticket)
    desk.after(2 * SECOND)
    assert len(log.doomed) == 0


def test_what_was_delivered_often_enough_is_not_delivered_after_a_restart() -> None:
    desk, _, reader = begun(1, 2, deliveries_max=1)
    consume(reader)
    nak(reader, 1, delay_ms=10_000)
    desk.after(SECOND)
    assert after_restart(Store(desk)) == [(2, 1)]
