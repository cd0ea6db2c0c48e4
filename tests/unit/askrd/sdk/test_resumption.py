"""Holds how a session outlives its connection, on the side of the peer."""

from typing import Any

import pytest

from askrd.sdk.conversation import Conversation
from askrd.sdk.requests import GRACE_S, Request
from askrd.sdk.resumption import KEPT_S, size_of
from askrd.sdk.values import Gap
from askrd.wire import bodies
from askrd.wire.codec import decode, encode
from askrd.wire.errors import ConnectionLost
from askrd.wire.frames import Coding, Frame, Kind
from askrd.wire.limits import CONFIRM_BYTES, RESUME_BYTES_MAX
from tests.unit.askrd.sdk.talk import (
    Listener,
    Promise,
    body,
    called,
    event,
    fail,
    kinds,
    said,
)

WINDOW_S = 5.0


def greeted(received: int = 0, *, resumed: bool = False, instance: str = "k3Tz9a") -> Frame:
    return body(
        Kind.WELCOME,
        bodies.Welcome(
            v=1, id=f"askr-me-{instance}", instance=instance, workspace="askr", daemon="d",
            epoch="e", resume="secret", version="0.1.0", limits={}, resumed=resumed,
            received=received, window_ms=int(WINDOW_S * 1000),
        ),
    )  # fmt: skip


def hear(conversation: Conversation, now: float, *frames: Frame) -> None:
    conversation.receive(list(frames), now, sum(map(size_of, frames)))


def connected() -> Conversation:
    conversation = Conversation(name="me")
    conversation.opened(0.0)
    hear(conversation, 0.0, greeted())
    conversation.exchange.take()
    return conversation


def hello_of(conversation: Conversation) -> bodies.Hello:
    (hello,) = said(conversation)
    assert hello.kind == Kind.HELLO
    return bodies.load(bodies.Hello, hello.payload, "hello")


def test_the_size_of_a_frame_is_that_of_its_bytes() -> None:
    for frame in (
        greeted(),
        Frame(kind=Kind.EVENT, id=7, name=b"a", stamp=b"x@y", payload=b"12", coding=1),
        Frame(kind=Kind.CALL, id=7, name=b"a.b", head=b"{}", options=b'{"a":1}'),
    ):
        assert size_of(frame) == len(encode(frame))


def test_a_session_goes_on_where_it_was() -> None:
    conversation = connected()
    listener = Listener()
    conversation.subscribe("a", listener.subscription)
    sub = conversation.exchange.take()[0]
    heard = event(1, "a")
    hear(conversation, 1.0, heard)
    id_, promise = called(conversation)
    call = conversation.exchange.take()[0]
    conversation.lost("cable pulled")
    assert not promise.done()

    conversation.opened(1.5)
    hello = hello_of(conversation)
    assert (hello.instance, hello.resume, hello.received) == ("k3Tz9a", "secret", size_of(heard))
    hear(conversation, 1.6, greeted(len(sub), resumed=True))
    assert conversation.exchange.take() == [call]
    hear(conversation, 1.7, Frame(kind=Kind.REPLY, id=id_, payload=b"2", coding=1))
    assert promise.frame is not None
    assert not [told for told in listener.told if isinstance(told, Gap)]


def test_a_half_received_call_is_sent_again_from_the_byte_that_is_missed() -> None:
    conversation = connected()
    called(conversation)
    (call,) = conversation.exchange.take()
    conversation.lost("x")
    conversation.opened(1.0)
    conversation.exchange.take()
    hear(conversation, 1.0, greeted(0, resumed=True))
    conversation.emit("a", b"", 0)
    first, second = conversation.exchange.take()
    assert (first, decode(second).kind) == (call, Kind.EMIT)
    conversation.lost("x")
    conversation.opened(2.0)
    conversation.exchange.take()
    hear(conversation, 2.0, greeted(len(call), resumed=True))
    assert conversation.exchange.take() == [second]


def test_what_is_said_while_away_follows_and_only_hello_goes_first() -> None:
    conversation = connected()
    id_, _ = called(conversation)
    conversation.exchange.take()
    conversation.lost("x")
    conversation.cancel(id_)
    conversation.subscribe("b", Listener().subscription)
    conversation.opened(1.0)
    assert kinds(conversation) == [Kind.HELLO]
    assert kinds(conversation) == []
    hear(conversation, 1.0, greeted(conversation.exchange.sent.end, resumed=True))
    assert kinds(conversation) == [Kind.CANCEL, Kind.SUB]


