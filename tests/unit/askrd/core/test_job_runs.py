"""Holds how jobs are carried out: in order, again after a failure, and to exactly one end."""

from typing import Any

import pytest

from askrd.core.jobs import row_of
from askrd.wire.frames import FLAG_MORE, Coding, Frame, Kind
from askrd.wire.limits import GATED_BYTES_MAX, JOB_PROGRESS_BYTES_MAX, JOBS_BYTES_MAX
from tests.unit.askrd.core.desk import MS, SECOND, Desk, body, json
from tests.unit.askrd.core.workshop import ask, news, options, state, worker


def test_a_caller_gets_an_id_and_the_worker_the_command() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    assert ask(me, {"depth": 2}) == "1"
    (call,) = agent.calls()
    assert (call.name, body(call), call.ttl_ms) == (b"agent.fetch", {"depth": 2}, 30_000)
    assert options(call) == {"job": "1", "attempt": 1}
    assert call.stamp == f"me@{me.session.suffix}".encode()
    agent.reply(call.id, b"42")
    shown = me.ask("$askr.jobs.show", {"id": "1"})
    assert (shown["state"], shown["value"], shown["attempts"]) == ("done", 42, 1)
    desk.assert_nothing_is_left()


def test_headers_and_depth_of_the_call_reach_the_worker() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    me.call(1, head=b'{"traceparent":"x"}', hops=3, payload=b"\0\1", coding=Coding.BYTES)
    (call,) = agent.calls()
    assert (call.head, call.hops, call.payload, call.coding) == (
        b'{"traceparent":"x"}', 3, b"\0\1", Coding.BYTES,
    )  # fmt: skip


def test_nothing_runs_and_nobody_is_answered_before_the_store_has_the_job() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    desk.is_stored = False
    me.call(1)
    assert (me.heard(), agent.calls()) == ([], [])
    desk.commit(desk.router.board.gate.ticket)
    assert [body(frame) for frame in me.heard()] == [{"job": "1"}]
    assert len(agent.calls()) == 1


def test_a_refusal_of_the_store_leaves_no_job() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    desk.is_stored = False
    me.call(1)
    desk.router.rejected("no room", desk.now_us)
    assert me.fails() == {1: "storage_unavailable"}
    assert agent.calls() == []
    jobs = desk.router.board.workspaces["askr"].jobs
    assert (jobs.count, jobs.bytes, jobs.items) == (0, 0, {})


def test_one_runs_at_a_time_in_order_when_nothing_else_is_declared() -> None:
    desk = Desk()
    first, second, me = worker(desk), worker(desk), desk.join("me")
    for number in range(1, 4):
        ask(me, number, id_=number)
    order = []
    for _ in range(3):
        calls = [(agent, call) for agent in (first, second) for call in agent.calls()]
        assert len(calls) == 1
        agent, call = calls[0]
        order.append(body(call))
        agent.reply(call.id)
    assert order == [1, 2, 3]
    desk.assert_nothing_is_left()


def test_concurrency_counts_per_instance() -> None:
    desk = Desk()
    agents = [worker(desk, concurrency=2), worker(desk, concurrency=2)]
    me = desk.join("me")
    for number in range(1, 7):
        ask(me, number, id_=number)
    running = [agent.calls() for agent in agents]
    assert [len(calls) for calls in running] == [2, 2]
    agents[1].reply(running[1][0].id)
    assert [len(agent.calls()) for agent in agents] == [0, 1]


def test_jobs_wait_for_a_worker_to_come() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    agent.lose()
    assert ask(me) == "1"
    assert state(me, "1") == "queued"
    again = worker(desk)
    assert [options(call)["job"] for call in again.calls()] == ["1"]


