"""Listeners that come back go on where they were: told by hand, and by the real router."""

import asyncio
import json
from typing import Any

import pytest

from askrd.sdk.client import Client
from askrd.sdk.hearing import hearing
from askrd.sdk.values import Event, Gap
from askrd.testing import TestAskr, run
from askrd.testing.memory_transport import URL, MemoryDoor
from askrd.wire.errors import Forbidden
from askrd.wire.frames import Kind
from tests.unit.askrd.sdk.talk import (
    Listener,
    Promise,
    comes_back,
    event,
    fail,
    listening,
    marked,
    opened,
    options_of,
    said,
    seqs,
    subbed,
)


async def away_for(askr: TestAskr, door: MemoryDoor, seconds: float) -> None:
    """Cuts the reader off, longer than its session is kept; it finds back by itself."""
    door.is_open = False
    for connection in askr.daemon.connections:
        if connection.session.name == "reader":
            connection.lose()
    await asyncio.sleep(seconds)
    door.is_open = True


async def heard_after_being_away(told: list[Any], *, is_confirmed: bool) -> None:
    async with TestAskr() as askr:
        door = MemoryDoor(askr.daemon)
        async with Client(URL, name="reader", dial=door) as client:
            client.on_gap = told.append
            client.on("NEWS", lambda event: told.append(event.payload))
            if is_confirmed:
                await askr.emit("NEWS", 0, confirm=True)
                await asyncio.sleep(1)
            ended = asyncio.Event()

            async def tell() -> None:
                await asyncio.sleep(20)
                await askr.emit("NEWS", 1)
                await askr.emit("OTHER", 2)
                await askr.emit("NEWS", 3, confirm=True)
                ended.set()

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(tell())
                await away_for(askr, door, 40)
                await ended.wait()
                await asyncio.sleep(30)
                await askr.emit("NEWS", 4, confirm=True)
                await asyncio.sleep(1)


def test_events_of_the_time_between_come_without_a_gap() -> None:
    told: list[Any] = []
    run(heard_after_being_away(told, is_confirmed=True))
    assert told == [0, 1, 3, 4]


def test_who_heard_nothing_before_is_told_of_the_gap() -> None:
    told: list[Any] = []
    run(heard_after_being_away(told, is_confirmed=False))
    assert told == [Gap(None), 4]


def test_an_event_that_two_of_a_readers_patterns_fit_is_read_once() -> None:
    async def story() -> None:
        async with TestAskr() as askr:
            await askr.emit("a.b", 1, retain=True)
            async with askr.listen("a.*", "*.b", idle=1, since=60) as events:
                await askr.emit("a.b", 2)
                read = [event async for event in events if isinstance(event, Event)]
            assert [(event.payload, event.kept) for event in read] == [(1, True), (2, False)]

    run(story())


# --- coming back --------------------------------------------------------------------------------


def test_a_new_session_goes_on_behind_the_last_event() -> None:
    conversation = opened()
    id_, listener = listening(conversation)
    conversation.receive([event(7, "X"), event(9, "OTHER")], 0.0)

    (frame,) = comes_back(conversation)
    assert options_of(frame) == {"after": {"epoch": "e1", "seq": 9}, "retained": False}
    assert frame.id == id_
    conversation.receive([subbed(id_), marked(10, "X", kept=True, sub=id_), event(11, "X")], 1.0)
    assert seqs(listener) == [7, 10, 11]
    assert [one.retained for one in listener.told] == [False] * 3

    (frame,) = comes_back(conversation)
    assert options_of(frame)["after"]["seq"] == 11


def test_who_heard_nothing_goes_on_behind_what_the_daemon_said_at_the_beginning() -> None:
    conversation = opened()
    listening(conversation, seq=40)
    (frame,) = comes_back(conversation)
    assert options_of(frame)["after"] == {"epoch": "e1", "seq": 40}


def test_who_does_not_know_where_it_was_is_told_of_the_gap() -> None:
    conversation = opened()
    _, listener = listening(conversation)
    (frame,) = comes_back(conversation)
    assert options_of(frame) == {}
    assert listener.told == [Gap(None)]


def test_events_before_the_beginning_do_not_say_where_it_was() -> None:
    conversation = opened()
    listening(conversation, "OTHER")
    conversation.receive([event(5, "OTHER")], 0.0)
    _, listener = listening(conversation)
    other, frame = comes_back(conversation)
    assert options_of(other)["after"]["seq"] == 5
    assert options_of(frame) == {}
    assert listener.told == [Gap(None)]


def test_a_daemon_that_is_new_tells_all_it_has_and_the_gap_is_told() -> None:
    conversation = opened()
    id_, listener = listening(conversation, wanted=hearing(since=60))
    conversation.receive([event(7, "X")], 0.0)
    (frame,) = comes_back(conversation, "e2")
    assert options_of(frame)["after"] == {"epoch": "e1", "seq": 7}

    conversation.receive([fail(id_, "gone")], 1.0)
    (frame,) = said(conversation)
    assert (frame.kind, frame.id) == (Kind.SUB, id_)
    assert options_of(frame) == {"after": {"epoch": "e2", "seq": 0}, "retained": False}
    conversation.receive([subbed(id_), marked(1, "X", kept=True, sub=id_), event(2, "X")], 1.0)
    assert seqs(listener) == [7, Gap(None), 1, 2]


