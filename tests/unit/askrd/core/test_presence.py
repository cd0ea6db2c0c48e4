"""Holds who is there as state: rows on demand, and changes while somebody looks."""

from typing import Any

import pytest

from askrd.core import gate
from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import SECOND, Desk, Mate, body, options, put
from tests.unit.askrd.core.traveller import Traveller


def watch(mate: Mate, prefix: str = "$askr/", id_: int = 70) -> dict[str, Any]:
    """Watches and returns the snapshot."""
    mate.say(Frame(kind=Kind.WATCH, id=id_, name=prefix.encode()))
    *rows, synced = mate.heard()
    assert synced.kind == Kind.SYNCED
    assert all(options(row).watch == id_ for row in rows)
    return {row.name.decode(): body(row) for row in rows}


def changes(mate: Mate) -> list[tuple[str, str, Any]]:
    found = [frame for frame in mate.heard() if frame.kind == Kind.CHANGE]
    return [(f.name.decode(), options(f).op, body(f) if f.payload else None) for f in found]


def test_the_rows_are_those_of_the_daemons_commands() -> None:
    desk = Desk()
    agent, me = desk.serve("agent", "fetch"), desk.join()
    mine, theirs = me.session.suffix, agent.session.suffix
    rows = watch(me)
    peers = {f"$askr/peers/{row['id'][-2:]}": row for row in me.ask("$askr.peers")}
    (service,) = me.ask("$askr.services")
    del service["inflight"]
    assert rows == peers | {f"$askr/services/agent/{theirs}": service}
    me.get(1, f"$askr/peers/{mine}")
    me.get(2, f"$askr/services/agent/{theirs}")
    assert [body(frame) for frame in me.heard()] == [peers[f"$askr/peers/{mine}"], service]
    assert list(watch(me, "$askr/services", 71)) == [f"$askr/services/agent/{theirs}"]
    assert list(watch(me, f"$askr/peers/{mine}", 72)) == [f"$askr/peers/{mine}"]


@pytest.mark.parametrize(
    "key", ["$askr", "$askr/peers", "$askr/peers/none", "$askr/services/agent",
            "$askr/services/agent/none", "$askr/services/none/i0", "$askr/x/i0", "$askr/peers/i0/x"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(key: str) -> None:
    me = Desk().serve()
    me.get(1, key)
    assert me.fails() == {1: "not_found"}


def test_joins_changes_and_leaves_are_changes_of_keys() -> None:
    desk = Desk()
    me = desk.join()
    watch(me)
    agent = desk.serve("agent", "fetch")
    peer, service = (
        f"$askr/peers/{agent.session.suffix}",
        f"$askr/services/agent/{agent.session.suffix}",
    )
    told = changes(me)
    assert [(key, op) for key, op, _ in told] == [(peer, "set"), (service, "set"), (peer, "set")]
    assert (told[0][2]["services"], told[2][2]["services"]) == ([], ["agent"])
    agent.provide("more", "x", id_=901)
    assert len(changes(me)) == 2
    agent.lose()
    more = service.replace("agent", "more")
    assert sorted((key, op) for key, op, _ in changes(me)) == [
        (peer, "del"), (service, "del"), (more, "del"),
    ]  # fmt: skip


def test_the_revision_rises_only_while_somebody_looks() -> None:
    desk = Desk()
    me = desk.join()
    desk.serve()
    state = desk.router.board.workspaces["askr"].state
    assert state.head_rev == 0
    watch(me)
    other = desk.join("other")
    (told,) = [frame for frame in me.heard() if frame.kind == Kind.CHANGE]
    assert (told.id, state.rev, state.head_rev) == (1, 1, 1)
    me.say(Frame(kind=Kind.UNWATCH, id=70))
    other.lose()
    assert (state.rev, state.is_kept, me.heard()) == (1, False, [])
    assert not desk.router.board.workspaces["askr"].onlookers


def test_an_empty_prefix_does_not_cover_the_daemons_keys() -> None:
    desk = Desk()
    me, onlooker = desk.join(), desk.join("onlooker")
    assert watch(me, "") == {}
    watch(onlooker)
    assert watch(onlooker, "", 71) == {}
    desk.join("other")
    assert changes(me) == []
    assert len(changes(onlooker)) == 1, "once, however many watches there are"


def test_they_are_read_only_and_have_no_past() -> None:
    me = Desk().join()
    me.put(1, "$askr/peers/i0", 1)
    me.say(Frame(kind=Kind.DEL, id=2, name=b"$askr/peers/i0"))
    me.say(Frame(kind=Kind.WATCH, id=3, name=b"$askr/", options=b'{"since":0}'))
    assert me.fails() == {1: "forbidden", 2: "forbidden", 3: "gone"}


def test_internal_commands_are_shown_to_services_only() -> None:
    desk = Desk()
    me, worker = desk.join(), desk.serve("worker", "work")
    watch(me)
    watch(worker)
    agent = desk.offer("agent", {"name": "open"}, {"name": "secret", "internal": True})
    key = f"$askr/services/agent/{agent.session.suffix}"
    shown = {
        mate: [row["commands"] for name, _, row in changes(mate) if name == key]
        for mate in (me, worker)
    }
    assert shown == {me: [["open"]], worker: [["open", "secret"]]}
    me.get(1, key)
    worker.get(1, key)
    assert [body(mate.heard()[0])["commands"] for mate in (me, worker)] == [
        ["open"], ["open", "secret"],
    ]  # fmt: skip


def test_changes_of_the_registry_wait_for_earlier_writes() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    watch(me)
    me.say(Frame(kind=Kind.WATCH, id=71))
    me.put(1, "a", 1)
    desk.join("other")
    assert changes(me) == []
    desk.commit(1)
    revs = [f.id for f in me.heard() if f.kind == Kind.CHANGE]
    assert revs == [1, 2], "in the order of their revisions"


def test_what_was_to_be_told_is_told_when_the_store_refuses() -> None:
    desk = Desk(is_stored=False)
    me = desk.join()
    watch(me)
    me.say(put(1, "a", 1))
    other = desk.join("other")
    desk.router.rejected("disk full", desk.now_us)
    assert [(key, op) for key, op, _ in changes(me)] == [
        (f"$askr/peers/{other.session.suffix}", "set")
    ]


def test_onlookers_are_closed_when_they_cannot_be_told_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "GATED_MAX", 2)
    desk = Desk(is_stored=False)
    me, writer = desk.join(), desk.join("writer")
    watch(me)
    writer.say(put(1, "a", 1), put(2, "b", 1))
    desk.join("other")
    assert me.errors() == [(0, "slow_consumer")]
    assert desk.closes == [(me, 4001)]
    assert len(desk.router.board.gate) == 2


def test_a_peer_that_is_away_is_not_shown() -> None:
    desk = Desk(limits=Limits(resume_terminal_ms=3_000))
    me = desk.join()
    watch(me)
    away = Traveller(desk)
    key = f"$askr/peers/{away.session.suffix}"
    assert changes(me)[-1][:2] == (key, "set")
    away.lose()
    assert changes(me) == [(key, "del", None)]
    me.get(1, key)
    assert me.fails() == {1: "not_found"}
    assert key not in watch(me, "$askr", 71)
    desk.after(10 * SECOND)
    assert changes(me) == [], "it went once"
