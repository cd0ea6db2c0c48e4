"""Holds how a call becomes a job: the answer, the options, the rules, the bounds."""

from typing import Any

import msgspec
import pytest

from askrd.core import job_calls
from askrd.wire.frames import FLAG_SILENT, Kind
from askrd.wire.limits import GATED_MAX, JOBS_BYTES_MAX
from tests.unit.askrd.core.desk import Desk, Mate, body, json


def worker(desk: Desk, service: str = "agent", **spec: Any) -> Mate:
    agent = desk.join(service)
    provision = {"service": service, "commands": [{"name": "fetch", "queue": True} | spec]}
    agent.say(json(Kind.PROVIDE, provision, id=900))
    return agent


def asked(me: Mate, address: str = "agent.fetch", **options: Any) -> Any:
    """Calls with options; the value, or the code of the error."""
    wants = msgspec.json.encode(options) if options else b""
    me.say(json(Kind.CALL, None, id=5, name=address.encode(), options=wants))
    (answer,) = [frame for frame in me.heard() if frame.id == 5]
    return body(answer) if answer.kind == Kind.REPLY else body(answer)["code"]


def test_ids_count_up_and_are_not_given_twice() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    assert [asked(me), asked(me)] == [{"job": "1"}, {"job": "2"}]
    agent.lose()
    assert me.ask("$askr.jobs.purge", {"state": "queued"}) == {"purged": 2, "more": False}
    assert asked(me) == {"job": "3"}


@pytest.mark.parametrize(
    "wants",
    [
        {"reply": "ack"},
        {"reply": "stream"},
        {"upload": "items"},
        {"upload": "payload"},
        {"all": True},
        {"first": True},
        {"quorum": 2},
        {"exclude": ["i9"]},
        {"version": ">=1"},
        {"job": "4"},
        {"attempt": 2},
    ],
)
def test_options_that_a_queue_cannot_have_are_refused(wants: Any) -> None:
    desk = Desk()
    worker(desk)
    assert asked(desk.join("me"), **wants) == "bad_request"


@pytest.mark.parametrize(
    "address", ["agent@*.fetch", "agent@i0.fetch", "*@*.fetch", "agent@{zone=eu}.fetch"]
)
def test_a_queue_s_instances_cannot_be_chosen(address: str) -> None:
    desk = Desk()
    worker(desk)
    assert asked(desk.join("me"), address) == "bad_request"


def test_a_tell_is_answered_with_the_id_too() -> None:
    desk = Desk()
    worker(desk)
    me = desk.join("me")
    me.tell(1)
    assert [body(frame) for frame in me.heard()] == [{"job": "1"}]


def test_a_worker_is_not_told_silent() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    me.tell(1)
    (call,) = agent.calls()
    assert call.id
    assert not call.flags & FLAG_SILENT


def test_a_bare_name_means_the_only_queue_of_that_name() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    assert asked(me, "fetch") == {"job": "1"}
    agent.lose()
    assert asked(me, "fetch") == {"job": "2"}
    other = worker(desk, "other")
    assert asked(me, "fetch") == {"job": "3"}
    assert me.ask("$askr.jobs.show", 3)["target"] == "other.fetch", "that one is there"
    other.lose()
    assert asked(me, "fetch") == "command_ambiguous"


def test_a_command_of_that_name_without_a_queue_is_no_job() -> None:
    desk = Desk()
    worker(desk).lose()
    desk.serve("other", "fetch")
    me = desk.join("me")
    me.call(1, "fetch")
    assert me.heard() == []


def test_a_caller_may_wait_for_a_queue_to_be_declared() -> None:
    desk = Desk()
    me = desk.join("me")
    me.want(1, wait_ms=5_000)
    assert me.heard() == []
    worker(desk)
    assert [body(frame) for frame in me.heard()] == [{"job": "1"}]
    desk_session = me.session
    assert (desk_session.asking, desk_session.taken) == ({}, set())


def test_the_same_idempotency_key_gives_the_same_job() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    assert asked(me, idempotency_key="a") == {"job": "1"}
    agent.reply(agent.calls()[0].id)
    assert asked(me, idempotency_key="a") == {"job": "1"}
    assert asked(me, idempotency_key="b") == {"job": "2"}
    me.ask("$askr.jobs.purge", {"state": "done"})
    assert asked(me, idempotency_key="a") == {"job": "3"}


def test_the_same_key_waits_for_the_first_to_be_kept() -> None:
    desk = Desk()
    worker(desk)
    me, other = desk.join("me"), desk.join("other")
    desk.is_stored = False
    me.want(1, idempotency_key="a")
    other.want(1, idempotency_key="a")
    assert (me.heard(), other.heard()) == ([], [])
    desk.commit(desk.router.board.gate.ticket)
    assert [body(f) for f in me.heard() + other.heard()] == [{"job": "1"}, {"job": "1"}]


