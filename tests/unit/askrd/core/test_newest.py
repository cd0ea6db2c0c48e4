"""Holds what becomes of events that a subscriber does not read, as its subscription says."""

from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import Desk, Mate, body, event_options

TIGHT = Limits(outbox_frames_max=5)


def heard(mate: Mate) -> list[tuple[str, object, int]]:
    return [
        (f.name.decode(), body(f), event_options(f).sub)
        for f in mate.heard()
        if f.kind == Kind.EVENT
    ]


def test_the_newest_of_each_subject_waits_for_who_reads_slowly() -> None:
    desk = Desk(limits=TIGHT)
    me, slow = desk.join(), desk.join("slow")
    slow.sub(3, "**", when_full="conflate")
    slow.heard()
    me.publish("a", 0)
    assert heard(slow) == [("a", 0, 3)]
    slow.pause()
    for number in range(20):
        me.publish("a", number)
        me.publish("b", number)
    me.publish("c", "only", 9)
    slow.resume()
    assert heard(slow) == [("a", 19, 3), ("b", 19, 3), ("c", "only", 3)]
    assert slow.session.outbox.dropped == 0
    (answer,) = me.heard()
    assert body(answer)["receivers"] == 1


def test_too_many_subjects_close_who_wants_the_newest_of_each() -> None:
    desk = Desk(limits=TIGHT)
    me, slow = desk.join(), desk.join("slow")
    slow.sub(3, "**", when_full="conflate")
    slow.pause()
    for number in range(6):
        me.publish(f"a.{number}", number)
    assert desk.closes == [(slow, 4001)]


def test_two_subscriptions_conflate_apart() -> None:
    desk = Desk()
    me, slow = desk.join(), desk.join("slow")
    slow.sub(3, "**", when_full="conflate")
    slow.sub(4, "a", when_full="conflate")
    slow.sub(5, "a")
    slow.pause()
    for number in range(3):
        me.publish("a", number)
    slow.resume()
    assert sorted(heard(slow), key=str) == sorted(
        [("a", 2, 3), ("a", 2, 4), ("a", 0, 0), ("a", 1, 0), ("a", 2, 0)], key=str
    )
    slow.say(Frame(kind=Kind.UNSUB, id=3))
    me.publish("b", 1)
    assert heard(slow) == []


def test_what_is_retained_and_remembered_comes_before_it_conflates() -> None:
    desk = Desk()
    me = desk.join()
    me.retain("a", 1)
    me.publish("b", 2)
    me.sub(3, "**", when_full="conflate", since_ms=1_000)
    me.publish("b", 3)
    assert heard(me) == [("a", 1, 3), ("b", 2, 3), ("b", 3, 3)]


def test_disconnect_closes_in_place_of_a_gap() -> None:
    desk = Desk(limits=TIGHT)
    me, strict, lax = desk.join(), desk.join("strict"), desk.join("lax")
    strict.sub(1, "a.*", when_full="disconnect")
    strict.sub(2, "**", when_full="drop_oldest")
    lax.sub(1, "**", when_full="drop_oldest")
    for mate in (strict, lax):
        mate.pause()
    for _ in range(8):
        me.emit("b")
    assert desk.closes == [], "what it may miss closes nothing"
    me.emit("a.b")
    for _ in range(5):
        me.emit("b")
    assert desk.closes == [(strict, 4001)]
    assert strict.errors() == [(0, "slow_consumer")]
    lax.resume()
    assert Kind.GAP in lax.kinds()


def test_after_unsub_nothing_is_undroppable() -> None:
    desk = Desk(limits=TIGHT)
    me, slow = desk.join(), desk.join("slow")
    slow.sub(1, "a", when_full="disconnect")
    slow.sub(2, "a")
    slow.say(Frame(kind=Kind.UNSUB, id=1))
    slow.pause()
    for _ in range(9):
        me.emit("a")
    assert desk.closes == []
    slow.resume()
    assert Kind.GAP in slow.kinds()


def test_what_is_known_of_a_subject_changes_with_the_subscriptions() -> None:
    desk = Desk(limits=TIGHT)
    me, slow = desk.join(), desk.join("slow")
    slow.sub(1, "**")
    slow.sub(2, "b", when_full="disconnect")
    slow.pause()
    for _ in range(9):
        me.emit("a")
    assert desk.closes == []
    slow.sub(3, "a", when_full="disconnect")
    for _ in range(9):
        me.emit("a")
    assert desk.closes == [(slow, 4001)]