def test_a_daemon_that_cannot_go_on_begins_anew_and_a_second_refusal_is_the_end() -> None:
    conversation = opened()
    id_, listener = listening(conversation)
    conversation.receive([event(7, "X")], 0.0)
    comes_back(conversation)

    conversation.receive([fail(id_, "bad_request")], 1.0)
    (frame,) = said(conversation)
    assert (frame.id, options_of(frame)) == (id_, {})
    conversation.receive([fail(id_, "forbidden")], 1.0)
    assert said(conversation) == []
    assert listener.told[1] == Gap(None)
    assert isinstance(listener.told[2], Forbidden)


def test_who_was_not_confirmed_begins_in_the_next_session_as_if_it_were_the_first() -> None:
    conversation = opened()
    listening(conversation, "X")
    conversation.receive([event(7, "X")], 0.0)
    promise, listener = Promise(), Listener()
    id_ = conversation.subscribe("Y", listener.subscription, promise=promise)
    conversation.receive([event(8, "X")], 0.0)

    _, frame = comes_back(conversation, "e2")
    assert (frame.id, options_of(frame)) == (id_, {})
    conversation.receive([subbed(id_)], 1.0)
    assert promise.frame is not None


def test_who_waits_for_a_beginning_waits_on_when_it_begins_anew() -> None:
    conversation = opened()
    promise, listener = Promise(), Listener()
    wanted = hearing(since=60)
    id_ = conversation.subscribe("X", listener.subscription, wanted, promise=promise)
    conversation.receive([marked(7, "X", kept=True, sub=id_)], 0.0)
    (frame,) = comes_back(conversation, "e2")
    assert options_of(frame)["after"] == {"epoch": "e1", "seq": 7}

    conversation.receive([fail(id_, "gone")], 1.0)
    assert not promise.done()
    conversation.receive([subbed(id_)], 1.0)
    assert promise.frame is not None


def test_what_a_resumed_session_has_not_begun_yet_may_still_begin_anew() -> None:
    conversation = opened()
    id_, listener = listening(conversation)
    conversation.receive([event(7, "X")], 0.0)
    (frame,) = comes_back(conversation, "e2")
    assert options_of(frame)["after"] == {"epoch": "e1", "seq": 7}
    conversation.events.lost()
    conversation.events.resumed()

    conversation.receive([event(1, "X"), fail(id_, "gone")], 1.0)
    (frame,) = said(conversation)
    assert options_of(frame)["after"] == {"epoch": "e2", "seq": 0}
    conversation.receive([subbed(id_), marked(1, "X", kept=True, sub=id_)], 1.0)
    assert seqs(listener) == [7, Gap(None), 1]


def test_a_place_that_was_not_confirmed_is_asked_for_again_in_the_next_session() -> None:
    conversation = opened()
    listening(conversation)
    conversation.receive([event(7, "X")], 0.0)
    comes_back(conversation, "e2")
    (frame,) = comes_back(conversation, "e2")
    assert options_of(frame)["after"] == {"epoch": "e1", "seq": 7}


def test_groups_and_consumers_come_back_as_they_were() -> None:
    conversation = opened()
    member, group = listening(conversation, wanted=hearing(group="g"))
    consumer, log = listening(conversation, wanted=hearing(log="l", consumer="c"))
    told = [marked(3, "X", sub=member), marked(4, "X", sub=consumer, log_seq=1, delivery=1)]
    conversation.receive(told, 0.0)

    first, second = comes_back(conversation)
    assert options_of(first) == {"group": "g"}
    assert options_of(second) == {"log": "l", "consumer": "c", "unacked_max": 64}
    assert seqs(group) == [3, Gap(None)]
    assert seqs(log) == [4]


def test_a_reader_of_a_log_comes_back_behind_its_last_event() -> None:
    conversation = opened()
    id_, listener = listening(conversation, "**", hearing(log="l", start="first"))
    conversation.receive([marked(9, "X", sub=id_, log_seq=41, kept=True)], 0.0)
    (frame,) = comes_back(conversation, "e2")
    assert options_of(frame) == {"log": "l", "start_seq": 42}
    assert seqs(listener) == [9]


def test_a_session_that_goes_on_changes_nothing() -> None:
    conversation = opened()
    id_, listener = listening(conversation)
    conversation.receive([event(7, "X")], 0.0)
    conversation.events.lost()
    conversation.events.resumed()
    conversation.receive([event(8, "X"), fail(id_, "forbidden")], 1.0)
    assert seqs(listener)[:2] == [7, 8]
    assert isinstance(listener.told[2], Forbidden)
    assert said(conversation) == []