def test_a_lost_worker_s_job_goes_to_another_one_at_once() -> None:
    desk = Desk()
    first, me = worker(desk), desk.join("me")
    ask(me)
    ask(me, id_=2)
    assert len(first.calls()) == 1
    second = worker(desk)
    assert second.calls() == []
    first.lose()
    (call,) = second.calls()
    assert options(call) == {"job": "1", "attempt": 2}
    assert me.ask("$askr.jobs.show", 1)["error"]["code"] == "instance_lost"


def test_an_attempt_that_was_never_read_is_not_counted() -> None:
    desk = Desk()
    first, me = worker(desk), desk.join("me")
    ask(me)
    first.lose()  # the call is still in its outbox
    second = worker(desk)
    assert [options(call)["attempt"] for call in second.calls()] == [1]


@pytest.mark.parametrize(
    ("code", "members"),
    [
        ("handler_error", {}),
        ("internal", {}),
        ("deadline_exceeded", {"at": "handler"}),
        ("cancelled", {"at": "handler"}),
        ("of_its_own", {"retryable": True}),
    ],
)
def test_what_may_pass_is_tried_again_after_a_pause(code: str, members: Any) -> None:
    desk = Desk()
    agent, me = worker(desk, backoff_ms=500), desk.join("me")
    ask(me)
    agent.fail(agent.calls()[0].id, code, **members)
    shown = me.ask("$askr.jobs.show", 1)
    assert (shown["state"], shown["error"]["code"]) == ("queued", code)
    desk.after(499 * MS)
    assert agent.calls() == []
    desk.after(50 * MS)
    (call,) = agent.calls()
    assert options(call)["attempt"] == 2
    agent.reply(call.id)
    assert state(me, "1") == "done"


def test_an_error_that_the_handler_chose_ends_the_job() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    me.sub(7, "$askr.**")
    ask(me)
    agent.fail(agent.calls()[0].id, "no_such_page", message="gone")
    (told,) = news(me)
    assert (told["state"], told["error"]["code"]) == ("failed", "no_such_page")
    assert agent.calls() == []


def test_of_a_large_failure_the_beginning_is_kept() -> None:
    desk = Desk()
    agent, me = worker(desk, attempts=1), desk.join("me")
    job = ask(me)
    (call,) = agent.calls()
    large = "é" * 100_000
    agent.fail(call.id, "handler_error", message=large, details={"trace": large}, at=large)
    error = me.ask("$askr.jobs.show", job)["error"]
    assert (error["code"], error["details"]) == ("handler_error", {"omitted": True})
    assert large.startswith(error["message"])
    assert len(error["message"]) > 100
    kept = desk.router.board.workspaces["askr"].jobs.items[int(job)]
    assert len(row_of(kept)) < JOB_PROGRESS_BYTES_MAX


def test_the_pause_doubles_and_the_last_attempt_makes_the_job_dead() -> None:
    desk = Desk()
    agent, me = worker(desk, attempts=3, backoff_ms=1_000), desk.join("me")
    me.sub(7, "$askr.dead.**")
    ask(me)
    for pause in (1, 2):
        agent.fail(agent.calls()[0].id, "handler_error")
        desk.after(pause * SECOND - 10 * MS)
        assert agent.calls() == []
        desk.after(60 * MS)
    agent.fail(agent.calls()[0].id, "handler_error", message="boom")
    (told,) = news(me, b"$askr.dead.agent.fetch")
    assert (told["id"], told["state"], told["attempts"]) == ("1", "dead", 3)
    assert told["error"]["message"] == "boom"
    desk.after(4_000 * SECOND)
    assert state(desk.join("late"), "1") == "dead", "it stays until somebody has looked at it"


def test_others_go_ahead_of_a_job_that_waits_to_be_tried_again() -> None:
    desk = Desk()
    agent, me = worker(desk, backoff_ms=1_000), desk.join("me")
    ask(me, "a")
    ask(me, "b", id_=2)
    ask(me, "c", id_=3)
    agent.fail(agent.calls()[0].id, "handler_error")
    (call,) = agent.calls()
    assert body(call) == "b"
    desk.after(1_100 * MS)
    assert agent.calls() == []
    agent.reply(call.id)
    assert [body(call) for call in agent.calls()] == ["a"], "it has kept its place"


