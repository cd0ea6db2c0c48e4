"""Holds the rules of groups: each event to one member, as the policy says, to who can read it."""

from collections import Counter

import pytest

from askrd.core.event import marked
from askrd.core.lanes import LargeEvent
from askrd.wire.codec import decode, encode
from askrd.wire.frames import FLAG_HEAD, FLAG_KEPT, Frame, Kind
from tests.unit.askrd.core.desk import Desk, Mate, body

both = pytest.mark.parametrize("is_fast", [True, False])


def crew(desk: Desk, number: int, **wants: object) -> list[Mate]:
    """Returns members of one group; number N listens under the id N + 1."""
    mates = [desk.join(f"w{at}") for at in range(number)]
    for at, mate in enumerate(mates, 1):
        mate.sub(at, "job.*", group="g", **wants)
        assert mate.kinds() == [Kind.SUBBED]
    return mates


def shares(mates: list[Mate]) -> list[int]:
    return [len(mate.events()) for mate in mates]


@both
def test_each_event_goes_to_one_member_in_turn(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    me = desk.join()
    one, two = crew(desk, 2)
    for number in range(4):
        me.emit("job.a", payload=b"%d" % number, coding=1)
    assert [(seq, sub, kept) for _, seq, sub, kept in one.events()] == [
        (1, 1, False),
        (3, 1, False),
    ]
    assert [(seq, sub) for _, seq, sub, _ in two.events()] == [(2, 2), (4, 2)]
    me.emit("job.a", id_=7)
    (answer,) = me.heard()
    assert body(answer) == {"receivers": 1, "seq": 5}


@both
def test_plain_listeners_and_other_groups_hear_everything_besides(is_fast: bool) -> None:
    desk = Desk(is_fast=is_fast)
    me = desk.join()
    one, two = crew(desk, 2)
    one.sub(8, "**")
    two.sub(9, "job.*", group="h")
    two.sub(10, "job.a", group="g")
    me.emit("job.a", id_=1)
    assert [(seq, sub) for _, seq, sub, _ in one.events()] == [(1, 0), (1, 1)]
    assert sorted(sub for _, _, sub, _ in two.events()) == [9, 10], "another pattern, another group"
    (answer,) = me.heard()
    assert body(answer)["receivers"] == 4


def test_who_cannot_read_gets_nothing_while_somebody_can() -> None:
    desk = Desk()
    me = desk.join()
    one, two = crew(desk, 2)
    one.pause()
    for _ in range(3):
        me.emit("job.a")
    assert len(two.events()) == 3
    two.pause()
    me.emit("job.a")
    for mate in (one, two):
        mate.resume()
    assert sum(shares([one, two])) == 1, "when nobody can, one of them gets it when it reads"


def test_a_member_that_leaves_gets_no_more_and_the_last_one_ends_the_group() -> None:
    desk = Desk()
    me = desk.join()
    one, two, three = crew(desk, 3)
    one.lose()
    two.say(Frame(kind=Kind.UNSUB, id=2))
    for _ in range(3):
        me.emit("job.a")
    assert shares([two, three]) == [0, 3]
    three.say(Frame(kind=Kind.UNSUB, id=3))
    workspace = me.session.in_open_workspace
    assert workspace.groups == {}
    assert workspace.subscriptions.is_empty
    me.emit("job.a", id_=5)
    (answer,) = me.heard()
    assert body(answer)["receivers"] == 0


def test_one_session_may_be_several_members() -> None:
    desk = Desk()
    me = desk.join()
    for id_ in (1, 2):
        me.sub(id_, "a", group="g")
    me.heard()
    for _ in range(4):
        me.emit("a")
    assert [sub for _, _, sub, _ in me.events()] == [1, 2, 1, 2]


def test_policies_choose_as_for_commands() -> None:
    desk = Desk()
    me = desk.join()
    mates = crew(desk, 3, policy="first")
    for _ in range(4):
        me.emit("job.a")
    assert shares(mates) == [4, 0, 0]
    mates[2].sub(40, "job.*", group="g", policy="random")
    mates[2].say(Frame(kind=Kind.UNSUB, id=40))
    mates[2].heard()
    for _ in range(60):
        me.emit("job.a")
    assert min(shares(mates)) > 5


def test_hash_keeps_a_subject_or_a_key_together() -> None:
    desk = Desk()
    me = desk.join()
    mates = crew(desk, 3, policy="hash")
    for at in range(30):
        me.emit(f"job.{at % 10}")
    heard = [{name for name, *_ in mate.events()} for mate in mates]
    assert sum(map(len, heard)) == 10, "no subject was heard by two"
    for at in range(30):
        me.publish(f"job.{at}", 1, key="one")
    assert sorted(shares(mates)) == [0, 0, 30]


def test_weights_say_how_often() -> None:
    desk = Desk()
    me = desk.join()
    light, heavy = desk.join("light"), desk.join("heavy")
    light.sub(1, "a", group="g", policy="weighted")
    heavy.sub(1, "a", group="g", policy="weighted", weight=3)
    for _ in range(8):
        me.emit("a")
    assert shares([light, heavy]) == [2, 6]


def test_least_prefers_who_has_nothing_else_to_do() -> None:
    desk = Desk()
    me = desk.join()
    busy, idle, other = desk.serve(), desk.join("idle"), desk.join("other")
    for mate in (busy, idle, other):
        mate.sub(1, "a", group="g", policy="least")
        mate.heard()
    me.call(1)
    for _ in range(4):
        me.emit("a")
    assert shares([busy, idle, other]) == [0, 2, 2]


def test_a_resumable_member_that_is_away_gets_nothing_while_others_are_there() -> None:
    desk = Desk()
    me = desk.join()
    away, there = desk.join("away", resumable=True), desk.join("there")
    for mate in (away, there):
        mate.sub(1, "a", group="g")
        mate.heard()
    desk.router.lose(away.session, "cable", desk.now_us)
    for _ in range(3):
        me.emit("a")
    assert len(there.events()) == 3


@pytest.mark.parametrize("has_head", [False, True])
def test_options_are_put_where_they_belong(has_head: bool) -> None:
    head = b'{"a":"b"}' if has_head else b""
    frame = Frame(kind=Kind.EVENT, id=3, name=b"a", head=head, payload=b"xyz", stamp=b"12345678s")
    data = encode(frame)
    at = len(data) - 3 - (len(head) + 2 if has_head else 0)
    large = LargeEvent(data[:at], memoryview(data)[at:])
    for told in (data, large):
        got = marked(told, b'{"sub":2}', FLAG_KEPT)
        whole = got if isinstance(got, bytes) else got.head + bytes(got.payload)
        found = decode(whole)
        assert (found.head, found.options, found.payload) == (head, b'{"sub":2}', b"xyz")
        assert found.flags & (FLAG_KEPT | FLAG_HEAD) == FLAG_KEPT | (FLAG_HEAD if has_head else 0)


def test_why_and_stats_know_the_group() -> None:
    desk = Desk()
    me = desk.join()
    one, _ = crew(desk, 2)
    one.sub(9, "job.*")
    me.emit("job.a")
    told = me.ask("$askr.why", {"event": "job.a"})
    reasons = Counter(row["reason"] for row in told["candidates"])
    assert reasons == {
        "it listens to job.*, and job.* in group g": 1,
        "it listens to job.* in group g": 1,
    }
    assert told["verdict"] == "heard"
    missed = me.ask("$askr.why", {"event": "job.a.b"})["candidates"]
    assert {row["verdict"] for row in missed} == {"misses"}
    stats = me.ask("$askr.stats")
    assert stats["groups"] == [
        {"group": "g", "pattern": "job.*", "policy": "round_robin", "members": 2, "events": 1}
    ]
    assert stats["memory"] == {"recent": 1, "retained": 0}
    assert [row["listeners"] for row in stats["events"]] == [2]
