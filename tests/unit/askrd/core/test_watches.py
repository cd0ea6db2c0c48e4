"""Holds how a watch of the state begins, goes on and ends."""

import pytest

from askrd.core import changes, watches
from askrd.wire.frames import FLAG_KEPT, Frame, Kind
from tests.unit.askrd.core.desk import Desk, Mate, body, json, options, put


def delete(id_: int, key: str) -> Frame:
    return Frame(kind=Kind.DEL, id=id_, name=key.encode())


def since(id_: int, prefix: str, rev: int) -> Frame:
    return Frame(kind=Kind.WATCH, id=id_, name=prefix.encode(), options=b'{"since":%d}' % rev)


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
    monkeypatch.setattr(watches, "WATCHES_MAX", 1)
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


# --- since a revision ----------------------------------------------------------------------------


def busy() -> tuple[Desk, Mate]:
    """A desk after five changes of the state."""
    desk = Desk()
    writer = desk.join("writer")
    writer.say(put(1, "a", 1), put(2, "b", 2), put(3, "a/x", 3), delete(4, "a"), put(5, "a", 5))
    writer.heard()
    return desk, writer


def test_a_watch_since_a_revision_tells_what_was_missed_then_goes_on() -> None:
    desk, writer = busy()
    me = desk.join()
    me.say(since(9, "a", 1))
    *missed, synced = me.heard()
    assert [(f.id, options(f).op, options(f).cause, f.payload) for f in missed] == [
        (3, "set", "set", b"3"), (4, "del", "del", b""), (5, "set", "set", b"5"),
    ]  # fmt: skip
    assert all(options(f).watch == 9 and not f.flags & FLAG_KEPT for f in missed)
    assert (synced.kind, body(synced)) == (Kind.SYNCED, {"rev": 5})
    writer.put(6, "a/x", 6)
    (live,) = me.heard()
    assert (live.id, options(live).watch) == (6, 0)


def test_a_watch_since_now_begins_with_nothing() -> None:
    desk, _ = busy()
    me = desk.join()
    me.say(since(9, "", 5))
    assert me.kinds() == [Kind.SYNCED]


@pytest.mark.parametrize(("rev", "kept"), [(6, 9), (100, 9), (2, 2), (0, 2)])
def test_what_is_not_remembered_or_yet_to_come_is_gone(
    rev: int, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "STATE_CHANGES_MAX", kept)
    desk, _ = busy()
    me = desk.join()
    me.say(since(9, "a", rev))
    (failed,) = me.heard()
    assert (failed.kind, body(failed)["code"]) == (Kind.FAIL, "gone")
    assert body(failed)["details"] == {"oldest": 3 if kept == 2 else 0, "rev": 5}
    assert ("is yet to come" in body(failed)["message"]) is (rev > 5)
    assert (me.session.watches, me.session.taken) == ({}, set())


def test_a_negative_revision_is_gone_and_a_word_is_refused() -> None:
    me = Desk().join()
    me.say(since(1, "", -1), Frame(kind=Kind.WATCH, id=2, options=b'{"since":"x"}'))
    me.say(Frame(kind=Kind.WATCH, id=3, options=b'{"until":1}'))
    assert me.fails() == {1: "gone", 2: "bad_request", 3: "bad_request"}


def test_what_one_watch_missed_takes_no_change_from_another() -> None:
    desk, writer = busy()
    me = desk.join()
    me.say(Frame(kind=Kind.WATCH, id=1, name=b"a"))
    me.pause()
    writer.put(6, "a", 6)
    me.say(since(2, "a", 0))
    me.resume()
    changed = [f for f in me.heard() if f.kind == Kind.CHANGE]
    assert [f.id for f in changed if options(f).watch == 0] == [6]
    assert [f.id for f in changed if options(f).watch == 2] == [1, 3, 4, 5, 6]
