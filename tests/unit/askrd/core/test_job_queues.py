"""Holds which commands are queues: what may be declared, what is kept, what comes back."""

from typing import Any

import msgspec
import pytest

from askrd.core import job_queues
from askrd.core.effects import Note, Record
from askrd.wire.frames import Kind
from tests.unit.askrd.core.desk import MS, Desk, Mate, body, json
from tests.unit.askrd.core.traveller import Traveller


def provided(desk: Desk, kind: Kind = Kind.PROVIDE, mate: Mate | None = None, **spec: Any) -> Any:
    """Registers `agent.fetch`; the code of the error, or the peer."""
    agent = mate or desk.join("agent")
    provision = {"service": "agent", "commands": [{"name": "fetch"} | spec]}
    agent.say(json(kind, provision, id=900))
    answer = next(frame for frame in agent.heard() if frame.id == 900)
    return agent if answer.kind == Kind.PROVIDED else body(answer)["code"]


def rows(desk: Desk) -> dict[tuple[str, str], bytes]:
    """Returns what a store has after all that happened."""
    kept: dict[tuple[str, str], bytes] = {}
    for effect in desk.effects:
        if isinstance(effect, Record) and effect.value is None:
            kept.pop((effect.shelf, effect.key), None)
        elif isinstance(effect, Record) and effect.value is not None:
            kept[effect.shelf, effect.key] = effect.value
    return kept


def restarted(desk: Desk, now_us: int | None = None) -> Desk:
    """Returns a new router that was given what the store of ``desk`` has."""
    fresh = Desk()
    fresh.now_us = now_us or desk.now_us
    records = [(shelf, key, value) for (shelf, key), value in sorted(rows(desk).items())]
    fresh.router.restore("askr", [], 0, fresh.now_us, records)
    fresh.settle()
    return fresh


def ask(me: Mate, argument: Any = None) -> str:
    me.say(json(Kind.CALL, argument, id=5, name=b"agent.fetch"))
    (answer,) = [frame for frame in me.heard() if frame.id == 5]
    return body(answer)["job"]


@pytest.mark.parametrize(
    "spec",
    [
        {"queue": True, "reply": "none"},
        {"queue": True, "reply": "ack"},
        {"queue": True, "reply": "stream"},
        {"queue": True, "upload": True},
        {"queue": True, "attempts": 0},
        {"queue": True, "attempts": 1_001},
        {"queue": True, "backoff_ms": -1},
        {"queue": True, "keep_ms": -1},
        {"queue": True, "keep_ms": 2**32},
        {"attempts": 3},
        {"backoff_ms": 5},
        {"keep_ms": 5},
    ],
)
def test_a_declaration_that_cannot_be_is_refused(spec: Any) -> None:
    assert provided(Desk(), **spec) == "bad_request"


def test_one_service_has_one_way_to_answer() -> None:
    desk = Desk()
    provided(desk, queue=True)
    assert provided(desk) == "bad_request"


def test_queues_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_queues, "QUEUES_MAX", 1)
    desk = Desk()
    provided(desk, queue=True)
    other = desk.join("other")
    more = {"service": "other", "commands": [{"name": "x", "queue": True}]}
    other.say(json(Kind.PROVIDE, more, id=1))
    assert other.fails() == {1: "limit_exceeded"}


def test_a_definition_is_kept_when_it_changes() -> None:
    desk = Desk()
    agent = provided(desk, queue=True)
    provided(desk, queue=True)
    kept = [e for e in desk.effects if isinstance(e, Record) and e.shelf == "queues"]
    assert [(e.key, e.value) for e in kept] == [("agent.fetch", b"{}")]
    provided(desk, Kind.UPDATE, agent, queue=True, attempts=2)
    assert rows(desk)["queues", "agent.fetch"] == b'{"attempts":2}'


def test_a_command_is_no_queue_any_more_once_its_jobs_are_gone() -> None:
    desk = Desk()
    agent, me = provided(desk, queue=True), desk.join("me")
    ask(me)
    assert provided(desk, Kind.UPDATE, agent) == "bad_request"
    agent.lose()
    me.ask("$askr.jobs.purge", {"state": "queued"})
    agent = provided(desk)
    assert ("queues", "agent.fetch") not in rows(desk)
    me.call(1)
    agent.reply(agent.calls()[0].id, b"42")
    assert [body(frame) for frame in me.heard()] == [42]


# ── restart ───────────────────────────────────────────────────────────────────────────────────


def test_calls_work_after_a_restart_before_anybody_is_there() -> None:
    desk = Desk()
    provided(desk, queue=True, attempts=7)
    again = restarted(desk)
    me = again.join("me")
    assert int(ask(me)) > 0
    (queue,) = me.ask("$askr.jobs.queues")
    assert (queue["target"], queue["attempts"], queue["instances"]) == ("agent.fetch", 7, 0)


def test_what_waited_and_what_ran_is_carried_out_after_a_restart_in_order() -> None:
    desk = Desk()
    agent, me = provided(desk, queue=True), desk.join("me")
    for number in range(12):
        ask(me, number)
    assert len(agent.calls()) == 1
    again = restarted(desk)
    agent, order = again.join("agent"), []
    provision = {"service": "agent", "commands": [{"name": "fetch", "queue": True}]}
    agent.say(json(Kind.PROVIDE, provision, id=900))
    for _ in range(12):
        (call,) = agent.calls()
        order.append(body(call))
        agent.reply(call.id)
    assert order == list(range(12))


