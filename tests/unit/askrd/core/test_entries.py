"""Holds the rules of connected state: get, put, del, watch, and answers after the commit."""

import pytest

from askrd.core import entries, gate
from askrd.wire.frames import FLAG_KEPT, FLAG_MORE, FLAG_SEALED, Coding, Frame, Kind
from askrd.wire.limits import VALUE_BYTES_MAX
from tests.unit.askrd.core.desk import Desk, Mate, body, get, json, options, put


def answers(mate: Mate) -> dict[int, str]:
    """`ok` or the code, by id."""
    return {
        frame.id: "ok" if frame.kind == Kind.OK else body(frame)["code"]
        for frame in mate.heard()
        if frame.kind in (Kind.OK, Kind.FAIL)
    }


def delete(id_: int, key: str) -> Frame:
    return Frame(kind=Kind.DEL, id=id_, name=key.encode())


# --- writing and reading -------------------------------------------------------------------------


def test_what_was_put_can_be_got() -> None:
    me = Desk().join()
    me.put(1, "a/b", {"x": 1})
    me.get(2, "a/b")
    stored, found = me.heard()
    assert (options(stored).rev, options(stored).changed, stored.payload) == (1, True, b"")
    assert (found.name, found.payload, found.coding) == (b"a/b", b'{"x":1}', Coding.JSON)
    assert (options(found).rev, options(found).ts) == (1, 1_700_001_000_000)


def test_an_equal_value_is_no_change() -> None:
    me = Desk().join()
    me.say(Frame(kind=Kind.WATCH, id=9))
    for id_ in (1, 2):
        me.put(id_, "a", 1)
    heard = me.heard()
    assert [options(f).changed for f in heard if f.kind == Kind.OK] == [True, False]
    assert [options(f).rev for f in heard if f.kind == Kind.OK] == [1, 1]
    assert [f.kind for f in heard].count(Kind.CHANGE) == 1


def test_deleting_is_a_change_with_a_revision() -> None:
    me = Desk().join()
    me.put(1, "a", 1)
    me.say(delete(2, "a"), get(3, "a"), delete(4, "a"))
    heard = me.heard()
    assert [options(f).rev for f in heard if f.kind == Kind.OK] == [1, 2]
    assert {f.id: body(f)["code"] for f in heard if f.kind == Kind.FAIL} == {
        3: "not_found", 4: "not_found",
    }  # fmt: skip


def test_a_write_on_condition_says_which_revision_is_there() -> None:
    me = Desk().join()
    me.put(1, "a", 1, if_rev=0)
    me.put(2, "a", 2, if_rev=0)
    me.put(3, "a", 2, if_rev=1)
    heard = me.heard()
    assert [frame.kind for frame in heard] == [Kind.OK, Kind.FAIL, Kind.OK]
    assert body(heard[1])["details"] == {"key": "a", "rev": 1}


def test_a_prefix_gives_every_entry_below_and_then_how_many() -> None:
    me = Desk().join()
    for id_, key in enumerate(("a/b", "a", "ab"), 1):
        me.put(id_, key, id_)
    me.heard()
    me.get(7, "a", prefix=True)
    *rows, end = me.heard()
    assert [row.name for row in rows] == [b"a", b"a/b"]
    assert all(row.flags & FLAG_KEPT and options(row).watch == 7 for row in rows)
    assert (end.kind, options(end).rev, options(end).count) == (Kind.OK, 3, 2)
    me.get(8, "", prefix=True)
    assert len(me.heard()) == 4


