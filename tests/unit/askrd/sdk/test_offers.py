"""Holds the answering side: each command one answer, on the connection that asked it."""

import pytest

from askrd.sdk.conversation import Conversation
from askrd.wire import bodies
from askrd.wire.codec import decode
from askrd.wire.errors import BadRequest, CommandError, LimitExceeded
from askrd.wire.frames import FLAG_MORE, FLAG_SILENT, FLAG_UP, Coding, Frame, Kind
from tests.unit.askrd.sdk.talk import Promise, opened, said

CALL = Frame(kind=Kind.CALL, id=17, name=b"agent.fetch", ttl_ms=100, stamp=b"me@k3Tz9a")


def asked(conversation: Conversation, call: Frame = CALL) -> Frame:
    calls: list[Frame] = []
    conversation.offers.on_call = calls.append
    conversation.receive([call], 1.0)
    assert calls == [call]
    return calls[0]


def test_a_command_is_answered_once() -> None:
    conversation = opened()
    call = asked(conversation)

    assert conversation.offers.progress(call, b"1", 1)
    assert conversation.offers.reply(call, b"42", 1)
    assert not conversation.offers.reply(call, b"43", 1)
    assert not conversation.offers.progress(call, b"2", 1)
    assert not conversation.offers.fail(call, CommandError("late"))

    assert said(conversation) == [
        Frame(kind=Kind.PROGRESS, id=17, payload=b"1", coding=1),
        Frame(kind=Kind.REPLY, id=17, payload=b"42", coding=1),
    ]
    assert conversation.offers.asked == 0


def test_a_frame_made_elsewhere_is_an_answer_too() -> None:
    conversation = opened()
    asked(conversation)
    progress = Frame(kind=Kind.PROGRESS, id=17)
    reply = Frame(kind=Kind.REPLY, id=17, payload=b"1", coding=1)

    results = [conversation.offers.say(frame) for frame in (progress, reply, reply, progress)]

    assert results == [True, True, False, False]
    assert said(conversation) == [progress, reply]


def test_an_error_crosses_with_its_details() -> None:
    conversation = opened()
    error = CommandError("sold_out", "nothing left", details={"left": 0}, retryable=True)
    conversation.offers.fail(asked(conversation), error)

    (frame,) = said(conversation)
    assert bodies.load(bodies.ErrorBody, frame.payload, "") == bodies.ErrorBody(
        code="sold_out", message="nothing left", details={"left": 0}, retryable=True, at="handler"
    )


@pytest.mark.parametrize("details", [{"x": object()}, {"x": "y" * 100_000}])
def test_details_that_cannot_cross_are_left_out(details: dict[str, object]) -> None:
    conversation = opened()
    conversation.offers.fail(asked(conversation), CommandError("bad", "m", details=details))

    (frame,) = said(conversation)
    assert bodies.load(bodies.ErrorBody, frame.payload, "").details == {}


def test_an_answer_to_a_command_of_an_earlier_connection_is_dropped() -> None:
    conversation = opened()
    cancelled: list[tuple[Frame, str]] = []
    conversation.offers.on_cancel = lambda call, reason: cancelled.append((call, reason))
    old = asked(conversation)
    conversation.lost("x")
    conversation.opened(2.0)
    new = asked(conversation, Frame(kind=Kind.CALL, id=17, name=b"agent.other"))
    conversation.exchange.take()

    assert cancelled == [(old, "connection_lost")]
    assert not conversation.offers.reply(old, b"stale", 1)
    assert conversation.offers.reply(new, b"fresh", 1)
    assert [frame.payload for frame in said(conversation)] == [b"fresh"]


def test_a_cancel_is_told_with_its_reason_and_a_late_one_is_not() -> None:
    conversation = opened()
    cancelled: list[str] = []
    conversation.offers.on_cancel = lambda _, reason: cancelled.append(reason)
    call = asked(conversation)
    cancel = Frame(kind=Kind.CANCEL, id=17, payload=b'{"reason":"deadline"}', coding=1)

    conversation.receive([cancel, Frame(kind=Kind.CANCEL, id=17)], 1.0)
    conversation.offers.reply(call, b"", 0)
    conversation.receive([cancel], 1.0)

    assert cancelled == ["deadline", "caller"]


