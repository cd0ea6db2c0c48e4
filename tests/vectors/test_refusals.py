"""Runs the illegal vectors against the router: the answer, and whether the session stays."""

import json
from pathlib import Path
from typing import Any

import pytest

from askrd.core.router import Router
from askrd.core.session import Phase, Session
from askrd.core.switchboard import Daemon
from askrd.wire.codec import Assembly, decode, encode, split
from askrd.wire.frames import Coding, Frame, Kind

VECTORS = json.loads(Path(__file__).with_name("frames_illegal.json").read_text(encoding="utf-8"))
DAEMON = Daemon(id="d1", epoch="e1", version="0.1.0", build="test", workspace="askr")
PING = encode(Frame(kind=Kind.PING, id=77))


def open_session(router: Router) -> Session:
    session = router.connect(suffix="k3Tz9a", secret="s", via="unix", address="", now_us=1)
    hello = Frame(kind=Kind.HELLO, payload=b'{"v":1,"name":"me"}', coding=Coding.JSON)
    router.feed(session, encode(hello), 1)
    assert [frame.kind for frame in said_to(session)] == [Kind.WELCOME]
    return session


def said_to(session: Session) -> list[Frame]:
    """What waits for the session, taken out."""
    items = split(Assembly(10**9), b"".join(session.outbox.take()))
    return [decode(item) for item in items if isinstance(item, bytes)]


@pytest.mark.parametrize("is_fast", [True, False], ids=["fast", "by the rules"])
@pytest.mark.parametrize("drop", [10**9, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("vector", VECTORS, ids=[vector["title"] for vector in VECTORS])
def test_an_illegal_frame_is_answered_as_documented(
    vector: dict[str, Any], drop: int, is_fast: bool
) -> None:
    router = Router(DAEMON, fast=is_fast)
    session = open_session(router)
    data = bytes.fromhex(vector["hex"])
    for at in range(0, len(data), drop):
        router.feed(session, data[at : at + drop], 2)
    answer = said_to(session)[0]
    assert answer.kind in {Kind.ERROR, Kind.FAIL}
    assert json.loads(answer.payload)["code"] == vector["code"]
    assert vector["id"] in {None, answer.id}
    assert (session.phase is Phase.OPEN) == (vector["connection"] == "stays")
    if vector["connection"] == "stays":
        left = vector.get("bytes_to_follow", 0)
        router.feed(session, bytes(left) + PING, 3)
        assert [(frame.kind, frame.id) for frame in said_to(session)] == [(Kind.PONG, 77)]
