"""Holds that nothing a daemon may say breaks a client in an undocumented way."""

from typing import Any

from hypothesis import given, strategies as st

from askrd.sdk.conversation import Conversation
from askrd.sdk.framing import RawFraming
from askrd.sdk.values import Event
from askrd.sdk.watches import Watch
from askrd.wire.codec import encode
from askrd.wire.errors import AskrError
from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.sdk.talk import Listener, called, opened

BODIES = rb"""
null
{}
[]
{
{"code":7}
{"code":"x","details":[]}
{"rev":-1,"watch":2}
{"watch":3,"rev":1}
{"missed":-5}
{"missed":1,"from":1,"to":1,"subjects":{"":1,"a..b":-1}}
{"reason":1}
{"seq":"x"}
"""
JSON = st.sampled_from([b"", *BODIES.split()])
FRAMES = st.builds(
    Frame,
    kind=st.one_of(st.sampled_from(list(Kind)), st.integers(0, 255)),
    id=st.integers(0, 8),
    name=st.one_of(st.binary(max_size=8), st.sampled_from([b"tick", b"cfg/a"])),
    payload=st.one_of(JSON, st.binary(max_size=16)),
    coding=st.integers(0, 4),
    flags=st.integers(0, 255),
    options=JSON,
    stamp=st.binary(max_size=20),
)


def crowded() -> tuple[Conversation, list[Any]]:
    """A conversation in which every part waits for something."""
    conversation, listener = opened(), Listener()
    called(conversation)
    conversation.subscribe("tick", listener.subscription)
    conversation.keys.watch(Watch("cfg", listener.told.append, listener.told.append))
    called(conversation, on_progress=listener.told.append)
    return conversation, listener.told


@given(st.lists(FRAMES, max_size=12))
def test_whatever_frames_come_only_documented_errors_escape(frames: list[Frame]) -> None:
    conversation, told = crowded()
    framing = RawFraming()
    for frame in frames:
        try:
            conversation.receive(framing.receive(encode(frame)), 1.0)
            conversation.tick(2.0)
            for item in told:
                if isinstance(item, Event):
                    assert repr(item.subject) + item.service + str(item.ts_ms)
                    _ = item.payload
        except AskrError:
            break
    conversation.lost("the test is over")
    assert conversation.exchange.take() == []


@given(st.binary(max_size=200))
def test_whatever_bytes_come_only_documented_errors_escape(data: bytes) -> None:
    conversation, _ = crowded()
    try:
        conversation.receive(RawFraming().receive(data), 1.0)
    except AskrError:
        conversation.lost("garbage")
