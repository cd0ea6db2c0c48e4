"""Holds how changes become real: in order, whether they wait for the store or not."""

from typing import Any

import pytest

from askrd.core import commits, gate
from askrd.core.commits import RESTART_REVS
from askrd.core.effects import Persist
from askrd.core.state import Entry
from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import MS, SECOND, Desk, Mate, body, get, options, put
from tests.unit.askrd.core.traveller import Traveller


def answers(mate: Mate) -> dict[int, str]:
    """`ok` or the code, by id."""
    return {
        frame.id: "ok" if frame.kind == Kind.OK else body(frame)["code"]
        for frame in mate.heard()
        if frame.kind in (Kind.OK, Kind.FAIL)
    }


def delete(id_: int, key: str, options: bytes = b"") -> Frame:
    return Frame(kind=Kind.DEL, id=id_, name=key.encode(), options=options)


def watcher(desk: Desk) -> Mate:
    mate = desk.join("watcher")
    mate.say(Frame(kind=Kind.WATCH, id=1))
    mate.heard()
    return mate


def seen(mate: Mate) -> list[tuple[int, str, str]]:
    """Revision, key and cause of the changes it got."""
    found = [frame for frame in mate.heard() if frame.kind == Kind.CHANGE]
    return [(f.id, f.name.decode(), options(f).cause) for f in found]


def persisted(desk: Desk) -> list[tuple[int, str, bytes | None, int]]:
    """What the store was given: ticket, key, value and revision."""
    return [
        (each.ticket, each.key, each.entry and each.entry.value, each.rev)
        for each in desk.effects
        if isinstance(each, Persist)
    ]


# --- fast ----------------------------------------------------------------------------------------


def test_a_fast_write_is_seen_and_answered_at_once_and_kept_all_the_same() -> None:
    desk = Desk(is_stored=False)
    me, other = desk.join(), watcher(desk)
    me.put(1, "a", 1, fast=True)
    assert answers(me) == {1: "ok"}
    assert seen(other) == [(1, "a", "set")]
    me.get(2, "a")
    assert answers(me) == {2: "ok"}, "nothing to wait for"
    me.say(delete(3, "a", b'{"fast":true}'))
    assert answers(me) == {3: "ok"}
    assert persisted(desk) == [(1, "a", b"1", 1), (2, "a", None, 2)]


def test_a_fast_write_does_not_overtake_what_waits() -> None:
    desk = Desk(is_stored=False)
    me, other = desk.join(), watcher(desk)
    me.say(put(1, "a", 1), put(2, "a", 2, fast=True), get(3, "a"))
    other.put(9, "b", 1, fast=True)
    assert me.heard() == []
    desk.commit(1)
    heard = me.heard()
    assert [(f.kind, f.id) for f in heard] == [(Kind.OK, 1), (Kind.OK, 2), (Kind.OK, 3)]
    assert heard[2].payload == b"2"
    assert [one[0] for one in seen(other)] == [1, 2, 3], "and the rest of tickets is not awaited"


def test_a_write_that_equals_a_fast_one_waits_until_it_is_kept() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    me.say(put(1, "a", 1, fast=True), put(2, "a", 1), put(3, "a", 1, fast=True))
    assert answers(me) == {1: "ok"}
    desk.commit(1)
    assert answers(me) == {2: "ok", 3: "ok"}
    me.put(4, "a", 1, fast=True)
    assert answers(me) == {4: "ok"}


def test_what_was_answered_and_refused_is_kept_with_the_next_write() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    me.say(put(1, "a", 1, fast=True), put(2, "a", 2))
    desk.router.rejected("disk full", desk.now_us)
    assert answers(me) == {1: "ok", 2: "storage_unavailable"}
    me.get(4, "a")
    assert me.heard()[0].payload == b"1"
    workspace = desk.router.board.workspaces["askr"]
    assert not desk.router.board.gate.is_settled
    desk.settle()
    before = len(persisted(desk))
    me.put(5, "a", 1)
    again = persisted(desk)[before:]
    assert [(key, value) for _, key, value, _ in again] == [("a", b"1")]
    assert me.heard() == [], "an equal write, and still the store has to have it"
    desk.commit(again[-1][0])
    assert answers(me) == {5: "ok"}
    assert desk.router.board.gate.is_settled
    assert workspace.state.entries["a"].value == b"1"


