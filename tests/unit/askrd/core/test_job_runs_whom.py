"""Holds which instance gets a job: drain, rotation, room, and one job for each instance."""

from typing import Any

from askrd.core import departure
from askrd.wire.frames import Kind
from tests.unit.askrd.core.desk import SECOND, Desk, Mate, body, json
from tests.unit.askrd.core.workshop import ask, options, state, worker

# ── rotation, drain ───────────────────────────────────────────────────────────────────────────


def test_a_draining_daemon_starts_no_job_and_waits_for_those_that_run() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    ask(me)
    ask(me, id_=2)
    (call,) = agent.calls()
    desk.router.drain(1_000, desk.now_us)
    assert departure.in_flight(desk.router.board) == 1
    agent.reply(call.id)
    assert departure.in_flight(desk.router.board) == 0
    assert agent.calls() == []
    assert [row["state"] for row in desk_rows(desk)] == ["done", "queued"]


def desk_rows(desk: Desk) -> list[dict[str, Any]]:
    jobs = desk.router.board.workspaces["askr"].jobs
    return [{"state": job.state} for job in jobs.items.values()]


def test_a_disabled_worker_gets_no_job_until_it_is_enabled() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    me.ask("$askr.disable", {"target": "agent"})
    ask(me)
    assert agent.calls() == []
    me.ask("$askr.enable", {"target": "agent"})
    assert len(agent.calls()) == 1


def test_a_worker_that_does_not_read_gets_its_job_when_it_does() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    agent.pause()
    ask(me)
    assert me.ask("$askr.jobs.queues")[0]["queued"] == 1
    agent.resume()
    assert len(agent.calls()) == 1


def test_a_service_s_own_concurrency_holds_for_jobs_and_commands_together() -> None:
    desk = Desk()
    specs = {"name": "fetch", "queue": True, "concurrency": 5}, {"name": "look"}
    agent, me = desk.offer("agent", *specs, concurrency=1), desk.join("me")
    me.call(1, "agent.look")
    ask(me, id_=2)
    (call,) = agent.calls()
    assert call.name == b"agent.look"
    agent.reply(call.id)
    assert [call.name for call in agent.calls()] == [b"agent.fetch"]


# ── one job for each instance ─────────────────────────────────────────────────────────────────


def broadcast(desk: Desk, **hello: Any) -> Mate:
    return worker(desk, hello, mode="broadcast", keep_ms=100_000)


def ask_all(me: Mate, id_: int = 1) -> list[str]:
    me.call(id_)
    (answer,) = [frame for frame in me.heard() if frame.id == id_]
    return body(answer)["jobs"]


def test_a_broadcast_queue_makes_a_job_for_every_instance() -> None:
    desk = Desk()
    agents, me = [broadcast(desk), broadcast(desk)], desk.join("me")
    assert ask_all(me) == ["1", "2"]
    assert ask_all(me, 2) == ["3", "4"]
    calls = [agent.calls() for agent in agents]
    assert [[options(c)["job"] for c in each] for each in calls] == [["1"], ["2"]]
    agents[1].reply(calls[1][0].id)
    assert [options(call)["job"] for call in agents[1].calls()] == ["4"]


def test_a_broadcast_job_waits_for_its_instance_and_dies_without_it() -> None:
    desk = Desk()
    gone, there, me = broadcast(desk), broadcast(desk), desk.join("me")
    suffix = gone.session.suffix
    ask_all(me)
    gone.calls()
    gone.lose()
    assert len(there.calls()) == 1, "its own, and not that of the other"
    assert state(me, "1") == "queued"
    back = broadcast(desk, instance=suffix)
    assert [options(call)["job"] for call in back.calls()] == ["1"]
    back.lose()
    desk.after(99 * SECOND)
    assert state(desk.join("late"), "1") == "queued"
    desk.after(2 * SECOND)
    shown = desk.join("late").ask("$askr.jobs.show", 1)
    assert (shown["state"], shown["error"]["code"]) == ("dead", "instance_lost")


def test_a_broadcast_queue_without_instances_says_so() -> None:
    desk = Desk()
    agent, me = broadcast(desk), desk.join("me")
    agent.lose()
    me.call(1)
    assert me.fails() == {1: "no_instance"}


def test_the_policy_and_the_key_choose_the_instance() -> None:
    desk = Desk()
    agents = [worker(desk, concurrency=9, policy="hash") for _ in range(3)]
    me = desk.join("me")
    for number in range(1, 7):
        ask(me, number, id_=number, key="a" if number % 2 else "b")
    got = [{body(call) % 2 for call in agent.calls()} for agent in agents]
    assert sorted(len(odd_or_even) for odd_or_even in got) in ([0, 0, 2], [0, 1, 1])


def test_a_worker_that_leaves_in_order_has_its_job_done_by_another() -> None:
    desk = Desk()
    first, me = worker(desk), desk.join("me")
    ask(me)
    (call,) = first.calls()
    second = worker(desk)
    first.say(json(Kind.WITHDRAW, {"service": "agent"}, id=901))
    assert second.calls() == [], "it is being done"
    first.reply(call.id)
    assert state(me, "1") == "done"
    ask(me, id_=2)
    assert [options(call)["job"] for call in second.calls()] == ["2"]


def test_what_is_remembered_of_a_job_that_was_forgotten_holds_no_payload() -> None:
    desk = Desk()
    agent, me = worker(desk, keep_ms=0), desk.join("me")
    ask(me, "x" * 1_000)
    agent.reply(agent.calls()[0].id, b'"' + b"y" * 1_000 + b'"')
    (entry,) = desk.router.board.recent
    assert entry[7].job.payload + entry[7].job.result == b""


def test_an_instance_that_does_not_come_back_leaves_no_place_behind() -> None:
    desk = Desk()
    agent, me = worker(desk, mode="broadcast", keep_ms=1_000), desk.join("me", is_held=False)
    me.call(1)
    me.call(2)
    agent.lose()
    desk.after(200 * SECOND)
    (queue,) = desk.router.board.workspaces["askr"].jobs.queues.values()
    assert (queue.counts["dead"], queue.is_split) == (2, False)


def test_a_job_that_is_purged_leaves_no_place_behind() -> None:
    desk = Desk()
    agent, me = worker(desk, mode="broadcast"), desk.join("me", is_held=False)
    me.call(1)
    me.call(2)
    agent.lose()
    me.ask("$askr.jobs.purge", {"state": "queued"})
    (queue,) = desk.router.board.workspaces["askr"].jobs.queues.values()
    assert (queue.total, queue.is_split) == (0, False)


def test_the_last_answer_of_one_that_withdrew_starts_the_next_job() -> None:
    desk = Desk()
    spec = {"name": "fetch", "queue": True}
    first, second = desk.join("agent"), desk.join("agent")
    for agent in (first, second):
        provision = {"service": "agent", "commands": [spec], "concurrency": 2}
        agent.say(json(Kind.PROVIDE, provision, id=900))
    me = desk.join("me")
    ask(me)
    ask(me, id_=2)
    (call,) = first.calls()
    assert second.calls() == [], "one at a time"
    first.say(json(Kind.WITHDRAW, {"service": "agent"}, id=901))
    assert second.calls() == []
    first.reply(call.id)
    assert [options(each)["job"] for each in second.calls()] == ["2"]