# --- a log that is paused -----------------------------------------------------------------------


def test_a_paused_log_goes_on_behind_what_came_and_nothing_comes_twice() -> None:
    conversation = opened()
    id_, listener = listening(conversation, "**", hearing(log="l"))
    rows = [marked(seq, "X", sub=id_, log_seq=seq, kept=True) for seq in (1, 2, 3, 4)]
    conversation.receive(rows[:1], 0.0)
    conversation.events.pause(id_)
    conversation.receive(rows[1:2], 0.0)
    conversation.events.go_on(id_)
    unsub, sub = said(conversation)
    assert (unsub.kind, unsub.id) == (Kind.UNSUB, id_)
    assert (sub.kind, sub.id, options_of(sub)) == (Kind.SUB, id_, {"log": "l", "start_seq": 3})
    conversation.receive([rows[2], subbed(id_), *rows[2:]], 0.0)
    assert seqs(listener) == [1, 2, 3, 4]


def test_a_log_that_is_paused_begins_no_new_session() -> None:
    conversation = opened()
    id_, _ = listening(conversation, "**", hearing(log="l"))
    conversation.receive([marked(5, "X", sub=id_, log_seq=5)], 0.0)
    conversation.events.pause(id_)
    assert comes_back(conversation) == []
    conversation.events.go_on(id_)
    (sub,) = said(conversation)
    assert options_of(sub) == {"log": "l", "start_seq": 6}
    conversation.events.pause(id_)
    conversation.exchange.take()
    conversation.unsubscribe(id_)
    assert said(conversation) == []


def test_an_event_that_waits_here_still_is_not_handled_twice() -> None:
    conversation = opened()
    id_, listener = listening(conversation, wanted=hearing(log="l", consumer="c"))
    first = marked(3, "X", sub=id_, log_seq=1, delivery=1)
    again = marked(3, "X", sub=id_, log_seq=1, delivery=2, kept=True)
    conversation.receive([first], 0.0)
    comes_back(conversation)
    conversation.receive([subbed(id_), again], 1.0)
    (one,) = listener.told
    one.receipt.handled()
    (ack,) = said(conversation)
    assert json.loads(ack.payload) == {"sub": id_, "seq": 1}
    conversation.receive([again], 1.0)
    assert [one.delivery for one in listener.told] == [1, 2]


def test_what_comes_again_to_who_acknowledges_by_hand_is_told_again() -> None:
    conversation = opened()
    wanted = hearing(log="l", consumer="c", ack="manual")
    id_, listener = listening(conversation, wanted=wanted)
    rows = [marked(3, "X", sub=id_, log_seq=1, delivery=count) for count in (1, 2)]
    conversation.receive(rows, 0.0)
    assert [one.delivery for one in listener.told] == [1, 2]


def test_nothing_is_said_to_an_event_of_a_subscription_that_has_ended() -> None:
    conversation = opened()
    id_, listener = listening(conversation, wanted=hearing(log="l", consumer="c"))
    conversation.receive([marked(3, "X", sub=id_, log_seq=1, delivery=1)], 0.0)
    conversation.unsubscribe(id_)
    conversation.exchange.take()
    listener.told[0].receipt.handled()
    assert said(conversation) == []


@pytest.mark.parametrize("when_full", ["drop_oldest", "disconnect", "conflate"])
def test_each_way_of_a_slow_reader_gets_an_event_once(when_full: str) -> None:
    async def story() -> None:
        async with TestAskr() as askr:
            how: Any = {"when_full": when_full}
            async with askr.listen("X", idle=1, **how) as one, askr.listen("X", idle=1) as two:
                await askr.emit("X", 1)
                assert [[event.payload async for event in each] for each in (one, two)] == [[1]] * 2

    run(story())


def test_what_is_remembered_is_asked_for_again_when_nothing_of_it_had_come() -> None:
    conversation = opened()
    listening(conversation, "Y")
    id_, _ = listening(conversation, "X", hearing(since=60), seq=100)
    conversation.receive([event(95, "Y")], 0.0)  # the confirmation was faster
    frames = {frame.id: options_of(frame) for frame in comes_back(conversation)}
    assert frames[id_]["since_ms"] == 60_000


def test_retained_events_come_that_had_not_when_the_connection_was_lost() -> None:
    conversation = opened()
    id_, listener = listening(conversation, "X*", seq=100)
    first, second = (
        marked(seq, subject, kept=True, sub=id_, retained=True)
        for seq, subject in ((5, "X1"), (6, "X2"))
    )
    conversation.receive([first], 0.0)
    (frame,) = comes_back(conversation)
    assert options_of(frame) == {"after": {"epoch": "e1", "seq": 100}}

    conversation.receive([subbed(id_, 100), first, second, event(101, "X1")], 1.0)
    assert seqs(listener) == [5, 6, 101]
    (frame,) = comes_back(conversation)
    assert options_of(frame) == {"after": {"epoch": "e1", "seq": 101}, "retained": False}