def test_a_workspace_is_not_forgotten_while_the_store_has_something_else() -> None:
    desk = Desk(is_stored=False)
    me = desk.join(workspace="w")
    me.say(put(1, "a", 1))
    desk.commit(1)
    me.say(delete(2, "a", b'{"fast":true}'))
    me.lose()
    desk.router.rejected("disk full", desk.now_us)
    desk.after(200 * SECOND)
    assert "w" in desk.router.board.workspaces
    other = desk.join("other")
    other.put(1, "b", 1)
    ticket = persisted(desk)[-1][0]
    assert persisted(desk)[-2][1:3] == ("a", None)
    desk.commit(ticket)
    desk.after(200 * SECOND)
    assert "w" not in desk.router.board.workspaces


def test_fast_writes_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "GATED_MAX", 3)
    desk = Desk(is_stored=False)
    me = desk.join()
    me.say(*(put(id_, f"k{id_}", 1, fast=True) for id_ in range(1, 6)))
    assert answers(me) == {1: "ok", 2: "ok", 3: "ok", 4: "busy", 5: "busy"}


# --- ephemeral -----------------------------------------------------------------------------------


def test_ephemeral_entries_go_when_their_owner_leaves() -> None:
    desk = Desk()
    me, other = desk.join(), watcher(desk)
    me.say(put(1, "a", 1, ephemeral=True), put(2, "b", 1, ephemeral=True), put(3, "c", 1))
    other.put(9, "b", 2)
    other.heard()
    kept = [(key, rev) for _, key, _, rev in persisted(desk)]
    assert kept == [("", 1), ("c", 3), ("b", 4)], "and how far revisions were, before that"
    me.lose()
    assert seen(other) == [(5, "a", "owner_gone")]
    assert not desk.router.board.workspaces["askr"].state.owned


def test_ephemeral_entries_stay_while_their_owner_may_come_back() -> None:
    desk = Desk(limits=Limits(resume_terminal_ms=3_000))
    other = watcher(desk)
    away = Traveller(desk)
    away.mate.put(1, "a", 1, ephemeral=True)
    other.heard()
    away.lose()
    desk.after(2 * SECOND)
    assert seen(other) == []
    away.come_back()
    desk.after(5 * SECOND)
    assert seen(other) == []
    away.lose()
    desk.after(5 * SECOND)
    assert seen(other) == [(2, "a", "owner_gone")]


def test_an_ephemeral_write_over_an_ordinary_entry_deletes_what_is_kept() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    me.put(1, "a", 1)
    desk.commit(1)
    me.heard()
    me.put(2, "a", 1, ephemeral=True)
    assert persisted(desk)[-1] == (2, "a", None, 2)
    assert me.heard() == [], "it waits until the store has let go of it"
    desk.commit(2)
    assert answers(me) == {2: "ok"}


def test_an_owner_that_left_before_the_commit_leaves_nothing() -> None:
    desk = Desk(is_stored=False)
    me, other = desk.join(), watcher(desk)
    other.put(8, "x", 1)
    me.put(1, "a", 1, ephemeral=True)
    me.lose()
    desk.commit(1)
    assert seen(other) == [(1, "x", "set"), (2, "a", "set"), (3, "a", "owner_gone")]


def test_an_entry_that_comes_back_without_its_owner_goes() -> None:
    desk = Desk(is_stored=False)
    me, other = desk.join(), watcher(desk)
    me.put(1, "a", 1, ephemeral=True)
    other.put(8, "a", 2)
    me.lose()
    other.heard()
    desk.router.rejected("disk full", desk.now_us)
    assert seen(other) == [(2, "a", "owner_gone")]
    assert not desk.router.board.workspaces["askr"].state.is_kept