def test_a_job_that_is_kept_is_told_of_whatever_the_store_does_now() -> None:
    desk = Desk()
    worker(desk)
    me, other = desk.join("me"), desk.join("other")
    assert asked(me, idempotency_key="a") == {"job": "1"}
    desk.is_stored = False
    other.put(1, "a", 1)
    me.want(2, idempotency_key="a")
    assert [body(frame) for frame in me.heard()] == [{"job": "1"}]
    desk.router.rejected("disk full", desk.now_us)
    assert me.fails() == {}, "it is not said that no job was kept"


def test_the_same_key_gives_the_same_jobs_of_a_broadcast() -> None:
    desk = Desk()
    worker(desk, mode="broadcast")
    worker(desk, mode="broadcast")
    me = desk.join("me")
    assert asked(me, idempotency_key="a") == {"jobs": ["1", "2"]}
    assert asked(me, idempotency_key="a") == {"jobs": ["1", "2"]}


@pytest.mark.parametrize("is_there", [True, False])
def test_rules_hold_whether_somebody_is_there_or_not(is_there: bool) -> None:
    desk = Desk()
    agents = [
        worker(desk, "inner", internal=True),
        worker(desk, "picky", allow_from=["friend"]),
    ]
    if not is_there:
        for agent in agents:
            agent.lose()
    me, friend = desk.join("me"), desk.serve("friend", "x")
    assert [asked(me, "inner.fetch"), asked(me, "picky.fetch")] == ["forbidden"] * 2
    assert "job" in asked(friend, "inner.fetch")
    assert "job" in asked(friend, "picky.fetch")


def test_what_a_caller_s_rule_forbids_does_not_become_a_job() -> None:
    desk = Desk()
    worker(desk).lose()
    shy = desk.serve("shy", "x", connect_to=["other"])
    assert asked(shy) == "forbidden"


def test_a_caller_that_left_before_the_answer_has_its_job_done() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    desk.is_stored = False
    me.call(1)
    me.lose()
    desk.is_stored = True
    desk.commit(desk.router.board.gate.ticket)
    assert len(agent.calls()) == 1


def test_the_oldest_results_give_way_and_what_waits_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_calls, "JOBS_MAX", 3)
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    for _ in range(4):
        asked(me)
        agent.reply(agent.calls()[0].id)
    assert [row["id"] for row in me.ask("$askr.jobs.list")] == ["4", "3", "2"]
    agent.lose()
    assert [asked(me) for _ in range(3)] == [{"job": "5"}, {"job": "6"}, {"job": "7"}]
    assert asked(me) == "limit_exceeded"
    assert {row["state"] for row in me.ask("$askr.jobs.list")} == {"queued"}


def test_what_jobs_carry_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_calls, "JOBS_BYTES_MAX", 4_000)
    desk = Desk()
    worker(desk).lose()
    me = desk.join("me")
    me.call(1, payload=b"x" * 2_000, coding=2)
    me.call(2, payload=b"x" * 2_000, coding=2)
    assert me.fails() == {2: "limit_exceeded"}


def test_a_draining_daemon_takes_no_job() -> None:
    desk = Desk()
    worker(desk)
    me = desk.join("me")
    desk.router.drain(1_000, desk.now_us)
    me.heard()
    assert asked(me) == "draining"


def test_a_queue_is_never_on_the_hot_path() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    asked(me, "fetch")
    agent.reply(agent.calls()[0].id)
    destinations = desk.router.board.workspaces["askr"].destinations
    assert destinations.plain == {}


def test_calls_that_join_a_job_wait_for_the_store_within_its_bound() -> None:
    desk = Desk()
    worker(desk)
    me = desk.join("me", is_held=False)
    desk.is_stored = False
    for number in range(1, GATED_MAX + 2):
        options = msgspec.json.encode({"idempotency_key": "x"})
        me.say(json(Kind.CALL, None, id=number, name=b"agent.fetch", options=options))
    assert len(desk.router.board.gate) == GATED_MAX
    assert me.fails() == {GATED_MAX + 1: "busy"}


def test_jobs_that_could_never_fit_push_no_results_out() -> None:
    desk = Desk()
    size = desk.router.board.limits.payload_bytes_max
    agents = [worker(desk, mode="broadcast") for _ in range(JOBS_BYTES_MAX // size + 1)]
    me = desk.join("me", is_held=False)
    me.call(1)
    for agent in agents:
        agent.reply(agent.calls()[0].id)
    me.heard()
    me.call(2, payload=bytes(size))
    assert me.fails() == {2: "limit_exceeded"}
    assert desk.router.board.workspaces["askr"].jobs.count == len(agents)
