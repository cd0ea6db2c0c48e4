"""Holds which of a text peer's subscriptions an event is said to be for."""

import json
from typing import Any

from askrd.doors.transcript import EventTexts, Transcript
from tests.unit.askrd.core.desk import Desk, Mate


def lines(mate: Mate) -> list[dict[str, Any]]:
    transcript = Transcript(mate.session, EventTexts())
    return [json.loads(text) for text in transcript.texts(mate.session.outbox.take())]


def test_an_event_is_for_its_subscription_or_for_the_lowest_that_matches() -> None:
    desk = Desk()
    me, other = desk.join(), desk.join("other")
    me.sub(4, "a.*")
    me.sub(3, "**")
    me.sub(2, "b")
    me.sub(1, "a.b", group="g")
    me.heard()
    other.emit("a.b")
    assert [(line["seq"], line["sub"]) for line in lines(me)] == [(1, 3), (1, 1)]


def test_an_event_that_may_be_answered_names_its_subscription_too() -> None:
    desk = Desk()
    me, other = desk.join(), desk.join("other")
    me.sub(4, "a")
    me.heard()
    other.publish("a", "?", 9, collect=True)
    (line,) = lines(me)
    assert (line["sub"], line["answer"], line["d"]) == (4, 1, "?")


def test_what_was_before_is_marked() -> None:
    desk = Desk()
    me, other = desk.join(), desk.join("other")
    other.retain("a", 1)
    other.emit("b")
    me.sub(4, "*", since_ms=1_000)
    told = lines(me)
    assert [line["k"] for line in told] == ["subbed", "event", "event"]
    assert all(line["kept"] and line["sub"] == 4 for line in told[1:])