def test_values_may_be_bytes_or_sealed() -> None:
    me = Desk().join()
    me.say(
        Frame(kind=Kind.PUT, id=1, name=b"a", payload=b"\xff", coding=Coding.BYTES),
        Frame(kind=Kind.PUT, id=2, name=b"b", payload=b"s", coding=2, flags=FLAG_SEALED),
        get(3, "a"),
    )
    assert me.heard()[-1].payload == b"\xff"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (put(1, "$askr/x", 1), "forbidden"),
        (put(1, "@agent/x", 1), "forbidden"),
        (put(1, "a//b", 1), "bad_request"),
        (put(1, "a b", 1), "bad_request"),
        (put(1, "a", 1, no_such_option=1), "bad_request"),
        (put(1, "a", 1, if_rev="x"), "bad_request"),
        (Frame(kind=Kind.PUT, id=1, name=b"\xff"), "bad_request"),
        (Frame(kind=Kind.PUT, id=1, name=b"a", flags=FLAG_MORE), "bad_request"),
        (Frame(kind=Kind.PUT, id=1, name=b"a", payload=bytes(VALUE_BYTES_MAX + 1)),
         "payload_too_large"),
        (Frame(kind=Kind.DEL, id=1, name=b"a", flags=FLAG_MORE), "bad_request"),
        (Frame(kind=Kind.GET, id=1, name=b"a", flags=FLAG_MORE), "bad_request"),
        (get(1, "a b"), "bad_request"),
        (get(1, "a", prefix="maybe"), "bad_request"),
        (get(1, "/", prefix=True), "bad_request"),
        (Frame(kind=Kind.WATCH, id=1, name=b"/"), "bad_request"),
        (Frame(kind=Kind.WATCH, id=1, name=b"\xff"), "bad_request"),
        (Frame(kind=Kind.WATCH, id=1, flags=FLAG_SEALED), "bad_request"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_fails_and_writes_nothing(frame: Frame, code: str) -> None:
    desk = Desk()
    me = desk.join()
    me.say(frame)
    assert me.fails() == {1: code}
    assert not desk.router.board.workspaces["askr"].state.is_kept
    assert not me.session.taken


@pytest.mark.parametrize("kind", [Kind.PUT, Kind.GET, Kind.DEL, Kind.WATCH, Kind.SUB])
def test_a_request_without_an_id_is_an_error(kind: Kind) -> None:
    me = Desk().join()
    me.say(Frame(kind=kind, name=b"a"))
    assert me.errors() == [(0, "bad_request")]


def test_a_services_keys_are_written_by_its_instances_only() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    agent.put(1, "@agent/x", 1)
    assert answers(agent) == {1: "ok"}
    me.put(1, "@agent/x", 2)
    me.get(2, "@agent/x")
    assert answers(me) == {1: "forbidden", 2: "ok"}


def test_the_state_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "STATE_ENTRIES_MAX", 2)
    monkeypatch.setattr(entries, "STATE_BYTES_MAX", 30)
    desk = Desk(is_stored=False)
    me = desk.join()
    me.say(put(1, "a", 1), put(2, "b", "x" * 40), put(3, "b", 1), put(4, "c", 1), put(5, "a", 2))
    assert answers(me) == {2: "limit_exceeded", 4: "limit_exceeded"}
    desk.commit(9)
    assert answers(me) == {1: "ok", 3: "ok", 5: "ok"}


def test_workspaces_have_their_own_state() -> None:
    desk = Desk()
    me, other = desk.join(), desk.join(workspace="other")
    other.say(Frame(kind=Kind.WATCH, id=9))
    me.put(1, "a", 1)
    other.get(2, "a")
    assert [frame.kind for frame in other.heard()] == [Kind.SYNCED, Kind.FAIL]


# --- after the commit ----------------------------------------------------------------------------


def test_nothing_is_answered_or_seen_before_it_is_committed() -> None:
    desk = Desk(is_stored=False)
    me, other = desk.join(), desk.join("other")
    other.say(Frame(kind=Kind.WATCH, id=9))
    other.heard()
    me.put(1, "a", 1)
    other.get(2, "a")
    assert me.heard() == []
    assert answers(other) == {2: "not_found"}, "another session need not wait"
    desk.commit(1)
    assert answers(me) == {1: "ok"}
    assert [frame.kind for frame in other.heard()] == [Kind.CHANGE]


def test_a_session_reads_its_own_writes_in_the_order_it_asked() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    me.say(put(1, "a", 1), get(2, "a"), put(3, "a", 2), get(4, "a"), get(5, "none"))
    assert me.heard() == []
    desk.commit(2)
    heard = me.heard()
    assert [(f.kind, f.id) for f in heard] == [
        (Kind.OK, 1), (Kind.OK, 2), (Kind.OK, 3), (Kind.OK, 4), (Kind.FAIL, 5),
    ]  # fmt: skip
    assert (heard[1].payload, heard[3].payload) == (b"1", b"2")


def test_a_write_that_changes_nothing_is_not_tried_again_later() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    me.say(put(1, "a", 1), put(2, "a", 1), put(3, "a", 2))
    desk.commit(2)
    assert [options(f).rev for f in me.heard()] == [1, 1, 2]
    me.get(4, "a")
    assert me.heard()[0].payload == b"2", "the last write counts"


def test_an_equal_write_is_seen_by_the_reads_after_it() -> None:
    desk = Desk(is_stored=False)
    me, other = desk.join(), desk.join("other")
    other.put(1, "a", 1)
    me.say(put(1, "a", 1), get(2, "a"))
    assert me.heard() == []
    desk.commit(1)
    assert answers(me) == {1: "ok", 2: "ok"}


def test_the_id_of_a_request_that_waits_for_the_store_is_in_use() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    me.say(put(1, "a", 1), put(1, "a", 2), get(2, "a"), get(2, "a"))
    assert me.errors() == [(1, "bad_request"), (2, "bad_request")]
    desk.commit(1)
    assert [f.id for f in me.heard()] == [1, 2]
    me.put(1, "a", 3)
    desk.commit(2)
    assert answers(me) == {1: "ok"}


