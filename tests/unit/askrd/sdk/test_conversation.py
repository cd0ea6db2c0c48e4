"""Holds a peer's side of the protocol: frames and time in, frames and outcomes out, no I/O."""

from typing import Any

import pytest

from askrd.sdk.conversation import Conversation
from askrd.sdk.values import Event, Gap
from askrd.wire import bodies
from askrd.wire.codec import encode
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    CommandError,
    InstanceLost,
    LimitExceeded,
    NotFound,
    PayloadTooLarge,
    UnknownKind,
    VersionUnsupported,
)
from askrd.wire.frames import Coding, Frame, Kind
from tests.unit.askrd.sdk.talk import (
    Listener,
    Promise,
    body,
    called,
    event,
    fail,
    kinds,
    opened,
    said,
    welcome,
)

# --- opening ------------------------------------------------------------------------------------


def test_the_first_frame_is_a_hello_with_name_kind_and_workspace() -> None:
    conversation = Conversation(name="me", kind="terminal", workspace="lab", roster=True)
    conversation.opened(0.0)

    (hello,) = said(conversation)
    told = bodies.load(bodies.Hello, hello.payload, "hello")

    assert hello.kind == Kind.HELLO
    assert (told.name, told.kind, told.workspace, told.roster) == ("me", "terminal", "lab", True)
    assert (told.v, told.instance, told.resume) == ([1], "", "")


def test_a_welcome_opens_and_is_told() -> None:
    conversation = Conversation(name="me")
    heard: list[bodies.Welcome] = []
    conversation.on_welcome = heard.append
    conversation.opened(0.0)
    assert not conversation.is_open

    conversation.receive([welcome()], 0.1)

    assert conversation.is_open
    assert heard == [conversation.welcome]
    assert heard[0].id == "askr-me-k3Tz9a"


def test_a_refused_hello_is_kept_as_the_refusal() -> None:
    conversation = Conversation(name="me")
    conversation.opened(0.0)

    conversation.receive([body(Kind.ERROR, {"code": "version_unsupported", "message": "old"})], 0.1)

    assert isinstance(conversation.refusal, VersionUnsupported)
    assert not conversation.is_open


def test_output_is_announced_once_until_it_is_taken() -> None:
    conversation = opened()
    rings: list[int] = []
    conversation.exchange.on_output = lambda: rings.append(1)

    called(conversation)
    called(conversation)
    assert len(rings) == 1
    assert kinds(conversation) == [Kind.CALL, Kind.CALL]
    called(conversation)
    assert len(rings) == 2


# --- commands -----------------------------------------------------------------------------------


def test_a_call_carries_everything_and_gets_its_reply() -> None:
    conversation = opened()
    id_, promise = called(conversation, ttl_ms=5000, head=b'{"a":"b"}', hops=2)

    (call,) = said(conversation)
    assert call == Frame(
        kind=Kind.CALL, id=id_, name=b"agent.fetch", payload=b"1", coding=1, ttl_ms=5000,
        head=b'{"a":"b"}', hops=2, flags=1,
    )  # fmt: skip
    reply = Frame(kind=Kind.REPLY, id=id_, payload=b"42", coding=1)
    conversation.receive([reply], 0.2)
    assert promise.frame == reply


def test_the_short_way_of_a_call_says_the_same_as_the_codec() -> None:
    conversation = opened()
    id_, _ = called(conversation, ttl_ms=7, hops=1)

    frame = Frame(
        kind=Kind.CALL, id=id_, name=b"agent.fetch", payload=b"1", coding=1, ttl_ms=7, hops=1
    )
    assert conversation.exchange.take() == [encode(frame)]


def test_replies_find_their_calls_in_any_order_and_strays_are_dropped() -> None:
    conversation = opened()
    (first, one), (second, two) = called(conversation), called(conversation)

    conversation.receive(
        [
            Frame(kind=Kind.REPLY, id=second, payload=b"2"),
            Frame(kind=Kind.REPLY, id=99),
            Frame(kind=Kind.REPLY, id=second, payload=b"again"),
            Frame(kind=Kind.REPLY, id=first, payload=b"1"),
        ],
        0.2,
    )

    assert one.frame is not None
    assert two.frame is not None
    assert (one.frame.payload, two.frame.payload) == (b"1", b"2")


@pytest.mark.parametrize(
    ("stamp", "members", "error", "at"),
    [
        (b"", {"code": "instance_lost", "details": {"delivered": "yes"}}, InstanceLost, "daemon"),
        (b"agent@p01x7d", {"code": "not_found"}, CommandError, "handler"),
        (b"agent@p01x7d", {"code": "empty", "at": "handler"}, CommandError, "handler"),
        (b"$askr@d", {"code": "not_found"}, NotFound, "daemon"),
    ],
)
def test_a_fail_becomes_the_exception_of_its_code(
    stamp: bytes, members: dict[str, Any], error: type[AskrError], at: str
) -> None:
    conversation = opened()
    id_, promise = called(conversation)

    conversation.receive([fail(id_, stamp=stamp, **members)], 0.2)

    assert type(promise.error) is error
    assert promise.error.code == members["code"]
    assert promise.error.at == at
    assert promise.error.details == members.get("details", {})
    assert promise.error.instance == (stamp.decode() or None)


def test_an_error_under_a_requests_id_ends_nothing() -> None:
    conversation = opened()
    troubles: list[AskrError] = []
    conversation.on_trouble = troubles.append
    id_, promise = called(conversation)

    conversation.receive([body(Kind.ERROR, {"code": "payload_too_large"}, id=id_)], 0.2)

    assert not promise.done()
    assert [error.code for error in troubles] == ["payload_too_large"]
    assert conversation.farewell == ""


