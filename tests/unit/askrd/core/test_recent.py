"""Holds what a workspace remembers of its events, and that a gap says what it does not."""

from itertools import pairwise

import pytest

from askrd.core import recent
from askrd.core.recent import Recent, seq_of, time_us_of
from askrd.wire.bodies import Gap, load
from askrd.wire.codec import encode
from askrd.wire.frames import FLAG_KEPT, FLAG_SEALED, STAMP_TIME, Frame, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import MS, SECOND, Desk, Mate, body, event_options

both = pytest.mark.parametrize("is_fast", [True, False])


def event(seq: int, time_us: int, payload: bytes = b"") -> bytes:
    stamp = STAMP_TIME.pack(time_us) + b"a@b"
    return encode(Frame(kind=Kind.EVENT, id=seq, name=b"a", payload=payload, stamp=stamp))


def gaps(mate: Mate) -> list[tuple[int, Gap]]:
    """Returns the gaps it heard, with the subscription each is for; nothing else may be there."""
    found = [frame for frame in mate.heard() if frame.kind == Kind.GAP]
    return [(event_options(f).sub, load(Gap, f.payload, "gap")) for f in found]


def test_small_and_large_events_are_read_in_the_order_of_their_numbers() -> None:
    ring = Recent(0)
    for seq in range(1, 9):
        ring.add(event(seq, seq * 10), 5_000 if seq % 3 == 0 else 30)
    assert [seq_of(told) for told in ring.after(2)] == [3, 4, 5, 6, 7, 8]
    assert [time_us_of(told) for told in ring.after(6)] == [70, 80]
    assert ring.seq_before(55) == 5
    assert ring.seq_before(50) == 4, "what happened at that very moment is wanted"
    assert ring.seq_before(0) == 0
    assert len(ring) == 8


def test_what_is_too_much_gives_way_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "RECENT_EVENTS_MAX", 3)
    monkeypatch.setattr(recent, "RECENT_LARGE_BYTES_MAX", 12_000)
    ring = Recent(0)
    for seq in range(1, 11):
        large = seq % 2 == 0
        ring.add(event(seq, seq * 10, bytes(5_000 if large else 0)), 5_024 if large else 24)
    assert [seq_of(told) for told in ring.after(0)] == [5, 7, 8, 9, 10]
    assert ring.seq_before(75) == 7
    assert ring.seq_before(30) == 0, "nothing older is known: anything may have been"


def test_what_is_too_old_is_forgotten_and_counts_as_old() -> None:
    ring = Recent(100)
    for seq in range(101, 111):
        ring.add(event(seq, seq * 10), 5_000 if seq > 108 else 30)
    ring.expire(1_095)
    assert [seq_of(told) for told in ring.after(0)] == [110]
    assert ring.seq_before(1_095) == 109
    assert ring.seq_before(1_094) == 0, "what was forgotten may have been within"
    ring.expire(2_000)
    assert len(ring) == 0
    assert ring.seq_before(2_000) == 110


