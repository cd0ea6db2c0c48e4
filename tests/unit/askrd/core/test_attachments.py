"""Holds what the daemon is told to dial, and what a peer without a registry may offer."""

from typing import Any

import pytest

from askrd.core.attachments import SHELF
from askrd.core.effects import Attachment, Dial, HangUp, Note
from askrd.wire.bodies import dump
from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import ATTACHMENTS_MAX, COMMANDS_PER_SERVICE_MAX
from tests.unit.askrd.core.desk import SECOND, Desk, Mate, body, json
from tests.unit.askrd.core.logbook import Rows, Store, restarted

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


# ── what is kept ──────────────────────────────────────────────────────────────────────────────

PLACE = SHELF, "agent"


def notes(desk: Desk) -> list[str]:
    return [effect.event for effect in desk.effects if isinstance(effect, Note)]


def test_what_is_attached_is_kept_and_dialled_again_once() -> None:
    desk = Desk()
    lists = {"commands": ["fetch", "stop"], "events": ["FETCHED"]}
    row = attach(desk.join(), **lists)
    again = restarted(Store(desk).rows)
    assert wishes(again) == wishes(desk)
    me = again.join()
    assert me.ask("$askr.attached") == [row]
    assert attach(me, **lists) == row
    assert attach(me)["code"] == "conflict"
    assert len(wishes(again)) == 1
    assert Store(again).rows == {}, "it is kept already"


def test_what_is_attached_comes_back_in_its_own_workspace() -> None:
    desk = Desk()
    lab, here = desk.join(workspace="lab"), desk.join()
    attach(lab)
    rows = Store(desk).rows
    assert [record.workspace for record in Store(desk).records] == ["lab"]
    again = Desk()
    kept = [(*place, value) for place, value in rows.items()]
    again.router.restore("lab", [], 0, again.now_us, kept)
    again.settle()
    assert [wish.attachment.workspace for wish in wishes(again)] == ["lab"]
    assert here.ask("$askr.attached") == again.join().ask("$askr.attached") == []
    again.after(120 * SECOND)
    assert "lab" not in again.router.board.workspaces, "nobody is there"
    back = again.join(workspace="lab")
    assert back.ask("$askr.detach", {"service": "agent"})["connected"] is False
    assert [(record.workspace, record.value) for record in Store(again).records] == [("lab", None)]


def test_what_is_detached_does_not_come_back() -> None:
    desk = Desk()
    me = desk.join()
    attach(me)
    assert list(Store(desk).rows) == [PLACE]
    me.ask("$askr.detach", {"service": "agent"})
    assert Store(desk).rows == {}
    again = restarted(Store(desk, Store(desk).rows).rows)
    assert (again.join().ask("$askr.attached"), wishes(again)) == ([], [])


@pytest.mark.parametrize("name", ["attach", "detach"])
def test_the_answer_waits_for_the_store(name: str) -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    wanted = {"url": URL, "service": "agent"}
    me.say(json(Kind.CALL, wanted, id=7, name=b"$askr.attach"))
    if name == "detach":
        desk.commit(desk.router.board.gate.ticket)
        me.heard()
        me.say(json(Kind.CALL, {"service": "agent"}, id=7, name=b"$askr.detach"))
    assert me.heard() == []
    desk.commit(desk.router.board.gate.ticket)
    assert [(frame.kind, frame.id) for frame in me.heard()] == [(Kind.REPLY, 7)]


def test_a_store_that_cannot_write_is_told_and_asking_again_asks_it_again() -> None:
    desk = Desk(is_stored=False)
    me, store = desk.join(), Store(desk)
    for id_ in (1, 2):
        me.say(json(Kind.CALL, {"url": URL, "service": "agent"}, id=id_, name=b"$askr.attach"))
        assert me.heard() == [], "the second one is not told that all is well either"
        store.refuse()
        (told,) = me.heard()
        assert (told.id, body(told)["code"]) == (id_, "storage_unavailable")
        assert "holds while the daemon runs" in body(told)["message"]
    assert wishes(desk) == [Dial(AGENT)]
    desk.is_stored = True
    assert attach(me)["service"] == "agent"
    assert list(store.rows) == [PLACE]


def test_a_detach_that_the_store_refused_is_written_later() -> None:
    desk = Desk()
    me, store = desk.join(is_held=False), Store(desk)
    attach(me)
    desk.is_stored = False
    me.say(json(Kind.CALL, {"service": "agent"}, id=1, name=b"$askr.detach"))
    store.refuse()
    assert me.fails() == {1: "storage_unavailable"}
    assert wishes(desk) == [Dial(AGENT), HangUp(AGENT)]
    assert list(store.rows) == [PLACE]
    desk.is_stored = True
    desk.after(120 * SECOND)
    assert store.rows == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("agent", b"{"),
        ("agent", b"\xff"),
        ("agent", dump({"url": "http://h", "service": "agent"})),
        ("agent", dump({"url": URL, "service": "other"})),
        ("agent", dump({"url": URL, "service": "agent", "of_a_later_version": 1})),
        ("two words", dump({"url": URL, "service": "two words"})),
    ],
)
def test_a_row_that_cannot_be_read_is_noted_and_left_alone(key: str, value: bytes) -> None:
    rows: Rows = {(SHELF, key): value, (SHELF, "good"): dump({"url": URL, "service": "good"})}
    desk = restarted(rows)
    assert notes(desk) == ["a kept row cannot be read; it is left alone"]
    assert [wish.attachment.service for wish in wishes(desk)] == ["good"]
    assert Store(desk, rows).rows == rows
    me = desk.join()
    assert attach(me)["service"] == "agent", "its place can be taken"


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
