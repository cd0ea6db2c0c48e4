"""Holds what people may ask of jobs: list, show, retry, cancel, purge, queues, forget."""

from typing import Any

import msgspec
import pytest

from askrd.core import job_reports
from askrd.wire.frames import Coding, Frame, Kind
from tests.unit.askrd.core.desk import SECOND, START_US, WALL_US, Desk, Mate, body, json

NOW_MS = (START_US + WALL_US) // 1000


def worker(desk: Desk, service: str = "agent", **spec: Any) -> Mate:
    agent = desk.join(service)
    provision = {"service": service, "commands": [{"name": "fetch", "queue": True} | spec]}
    agent.say(json(Kind.PROVIDE, provision, id=900))
    return agent


def ask(me: Mate, argument: Any = None, address: str = "agent.fetch") -> str:
    me.say(json(Kind.CALL, argument, id=5, name=address.encode()))
    (answer,) = [frame for frame in me.heard() if frame.id == 5]
    return body(answer)["job"]


def test_a_row_says_all_there_is_to_know() -> None:
    desk = Desk()
    agent, me = worker(desk, attempts=2, backoff_ms=1_000), desk.join("me")
    ask(me, {"depth": 2})
    caller, instance = f"me@{me.session.suffix}", f"agent@{agent.session.suffix}"
    row = {
        "id": "1",
        "target": "agent.fetch",
        "state": "running",
        "attempts": 1,
        "attempts_max": 2,
        "caller": caller,
        "created": NOW_MS,
        "started": NOW_MS,
        "instance": instance,
    }
    assert me.ask("$askr.jobs.list") == [row]
    assert me.ask("$askr.jobs.show", {"id": "1"}) == row | {"request": {"depth": 2}}
    agent.fail(agent.calls()[0].id, "handler_error", message="boom")
    (waiting,) = me.ask("$askr.jobs.list")
    assert waiting == row | {
        "state": "queued",
        "next": NOW_MS + 1_000,
        "error": {"code": "handler_error", "message": "boom"},
    }
    desk.after(2 * SECOND)
    agent.reply(agent.calls()[0].id, b"[1]")
    shown = me.ask("$askr.jobs.show", "1")
    assert (shown["ended"], shown["value"], shown["attempts"]) == (NOW_MS + 2_000, [1], 2)
    assert not shown.keys() & {"error", "next", "request"}


def test_jobs_are_listed_newest_first_and_page_by_page() -> None:
    desk = Desk()
    worker(desk).lose()
    worker(desk, "other").lose()
    me = desk.join("me")
    for address in ("agent.fetch", "other.fetch", "agent.fetch", "agent.fetch"):
        ask(me, address=address)
    me.ask("$askr.jobs.cancel", 4)

    def ids(**wants: Any) -> list[str]:
        return [row["id"] for row in me.ask("$askr.jobs.list", wants)]

    assert ids() == ["4", "3", "2", "1"]
    assert ids(limit=2) == ["4", "3"]
    assert ids(limit=2, before="3") == ["2", "1"]
    assert ids(target="agent.fetch") == ["4", "3", "1"]
    assert ids(target="agent.fetch", state="queued") == ["3", "1"]
    assert ids(state="cancelled") == ["4"]
    assert ids(state="dead") == []


@pytest.mark.parametrize(
    ("command", "argument", "code"),
    [
        ("list", {"limit": 0}, "bad_request"),
        ("list", {"limit": 1_001}, "bad_request"),
        ("list", {"state": "asleep"}, "bad_request"),
        ("list", {"target": "agent.fitch"}, "not_found"),
        ("list", {"target": 7}, "bad_request"),
        ("list", {"colour": "red"}, "bad_request"),
        ("list", {"before": "x"}, "bad_request"),
        ("list", [], "bad_request"),
        ("show", None, "bad_request"),
        ("show", {}, "bad_request"),
        ("show", {"id": "1"}, "not_found"),
        ("show", {"id": True}, "bad_request"),
        ("show", {"id": "-1"}, "bad_request"),
        ("show", {"id": "1" * 17}, "bad_request"),
        ("retry", {"id": 9}, "not_found"),
        ("cancel", {"id": 9}, "not_found"),
        ("purge", {"state": "running"}, "bad_request"),
        ("forget", {}, "bad_request"),
        ("forget", {"target": "agent.fitch"}, "not_found"),
    ],
)
def test_a_bad_question_gets_a_clear_no(command: str, argument: Any, code: str) -> None:
    desk = Desk()
    worker(desk)
    assert desk.join("me").ask(f"$askr.jobs.{command}", argument)["code"] == code


