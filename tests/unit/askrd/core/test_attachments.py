"""Holds what the daemon is told to dial, and what a peer without a registry may offer."""

from typing import Any

import pytest

from askrd.core.effects import Attachment, Dial, HangUp
from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import ATTACHMENTS_MAX, COMMANDS_PER_SERVICE_MAX
from tests.unit.askrd.core.desk import Desk, Mate, json

URL = "node-askr://127.0.0.1:8801"
AGENT = Attachment(workspace="askr", service="agent", host="127.0.0.1", port=8801)


def wishes(desk: Desk) -> list[Dial | HangUp]:
    return [effect for effect in desk.effects if isinstance(effect, Dial | HangUp)]


def attach(me: Mate, **argument: Any) -> Any:
    return me.ask("$askr.attach", {"url": URL, "service": "agent"} | argument)


def gateway(desk: Desk, *commands: str, emits: tuple[str, ...] = ()) -> Mate:
    """Connects a peer that stands before a service of another tongue."""
    mate = desk.join("agent", kind="legacy")
    mate.provide("agent", *commands, emits=emits)
    assert mate.heard()[0].kind == Kind.PROVIDED
    return mate


def test_attach_dials_and_detach_hangs_up() -> None:
    desk = Desk()
    me = desk.join()
    row = {"url": URL, "service": "agent", "commands": [], "events": [], "connected": False}
    assert attach(me) == row
    assert me.ask("$askr.attached") == [row]
    assert me.ask("$askr.detach", {"service": "agent"}) == row
    assert me.ask("$askr.attached") == []
    assert wishes(desk) == [Dial(AGENT), HangUp(AGENT)]


def test_attaching_the_same_twice_dials_once() -> None:
    desk = Desk()
    me = desk.join()
    assert attach(me) == attach(me)
    assert len(wishes(desk)) == 1


def test_another_address_or_list_under_the_same_name_is_a_conflict() -> None:
    desk = Desk()
    me = desk.join()
    attach(me)
    assert attach(me, url="node-askr://[::1]:9")["code"] == "conflict"
    assert attach(me, commands=["fetch"])["code"] == "conflict"
    assert len(wishes(desk)) == 1


def test_each_workspace_has_its_own_attachments() -> None:
    desk = Desk()
    me, other = desk.join(), desk.join(workspace="lab")
    attach(me)
    assert other.ask("$askr.attached") == []
    assert other.ask("$askr.detach", {"service": "agent"})["code"] == "not_found"
    assert attach(other)["service"] == "agent"
    assert [wish.attachment.workspace for wish in wishes(desk)] == ["askr", "lab"]


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ({"url": "http://h"}, "bad_request"),
        ({"url": "node-askr://h/path"}, "bad_request"),
        ({"service": "two words"}, "bad_request"),
        ({"commands": ["no!"]}, "bad_request"),
        ({"commands": ["*"]}, "bad_request"),
        ({"events": ["$askr.x"]}, "bad_request"),
        ({"unknown": 1}, "bad_request"),
        ({"commands": ["c"] * (COMMANDS_PER_SERVICE_MAX + 1)}, "limit_exceeded"),
    ],
)
def test_what_cannot_be_attached_is_refused(argument: dict[str, Any], code: str) -> None:
    desk = Desk()
    me = desk.join()
    assert attach(me, **argument)["code"] == code
    assert (wishes(desk), me.ask("$askr.attached")) == ([], [])


def test_attachments_have_a_bound() -> None:
    desk = Desk()
    me = desk.join()
    for number in range(ATTACHMENTS_MAX):
        assert "code" not in attach(me, service=f"s{number}")
    assert attach(me)["details"] == {"limit": "attachments_max"}


def test_detach_of_what_is_not_attached_suggests() -> None:
    desk = Desk()
    me = desk.join()
    attach(me)
    told = me.ask("$askr.detach", {"service": "agnet"})
    assert (told["code"], told["details"]) == ("not_found", {"nearest": ["agent"]})


def test_a_daemon_that_goes_away_dials_nobody() -> None:
    desk = Desk()
    me = desk.join()
    desk.router.drain(1_000, desk.now_us)
    assert attach(me)["code"] == "draining"
    assert wishes(desk) == []


# ── peers that cannot list what they offer ────────────────────────────────────────────────────


def test_a_service_that_lists_anything_takes_any_command_under_its_name() -> None:
    desk = Desk()
    agent, me = gateway(desk, "*"), desk.join()
    me.call(1, "agent.fetch")
    me.call(2, "agent.deep.er")
    me.call(3, "fetch")
    assert [call.name for call in agent.calls()] == [b"agent.fetch", b"agent.deep.er"]
    assert me.fails() == {3: "command_unknown"}
    assert me.ask("$askr.services")[0]["commands"] == ["*"]


def test_what_it_lists_beside_anything_has_a_bare_name() -> None:
    desk = Desk()
    agent, me = gateway(desk, "*", "fetch"), desk.join()
    me.call(1, "fetch")
    assert [call.name for call in agent.calls()] == [b"agent.fetch"]


def test_names_that_were_not_listed_have_a_bound() -> None:
    desk = Desk()
    gateway(desk, "*")
    me = desk.join()
    for number in range(COMMANDS_PER_SERVICE_MAX):
        assert me.ask("$askr.why", {"target": f"agent.c{number}"})["verdict"] == "chosen"
    assert me.ask("$askr.why", {"target": "agent.more"})["verdict"] != "chosen"


@pytest.mark.parametrize("offer", [{"commands": [{"name": "*"}]}, {"emits": ["*"]}])
def test_only_a_peer_of_another_tongue_may_list_anything(offer: dict[str, Any]) -> None:
    mate = Desk().join("agent")
    mate.say(json(Kind.PROVIDE, {"service": "agent"} | offer, id=1))
    assert mate.fails() == {1: "bad_request"}


def test_it_is_told_which_events_are_listened_to() -> None:
    desk = Desk()
    me = desk.join()
    me.sub(1, "EARLY")
    agent = gateway(desk, emits=("*",))
    for id_, pattern in enumerate(("LATE", "WILD.*", "$askr.peer.joined"), start=2):
        me.sub(id_, pattern)
    wanted = [frame.name for frame in agent.heard() if frame.kind == Kind.SUB]
    assert wanted == [b"LATE"]
    agent.say(Frame(kind=Kind.EMIT, name=b"LATE"))
    assert [frame.name for frame in me.heard() if frame.kind == Kind.EVENT] == [b"LATE"]


def test_it_is_told_first_what_is_listened_to_already() -> None:
    desk = Desk()
    me = desk.join()
    me.sub(1, "EARLY")
    agent = desk.join("agent", kind="legacy")
    agent.provide("agent", emits=["*"])
    told = [(Kind(frame.kind), frame.name) for frame in agent.heard()]
    assert told == [(Kind.PROVIDED, b""), (Kind.SUB, b"EARLY")]


def test_one_that_has_left_is_told_no_more() -> None:
    desk = Desk()
    agent, me = gateway(desk, emits=("*",)), desk.join()
    agent.lose()
    me.sub(1, "LATE")
    assert agent.heard() == []
    assert me.kinds() == [Kind.SUBBED]


def test_a_legacy_peer_is_listed_as_one() -> None:
    me = Desk().join("node-askr", kind="legacy")
    assert [row["kind"] for row in me.ask("$askr.peers")] == ["legacy"]
