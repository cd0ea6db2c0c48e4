"""Holds how a session joins its workspace, comes back, and leaves nothing behind."""

import pytest

from askrd.core import departure
from askrd.core.session import Phase
from askrd.wire.codec import encode
from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.core.desk import SECOND, Desk, body, json


def test_a_hello_is_answered_by_a_welcome() -> None:
    desk = Desk()
    me = desk.join("me")
    assert me.welcome["id"] == "askr-me-i0"
    assert me.welcome["instance"] == "i0"
    assert (me.welcome["workspace"], me.welcome["epoch"], me.welcome["resume"]) == (
        "askr", "e", "s0",
    )  # fmt: skip
    assert me.welcome["limits"]["payload_bytes_max"] == 1 << 20


def test_frames_may_follow_the_hello_at_once() -> None:
    desk = Desk()
    me = desk.connect()
    frames = (json(Kind.HELLO, {"v": 1}), Frame(kind=Kind.PING, id=4))
    for byte in b"".join(map(encode, frames)):
        me.feed(bytes([byte]))
    assert me.kinds() == [Kind.WELCOME, Kind.PONG]


@pytest.mark.parametrize(
    ("frame", "code", "close_code"),
    [
        (json(Kind.HELLO, {"v": 9}), "version_unsupported", 4501),
        (json(Kind.HELLO, {"v": 1, "method": "psk"}), "unauthenticated", 4502),
        (json(Kind.HELLO, {"v": 1, "name": "a b"}), "bad_request", 4500),
        (json(Kind.HELLO, {"v": 1, "workspace": "A"}), "bad_request", 4500),
        (json(Kind.HELLO, {"v": 1, "software": "x" * 5_000}), "payload_too_large", 4500),
        (json(Kind.HELLO, {"v": 1}, stamp=b"me"), "bad_request", 4500),
        (Frame(kind=Kind.PING), "bad_request", 4500),
        (Frame(kind=Kind.REPLY, id=1, payload=bytes(9_000)), "payload_too_large", 4500),
        (Frame(kind=Kind.HELLO), "bad_request", 4500),
    ],
)
def test_anything_but_a_good_hello_closes(frame: Frame, code: str, close_code: int) -> None:
    desk = Desk()
    me = desk.connect()
    me.say(frame)
    assert me.errors() == [(0, code)]
    assert desk.closes == [(me, close_code)]
    me.hello()
    assert me.heard() == [], "nothing more is read"


def test_a_peer_keeps_its_instance_id_when_that_is_free() -> None:
    desk = Desk()
    me = desk.join(instance="mine")
    assert me.welcome["instance"] == "mine"
    other = desk.join(instance="mine", resume="wrong")
    assert other.welcome["instance"] == "i1", "taken, and the secret does not fit"
    assert desk.join(workspace="other", instance="mine").welcome["instance"] == "mine"


def test_the_secret_takes_an_identity_over() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join()
    me.call(7)
    again = desk.join("agent", instance="i0", resume="s0")
    assert desk.closes == [(agent, 4505)]
    assert agent.heard()[-1].kind == Kind.BYE, "whoever is closed is told first"
    assert me.fails() == {7: "instance_lost"}
    assert again.welcome["instance"] == "i0"
    assert again.welcome["resume"] == "s2", "each session has its own secret"
    agent.reply(1)
    agent.lose()
    again.provide("agent", "fetch")
    me.call(8)
    assert [f.kind for f in again.heard()] == [Kind.PROVIDED, Kind.CALL]
    assert [peer["id"] for peer in me.ask("$askr.peers")] == ["askr-me-i1", "askr-agent-i0"]


def test_two_sessions_never_share_an_instance_id() -> None:
    desk = Desk()
    desk.join(instance="i1")
    me = desk.connect()
    me.hello()
    assert me.errors() == [(0, "internal")]


def test_bye_closes() -> None:
    desk = Desk()
    me = desk.join()
    me.say(Frame(kind=Kind.BYE), Frame(kind=Kind.PING))
    assert desk.closes == [(me, 1000)]
    assert me.heard() == []
    assert me.session.phase is Phase.CLOSING


def test_leaving_is_idempotent_and_leaves_nothing() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.join(roster=True)
    me.sub(1, "**")
    me.say(Frame(kind=Kind.WATCH, id=2))
    me.call(3)
    for mate in (me, agent):
        mate.lose()
        mate.lose()
    desk.connect().lose()
    board = desk.router.board
    assert not board.sessions
    assert departure.in_flight(desk.router.board) == 0
    assert not any((me.session.asking, me.session.asked, me.session.instances))
    workspace = board.workspaces["askr"]
    assert not any((workspace.sessions, workspace.watching, workspace.roster))
    assert not workspace.destinations.services
    desk.after(70 * SECOND)
    for _ in range(11):
        desk.now_us += 60 * SECOND
        desk.router.tick(desk.now_us)
    assert not board.workspaces
    assert len(board.wheel) == 0


def test_numbers_of_a_forgotten_workspace_are_never_given_again() -> None:
    desk = Desk()
    me = desk.join()
    for _ in range(3):
        me.emit("a")
    me.lose()
    desk.now_us += 601 * SECOND
    desk.router.tick(desk.now_us)
    assert not desk.router.board.workspaces
    again = desk.join()
    again.emit("a", id_=1)
    assert body(again.heard()[0])["seq"] == 4


def test_a_peer_that_sends_nothing_more_still_gets_its_outcomes() -> None:
    desk = Desk()
    agent, me = desk.serve(), desk.serve("me")
    me.call(1)
    agent.call(5, "me.fetch")
    desk.router.half_close(me.session, desk.now_us)
    heard = agent.heard()
    assert [body(f)["code"] for f in heard if f.kind == Kind.FAIL] == ["instance_lost"]
    agent.reply(1)
    assert Kind.REPLY in me.kinds()
    assert "me" not in desk.router.board.workspaces["askr"].destinations.services
    unborn = desk.connect()
    desk.router.half_close(unborn.session, desk.now_us)
    assert unborn.session.phase is Phase.OPENING