def test_a_request_of_a_kind_the_daemon_does_not_know_ends() -> None:
    conversation = opened()
    id_, promise = called(conversation)

    conversation.receive([body(Kind.ERROR, {"code": "unknown_kind"}, id=id_)], 0.2)

    assert isinstance(promise.error, UnknownKind)


def test_a_cancelled_call_is_cancelled_once_and_its_late_outcome_is_dropped() -> None:
    conversation = opened()
    troubles: list[AskrError] = []
    conversation.on_trouble = troubles.append
    id_, promise = called(conversation)
    conversation.exchange.take()

    conversation.cancel(id_)
    conversation.cancel(id_)
    conversation.receive([Frame(kind=Kind.REPLY, id=id_)], 0.2)

    assert [(f.kind, f.id) for f in said(conversation)] == [(Kind.CANCEL, id_)]
    assert not promise.done()
    assert troubles == []


def test_progress_reaches_the_caller_who_wants_it() -> None:
    conversation = opened()
    seen: list[Frame] = []
    id_, _ = called(conversation, on_progress=seen.append)
    deaf, _ = called(conversation)
    halfway = Frame(kind=Kind.PROGRESS, id=id_, payload=b"0.5", coding=1)

    conversation.receive([halfway, Frame(kind=Kind.PROGRESS, id=deaf), halfway], 0.2)

    assert seen == [halfway, halfway]


@pytest.mark.parametrize("target", ["", "a b", "x" * 201, "a@", "\ud800"])
def test_a_bad_address_is_refused_before_anything_is_sent(target: str) -> None:
    conversation = opened()

    with pytest.raises(BadRequest):
        conversation.call(target, b"", 0, Promise())

    assert kinds(conversation) == []


def test_a_payload_above_the_daemons_limit_is_refused_before_it_is_sent() -> None:
    conversation = Conversation(name="me")
    conversation.opened(0.0)
    conversation.receive([welcome(payload_bytes_max=10)], 0.0)
    conversation.exchange.take()

    with pytest.raises(PayloadTooLarge) as caught:
        conversation.call("a.b", b"x" * 11, Coding.BYTES, Promise())

    assert caught.value.details == {"bytes": 11, "bytes_max": 10}
    assert kinds(conversation) == []
    conversation.call("a.b", b"x" * 10, Coding.BYTES, Promise())
    assert kinds(conversation) == [Kind.CALL]


# --- events -------------------------------------------------------------------------------------


def test_an_event_reaches_each_listener_once_however_many_patterns_fit() -> None:
    conversation = opened()
    both, other = Listener(), Listener()
    ids = [conversation.subscribe(p, both.subscription) for p in ("orders.*", "orders.**")]
    conversation.subscribe("orders.paid", other.subscription)
    sent = said(conversation)
    assert [(f.kind, f.name) for f in sent[:2]] == [
        (Kind.SUB, b"orders.*"),
        (Kind.SUB, b"orders.**"),
    ]

    conversation.receive([event(1, "orders.paid"), event(2, "orders.a.b"), event(3, "else")], 1.0)

    assert [e.seq for e in both.told] == [1, 2]
    assert [e.seq for e in other.told] == [1]
    conversation.unsubscribe(ids[1])
    conversation.receive([event(4, "orders.a.b"), event(5, "orders.b")], 1.0)
    assert [e.seq for e in both.told] == [1, 2, 5]
    assert [(f.kind, f.id) for f in said(conversation)] == [(Kind.UNSUB, ids[1])]


def test_a_gap_reaches_those_who_may_have_lost_something() -> None:
    conversation = opened()
    ticks, others = Listener(), Listener()
    conversation.subscribe("tick.*", ticks.subscription)
    conversation.subscribe("other", others.subscription)
    named = {"missed": 2, "from": 5, "to": 9, "subjects": {"tick.a": 2}}

    conversation.receive([body(Kind.GAP, named), body(Kind.GAP, {**named, "missed": 3})], 1.0)

    assert ticks.told == [Gap(2, 5, 9, {"tick.a": 2}), Gap(3, 5, 9, {"tick.a": 2})]
    assert others.told == [Gap(3, 5, 9, {"tick.a": 2})]


def test_a_refused_subscription_ends_with_its_error() -> None:
    conversation = opened()
    listener, promise = Listener(), Promise()
    id_ = conversation.subscribe("a", listener.subscription, promise=promise)

    conversation.receive([fail(id_, "limit_exceeded")], 1.0)

    assert isinstance(promise.error, LimitExceeded)
    assert listener.told == [promise.error]
    conversation.lost("x")
    conversation.exchange.take()
    conversation.opened(2.0)
    assert kinds(conversation) == [Kind.HELLO]


def test_an_emit_is_confirmed_only_when_somebody_waits() -> None:
    conversation = opened()
    promise = Promise()
    conversation.emit("a.b", b"1", Coding.JSON)
    conversation.emit("a.b", b"2", Coding.JSON, promise=promise, head=b'{"t":"1"}')

    quiet, asked = said(conversation)
    assert (quiet.kind, quiet.id, quiet.name, quiet.payload) == (Kind.EMIT, 0, b"a.b", b"1")
    assert asked.id > 0
    assert asked.head == b'{"t":"1"}'
    conversation.receive([body(Kind.EMITTED, {"receivers": 3, "seq": 9}, id=asked.id)], 1.0)
    assert promise.frame is not None


def test_an_event_is_decoded_by_who_reads_it() -> None:
    conversation = opened()
    listener = Listener()
    conversation.subscribe("a", listener.subscription)

    conversation.receive([event(1, "a", b"not json")], 1.0)

    assert isinstance(listener.told[0], Event)
