"""Holds the commands about logs: created, changed, shown, purged, removed, and there again."""

from typing import Any

import pytest

from askrd.core import log_commands
from askrd.wire.frames import FLAG_SILENT, Coding, Frame, Kind
from askrd.wire.limits import LOG_BYTES_MAX, LOGS_MAX, MIB
from askrd.wire.logs import LogDefinition
from tests.unit.askrd.core.desk import SECOND, Desk, json
from tests.unit.askrd.core.logbook import (
    Store,
    ack,
    begun,
    consume,
    create,
    emit,
    given,
    log_of,
    read,
    restarted,
)

ROW = {
    "name": "orders",
    "patterns": ["orders.**"],
    "age_ms": 604_800_000,
    "count": 100_000,
    "bytes": 64 * MIB,
    "ack_wait_ms": 30_000,
    "deliveries_max": 5,
    "events": 0,
    "events_bytes": 0,
    "first_seq": 1,
    "last_seq": 0,
    "refused": 0,
    "consumers": 0,
    "readers": 0,
}


def test_a_log_is_created_listed_and_shown() -> None:
    desk = Desk()
    me = desk.join()
    assert create(me) == ROW
    create(me, "audit", "**", count=3)
    assert [row["name"] for row in me.ask("$askr.logs.list")] == ["audit", "orders"]
    emit(me, 1, 2)
    row = me.ask("$askr.logs.show", {"name": "orders"})
    assert row["events_bytes"] == log_of(desk).size > 0
    assert row | {"events_bytes": 0} == ROW | {"events": 2, "last_seq": 2}


def test_another_definition_changes_a_log() -> None:
    desk, me, reader = begun(1, 2, 3)
    read(reader)
    reader.heard()
    assert create(me, "orders", "bills.*", count=2)["events"] == 2
    emit(me, 4)
    assert given(reader) == []
    emit(me, 5, subject="bills.new")
    assert given(reader) == [(4, 0)]
    effects = len(desk.effects)
    assert create(me, "orders", "bills.*", count=2)["events"] == 2
    assert len(desk.effects) == effects


def test_the_answer_waits_for_the_store() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    wanted = {"name": "orders", "patterns": ["orders.**"]}
    me.say(json(Kind.CALL, wanted, id=7, name=b"$askr.logs.create"))
    assert me.heard() == []
    me.call(7, "$askr.ping")
    assert me.errors() == [(7, "bad_request")]
    desk.commit(desk.router.board.gate.ticket)
    assert [(frame.kind, frame.id) for frame in me.heard()] == [(Kind.REPLY, 7)]


def test_a_silent_command_is_not_answered_with_a_value() -> None:
    me = Desk().join()
    wanted = {"name": "orders", "patterns": ["orders.**"]}
    me.say(json(Kind.CALL, wanted, id=7, name=b"$askr.logs.create", flags=FLAG_SILENT))
    (reply,) = me.heard()
    assert (reply.payload, reply.coding) == (b"", Coding.NONE)


def test_what_the_store_refuses_holds_and_is_said() -> None:
    desk = Desk(is_stored=False)
    me, gone = desk.join(), desk.join("gone")
    for mate in (me, gone):
        wanted = {"name": mate.session.name, "patterns": ["orders.**"]}
        mate.say(json(Kind.CALL, wanted, id=7, name=b"$askr.logs.create"))
    gone.lose()
    desk.router.rejected("disk full", desk.now_us)
    assert me.fails() == {7: "storage_unavailable"}
    assert [row["name"] for row in me.ask("$askr.logs.list")] == ["gone", "me"]
    desk.is_stored = True
    create(me, "third")
    shelves = {key for shelf, key in Store(desk).rows if shelf == "logs"}
    assert shelves == {"me", "gone", "third"}


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        {"name": "orders"},
        {"name": "a.b", "patterns": ["**"]},
        {"name": "orders", "patterns": []},
        {"name": "orders", "patterns": ["a..b"]},
        {"name": "orders", "patterns": ["**"], "count": 0},
        {"name": "orders", "patterns": ["**"], "bytes": LOG_BYTES_MAX + 1},
        {"name": "orders", "patterns": ["**"], "age_ms": -1},
        {"name": "orders", "patterns": ["**"], "ack_wait_ms": 0},
        {"name": "orders", "patterns": ["**"], "deliveries_max": 0},
        {"name": "orders", "patterns": ["**"], "cuont": 5},
    ],
)
def test_a_wrong_definition_is_refused(wanted: Any) -> None:
    me = Desk().join()
    assert me.ask("$askr.logs.create", wanted)["code"] == "bad_request"
    assert me.ask("$askr.logs.list") == []


