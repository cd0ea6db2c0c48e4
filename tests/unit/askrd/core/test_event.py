"""Holds what an event is for those who hear it in a way of their own."""

from askrd.core.event import Event
from askrd.core.lanes import LargeEvent
from askrd.core.workspace import Workspace
from askrd.wire.codec import decode, encode
from askrd.wire.frames import FLAG_KEPT, STAMP_TIME, Coding, Frame, Kind

TOLD = Frame(
    kind=Kind.EVENT,
    id=5,
    name=b"A",
    payload=b"1",
    coding=Coding.JSON,
    head=b'{"a":"b"}',
    stamp=STAMP_TIME.pack(77) + b"agent@i0",
)


def test_it_is_framed_again_for_one_subscription() -> None:
    event = Event(Workspace("askr", 1, 0), b"A", 5, encode(TOLD))
    again = decode(event.framed(b'{"sub":2}', FLAG_KEPT))
    assert (again.head, again.options, again.payload) == (TOLD.head, b'{"sub":2}', b"1")
    assert again.flags & FLAG_KEPT
    assert (again.id, again.stamp) == (5, TOLD.stamp)
    assert event.time_us == 77


def test_a_large_one_is_put_together() -> None:
    whole = encode(TOLD)
    large = LargeEvent(whole[:-1], memoryview(whole)[-1:])
    assert Event(Workspace("askr", 1, 0), b"A", 5, large).whole == whole