def test_ids_are_not_given_again_after_a_restart() -> None:
    desk = Desk()
    provided(desk, queue=True)
    me = desk.join("me")
    given = [int(ask(me)) for _ in range(3)]
    me.ask("$askr.jobs.cancel", {"id": given[0]})
    for number in given:
        me.ask("$askr.jobs.cancel", number)
    me.ask("$askr.jobs.purge")
    again = restarted(desk)
    assert int(ask(again.join("me"))) > max(given)


def test_failed_attempts_and_their_pause_outlive_a_restart() -> None:
    desk = Desk()
    agent, me = provided(desk, queue=True, backoff_ms=2_000), desk.join("me")
    ask(me)
    agent.fail(agent.calls()[0].id, "handler_error")
    again = restarted(desk)
    agent = provided(again, queue=True, backoff_ms=2_000)
    again.after(1_900 * MS)
    assert agent.calls() == []
    again.after(200 * MS)
    (call,) = agent.calls()
    assert msgspec.json.decode(call.options)["attempt"] == 2


def test_a_result_outlives_a_restart_and_goes_when_its_time_is_over() -> None:
    desk = Desk()
    agent, me = provided(desk, queue=True, keep_ms=5_000), desk.join("me")
    ask(me)
    agent.reply(agent.calls()[0].id, b'{"a":1}')
    again = restarted(desk)
    assert again.join("me").ask("$askr.jobs.show", 1)["value"] == {"a": 1}
    again.after(5_100 * MS)
    assert again.join("me").ask("$askr.jobs.list") == []
    assert ("jobs", f"{1:016d}") in rows(desk)
    assert any(isinstance(e, Record) and e.value is None for e in again.effects)


def test_a_job_for_one_instance_waits_anew_after_a_restart() -> None:
    desk = Desk()
    me = desk.join("me")
    agent = provided(desk, queue=True, mode="broadcast", keep_ms=90_000)
    me.call(1)
    suffix = agent.session.suffix
    again = restarted(desk, desk.now_us + 3_600_000 * MS)
    again.after(80_000 * MS)
    assert again.join("me").ask("$askr.jobs.show", 1)["state"] == "queued"
    back = again.join("agent", instance=suffix)
    provided(again, Kind.PROVIDE, back, queue=True, mode="broadcast", keep_ms=90_000)
    assert again.join("me").ask("$askr.jobs.show", 1)["state"] == "running"


def test_a_job_for_one_instance_that_is_busy_does_not_die() -> None:
    desk = Desk()
    agent = provided(desk, queue=True, mode="broadcast", keep_ms=0, timeout_ms=10_000_000)
    me = desk.join("me", is_held=False)
    agent.session.is_held_to_pings = False
    me.call(1)
    me.call(2)
    desk.after(300_000 * MS)
    states = [row["state"] for row in me.ask("$askr.jobs.list")]
    assert states == ["queued", "running"]


def test_rows_that_cannot_be_read_are_noted_and_the_others_come_back() -> None:
    desk = Desk()
    provided(desk, queue=True)
    ask(desk.join("me"))
    kept = rows(desk)
    good = kept["jobs", f"{1:016d}"]
    records = [
        ("jobs", f"{1:016d}", good),
        ("jobs", f"{2:016d}", good[:-1] + b"}}"),
        ("jobs", f"{3:016d}", b"\xff\n"),
        ("jobs", "four", good),
        ("jobs", "reserved", b"[]"),
        ("queues", "agent.fetch", b"no json"),
        ("queues", "nodot", b"{}"),
    ]
    again = Desk()
    again.router.restore("askr", [], 0, again.now_us, records)
    again.settle()
    notes = [e.fields["key"] for e in again.effects if isinstance(e, Note)]
    assert notes == [key for _, key, _ in records[1:]]
    me = again.join("me")
    assert [row["id"] for row in me.ask("$askr.jobs.list")] == ["1"]
    agent = provided(again, queue=True)
    assert isinstance(agent, Mate)
    assert me.ask("$askr.jobs.show", 1)["state"] == "running"


def test_an_idempotency_key_outlives_a_restart() -> None:
    desk = Desk()
    provided(desk, queue=True)
    me = desk.join("me")
    me.want(1, idempotency_key="a")
    again = restarted(desk)
    me = again.join("me")
    me.want(1, idempotency_key="a")
    assert [body(frame) for frame in me.heard()] == [{"job": "1"}]


def test_a_queue_whose_job_is_not_kept_yet_is_not_forgotten() -> None:
    desk = Desk()
    provided(desk, queue=True)
    desk.peers[0].lose()
    me = desk.join("me", is_held=False)
    desk.is_stored = False
    me.call(1)
    me.say(json(Kind.CALL, {"target": "agent.fetch"}, id=2, name=b"$askr.jobs.forget"))
    assert me.fails() == {2: "conflict"}
    desk.router.rejected("disk full", desk.now_us)
    desk.is_stored = True
    desk.settle()
    assert me.fails() == {1: "storage_unavailable"}
    assert me.ask("$askr.jobs.forget", {"target": "agent.fetch"}) == {"target": "agent.fetch"}


def test_a_queue_that_was_forgotten_while_its_service_was_away_is_one_again() -> None:
    desk = Desk()
    agent = Traveller(desk, "agent", kind="service")
    commands = [{"name": "fetch", "queue": True}]
    agent.mate.say(json(Kind.PROVIDE, {"service": "agent", "commands": commands}, id=900))
    agent.hear()
    me = desk.join("me", is_held=False)
    agent.lose()
    me.ask("$askr.jobs.forget", {"target": "agent.fetch"})
    agent.come_back()
    agent.catch_up()
    assert ask(me) == "1"