def test_a_cancelled_job_does_not_run() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    ask(me)
    ask(me)
    assert me.ask("$askr.jobs.cancel", {"id": "2"})["state"] == "cancelled"
    agent.reply(agent.calls()[0].id)
    assert agent.calls() == []
    assert me.ask("$askr.jobs.cancel", {"id": "2"})["code"] == "conflict"


def test_cancelling_a_job_that_runs_tells_its_worker() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    me.sub(3, "$askr.job.ended")
    ask(me)
    ask(me)
    (call,) = agent.calls()
    me.heard()
    me.say(json(Kind.CALL, 1, id=8, name=b"$askr.jobs.cancel"))
    told = [body(f)["state"] for f in me.heard() if f.kind in {Kind.EVENT, Kind.REPLY}]
    assert told == ["cancelled", "cancelled"], "the event and the answer"
    assert [(f.kind, body(f)) for f in agent.heard()] == [(Kind.CANCEL, {"reason": "caller"})]
    agent.fail(call.id, "cancelled")
    assert len(agent.calls()) == 1, "the next one"
    assert me.ask("$askr.jobs.show", 1)["state"] == "cancelled"


def test_a_failed_job_goes_again_behind_the_others_with_all_its_attempts() -> None:
    desk = Desk()
    agent, me = worker(desk, attempts=1), desk.join("me")
    ask(me, "a")
    ask(me, "b")
    ask(me, "c")
    agent.fail(agent.calls()[0].id, "handler_error")
    assert me.ask("$askr.jobs.show", 1)["state"] == "dead"
    row = me.ask("$askr.jobs.retry", {"id": "1"})
    assert (row["state"], row["attempts"], "error" in row) == ("queued", 0, False)
    order = []
    for _ in range(3):
        (call,) = agent.calls()
        order.append(body(call))
        agent.reply(call.id)
    assert order == ["b", "c", "a"]
    assert me.ask("$askr.jobs.retry", {"id": "1"})["code"] == "conflict", "it is done"


def test_a_change_is_answered_once_it_is_kept() -> None:
    desk = Desk()
    worker(desk).lose()
    me = desk.join("me")
    ask(me)
    desk.is_stored = False
    me.say(json(Kind.CALL, 1, id=8, name=b"$askr.jobs.cancel"))
    assert me.heard() == []
    desk.commit(desk.router.board.gate.ticket)
    assert [body(frame)["state"] for frame in me.heard()] == ["cancelled"]


def test_a_purge_forgets_what_ended_and_leaves_what_waits() -> None:
    desk = Desk()
    agent, me = worker(desk, attempts=1), desk.join("me")
    for _ in range(5):
        ask(me)
    agent.reply(agent.calls()[0].id)
    agent.fail(agent.calls()[0].id, "handler_error")
    agent.fail(agent.calls()[0].id, "of_its_own")
    assert me.ask("$askr.jobs.purge", {"state": "dead"}) == {"purged": 1, "more": False}
    assert me.ask("$askr.jobs.purge", {"target": "agent.fetch"}) == {"purged": 2, "more": False}
    states = [row["state"] for row in me.ask("$askr.jobs.list")]
    assert states == ["queued", "running"]
    assert me.ask("$askr.jobs.purge", {"state": "queued"}) == {"purged": 1, "more": False}
    (call,) = agent.calls()
    agent.reply(call.id)
    assert agent.calls() == []


def test_who_waits_for_a_job_that_is_purged_hears_of_its_end() -> None:
    desk = Desk()
    worker(desk).lose()
    me, ears = desk.join("me"), desk.join("ears")
    ears.sub(1, "$askr.job.ended")
    ask(me)
    me.ask("$askr.jobs.purge", {"state": "queued"})
    told = [body(frame) for frame in ears.heard() if frame.kind == Kind.EVENT]
    assert [(one["state"], one["error"]["message"]) for one in told] == [
        ("cancelled", "the job was purged")
    ]
    assert me.ask("$askr.jobs.list") == []


