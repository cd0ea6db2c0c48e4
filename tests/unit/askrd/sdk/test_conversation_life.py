"""Holds what a peer keeps over several connections, and what it concludes from silence."""

import pytest

from askrd.sdk.conversation import Conversation
from askrd.sdk.framing import RawFraming
from askrd.sdk.values import Gap
from askrd.sdk.watches import Watch
from askrd.wire import bodies
from askrd.wire.codec import encode
from askrd.wire.errors import (
    AskrError,
    ConnectionLost,
    SlowConsumer,
)
from askrd.wire.frames import FLAG_KEPT, Frame, Kind
from tests.unit.askrd.sdk.talk import (
    Listener,
    Promise,
    body,
    called,
    event,
    kinds,
    opened,
    said,
    welcome,
)

# --- one connection after another ---------------------------------------------------------------


def test_everything_that_stands_is_said_again_in_one_batch() -> None:
    conversation = Conversation(name="me", kind="service")
    listener = Listener()
    conversation.offers.provide(bodies.Provision(service="agent", version="1"))
    kept = conversation.subscribe("a", listener.subscription)
    dropped = conversation.subscribe("b", listener.subscription)
    conversation.keys.watch(Watch("cfg", listener.told.append, listener.told.append))
    conversation.opened(0.0)
    first = said(conversation)
    conversation.receive([welcome()], 0.1)
    conversation.unsubscribe(dropped)
    conversation.offers.provide(bodies.Provision(service="agent", version="2"))
    conversation.lost("cable pulled")
    conversation.opened(5.0)
    again = said(conversation)

    assert [f.kind for f in first] == [Kind.HELLO, Kind.PROVIDE, Kind.SUB, Kind.SUB, Kind.WATCH]
    assert [f.kind for f in again] == [Kind.HELLO, Kind.PROVIDE, Kind.SUB, Kind.WATCH]
    assert again[2].id == kept
    assert bodies.load(bodies.Provision, again[1].payload, "").version == "2"
    hello = bodies.load(bodies.Hello, again[0].payload, "")
    assert (hello.instance, hello.resume) == ("k3Tz9a", "secret")


def test_a_lost_connection_fails_commands_and_says_how_far_they_got() -> None:
    conversation = opened()
    _, written = called(conversation)
    conversation.exchange.take()
    _, unwritten = called(conversation)
    subbed = Promise()
    conversation.subscribe("a", Listener().subscription, promise=subbed)

    conversation.lost("cable pulled")

    assert isinstance(written.error, ConnectionLost)
    assert (written.error.details, written.error.retryable) == ({"delivered": "unknown"}, False)
    assert "cable pulled" in written.error.message
    assert not unwritten.done()
    assert not subbed.done()

    conversation.end(ConnectionLost("no way back"))

    assert isinstance(unwritten.error, ConnectionLost)
    assert (unwritten.error.details, unwritten.error.retryable) == ({"delivered": "no"}, True)


def test_nothing_can_be_asked_while_there_is_no_connection() -> None:
    conversation = opened()
    conversation.lost("cable pulled")

    with pytest.raises(ConnectionLost, match="cable pulled"):
        called(conversation)
    with pytest.raises(ConnectionLost):
        conversation.emit("a", b"", 0)
    assert conversation.exchange.take() == []


def test_after_a_lost_connection_listeners_learn_that_events_may_be_missing() -> None:
    conversation = opened()
    listener = Listener()
    conversation.subscribe("a", listener.subscription)
    conversation.lost("x")
    conversation.opened(1.0)

    conversation.receive([welcome()], 1.1)

    assert listener.told == [Gap(None)]


def test_the_end_reaches_everyone_who_waits_or_listens() -> None:
    conversation = opened()
    _, promise = called(conversation)
    subbed, listener = Promise(), Listener()
    conversation.subscribe("a", listener.subscription, promise=subbed)
    conversation.keys.watch(Watch("", listener.told.append, listener.told.append))
    error = ConnectionLost("over")

    conversation.end(error)

    assert isinstance(promise.error, ConnectionLost)
    assert subbed.error is error
    assert listener.told == [error, error]
    conversation.opened(1.0)
    assert kinds(conversation) == [Kind.HELLO]


# --- time ---------------------------------------------------------------------------------------