def test_logs_are_bounded_in_number_and_together() -> None:
    me = Desk().join()
    for number in range(4):
        create(me, f"large{number}", bytes=LOG_BYTES_MAX)
    assert create(me, "one_more", bytes=1024)["details"] == {"limit": "logs_bytes_max"}
    me = Desk().join()
    for number in range(LOGS_MAX):
        create(me, f"log{number}", bytes=1024)
    assert create(me, "one_more", bytes=1024)["details"] == {"limit": "logs_max"}
    assert create(me, "log1", bytes=2048)["bytes"] == 2048


def test_purge_takes_events_out() -> None:
    desk, me, reader = begun(1, 2, 3, 4)
    assert me.ask("$askr.logs.purge", {"name": "orders", "upto": 2}) == {
        "name": "orders",
        "purged": 2,
    }
    read(reader)
    assert [seq for seq, _ in given(reader)] == [3, 4]
    assert me.ask("$askr.logs.purge", {"name": "orders"})["purged"] == 2
    assert me.ask("$askr.logs.purge", {"name": "orders"})["purged"] == 0
    desk.after(SECOND)
    assert [key for shelf, key in Store(desk).rows if shelf == "log/orders"] == []
    emit(me, 5)
    assert given(reader) == [(5, 0)]


def test_a_purge_of_many_is_swept_in_portions() -> None:
    desk, me, _ = begun(*range(2_500))
    me.ask("$askr.logs.purge", {"name": "orders"})
    assert len(log_of(desk).doomed) == 2_500
    desk.after(40_000)
    assert len(log_of(desk).doomed) == 1_500
    desk.after(SECOND)
    assert len(log_of(desk).doomed) == 0


def test_numbers_are_not_given_again_after_a_purge_and_a_restart() -> None:
    desk, me, _ = begun(1, 2, 3)
    me.ask("$askr.logs.purge", {"name": "orders"})
    for again in (restarted(Store(desk).rows), restarted(Store(desk).rows, is_stored=False)):
        assert (len(log_of(again)), log_of(again).last) == (0, 3)
    desk.after(SECOND)
    assert log_of(restarted(Store(desk).rows)).last == 3


def test_a_log_that_is_read_is_not_removed() -> None:
    _, me, reader = begun(1)
    read(reader)
    assert me.ask("$askr.logs.remove", {"name": "orders"})["code"] == "conflict"
    reader.say(Frame(kind=Kind.UNSUB, id=1))
    consume(reader)
    assert me.ask("$askr.logs.remove", {"name": "orders"})["code"] == "conflict"


def test_a_removed_log_leaves_nothing_behind() -> None:
    desk, me, reader = begun(1, 2)
    consume(reader)
    ack(reader, 1)
    reader.say(Frame(kind=Kind.UNSUB, id=1))
    assert me.ask("$askr.logs.remove", {"name": "orders"}) == {"name": "orders"}
    assert me.ask("$askr.logs.list") == []
    assert me.ask("$askr.logs.show", {"name": "orders"})["code"] == "not_found"
    emit(me, 3)
    interrupted = restarted(Store(desk).rows)
    desk.after(SECOND)
    assert Store(desk).rows == {}
    assert desk.router.board.workspaces["askr"].logs.by_name == {}
    interrupted.after(SECOND)
    assert interrupted.router.board.workspaces["askr"].logs.by_name == {}
    desk.after(60 * SECOND)
    assert len(desk.router.board.alarms) == 0