def test_a_large_purge_says_that_there_is_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_reports, "_PURGED_MAX", 2)
    desk = Desk()
    worker(desk).lose()
    me = desk.join("me")
    for _ in range(3):
        ask(me)
    assert me.ask("$askr.jobs.purge", {"state": "queued"}) == {"purged": 2, "more": True}
    assert me.ask("$askr.jobs.purge", {"state": "queued"}) == {"purged": 1, "more": False}


def test_queues_count_their_jobs_by_state() -> None:
    desk = Desk()
    agent, me = worker(desk, concurrency=1), desk.join("me")
    for _ in range(3):
        ask(me)
    agent.reply(agent.calls()[0].id)
    row = {
        "target": "agent.fetch",
        "queued": 1,
        "running": 1,
        "done": 1,
        "failed": 0,
        "dead": 0,
        "cancelled": 0,
        "attempts": 5,
        "backoff_ms": 1_000,
        "keep_ms": 3_600_000,
        "mode": "balanced",
        "concurrency": 1,
        "instances": 1,
    }
    assert me.ask("$askr.jobs.queues") == [row]
    assert me.ask("$askr.stats")["jobs"] == [row]
    described = me.ask("$askr.describe", {"target": "agent.fetch"})
    assert (described["queue"], described["attempts"], described["jobs"]) == (True, 5, row)
    assert described["guarantees"]["delivery"].startswith("at least once")


def test_a_queue_is_forgotten_only_when_nothing_is_in_it_and_nobody_offers_it() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    wanted = {"target": "agent.fetch"}
    assert me.ask("$askr.jobs.forget", wanted)["code"] == "conflict"
    agent.lose()
    ask(me)
    assert me.ask("$askr.jobs.forget", wanted)["code"] == "conflict"
    me.ask("$askr.jobs.purge", {"state": "queued"})
    assert me.ask("$askr.jobs.forget", wanted) == wanted
    me.call(1)
    assert me.fails() == {1: "no_instance"}
    assert me.ask("$askr.jobs.queues") == []


def test_jobs_of_internal_commands_are_for_services() -> None:
    desk = Desk()
    worker(desk, internal=True)
    friend, me = desk.serve("friend", "x"), desk.join("me")
    ask(friend)
    assert len(friend.ask("$askr.jobs.list")) == 1
    assert me.ask("$askr.jobs.list") == []
    assert me.ask("$askr.jobs.queues") == []
    assert me.ask("$askr.jobs.show", 1)["code"] == "forbidden"
    assert me.ask("$askr.jobs.cancel", 1)["code"] == "forbidden"
    assert me.ask("$askr.jobs.purge", {"state": "queued"})["purged"] == 0


def test_a_request_of_bytes_or_sealed_is_shown_as_such() -> None:
    desk = Desk()
    worker(desk).lose()
    me = desk.join("me")
    me.say(Frame(kind=Kind.CALL, id=1, name=b"agent.fetch", payload=b"\0", coding=Coding.BYTES))
    assert me.ask("$askr.jobs.show", 1)["request_b"] == "AA=="


def test_why_knows_queues_and_what_became_of_jobs() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    assert me.ask("$askr.why", {"target": "agent.fetch"})["verdict"] == "queued"
    ask(me)
    told = me.ask("$askr.why", {"id": 1, "instance": "$jobs"})
    assert (told["state"], told["instance"]) == ("running", f"agent@{agent.session.suffix}")
    agent.fail(agent.calls()[0].id, "of_its_own")
    assert me.ask("$askr.why", {"id": 1, "instance": "$jobs"})["verdict"] == "of_its_own"
    agent.lose()
    told = me.ask("$askr.why", {"target": "agent.fetch"})
    assert (told["verdict"], told["candidates"]) == ("queued", [])


def test_statistics_count_jobs_like_commands() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    ask(me)
    stats = me.ask("$askr.stats")
    counted = {row["name"]: (row["calls"], row["in_flight"]) for row in stats["commands"]}
    assert counted == {"agent.fetch": (1, 1)}
    agent.reply(agent.calls()[0].id)
    assert msgspec.json.encode(me.ask("$askr.stats")["jobs"][0]["done"]) == b"1"