def test_a_deadline_stops_the_attempt_and_the_next_waits_until_it_has_stopped() -> None:
    desk = Desk()
    agent, me = worker(desk, timeout_ms=100, backoff_ms=10), desk.join("me")
    ask(me)
    (call,) = agent.calls()
    desk.after(150 * MS)
    assert [frame.kind for frame in agent.heard()] == [Kind.CANCEL]
    assert me.ask("$askr.jobs.show", 1)["error"]["code"] == "deadline_exceeded"
    desk.after(100 * MS)
    assert agent.calls() == []
    agent.fail(call.id, "cancelled")
    assert [options(call)["attempt"] for call in agent.calls()] == [2]


def test_a_late_answer_to_an_attempt_that_was_given_up_does_not_count() -> None:
    desk = Desk()
    agent, me = worker(desk, timeout_ms=100, backoff_ms=10_000), desk.join("me")
    ask(me)
    (call,) = agent.calls()
    desk.after(150 * MS)
    agent.reply(call.id, b'"late"')
    assert state(me, "1") == "queued"


def test_every_end_is_told_with_the_value_unless_it_is_large() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    me.sub(7, "$askr.job.ended")
    for number, value in enumerate((b'{"a":1}', b'"' + b"x" * 70_000 + b'"'), 1):
        ask_id = number * 10
        me.call(ask_id)
        agent.reply(agent.calls()[0].id, value)
        (told,) = news(me)
        assert (told["id"], told["state"]) == (str(number), "done")
        assert told.get("value") == ({"a": 1} if number == 1 else None)
        assert ("value" in told) == (number == 1)


def test_a_result_is_shown_to_the_letter() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    me.sub(7, "$askr.job.ended")
    ask(me)
    agent.reply(agent.calls()[0].id, b"[1.0, 12345678901234567890123]")
    (event,) = [frame for frame in me.heard() if frame.kind == Kind.EVENT]
    assert b'"value":[1.0, 12345678901234567890123]' in event.payload


def test_a_result_of_bytes_is_shown_as_such() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    ask(me)
    call = agent.calls()[0]
    agent.say(Frame(kind=Kind.REPLY, id=call.id, payload=b"\0\1", coding=Coding.BYTES))
    assert me.ask("$askr.jobs.show", 1)["b"] == "AAE="


def test_a_result_that_is_no_json_harms_nobody() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    me.sub(7, "$askr.job.ended")
    ask(me)
    agent.reply(agent.calls()[0].id, b"{no json")
    (told,) = news(me)
    assert told["b"] == "e25vIGpzb24="


def test_a_result_in_pieces_fails_the_job() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    ask(me)
    call = agent.calls()[0]
    agent.item(call.id, b"part", flags=FLAG_MORE)
    shown = me.ask("$askr.jobs.show", 1)
    assert (shown["state"], shown["error"]["code"]) == ("failed", "payload_too_large")


@pytest.mark.parametrize(
    ("payload", "coding", "state"),
    [
        (b"[%s1]" % (b"1," * 520_000), Coding.JSON, "done"),
        (b"[%s1]" % (b"1," * 524_285), Coding.JSON, "failed"),
        (b"[%s" % (b"1," * 400_000), Coding.JSON, "failed"),
        (b"\xff" * 780_000, Coding.BYTES, "done"),
        (b"\xff" * 790_000, Coding.BYTES, "failed"),
    ],
)
def test_a_result_that_could_not_be_shown_fails_the_job(
    payload: bytes, coding: int, state: str
) -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    job = ask(me)
    (call,) = agent.calls()
    agent.say(Frame(kind=Kind.REPLY, id=call.id, payload=payload, coding=coding))
    shown = me.ask("$askr.jobs.show", job)
    assert shown["state"] == state
    if state == "failed":
        assert (shown["error"]["code"], shown["error"]["at"]) == ("payload_too_large", "response")


