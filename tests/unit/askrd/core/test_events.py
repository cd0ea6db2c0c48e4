"""Holds the rules of events: who hears what, once, in order, and whose word the envelope is."""

import pytest

from askrd.wire.frames import FLAG_MORE, FLAG_SEALED, STAMP_TIME, Frame, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import START_US, WALL_US, Desk, Mate, body, json

both = pytest.mark.parametrize("is_fast", [True, False])


def events(mate: Mate) -> list[str]:
    return [frame.name.decode() for frame in mate.heard() if frame.kind == Kind.EVENT]


@both
def test_an_event_carries_the_daemons_word_on_when_and_from_whom(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    me, other = desk.join(), desk.join("other")
    me.sub(1, "news.*")
    assert me.kinds() == [Kind.SUBBED]
    for _ in range(2):
        other.emit("news.a", payload=b"x", coding=2, flags=FLAG_SEALED)
    for seq, event in enumerate(me.heard(), 1):
        assert (event.id, event.name, event.payload, event.flags) == (
            seq, b"news.a", b"x", FLAG_SEALED,
        )  # fmt: skip
        assert STAMP_TIME.unpack_from(event.stamp)[0] == START_US + WALL_US
        assert event.stamp[8:] == b"other@i1"


@both
def test_an_event_is_heard_once_however_many_patterns_match(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    me = desk.join()
    for id_, pattern in enumerate(("news.*", "**", "news.a", "**"), 1):
        me.sub(id_, pattern)
    me.heard()
    me.emit("news.a")
    me.emit("news.a")
    assert events(me) == ["news.a"] * 2, "the sender hears its own event too"
    for id_ in (1, 2, 3):
        me.say(Frame(kind=Kind.UNSUB, id=id_))
    me.emit("news.a")
    assert events(me) == ["news.a"]
    me.say(Frame(kind=Kind.UNSUB, id=4))
    me.emit("news.a")
    assert me.heard() == []


@both
def test_an_event_with_an_id_is_answered(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    me, other = desk.join(), desk.join("other")
    other.sub(1, "**")
    other.heard()
    me.emit("a")
    me.emit("a", id_=5)
    (answer,) = me.heard()
    assert (answer.kind, answer.id) == (Kind.EMITTED, 5)
    assert body(answer) == {"receivers": 1, "seq": 2}
    assert len(other.heard()) == 2


@both
def test_a_peer_cannot_speak_in_the_daemons_name(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    me = desk.join()
    me.sub(1, "$askr.**")
    desk.join("newcomer")
    assert events(me) == ["$askr.peer.joined"]
    me.emit("$askr.peer.joined")
    me.emit("$askr.peer.joined", id_=2)
    heard = me.heard()
    assert [(f.kind, f.id) for f in heard] == [(Kind.ERROR, 0), (Kind.FAIL, 2)]


def test_a_wildcard_does_not_hear_the_daemons_news() -> None:
    desk = Desk()
    me = desk.join()
    for id_, pattern in enumerate(("**", "*.peer.joined", "*"), 1):
        me.sub(id_, pattern)
    desk.join("newcomer")
    assert events(me) == []


@both
def test_workspaces_do_not_hear_each_other(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    here, there = desk.join(), desk.join(workspace="other")
    for mate in (here, there):
        mate.sub(1, "**")
        mate.heard()
    here.emit("a")
    here.emit("a")
    assert there.heard() == []
    assert [frame.id for frame in here.heard()] == [1, 2]
    there.emit("a")
    assert [frame.id for frame in there.heard()] == [1], "each workspace counts for itself"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Frame(kind=Kind.EMIT, id=1, name=b"a b"), "bad_request"),
        (Frame(kind=Kind.EMIT, id=1, name=b"a.*"), "bad_request"),
        (Frame(kind=Kind.EMIT, id=1, name=b"\xff"), "bad_request"),
        (Frame(kind=Kind.EMIT, id=1), "bad_request"),
        (Frame(kind=Kind.EMIT, id=1, name=b"a", flags=FLAG_MORE), "bad_request"),
        (Frame(kind=Kind.EMIT, id=1, name=b"a", hops=8), "bad_request"),
        (Frame(kind=Kind.EMIT, id=1, name=b"a", payload=bytes(101)), "payload_too_large"),
        (Frame(kind=Kind.SUB, id=1, name=b"**.a"), "bad_request"),
        (Frame(kind=Kind.SUB, id=1, name=b"\xff"), "bad_request"),
        (Frame(kind=Kind.SUB, id=1, name=b"a", flags=FLAG_SEALED), "bad_request"),
    ],
)
def test_what_breaks_a_rule_is_refused(frame: Frame, code: str) -> None:
    me = Desk(limits=Limits(payload_bytes_max=100)).join()
    me.say(frame)
    assert me.fails() == {1: code}
    assert not me.session.taken


def test_subscriptions_are_bounded_and_hold_their_ids() -> None:
    me = Desk(limits=Limits(subscriptions_max=2)).join()
    for id_ in (1, 1, 2, 3):
        me.sub(id_, "a")
    me.call(1)
    me.emit("a", id_=2)
    me.emit("x y", id_=2)
    assert [(f.kind, f.id) for f in me.heard()] == [
        (Kind.SUBBED, 1), (Kind.ERROR, 1), (Kind.SUBBED, 2), (Kind.FAIL, 3),
        (Kind.ERROR, 1), (Kind.ERROR, 2), (Kind.ERROR, 2),
    ]  # fmt: skip
    me.say(Frame(kind=Kind.UNSUB, id=1), Frame(kind=Kind.UNSUB, id=1))
    assert me.errors() == [(1, "not_found")]
    me.call(1, "$askr.ping")
    assert me.kinds() == [Kind.REPLY]


def test_a_slow_listener_loses_the_oldest_and_hears_of_it() -> None:
    desk = Desk(limits=Limits(outbox_frames_max=5))
    me, other = desk.join(), desk.join("other")
    me.sub(1, "**")
    me.pause()
    for _ in range(12):
        other.emit("a")
    assert desk.router.board.workspaces["askr"].seq == 12
    assert me.session.outbox.dropped == 7
    stats = other.ask("$askr.stats")
    assert stats["totals"]["dropped"] == 7
    me.resume()
    gap, *rest = me.heard()
    assert body(gap) == {"missed": 7, "from": 1, "to": 7, "subjects": {"a": 7}}
    assert [frame.id for frame in rest] == [8, 9, 10, 11, 12]
    me.lose()
    assert other.ask("$askr.stats")["totals"]["dropped"] == 7, "it stays counted"


def test_a_listener_that_left_hears_nothing_more() -> None:
    desk = Desk()
    me, other = desk.join(), desk.join("other")
    me.sub(1, "a")
    other.emit("a", id_=1)
    me.lose()
    me.heard()
    other.emit("a", id_=2)
    assert [body(f)["receivers"] for f in other.heard() if f.kind == Kind.EMITTED] == [1, 0]
    assert me.heard() == []
    assert desk.router.board.workspaces["askr"].subscriptions.is_empty


def test_the_daemon_tells_of_peers_and_services() -> None:
    desk = Desk()
    me = desk.join()
    me.sub(1, "$askr.**")
    me.heard()
    agent = desk.serve()
    agent.say(json(Kind.UPDATE, {"service": "agent"}, id=5))
    agent.say(json(Kind.WITHDRAW, {"service": "agent"}, id=6))
    agent.lose()
    told = [frame for frame in me.heard() if frame.kind == Kind.EVENT]
    assert [frame.name.decode().removeprefix("$askr.") for frame in told] == [
        "peer.joined", "service.joined", "peer.changed", "service.changed", "service.left",
        "peer.changed", "peer.left",
    ]  # fmt: skip
    assert told[0].stamp[8:] == b"$askr@d"
    assert body(told[0])["name"] == "agent"
