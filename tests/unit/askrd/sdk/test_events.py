"""Events of one conversation: what is told and heard, what they want back, and coming back."""

import json
from typing import Any

import pytest

from askrd.sdk.hearing import hearing
from askrd.sdk.receipts import settle
from askrd.sdk.values import Gap
from askrd.wire.bodies import dump
from askrd.wire.errors import (
    BadRequest,
    ConnectionLost,
    DeadlineExceeded,
    Forbidden,
    Gone,
    LimitExceeded,
)
from askrd.wire.frames import FLAG_HEAD, FLAG_OPTIONS, Coding, Frame, Kind
from tests.unit.askrd.sdk.talk import (
    Listener,
    Promise,
    body,
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

# --- telling ------------------------------------------------------------------------------------


def test_a_retained_event_says_so_and_headers_travel() -> None:
    conversation = opened()
    promise = Promise()
    conversation.emit("T", b"1", 1, promise=promise, retain=True, head=b'{"a":"b"}')
    (frame,) = said(conversation)

    assert (frame.kind, frame.head, options_of(frame)) == (
        Kind.EMIT, b'{"a":"b"}', {"retain": True},
    )  # fmt: skip
    assert frame.flags == FLAG_HEAD | FLAG_OPTIONS
    emitted = body(Kind.EMITTED, {"receivers": 0, "seq": 4}, id=frame.id)
    conversation.receive([emitted], 0.0)
    assert promise.frame == emitted


def test_answers_come_until_the_event_is_told() -> None:
    conversation = opened()
    promise, answers = Promise(), []
    id_ = conversation.events.collect("WHO", b"", 0, promise, answers.append, ttl_ms=2000)
    (frame,) = said(conversation)
    assert (frame.id, frame.ttl_ms, options_of(frame)) == (id_, 2000, {"collect": True})

    one = Frame(kind=Kind.ANSWER, id=id_, payload=b"1", coding=1, stamp=b"a@b")
    emitted = body(Kind.EMITTED, {"receivers": 2, "seq": 4, "answers": 1}, id=id_)
    conversation.receive([one, emitted, one], 0.0)

    assert answers == [one]
    assert promise.frame == emitted


def test_answers_nobody_waits_for_are_dropped() -> None:
    conversation = opened()
    promise, answers = Promise(), []
    id_ = conversation.events.collect("WHO", b"", 0, promise, answers.append)
    conversation.forget(id_)
    conversation.receive([Frame(kind=Kind.ANSWER, id=id_)], 0.0)
    assert answers == []
    assert not promise.done()


def test_too_many_answers_end_the_collecting() -> None:
    conversation = opened()
    promise = Promise()

    def too_many(_frame: Frame) -> None:
        raise LimitExceeded("too many")

    id_ = conversation.events.collect("WHO", b"", 0, promise, too_many)
    conversation.receive([Frame(kind=Kind.ANSWER, id=id_)] * 2, 0.0)
    assert isinstance(promise.error, LimitExceeded)


def test_a_refused_collecting_fails_its_promise() -> None:
    conversation = opened()
    promise = Promise()
    id_ = conversation.events.collect("WHO", b"", 0, promise, print)
    conversation.receive([fail(id_, "forbidden")], 0.0)
    assert isinstance(promise.error, Forbidden)


# --- hearing ------------------------------------------------------------------------------------


def test_a_subscription_says_how_it_hears() -> None:
    conversation = opened()
    conversation.subscribe("X", Listener().subscription, hearing(since=1, group="g"))
    (frame,) = said(conversation)
    assert options_of(frame) == {"since_ms": 1000, "group": "g"}


def test_an_event_for_one_subscription_reaches_no_other() -> None:
    conversation = opened()
    one, first = listening(conversation)
    _, second = listening(conversation)
    conversation.receive([marked(1, "X", kept=True, sub=one, retained=True), event(2, "X")], 0.0)
    assert (seqs(first), seqs(second)) == ([1, 2], [2])
    assert [one.retained for one in first.told] == [True, False]


def test_an_event_for_a_subscription_that_has_ended_is_dropped() -> None:
    conversation = opened()
    id_, listener = listening(conversation)
    conversation.unsubscribe(id_)
    conversation.receive([marked(1, "X", sub=id_)], 0.0)
    assert listener.told == []


@pytest.mark.parametrize(
    "wanted", [hearing(group="g"), hearing(when_full="conflate"), hearing(log="l")]
)
def test_a_subscription_with_frames_of_its_own_gets_only_those(wanted: Any) -> None:
    conversation = opened()
    id_, apart = listening(conversation, wanted=wanted)
    _, plain = listening(conversation)
    conversation.receive([event(1, "X"), marked(2, "X", sub=id_)], 0.0)
    assert (seqs(apart), seqs(plain)) == ([2], [1])


def test_events_for_everybody_count_for_who_looks_back_once_the_daemon_has_begun() -> None:
    conversation = opened()
    listening(conversation)
    listener = Listener()
    id_ = conversation.subscribe("X", listener.subscription, hearing(since=60))
    told = [
        event(1, "X"), subbed(id_), marked(1, "X", kept=True, sub=id_), event(2, "X"),
    ]  # fmt: skip
    conversation.receive(told, 0.0)
    assert seqs(listener) == [1, 2]
    assert [(one.kept, one.retained) for one in listener.told] == [(True, False), (False, False)]


def test_what_two_patterns_of_a_listener_remember_comes_once() -> None:
    conversation = opened()
    listener = Listener()
    ids = [
        conversation.subscribe(pattern, listener.subscription, hearing(since=60))
        for pattern in ("X", "*")
    ]
    rows = [marked(1, "X", kept=True, sub=id_) for id_ in ids]
    conversation.receive([subbed(ids[0]), rows[0], subbed(ids[1]), rows[1]], 0.0)
    assert seqs(listener) == [1]


def test_a_gap_for_one_subscription_reaches_no_other() -> None:
    conversation = opened()
    id_, first = listening(conversation)
    _, second = listening(conversation)
    frame = body(Kind.GAP, {"missed": 3}, options=dump({"sub": id_}), flags=FLAG_OPTIONS)
    conversation.receive([frame], 0.0)
    assert (first.told, second.told) == ([Gap(3)], [])


def test_options_that_make_no_sense_are_none() -> None:
    conversation = opened()
    _, listener = listening(conversation)
    frame = Frame(kind=Kind.EVENT, id=1, name=b"X", options=b'{"sub":"x"}', flags=FLAG_OPTIONS)
    conversation.receive([frame], 0.0)
    assert seqs(listener) == [1]


# --- what events want back ----------------------------------------------------------------------


def test_an_event_of_a_consumer_is_acknowledged_or_told_again() -> None:
    conversation = opened()
    id_, listener = listening(conversation, wanted=hearing(log="l", consumer="c"))
    rows = [marked(seq, "X", sub=id_, log_seq=seq, delivery=seq) for seq in (1, 2, 3)]
    conversation.receive(rows, 0.0)
    for one, failed in zip(listener.told, (False, True, True), strict=True):
        (one.receipt.failed if failed else one.receipt.handled)()

    frames = said(conversation)
    assert [(frame.kind, frame.id, json.loads(frame.payload)) for frame in frames] == [
        (Kind.ACK, 0, {"sub": id_, "seq": 1}),
        (Kind.NAK, 0, {"sub": id_, "seq": 2, "delay_ms": 2000}),
        (Kind.NAK, 0, {"sub": id_, "seq": 3, "delay_ms": 4000}),
    ]
    assert [(one.log_seq, one.delivery) for one in listener.told] == [(1, 1), (2, 2), (3, 3)]


def test_an_acknowledgement_with_a_promise_waits_for_ok() -> None:
    conversation = opened()
    done, refused = Promise(), Promise()
    conversation.events.ack(3, 17, done)
    conversation.events.nak(3, 18, 500, refused)
    ack, nak = said(conversation)
    assert json.loads(nak.payload) == {"sub": 3, "seq": 18, "delay_ms": 500}
    ok = Frame(kind=Kind.OK, id=ack.id)
    conversation.receive([ok, fail(nak.id, "gone")], 0.0)
    assert done.frame == ok
    assert isinstance(refused.error, Gone)


def test_a_collected_event_is_answered_once_by_all_listeners_together() -> None:
    conversation = opened()
    _, first = listening(conversation)
    _, second = listening(conversation)
    conversation.receive([marked(1, "X", answer=9), marked(2, "X", answer=10)], 0.0)

    assert first.told[0] is second.told[0]
    first.told[0].receipt.handled()
    assert said(conversation) == []
    second.told[0].receipt.handled("mine")
    first.told[1].receipt.failed()
    second.told[1].receipt.handled()
    frames = said(conversation)
    assert [(one.kind, one.id, one.payload, one.coding) for one in frames] == [
        (Kind.ANSWER, 9, b'"mine"', Coding.JSON),
        (Kind.ANSWER, 10, b"", Coding.NONE),
    ]


def test_a_collected_event_that_nobody_hears_any_more_is_answered_by_nothing() -> None:
    conversation = opened()
    conversation.receive([marked(1, "X", answer=9)], 0.0)
    (frame,) = said(conversation)
    assert (frame.kind, frame.id, frame.coding) == (Kind.ANSWER, 9, Coding.NONE)


def test_an_answer_that_cannot_be_said_is_none() -> None:
    conversation = opened()
    _, listener = listening(conversation)
    conversation.receive([marked(1, "X", answer=9)], 0.0)
    with pytest.raises(Exception, match="answer"):
        listener.told[0].receipt.handled(object())
    (frame,) = said(conversation)
    assert (frame.kind, frame.coding) == (Kind.ANSWER, Coding.NONE)


def test_an_event_that_wants_nothing_back_refuses_it() -> None:
    conversation = opened()
    _, listener = listening(conversation)
    conversation.receive([event(1, "X"), marked(2, "X", answer=3)], 0.0)
    plain, collected = listener.told
    for verb in (plain.ack, plain.nak, lambda: plain.answer(1)):
        with pytest.raises(BadRequest, match="means nothing"):
            verb()
    with pytest.raises(BadRequest, match="log= and consumer="):
        collected.ack()
    assert (plain.is_collected, collected.is_collected) == (False, True)


def test_an_answer_of_an_earlier_session_is_dropped() -> None:
    conversation = opened()
    id_, listener = listening(conversation)
    conversation.receive([marked(7, "X", answer=3)], 0.0)
    (asked,) = listener.told
    comes_back(conversation, "e2")
    conversation.receive([subbed(id_)], 1.0)

    settle(asked.receipt, "late")  # the daemon may have given its number to another event
    assert said(conversation) == []
    conversation.receive([marked(2, "X", answer=3)], 1.0)
    settle(listener.told[-1].receipt, "in time")
    (answer,) = said(conversation)
    assert (answer.kind, answer.id, answer.payload) == (Kind.ANSWER, 3, b'"in time"')


def test_nothing_gathers_for_who_has_given_up() -> None:
    conversation = opened()
    asked, read = Promise(), Promise()
    answers: list[Frame] = []
    entries: list[Frame] = []
    event_id = conversation.events.collect("WHO", b"", 0, asked, answers.append, guard_at=5.0)
    prefix_id = conversation.keys.entries("cfg", entries, read, guard_at=5.0)
    conversation.tick(5.0)
    assert isinstance(asked.error, ConnectionLost)
    assert isinstance(read.error, DeadlineExceeded)

    late = Frame(
        kind=Kind.CHANGE, id=4, name=b"cfg/a", options=dump({"rev": 4, "watch": prefix_id}),
        flags=FLAG_OPTIONS,
    )  # fmt: skip
    conversation.receive([Frame(kind=Kind.ANSWER, id=event_id), late], 5.0)
    assert (answers, entries) == ([], [])