def test_a_peer_that_serves_nothing_refuses_commands() -> None:
    conversation = opened()
    conversation.receive([CALL], 1.0)

    (frame,) = said(conversation)
    assert (frame.kind, frame.id) == (Kind.FAIL, 17)


def test_a_service_is_provided_updated_and_withdrawn() -> None:
    conversation = opened()
    promises = [Promise() for _ in range(3)]
    conversation.offers.provide(bodies.Provision(service="agent"), promise=promises[0])
    conversation.offers.provide(bodies.Provision(service="agent", doc="x"), promise=promises[1])
    conversation.offers.withdraw("agent", promise=promises[2])

    sent = said(conversation)
    assert [f.kind for f in sent] == [Kind.PROVIDE, Kind.UPDATE, Kind.WITHDRAW]
    assert sent[2].payload == b'{"service":"agent"}'
    conversation.receive([Frame(kind=Kind.OK, id=sent[2].id)], 1.0)
    assert promises[2].frame is not None
    conversation.lost("x")
    conversation.opened(2.0)
    assert [decode(f).kind for f in conversation.exchange.take()] == [Kind.HELLO]


def test_what_is_not_provided_cannot_be_withdrawn() -> None:
    with pytest.raises(BadRequest):
        opened().offers.withdraw("nothing")


def test_a_registration_above_the_limit_is_refused_here() -> None:
    conversation = opened()
    with pytest.raises(LimitExceeded):
        conversation.offers.provide(bodies.Provision(service="agent", doc="x" * 300_000))
    assert conversation.exchange.take() == []


def test_the_coding_of_a_reply_is_kept() -> None:
    conversation = opened()
    conversation.offers.reply(asked(conversation), b"\0", Coding.BYTES)

    assert said(conversation)[0].coding == Coding.BYTES


def test_items_credit_and_acceptance_are_said_while_a_command_runs() -> None:
    conversation = opened()
    call = asked(conversation)
    offers = conversation.offers

    assert offers.accept(call)
    assert offers.item(call, b"1", Coding.JSON)
    assert offers.item(call, b"xy", Coding.BYTES, more=True)
    assert offers.grant(call, bodies.Credit(items=32, bytes=64))
    assert [
        (frame.kind, frame.id, frame.flags, frame.payload, frame.coding)
        for frame in said(conversation)
    ] == [
        (Kind.REPLY, 17, FLAG_MORE, b"", Coding.NONE),
        (Kind.ITEM, 17, 0, b"1", Coding.JSON),
        (Kind.ITEM, 17, FLAG_MORE, b"xy", Coding.BYTES),
        (Kind.CREDIT, 17, FLAG_UP, b'{"items":32,"bytes":64}', Coding.JSON),
    ]


def test_nothing_is_said_to_a_command_that_has_its_answer() -> None:
    conversation = opened()
    call = asked(conversation)
    offers = conversation.offers
    offers.reply(call, b"", 0)
    conversation.exchange.take()

    assert not offers.accept(call)
    assert not offers.item(call, b"1", Coding.JSON)
    assert not offers.grant(call, bodies.Credit(items=1, bytes=1))
    assert conversation.exchange.take() == []


def test_what_belongs_to_a_command_is_told_until_it_is_answered() -> None:
    conversation = opened()
    told: list[tuple[Frame, int]] = []
    conversation.offers.on_flow = lambda call, frame: told.append((call, frame.kind))
    call = asked(conversation)
    frames = [
        Frame(kind=Kind.ITEM, id=17, flags=FLAG_UP),
        Frame(kind=Kind.CREDIT, id=17),
        Frame(kind=Kind.END, id=17, flags=FLAG_UP),
        Frame(kind=Kind.RESET, id=99, flags=FLAG_UP),
    ]

    conversation.receive(frames, 1.0)
    conversation.offers.reply(call, b"", 0)
    conversation.receive(frames, 1.0)

    assert told == [(call, Kind.ITEM), (call, Kind.CREDIT), (call, Kind.END)]


def test_a_command_that_is_told_is_not_unanswered() -> None:
    conversation = opened()
    told: list[Frame] = []
    conversation.offers.on_call = told.append
    frame = Frame(kind=Kind.CALL, id=0, name=b"agent.note", flags=FLAG_SILENT)

    conversation.receive([frame], 1.0)

    assert (told, conversation.offers.asked) == ([frame], 0)
    assert not conversation.offers.reply(frame, b"", 0)
    assert conversation.exchange.take() == []
