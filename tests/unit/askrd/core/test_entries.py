"""Holds the rules of connected state: get, put, del, and answers after the commit."""

import pytest

from askrd.core import changes, entries, gate
from askrd.wire.frames import FLAG_KEPT, FLAG_MORE, FLAG_SEALED, Coding, Frame, Kind
from askrd.wire.limits import TTL_MS_MAX, VALUE_BYTES_MAX
from tests.unit.askrd.core.desk import MS, Desk, Mate, body, get, options, put


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
        get(4, "b"),
        get(5, "", prefix=True),
    )
    _, _, a, b, row_a, row_b, _ = me.heard()
    assert (a.payload, a.coding, a.flags & FLAG_SEALED) == (b"\xff", Coding.BYTES, 0)
    assert (b.payload, b.coding, b.flags & FLAG_SEALED) == (b"s", Coding.BYTES, FLAG_SEALED)
    assert [row.flags & FLAG_SEALED for row in (row_a, row_b)] == [0, FLAG_SEALED]
    me.put(6, "b", {"x": 1}, op="patch")
    assert answers(me) == {6: "bad_request"}
    me.say(Frame(kind=Kind.PUT, id=7, name=b"b", payload=b"s", coding=2))
    assert options(me.heard()[0]).changed, "opened, it is something else"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (put(1, "$askr/x", 1), "forbidden"),
        (put(1, "@agent/x", 1), "forbidden"),
        (put(1, "a//b", 1), "bad_request"),
        (put(1, "a b", 1), "bad_request"),
        (put(1, "a", 1, no_such_option=1), "bad_request"),
        (put(1, "a", 1, if_rev="x"), "bad_request"),
        (put(1, "a", 1, op="push"), "bad_request"),
        (put(1, "a", 1, ttl_ms=-1), "bad_request"),
        (put(1, "a", 1, ttl_ms=TTL_MS_MAX + 1), "bad_request"),
        (put(1, "a", 1, ephemeral="yes"), "bad_request"),
        (put(1, "a", 1, op="touch"), "bad_request"),
        (put(1, "a", "x", op="incr"), "bad_request"),
        (Frame(kind=Kind.PUT, id=1, name=b"a", options=b'{"op":"touch"}'), "not_found"),
        (Frame(kind=Kind.PUT, id=1, name=b"a", options=b'{"op":"patch"}'), "bad_request"),
        (Frame(kind=Kind.PUT, id=1, name=b"a", payload=b"{}", coding=Coding.BYTES,
               options=b'{"op":"patch"}'), "bad_request"),
        (Frame(kind=Kind.PUT, id=1, name=b"a", payload=b"1", coding=Coding.JSON,
               options=b'{"op":"incr"}', flags=FLAG_SEALED), "bad_request"),
        (Frame(kind=Kind.PUT, id=1, name=b"a", payload=b"1", coding=1, ttl_ms=5), "bad_request"),
        (Frame(kind=Kind.DEL, id=1, name=b"a", options=b'{"ttl_ms":5}'), "bad_request"),
        (get(1, "a", history=0), "bad_request"),
        (get(1, "a", history=10_001), "bad_request"),
        (get(1, "$askr/peers", history=1), "bad_request"),
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


def test_a_key_takes_room_like_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "STATE_BYTES_MAX", 30)
    me = Desk().join()
    me.say(put(1, "a" * 29, 1), Frame(kind=Kind.PUT, id=2, name=b"b"), put(3, "a" * 29, 2))
    assert answers(me) == {1: "ok", 2: "limit_exceeded", 3: "ok"}


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


# --- what else a write may be --------------------------------------------------------------------


def test_a_patch_and_a_step_bring_the_new_value_back() -> None:
    me = Desk().join()
    me.put(1, "a", {"x": 1, "y": 2})
    me.put(2, "a", {"x": None, "z": 3}, op="patch")
    me.put(3, "n", 5, op="incr")
    me.say(Frame(kind=Kind.PUT, id=4, name=b"n", options=b'{"op":"incr"}'))
    me.put(5, "a", {"y": 2}, op="patch")
    heard = me.heard()
    assert [f.payload for f in heard] == [b"", b'{"y":2,"z":3}', b"5", b"6", b'{"y":2,"z":3}']
    assert [options(f).changed for f in heard] == [True, True, True, True, False]
    assert [options(f).rev for f in heard] == [1, 2, 3, 4, 2]


def test_a_patched_value_is_no_larger_than_a_written_one() -> None:
    me = Desk().join()
    me.put(1, "a", {"x": "v" * (VALUE_BYTES_MAX - 100)})
    me.put(2, "a", {"y": "v" * 200}, op="patch")
    assert answers(me) == {1: "ok", 2: "payload_too_large"}


def test_an_entry_says_how_long_it_lives_and_whose_it_is() -> None:
    desk = Desk()
    me = desk.join()
    me.put(1, "a", 1, ttl_ms=5_000, ephemeral=True)
    desk.after(1_500 * MS)
    me.get(2, "a")
    me.get(3, "", prefix=True)
    written, read, row, _ = me.heard()
    assert [options(f).ttl_ms for f in (written, read, row)] == [5_000, 3_500, 3_500]
    for frame in (written, read, row):
        assert (options(frame).ephemeral, options(frame).owner) == (True, me.session.suffix)
    me.put(4, "a", 1)
    me.get(5, "a")
    assert [(options(f).ttl_ms, options(f).owner) for f in me.heard()] == [(0, ""), (0, "")]


# --- history -------------------------------------------------------------------------------------


def past(mate: Mate) -> list[tuple[str, int, str, bytes]]:
    *rows, end = mate.heard()
    assert (end.kind, options(end).count) == (Kind.OK, len(rows))
    for row in rows:
        assert row.flags & FLAG_KEPT
        assert options(row).watch == end.id
    return [(row.name.decode(), row.id, options(row).cause, row.payload) for row in rows]


def test_the_history_of_a_key_is_its_last_changes_newest_first() -> None:
    desk = Desk()
    me = desk.join()
    for id_ in (1, 2, 3):
        me.put(id_, "a", id_)
    me.put(4, "a/b", 4)
    me.say(delete(5, "a"))
    me.heard()
    me.get(6, "a", history=3)
    assert past(me) == [("a", 5, "del", b""), ("a", 3, "set", b"3"), ("a", 2, "set", b"2")]
    me.get(7, "a", history=2, prefix=True)
    assert past(me) == [("a", 5, "del", b""), ("a/b", 4, "set", b"4")]
    me.get(8, "none", history=9)
    assert past(me) == []


def test_an_entry_whose_change_is_forgotten_stands_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "STATE_CHANGES_MAX", 2)
    desk = Desk()
    me = desk.join()
    for id_, key in enumerate(("a/x", "a/y", "b", "c"), 1):
        me.put(id_, key, id_)
    me.heard()
    me.get(6, "a/x", history=9)
    assert past(me) == [("a/x", 1, "set", b"1")]
    me.get(7, "", history=3, prefix=True)
    assert [row[0] for row in past(me)] == ["c", "b", "a/y"]