def test_a_ping_is_answered_with_its_id() -> None:
    conversation = opened()
    conversation.receive([Frame(kind=Kind.PING, id=77)], 1.0)

    assert said(conversation) == [Frame(kind=Kind.PONG, id=77)]


def test_a_silent_daemon_is_asked_and_then_given_up() -> None:
    conversation = opened(ping_after_s=10.0, gone_after_s=10.0)

    assert conversation.tick(9.9) is None
    assert kinds(conversation) == []
    assert conversation.tick(10.0) is None
    assert kinds(conversation) == [Kind.PING]
    assert conversation.tick(19.9) is None
    silence = conversation.tick(20.0)
    assert isinstance(silence, ConnectionLost)
    assert "silent for 20 s" in silence.message


def test_any_frame_is_a_sign_of_life() -> None:
    conversation = opened(ping_after_s=10.0, gone_after_s=10.0)
    conversation.tick(10.0)
    conversation.receive([Frame(kind=Kind.PONG)], 12.0)
    conversation.exchange.take()

    assert conversation.tick(21.9) is None
    assert kinds(conversation) == []
    assert conversation.tick(22.0) is None
    assert kinds(conversation) == [Kind.PING]


def test_a_request_is_given_up_when_its_guard_time_comes() -> None:
    conversation = opened()
    _, promise = called(conversation, guard_at=5.0)
    _, patient = called(conversation)

    conversation.tick(4.9)
    assert not promise.done()
    conversation.tick(5.0)

    assert isinstance(promise.error, ConnectionLost)
    assert not patient.done()


# --- the daemon's word --------------------------------------------------------------------------


def test_goodbyes_and_drains_are_remembered_as_the_farewell() -> None:
    conversation = opened()
    reasons: list[str] = []
    conversation.on_drain = reasons.append
    conversation.receive([body(Kind.DRAIN, {"reason": "stopping", "grace_ms": 20000})], 1.0)
    assert reasons == ["stopping"]

    conversation.receive([body(Kind.BYE, {"reason": "done"})], 1.0)

    assert conversation.farewell == "done"


def test_an_error_about_nothing_in_particular_is_told() -> None:
    conversation = opened()
    troubles: list[AskrError] = []
    conversation.on_trouble = troubles.append

    conversation.receive([body(Kind.ERROR, {"code": "slow_consumer", "message": "too slow"})], 1.0)

    assert [type(error) for error in troubles] == [SlowConsumer]
    assert conversation.farewell == "too slow"


def test_unknown_kinds_and_rosters_do_no_harm() -> None:
    conversation = opened()
    rosters: list[Frame] = []
    conversation.on_roster = rosters.append
    roster = body(Kind.ROSTER, {"full": True})

    conversation.receive([Frame(kind=0x7F), Frame(kind=Kind.CREDIT), roster], 1.0)

    assert rosters == [roster]
    assert kinds(conversation) == []


def test_a_whole_session_is_the_same_whole_byte_by_byte_and_glued() -> None:
    told = [
        *(event(seq, "tick", b"%d" % seq) for seq in range(1, 4)),
        body(Kind.GAP, {"missed": 1, "from": 4, "to": 4}),
        Frame(kind=Kind.REPLY, id=1, payload=b"42", coding=1),
        Frame(
            kind=Kind.CHANGE, id=5, name=b"k", payload=b"1", coding=1, flags=FLAG_KEPT,
            options=b'{"rev":5,"watch":3}',
        ),
        body(Kind.SYNCED, {"rev": 6}, id=3),
    ]  # fmt: skip
    stream = b"".join(map(encode, [welcome(), *told]))

    def outcome(chunks: list[bytes]) -> list[str]:
        conversation, framing, listener = Conversation(name="me"), RawFraming(), Listener()
        conversation.opened(0.0)
        _, promise = called(conversation)
        conversation.subscribe("tick", listener.subscription)
        conversation.keys.watch(Watch("", listener.told.append, listener.told.append))
        for chunk in chunks:
            conversation.receive(framing.receive(chunk), 1.0)
        assert promise.frame is not None
        return [repr(item) for item in [*listener.told, promise.frame.payload]]

    whole = outcome([stream])
    assert len(whole) == 7
    assert outcome([stream[at : at + 1] for at in range(len(stream))]) == whole
    assert outcome([stream[:100], stream[100:]]) == whole
