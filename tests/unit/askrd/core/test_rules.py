"""Holds that a large frame received in its place is relayed like any other, and not copied."""

import pytest

from askrd.wire.codec import encode
from askrd.wire.frames import Coding, Frame, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import Desk, Mate, json

PAYLOAD = bytes(range(256)) * 800
HEAD = b'{"trace":"1"}'


def large(kind: Kind, **fields: object) -> Frame:
    fields = {"payload": PAYLOAD, "coding": Coding.BYTES} | fields
    return Frame(kind=kind, **fields)  # type: ignore[arg-type]


def feed_whole(mate: Mate, frame: Frame) -> memoryview:
    """Sends a frame the way a door does that received it in its place."""
    whole = memoryview(encode(frame))
    mate.desk.router.feed_large(mate.session, whole, mate.desk.now_us)
    mate.desk.settle()
    return whole


def feed_bytes(mate: Mate, frame: Frame) -> None:
    mate.say(frame)


# Everything that a peer may send, well or badly; each must cause the same bytes either way.
FRAMES = {
    "call": large(Kind.CALL, id=7, name=b"agent.fetch"),
    "call by its bare name": large(Kind.CALL, id=7, name=b"fetch"),
    "call with headers": large(Kind.CALL, id=7, name=b"agent.fetch", head=HEAD),
    "call to nobody": large(Kind.CALL, id=7, name=b"nobody.fetch"),
    "call without id": large(Kind.CALL, name=b"agent.fetch"),
    "call to the daemon": large(Kind.CALL, id=7, name=b"$askr.ping"),
    "call nested too deep": large(Kind.CALL, id=7, name=b"agent.fetch", hops=9),
    "event": large(Kind.EMIT, name=b"news.big"),
    "event with an answer": large(Kind.EMIT, id=8, name=b"news.big"),
    "event with headers": large(Kind.EMIT, name=b"news.big", head=HEAD),
    "event nobody hears": large(Kind.EMIT, name=b"silence"),
    "event above the limit": large(Kind.EMIT, name=b"news.big", payload=b"x" * 300_001),
    "call above the limit": large(Kind.CALL, id=7, name=b"agent.fetch", payload=b"x" * 300_001),
    "write": large(Kind.PUT, id=9, name=b"k", payload=b'"' + b"x" * 150_000 + b'"', coding=1),
    "stamp": large(Kind.EMIT, name=b"news.big", stamp=b"x@y"),
    "kind nobody may send": large(Kind.WELCOME),
    "reply to nothing": large(Kind.REPLY, id=99),
}


def story(frame: Frame, *, is_whole: bool) -> list[tuple[int, list[Frame]]]:
    """Returns what everybody heard of a frame that one peer sent."""
    desk = Desk(limits=Limits(payload_bytes_max=300_000))
    _, listener, me = desk.serve(), desk.join(), desk.join()
    listener.sub(1, "news.**")
    for mate in desk.peers:
        mate.heard()
    (feed_whole if is_whole else feed_bytes)(me, frame)
    return [(number, mate.heard()) for number, mate in enumerate(desk.peers)]


@pytest.mark.parametrize("name", FRAMES)
def test_a_large_frame_causes_what_its_bytes_would(name: str) -> None:
    assert story(FRAMES[name], is_whole=True) == story(FRAMES[name], is_whole=False)


@pytest.mark.parametrize("kind", [Kind.REPLY, Kind.PROGRESS])
def test_a_large_answer_reaches_its_caller(kind: Kind) -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(5)
    (asked,) = agent.heard()
    feed_whole(agent, large(kind, id=asked.id, head=HEAD))
    (answer,) = me.heard()
    assert (answer.kind, answer.id, answer.payload, answer.head) == (kind, 5, PAYLOAD, HEAD)
    assert answer.stamp == b"agent@i0"


def test_no_listener_gets_a_copy_of_its_own() -> None:
    desk = Desk()
    listeners = [desk.join() for _ in range(3)]
    for listener in listeners:
        listener.sub(1, "news.big")
        listener.heard()
    listeners[1].pause()
    whole = feed_whole(desk.join(), FRAMES["event"])
    for listener in listeners:
        _, payload = listener.session.outbox.take()
        assert isinstance(payload, memoryview)
        assert payload.obj is whole.obj


def test_a_peer_that_does_not_read_loses_the_oldest_large_events_and_is_told() -> None:
    desk = Desk(limits=Limits(outbox_bytes_max=450_000))
    listener, me = desk.join(), desk.join()
    listener.sub(1, "news.big")
    listener.heard()
    listener.pause()
    for _ in range(5):
        feed_whole(me, FRAMES["event"])
    frames, size = listener.session.outbox.waiting
    assert (frames, size < 450_000) == (3, True)
    listener.resume()
    gap, *events = listener.heard()
    assert json(Kind.GAP, {"missed": 3, "from": 1, "to": 3, "subjects": {"news.big": 3}}) == gap
    assert [event.payload for event in events] == [PAYLOAD, PAYLOAD]


def test_a_large_call_waits_for_a_saturated_service() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    agent.pause()
    feed_whole(me, FRAMES["call"])
    agent.resume()
    (call,) = [frame for frame in agent.heard() if frame.kind == Kind.CALL]
    assert (call.name, call.payload) == (b"agent.fetch", PAYLOAD)


def test_a_closing_session_says_nothing_more() -> None:
    desk = Desk()
    listener, me = desk.join(), desk.join()
    listener.sub(1, "news.big")
    listener.heard()
    desk.router.close_all("over")
    listener.heard()
    feed_whole(me, FRAMES["event"])
    assert listener.heard() == []