def test_the_last_progress_of_a_running_job_is_shown_to_who_asks() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    ask(me)
    call = agent.calls()[0]
    assert "progress" not in me.ask("$askr.jobs.show", 1)
    agent.say(json(Kind.PROGRESS, 0.25, id=call.id), json(Kind.PROGRESS, 0.5, id=call.id))
    assert (agent.heard(), me.heard()) == ([], [])
    assert me.ask("$askr.jobs.show", 1)["progress"] == 0.5
    agent.say(json(Kind.PROGRESS, "x" * JOB_PROGRESS_BYTES_MAX, id=call.id))
    assert me.ask("$askr.jobs.show", 1)["progress"] == 0.5
    agent.reply(call.id)
    shown = me.ask("$askr.jobs.show", 1)
    assert (shown["state"], "progress" in shown) == ("done", False)


def test_the_progress_of_jobs_counts_with_them() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me")
    ask(me)
    jobs = desk.router.board.workspaces["askr"].jobs
    before = jobs.bytes
    agent.say(json(Kind.PROGRESS, "x" * 998, id=agent.calls()[0].id))
    assert jobs.bytes == before + 1_000
    desk.after(31 * SECOND)
    assert state(me, "1") == "queued"
    assert jobs.bytes == before


def test_a_result_is_kept_as_long_as_declared() -> None:
    desk = Desk()
    agent, me = worker(desk, keep_ms=2_000), desk.join("me")
    ask(me)
    agent.reply(agent.calls()[0].id)
    desk.after(1_900 * MS)
    assert state(me, "1") == "done"
    desk.after(200 * MS)
    assert me.ask("$askr.jobs.show", 1)["code"] == "not_found"
    jobs = desk.router.board.workspaces["askr"].jobs
    assert (jobs.count, jobs.bytes) == (0, 0)


def test_a_result_that_is_not_to_be_kept_is_told_only() -> None:
    desk = Desk()
    agent, me = worker(desk, keep_ms=0), desk.join("me")
    me.sub(7, "$askr.job.ended")
    ask(me)
    agent.reply(agent.calls()[0].id, b"7")
    assert [told["value"] for told in news(me)] == [7]


def test_results_take_no_more_room_than_jobs_may() -> None:
    desk = Desk()
    agent, me = worker(desk), desk.join("me", is_held=False)
    size = desk.router.board.limits.payload_bytes_max * 7 // 10
    count = JOBS_BYTES_MAX // size + 3
    for number in range(1, count + 1):
        ask(me, id_=number)
    for _ in range(count):
        (call,) = agent.calls()
        agent.say(Frame(kind=Kind.REPLY, id=call.id, payload=bytes(size), coding=Coding.BYTES))
        desk.effects.clear()
    assert desk.router.board.workspaces["askr"].jobs.bytes <= JOBS_BYTES_MAX
    assert me.ask("$askr.jobs.show", {"id": "1"})["code"] == "not_found"
    assert me.ask("$askr.jobs.list", {"limit": 1})[0]["id"] == str(count)


def test_attempts_wait_while_the_store_is_too_far_behind() -> None:
    desk = Desk()
    agent = worker(desk, backoff_ms=0, attempts=1_000)
    me = desk.join("me", is_held=False)
    size = desk.router.board.limits.payload_bytes_max
    me.call(1, payload=bytes(size))
    desk.is_stored = False
    gate = desk.router.board.gate
    while calls := agent.calls():
        agent.fail(calls[0].id, retryable=True)
        desk.effects.clear()
        assert gate.waiting_bytes < GATED_BYTES_MAX + 2 * size
    desk.is_stored = True
    desk.commit(gate.ticket)
    desk.after(SECOND)
    assert len(agent.calls()) == 1