def test_a_refused_batch_fails_its_writes_and_the_reads_see_what_was_before() -> None:
    desk = Desk()
    me = desk.join()
    me.put(1, "a", 1)
    desk.is_stored = False
    me.heard()
    me.say(put(2, "a", 2), put(3, "a", 2), get(4, "a"), delete(5, "a"))
    desk.router.rejected("disk full", desk.now_us)
    heard = me.heard()
    assert {f.id: body(f)["code"] for f in heard if f.kind == Kind.FAIL} == {
        2: "storage_unavailable", 3: "storage_unavailable", 5: "storage_unavailable",
    }  # fmt: skip
    assert [f.payload for f in heard if f.id == 4] == [b"1"]
    desk.is_stored = True
    me.put(6, "a", 3)
    assert [options(f).rev for f in me.heard()] == [2], "no revision was used up"


def test_a_writer_that_left_gets_nothing_and_its_write_counts() -> None:
    desk = Desk(is_stored=False)
    me, other = desk.join(), desk.join("other")
    me.say(put(1, "a", 1), put(2, "a", 1), get(3, "a"))
    me.lose()
    me.heard()
    desk.commit(1)
    assert me.heard() == []
    other.get(1, "a")
    assert answers(other) == {1: "ok"}
    other.say(put(2, "b", 1), get(3, "b"))
    other.lose()
    desk.router.rejected("disk full", desk.now_us)
    assert other.heard() == []


def test_too_many_requests_before_the_store_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "GATED_MAX", 2)
    desk = Desk(is_stored=False)
    me = desk.join()
    me.say(put(1, "a", 1), get(2, "a"), get(3, "a"), put(4, "a", 1), put(5, "b", 1))
    assert answers(me) == {3: "busy", 4: "busy", 5: "busy"}
    assert not desk.router.board.gate.committed


# --- watching ------------------------------------------------------------------------------------


def test_a_watch_begins_with_a_snapshot_and_goes_on_with_every_change() -> None:
    desk = Desk()
    me, writer = desk.join(), desk.join("writer")
    writer.put(1, "a/b", 1)
    writer.put(2, "ab", 2)
    me.say(Frame(kind=Kind.WATCH, id=4, name=b"a"))
    row, synced = me.heard()
    assert (row.name, row.id, row.flags & FLAG_KEPT, options(row).watch) == (b"a/b", 1, 0x40, 4)
    assert (synced.kind, synced.id, body(synced)) == (Kind.SYNCED, 4, {"rev": 2})
    writer.put(3, "a/b", 3)
    writer.put(4, "ab", 4)
    writer.say(delete(5, "a/b"))
    changed, deleted = me.heard()
    assert (changed.payload, options(changed).op, options(changed).watch) == (b"3", "set", 0)
    assert (deleted.payload, options(deleted).op, deleted.id) == (b"", "del", 5)


def test_a_change_comes_once_however_many_watches_cover_it() -> None:
    desk = Desk()
    me, writer = desk.join(), desk.join("writer")
    for id_, prefix in ((1, b""), (2, b"a"), (3, b"a/")):
        me.say(Frame(kind=Kind.WATCH, id=id_, name=prefix))
    me.heard()
    writer.put(1, "a/b", 1)
    assert len(me.heard()) == 1
    for id_ in (1, 2, 3):
        me.say(Frame(kind=Kind.UNWATCH, id=id_))
    writer.put(2, "a/b", 2)
    assert me.heard() == []
    assert not desk.router.board.workspaces["askr"].watching
    me.say(Frame(kind=Kind.UNWATCH, id=1))
    assert me.errors() == [(1, "not_found")]


def test_watches_are_bounded_and_hold_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "WATCHES_MAX", 1)
    me = Desk().join()
    for id_ in (1, 1, 2):
        me.say(Frame(kind=Kind.WATCH, id=id_))
    assert [(f.kind, f.id) for f in me.heard()] == [
        (Kind.SYNCED, 1), (Kind.ERROR, 1), (Kind.FAIL, 2),
    ]  # fmt: skip


def test_a_watcher_that_leaves_is_forgotten() -> None:
    desk = Desk()
    me, other = desk.join(), desk.join("other")
    me.say(Frame(kind=Kind.WATCH, id=1))
    me.lose()
    other.say(json(Kind.PUT, 1, id=1, name=b"a"))
    assert not desk.router.board.workspaces["askr"].watching


def test_a_slow_watcher_gets_the_newest_of_each_key() -> None:
    desk = Desk()
    me, writer = desk.join(), desk.join("writer")
    me.say(Frame(kind=Kind.WATCH, id=1))
    me.pause()
    for id_ in range(1, 30):
        writer.put(id_, f"k{id_ % 3}", id_)
    me.resume()
    changes = [frame for frame in me.heard() if frame.kind == Kind.CHANGE]
    assert [frame.payload for frame in changes] == [b"27", b"28", b"29"]