@both
def test_remembered_events_come_first_and_then_live_ones(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    me, other = desk.join(), desk.join("other")
    other.sub(1, "**")
    for _ in range(3):
        me.emit("a", payload=b"x", coding=2, flags=FLAG_SEALED)
        me.emit("b")
        desk.after(SECOND)
    me.sub(7, "a", since_ms=1_500)
    me.emit("a")
    subbed, kept, live = me.heard()
    assert (subbed.kind, subbed.id) == (Kind.SUBBED, 7)
    assert kept.flags & (FLAG_KEPT | FLAG_SEALED) == FLAG_KEPT | FLAG_SEALED
    assert (kept.payload, event_options(kept).sub) == (b"x", 7)
    assert kept.stamp.endswith(b"me@i0")
    assert (live.id, live.flags, live.options) == (kept.id + 2, 0, b"")


@both
def test_since_forever_gives_everything_of_this_daemon(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    me = desk.join()
    me.sub(1, "$askr.**")
    for number in range(5):
        me.emit("a", payload=bytes(number * 2_000), coding=2)
    me.heard()
    me.sub(2, "**", since_ms=599_000)
    assert [(seq, sub) for _, seq, sub, _ in me.events()] == [(n, 2) for n in range(1, 6)]
    for name in ("late", "later"):
        desk.join(name)
    me.events()
    me.sub(3, "$askr.peer.*", since_ms=599_000)
    assert [name for name, *_ in me.events()] == ["$askr.peer.joined"] * 2


@both
def test_what_is_not_remembered_is_told_first(
    is_fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "RECENT_EVENTS_MAX", 4)
    desk = Desk(is_fast=is_fast)
    me = desk.join()
    first = me.session.in_open_workspace.seq
    for _ in range(10):
        me.emit("a")
        desk.after(SECOND)
    me.sub(1, "a", since_ms=60_000)
    subbed, gap, *rows = me.heard()
    assert (subbed.kind, gap.kind) == (Kind.SUBBED, Kind.GAP)
    assert event_options(gap).sub == 1
    assert body(gap) == {"missed": 6 + first, "from": 1, "to": first + 6}
    assert [row.id for row in rows] == [first + n for n in (7, 8, 9, 10)]
    me.sub(2, "a", since_ms=3_500)
    assert gaps(me) == []


@both
def test_after_an_event_comes_what_followed_it(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    me = desk.join()
    for _ in range(4):
        me.emit("a")
    last = me.session.in_open_workspace.seq
    me.sub(1, "a", after={"epoch": "e", "seq": last - 2})
    assert [seq for _, seq, _, _ in me.events()] == [last - 1, last]
    me.sub(2, "a", after={"epoch": "e", "seq": last})
    assert me.events() == []
    for id_, place in enumerate(({"epoch": "f", "seq": 1}, {"epoch": "e", "seq": last + 1}), 3):
        me.sub(id_, "a", after=place)
    assert me.fails() == {3: "gone", 4: "gone"}
    me.sub(3, "a")
    assert me.kinds() == [Kind.SUBBED], "a refused id is free again"


def test_only_as_much_is_told_again_as_a_session_may_have_waiting() -> None:
    desk = Desk(limits=Limits(outbox_frames_max=5, outbox_bytes_max=100_000))
    me, other = desk.join(), desk.join("other")
    for _ in range(9):
        me.emit("a")
    me.emit("b")
    other.sub(1, "a", since_ms=1_000)
    subbed, gap, *rows = other.heard()
    assert subbed.kind == Kind.SUBBED
    assert body(gap)["missed"] == 5
    assert len(rows) == 4
    assert all(one.id + 1 == two.id for one, two in pairwise(rows))
    other.pause()
    other.sub(2, "a", since_ms=1_000)
    other.resume()
    assert [frame.kind for frame in other.heard()].count(Kind.EVENT) == 4


def test_a_workspace_with_recent_events_is_not_forgotten() -> None:
    desk = Desk()
    me = desk.join(workspace="other")
    me.emit("a")
    me.lose()
    desk.now_us += 61 * SECOND
    desk.router.tick(desk.now_us)
    back = desk.join(workspace="other")
    back.sub(1, "a", since_ms=120_000)
    assert [name for name, *_ in back.events()] == ["a"]
    back.lose()
    desk.now_us += 700 * SECOND
    desk.router.tick(desk.now_us)
    assert "other" not in desk.router.board.workspaces


@pytest.mark.parametrize(
    "wants",
    [
        {"since_ms": -1},
        {"since_ms": 2**32},
        {"since_ms": "x"},
        {"since_ms": 1, "after": {"epoch": "e", "seq": 0}},
        {"after": 3},
        {"after": {"epoch": "e"}},
        {"unknown": 1},
        {"when_full": "explode"},
        {"consumer": "c"},
        {"ack": True},
        {"start": "new"},
        {"start_seq": 1},
        {"policy": "least"},
        {"weight": 2},
        {"group": "a b"},
        {"group": "g", "policy": "best"},
        {"group": "g", "weight": 0},
        {"group": "g", "since_ms": 5},
        {"group": "g", "retained": True},
        {"group": "g", "when_full": "conflate"},
    ],
)
def test_options_that_cannot_be_are_refused(wants: dict[str, object]) -> None:
    desk = Desk()
    me = desk.join()
    me.sub(1, "a", **wants)
    assert me.fails() == {1: "bad_request"}
    assert not me.session.listens
    desk.after(MS)
    me.emit("a", id_=2)
    (answer,) = me.heard()
    assert body(answer)["receivers"] == 0