def test_a_log_of_the_same_name_goes_on_behind_the_removed_one() -> None:
    desk, me, reader = begun(1, 2)
    me.ask("$askr.logs.remove", {"name": "orders"})
    create(me)
    emit(me, 3)
    again = restarted(Store(desk).rows)
    desk.after(SECOND)
    read(reader)
    assert given(reader) == [(3, 0)]
    assert [key for shelf, key in sorted(Store(desk).rows) if shelf == "log/orders"] == [
        f"{3:016x}"
    ]
    assert (len(log_of(again)), log_of(again).first) == (1, 3)


def test_consumers_are_listed_and_removed() -> None:
    desk, me, reader = begun(1, 2, 3, 4)
    consume(reader, unacked_max=2)
    ack(reader, 2)
    assert me.ask("$askr.logs.consumers", {"name": "orders"}) == [
        {
            "consumer": "billing",
            "pattern": "**",
            "seq": 0,
            "waiting": 1,
            "unacked": 2,
            "members": 1,
            "redelivered": 0,
            "dead": 0,
        }
    ]
    place = {"name": "orders", "consumer": "billing"}
    assert me.ask("$askr.logs.remove_consumer", place)["code"] == "conflict"
    reader.lose()
    assert me.ask("$askr.logs.remove_consumer", place) == place
    assert me.ask("$askr.logs.remove_consumer", place)["code"] == "not_found"
    desk.after(SECOND)
    assert [key for shelf, key in Store(desk).rows if shelf == "consumers"] == []


# ── what was kept ─────────────────────────────────────────────────────────────────────────────


def test_a_restart_changes_nothing() -> None:
    desk, me, reader = begun(1, 2, 3)
    consume(reader)
    ack(reader, 2)
    desk.after(SECOND)
    rows = Store(desk).rows
    again = restarted(rows)
    me = again.join()
    assert me.ask("$askr.logs.show", {"name": "orders"})["last_seq"] == 3
    emit(me, 4)
    consume(me)
    assert given(me) == [(1, 1), (3, 1), (4, 1)]


def test_limits_hold_for_what_is_restored() -> None:
    desk, me, _ = begun(1, 2, 3)
    rows = Store(desk).rows
    create(me, count=1)
    rows["logs", "orders"] = Store(desk).rows["logs", "orders"]
    again = restarted(rows)
    assert (len(log_of(again)), log_of(again).first) == (1, 3)
    again.after(SECOND)
    assert len(log_of(again).doomed) == 0


def test_events_that_are_too_old_go_at_the_restart() -> None:
    desk, _, _ = begun(1, age_ms=5_000)
    desk.after(SECOND)
    rows = Store(desk).rows
    assert len(log_of(restarted(rows, desk.now_us + SECOND))) == 1
    assert len(log_of(restarted(rows, desk.now_us + 5 * SECOND))) == 0


def test_rows_without_a_log_are_forgotten() -> None:
    desk, _, reader = begun(1, 2)
    consume(reader)
    desk.after(SECOND)
    rows = Store(desk).rows
    del rows["logs", "orders"]
    again = restarted(rows)
    again.after(SECOND)
    kept = {(effect.shelf, effect.key): effect.value for effect in Store(again).records}
    assert kept == dict.fromkeys([*rows, ("logs", "orders")])
    assert again.router.board.workspaces["askr"].logs.by_name == {}


def test_numbers_are_not_given_again_when_all_events_were_too_old() -> None:
    desk, _, reader = begun(1, 2, 3, age_ms=5_000)
    consume(reader)
    for seq in (1, 2, 3):
        ack(reader, seq)
    desk.after(10 * SECOND)
    again = restarted(Store(desk).rows, desk.now_us)
    me = again.join()
    emit(me, 4)
    consume(me)
    assert given(me) == [(4, 1)]


def test_a_configured_log_is_there_from_the_start() -> None:
    desk = Desk()
    wanted = LogDefinition(name="orders", patterns=["orders.*"])
    board = desk.router.board
    log_commands.define(board, board.workspace("askr"), wanted)
    desk.settle()
    me = desk.join()
    assert me.ask("$askr.logs.list")[0]["patterns"] == ["orders.*"]
    emit(me, 1)
    assert me.ask("$askr.logs.list")[0]["events"] == 1