def test_a_new_session_fails_what_was_written_and_writes_the_rest_again() -> None:
    conversation = connected()
    listener = Listener()
    conversation.subscribe("a", listener.subscription)
    _, written = called(conversation)
    conversation.exchange.take()
    conversation.lost("cable pulled")
    id_, unwritten = called(conversation)
    conversation.opened(1.0)
    conversation.exchange.take()
    hear(conversation, 1.0, greeted(instance="other1"))
    assert isinstance(written.error, ConnectionLost)
    assert written.error.details == {"delivered": "unknown"}
    assert not unwritten.done()
    sub, call = said(conversation)
    assert (sub.kind, call.kind, call.id) == (Kind.SUB, Kind.CALL, id_)
    assert listener.told == [Gap(None)]
    conversation.lost("again")
    conversation.opened(2.0)
    hello = hello_of(conversation)
    assert (hello.instance, hello.received) == ("other1", 0)


def test_a_command_that_may_run_again_is_written_again_with_the_time_it_has_left() -> None:
    conversation = connected()
    promise = Promise()
    call = Frame(kind=Kind.CALL, name=b"a.b", payload=b"1", coding=Coding.JSON, ttl_ms=8_000)
    request = Request(promise, 8.0 + GRACE_S, again=True)
    id_ = conversation.commands.ask(call, request)
    conversation.exchange.take()
    conversation.lost("x")
    conversation.opened(3.0)
    conversation.exchange.take()
    hear(conversation, 3.0, greeted())
    (again,) = said(conversation)
    assert (again.id, again.ttl_ms, again.payload) == (id_, 5_000, b"1")


def test_a_command_whose_time_is_over_is_not_written_again() -> None:
    conversation = connected()
    promise = Promise()
    conversation.call("a.b", b"", 0, promise, ttl_ms=1_000, guard_at=1.0 + GRACE_S)
    conversation.lost("x")
    conversation.opened(3.0)
    conversation.exchange.take()
    hear(conversation, 3.0, greeted())
    assert kinds(conversation) == []
    assert isinstance(promise.error, ConnectionLost)
    assert promise.error.details == {"delivered": "no"}


def test_without_a_connection_within_the_window_what_was_written_fails() -> None:
    conversation = connected()
    _, written = called(conversation)
    conversation.exchange.take()
    _, unwritten = called(conversation)
    conversation.lost("cable pulled")
    conversation.tick(10.0)
    conversation.tick(10.0 + WINDOW_S - 0.1)
    assert not written.done()
    conversation.tick(10.0 + WINDOW_S)
    assert isinstance(written.error, ConnectionLost)
    assert not unwritten.done()
    conversation.tick(10.0 + KEPT_S)
    assert isinstance(unwritten.error, ConnectionLost)
    assert unwritten.error.details == {"delivered": "no"}
    conversation.opened(30.0)
    assert hello_of(conversation).received == -1


def test_a_kept_command_gives_up_at_its_own_deadline() -> None:
    conversation = connected()
    _, promise = called(conversation, ttl_ms=6_000, guard_at=6.0 + GRACE_S)
    conversation.lost("x", may_return=True)
    conversation.tick(0.5)
    conversation.tick(5.6)
    assert not promise.done()
    conversation.tick(6.0)
    assert promise.done()


def test_no_way_back_fails_everything_at_once() -> None:
    conversation = connected()
    _, promise = called(conversation)
    conversation.exchange.take()
    conversation.lost("x", may_return=False)
    assert isinstance(promise.error, ConnectionLost)


def test_a_goodbye_of_the_daemon_is_the_end_of_the_session() -> None:
    conversation = connected()
    _, promise = called(conversation)
    conversation.exchange.take()
    hear(conversation, 1.0, body(Kind.BYE, {"reason": "the daemon is shutting down"}))
    conversation.lost("closed")
    assert isinstance(promise.error, ConnectionLost)