def test_what_waits_for_its_turn_only_goes_on_when_the_store_refuses() -> None:
    desk = Desk(is_stored=False)
    me, other = desk.join(), watcher(desk)
    me.say(put(1, "a", 1), put(2, "e", 1, ephemeral=True), get(4, "e"))
    me.put(3, "e", 2, ephemeral=True, if_rev=2)
    gone = desk.join("gone")
    gone.put(1, "f", 1, fast=True)
    gone.lose()
    desk.router.rejected("disk full", desk.now_us)
    assert answers(me) == {1: "storage_unavailable", 2: "ok", 3: "conflict", 4: "ok"}
    assert seen(other) == [(1, "e", "set")], "decided anew, with new revisions"


# --- time to live --------------------------------------------------------------------------------


def test_an_entry_goes_when_its_time_is_over() -> None:
    desk = Desk()
    me, other = desk.join(), watcher(desk)
    me.say(put(1, "a", 1, ttl_ms=1_000), put(2, "b", 1, ttl_ms=1_000), put(3, "c", 1, ttl_ms=900))
    other.heard()
    desk.after(850 * MS)
    me.say(put(4, "b", 1), Frame(kind=Kind.PUT, id=5, name=b"c", options=b'{"op":"touch"}'))
    other.heard()
    desk.after(140 * MS)
    assert seen(other) == []
    desk.after(100 * MS)
    assert seen(other) == [(6, "a", "ttl")]
    assert persisted(desk)[-1][1:] == ("a", None, 6)
    desk.after(10 * SECOND)
    assert seen(other) == [(7, "c", "ttl")]


def test_an_entry_that_goes_is_there_until_the_store_knows() -> None:
    desk = Desk()
    me, other = desk.join(), watcher(desk)
    me.put(1, "a", 1, ttl_ms=500)
    other.heard()
    desk.is_stored = False
    desk.after(600 * MS)
    assert seen(other) == []
    desk.router.rejected("disk full", desk.now_us)
    me.heard()
    me.get(2, "a")
    assert [options(f).ttl_ms for f in me.heard()] == [1000], "it is tried again"
    desk.is_stored = True
    desk.after(2 * SECOND)
    assert seen(other) == [(2, "a", "ttl")]


def test_a_tick_lets_only_so_many_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "EXPIRED_MAX", 2)
    desk = Desk()
    me, other = desk.join(), watcher(desk)
    me.say(*(put(id_, f"k{id_}", 1, ttl_ms=50) for id_ in range(1, 6)))
    other.heard()
    desk.router.tick(desk.now_us + SECOND)
    desk.settle()
    assert len(seen(other)) == 2
    desk.after(SECOND)
    assert len(seen(other)) == 3


def test_entries_wait_to_go_while_the_store_is_too_far_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "GATED_MAX", 2)
    desk = Desk()
    me, other = desk.join(), watcher(desk)
    me.put(1, "a", 1, ttl_ms=50)
    me.put(2, "b", 1, ttl_ms=50)
    desk.is_stored = False
    me.say(put(3, "x", 1), put(4, "y", 1))
    other.heard()
    desk.after(200 * MS)
    desk.is_stored = True
    desk.commit(4)
    desk.after(200 * MS)
    assert {key for _, key, cause in seen(other) if cause == "ttl"} == {"a", "b"}


# --- coming back with what a store kept ----------------------------------------------------------


BEGIN = 9 + RESTART_REVS
"""The revision of the start itself."""


def restored(*rows: tuple[str, Entry], head_rev: int = 9, **desk: Any) -> Desk:
    found = Desk(**desk)
    found.router.restore("askr", rows, head_rev, found.now_us)
    found.settle()
    return found


