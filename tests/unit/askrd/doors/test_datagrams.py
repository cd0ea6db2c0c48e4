"""What may stand in a datagram: one plain emit, and nothing else."""

import pytest

from askrd.doors.datagrams import event_in
from askrd.wire.codec import encode
from askrd.wire.errors import AskrError
from askrd.wire.frames import FLAG_HEAD, Coding, Frame, Kind

EMIT = Frame(kind=Kind.EMIT, name=b"A.b", payload=b"1", coding=Coding.JSON)


NAMELESS = encode(EMIT)[:6] + b"\xff\xff" + encode(EMIT)[8:]
"""A frame that says its name is longer than itself: a connection would be closed for it."""


def test_a_frame_is_taken_as_it_is() -> None:
    assert event_in(encode(EMIT)) == encode(EMIT)
    headed = Frame(kind=Kind.EMIT, name=b"A", head=b'{"a":"b"}', flags=FLAG_HEAD)
    assert event_in(encode(headed)) == encode(headed)


def test_a_text_frame_becomes_a_binary_one() -> None:
    assert event_in(b'{"k":"emit","event":"A.b","d":1}') == encode(EMIT)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x" * 23,
        encode(EMIT)[:-1],
        encode(EMIT) + b"x",
        encode(EMIT) * 2,
        encode(Frame(kind=Kind.EMIT, id=1, name=b"A")),
        encode(Frame(kind=Kind.EMIT, name=b"A", options=b'{"retain":true}')),
        encode(Frame(kind=Kind.CALL, id=1, name=b"agent.fetch")),
        encode(Frame(kind=Kind.BYE)),
        b'{"k":"emit","event":"A"',
        b'{"k":"call","id":1,"to":"a.b"}',
        b'{"k":"emit","event":"A","retain":true}',
        b'{"k":"emit","id":4,"event":"A"}',
        b"\xff\xff\xff\xff" + bytes(20),
        NAMELESS,
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(AskrError):
        event_in(data)