def test_a_daemon_that_misses_more_than_is_kept_is_left() -> None:
    conversation = connected()
    _, promise = called(conversation)
    for _ in range(3):
        conversation.emit("a", b"x" * (RESUME_BYTES_MAX // 2), Coding.BYTES)
        conversation.exchange.take()
    conversation.lost("x")
    conversation.opened(1.0)
    with pytest.raises(ConnectionLost, match="more than this side keeps"):
        hear(conversation, 1.0, greeted(0, resumed=True))
    assert promise.done()
    conversation.lost("dropped")
    conversation.exchange.take()
    conversation.opened(2.0)
    assert said(conversation)[0].kind == Kind.HELLO


def test_what_arrived_is_confirmed_when_it_is_much_and_at_the_tick() -> None:
    conversation = connected()
    large = event(1, "a", b"x" * CONFIRM_BYTES)
    hear(conversation, 1.0, large)
    assert [(f.kind, f.id) for f in said(conversation)] == [(Kind.RESUME, size_of(large))]
    small = event(2, "a")
    hear(conversation, 1.0, small)
    assert kinds(conversation) == []
    conversation.tick(1.5)
    assert [f.id for f in said(conversation)] == [size_of(large) + size_of(small)]
    conversation.tick(2.0)
    assert kinds(conversation) == []


def test_confirmations_count_on_neither_side() -> None:
    conversation = connected()
    called(conversation)
    sent = len(conversation.exchange.take()[0])
    hear(conversation, 1.0, Frame(kind=Kind.RESUMED, id=sent))
    assert (conversation.resumption.received, conversation.exchange.sent.end) == (0, sent)
    assert conversation.exchange.sent.kept_bytes == 0


def test_a_confirmation_that_comes_with_much_is_not_counted_either() -> None:
    conversation = connected()
    large = event(1, "a", b"x" * CONFIRM_BYTES)
    hear(conversation, 1.0, large, Frame(kind=Kind.RESUMED, id=0))
    assert [(f.kind, f.id) for f in said(conversation)] == [(Kind.RESUME, size_of(large))]


# --- a daemon that drains -----------------------------------------------------------------------


def drained() -> Conversation:
    conversation = connected()
    hear(conversation, 1.0, body(Kind.DRAIN, {"reason": "shutting down", "grace_ms": 1}))
    return conversation


def next_daemon(conversation: Conversation) -> list[Frame]:
    hear(conversation, 2.0, body(Kind.BYE, {"reason": "shutting down"}))
    conversation.lost("closed")
    conversation.opened(3.0)
    found = said(conversation)
    hear(conversation, 3.0, greeted(instance="other1"))
    return found + said(conversation)


def test_commands_wait_for_the_next_daemon_while_one_drains() -> None:
    conversation = drained()
    id_, promise = called(conversation)
    conversation.emit("a", b"", 0)
    assert kinds(conversation) == [Kind.EMIT]
    hello, call = next_daemon(conversation)
    assert (hello.kind, call.kind, call.id) == (Kind.HELLO, Kind.CALL, id_)
    assert not promise.done()


def test_commands_wait_on_when_the_next_connection_ends_before_it_is_welcome() -> None:
    conversation = drained()
    id_, promise = called(conversation)
    hear(conversation, 2.0, body(Kind.BYE, {"reason": "shutting down"}))
    conversation.lost("closed")
    conversation.opened(2.5)
    assert kinds(conversation) == [Kind.HELLO]
    assert [frame.id for frame in next_daemon(conversation)][1:] == [id_]
    assert not promise.done()


def test_a_command_that_a_draining_daemon_turned_away_is_sent_to_the_next() -> None:
    conversation = connected()
    id_, promise = called(conversation)
    conversation.exchange.take()
    hear(conversation, 1.0, body(Kind.DRAIN, {"reason": "", "grace_ms": 1}))
    hear(conversation, 1.0, fail(id_, "draining", at="daemon"))
    assert not promise.done()
    assert [frame.id for frame in next_daemon(conversation)][1:] == [id_]


@pytest.mark.parametrize("members", [{"at": "handler"}, {"stamp": b"agent@x"}])
def test_a_service_that_drains_is_an_answer(members: dict[str, Any]) -> None:
    conversation = drained()
    promise = Promise()
    id_ = conversation.exchange.requests.open(Request(promise, frame=b"x"))
    hear(conversation, 1.0, fail(id_, "draining", **members))
    assert promise.error is not None


def test_who_does_not_come_back_is_told_that_the_daemon_drains() -> None:
    conversation = connected()
    conversation.exchange.may_wait = False
    hear(conversation, 1.0, body(Kind.DRAIN, {"reason": "", "grace_ms": 1}))
    id_, promise = called(conversation)
    assert kinds(conversation) == [Kind.CALL]
    hear(conversation, 1.0, fail(id_, "draining", at="daemon"))
    assert promise.error is not None
    assert promise.error.code == "draining"


def test_an_upload_cannot_wait_for_the_next_daemon() -> None:
    conversation = drained()
    promise = Promise()
    call = Frame(kind=Kind.CALL, name=b"a.b")
    id_ = conversation.commands.ask(call, Request(promise, on_credit=lambda _: None))
    hear(conversation, 1.0, fail(id_, "draining", at="daemon"))
    assert promise.error is not None