def test_what_a_store_kept_is_there_and_revisions_go_on() -> None:
    desk = restored(("a", Entry(b"1", 1, 3, 5)), ("b", Entry(b"2", 1, 8, 6)))
    me = desk.join()
    me.get(1, "a")
    me.put(2, "c", 1)
    me.get(3, "", prefix=True, history=9)
    read, written, *past, _ = me.heard()
    assert (read.payload, options(read).rev, options(read).ts) == (b"1", 3, 5)
    assert options(written).rev == BEGIN + 1
    assert [frame.id for frame in past] == [BEGIN + 1, 8, 3], "histories begin with what was kept"
    state = desk.router.board.workspaces["askr"].state
    assert (state.count, state.bytes) == (3, 6)


def test_a_revision_that_no_store_knows_is_not_given_again_however_often_it_restarts() -> None:
    desk = restored(("a", Entry(b"1", 1, 3, 5)), is_stored=False)
    (kept,) = persisted(desk)
    assert kept == (1, "", None, BEGIN), "the store knows where this start began"
    desk.is_stored = True
    desk.settle()
    me = desk.join()
    me.put(1, "here", 1, ephemeral=True)
    given = options(me.heard()[-1]).rev
    again = restored(("a", Entry(b"1", 1, 3, 5)), head_rev=kept[-1])
    me = again.join()
    me.put(1, "here", 2)
    assert options(me.heard()[-1]).rev > given


@pytest.mark.parametrize("rev", [3, 8, 9, BEGIN - 1, BEGIN + 1])
def test_no_since_reaches_back_behind_a_restart(rev: int) -> None:
    desk = restored(("a", Entry(b"1", 1, 3, 5)))
    me = desk.join()
    me.say(Frame(kind=Kind.WATCH, id=1, options=b'{"since":%d}' % rev))
    assert me.fails() == {1: "gone"}
    me.say(Frame(kind=Kind.WATCH, id=2, options=b'{"since":%d}' % BEGIN))
    assert me.kinds() == [Kind.SYNCED], "a watch that was synced since the restart goes on"
    me.put(3, "c", 1)
    me.heard()
    me.say(Frame(kind=Kind.WATCH, id=4, options=b'{"since":%d}' % BEGIN))
    assert me.kinds() == [Kind.CHANGE, Kind.SYNCED]


def test_entries_whose_time_passed_meanwhile_are_not_there() -> None:
    now_ms = Desk().router.board.now_ms
    desk = restored(
        ("late", Entry(b"1", 1, 3, 5, now_ms - 1)),
        ("soon", Entry(b"1", 1, 4, 5, now_ms + 1_000)),
        is_stored=False,
    )
    assert persisted(desk) == [(1, "", None, BEGIN), (2, "late", None, BEGIN + 1)]
    me, other = desk.join(), watcher(desk)
    me.get(1, "", prefix=True)
    assert [frame.name for frame in me.heard()] == [b"soon", b""]
    desk.is_stored = True
    desk.after(1_100 * MS)
    assert seen(other) == [(BEGIN + 2, "soon", "ttl")]


def test_the_store_knows_how_far_revisions_are_that_it_never_saw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commits, "RESTART_REVS", 10)
    desk = Desk()
    me = desk.join()
    for value in range(35):
        me.put(1, "here", value, ephemeral=True)
        assert persisted(desk)[0] == (1, "", None, 1), "whatever comes, rev 1 is never given again"
    given = options(me.heard()[-1]).rev
    assert given == 35
    assert max(rev for _, _, _, rev in persisted(desk)) + 10 > given
    me.say(Frame(kind=Kind.WATCH, id=2, name=b"$askr"))
    for number in range(10):
        desk.join(f"peer{number}").lose()
    given = desk.router.board.workspaces["askr"].state.rev
    assert given == 55
    assert max(rev for _, _, _, rev in persisted(desk)) + 10 > given


def test_a_revision_that_a_store_refused_to_hear_of_is_told_again() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    me.put(1, "here", 1, ephemeral=True)
    desk.router.rejected("disk full", desk.now_us)
    desk.effects.clear()
    me.put(1, "here", 2, ephemeral=True)
    assert answers(me) == {1: "ok"}, "who writes what is not kept does not wait for that"
    assert [(key, rev) for _, key, _, rev in persisted(desk)] == [("", 1)]
