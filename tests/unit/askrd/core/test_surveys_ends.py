"""Holds every end of a survey, and surveys that nobody answers with a value."""

from typing import Any

import pytest

from askrd.wire.frames import FLAG_SILENT, Kind
from tests.unit.askrd.core.desk import MS, SECOND, Desk, body
from tests.unit.askrd.core.test_surveys import ALL, room, rows, summary

# --- its ends ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "needed"), [({"first": True}, 1), ({"quorum": 2}, 2)])
def test_enough_good_rows_end_it_and_the_others_are_cancelled(
    options: dict[str, Any], needed: int
) -> None:
    desk, agents, me = room(4)
    me.want(5, ALL, **options)
    for agent in agents:
        agent.heard()
    agents[3].fail(1)
    assert rows(me)[1] is None, "a failed row is not enough"
    for agent in agents[:needed]:
        agent.reply(1)
    assert rows(me)[1] == summary(ok=needed, failed=1)
    for agent in agents[needed:3]:
        (cancel,) = agent.heard()
        assert (cancel.kind, cancel.id, body(cancel)) == (Kind.CANCEL, 1, {"reason": "caller"})
        agent.reply(1)
    assert me.heard() == []
    desk.assert_nothing_is_left()


def test_a_quorum_above_the_members_waits_for_all() -> None:
    desk, agents, me = room(2)
    me.want(5, ALL, quorum=9)
    for agent in agents:
        agent.reply(1)
    assert rows(me)[1] == summary(ok=2)
    desk.assert_nothing_is_left()


def test_at_the_deadline_missing_rows_are_failed_rows() -> None:
    desk, agents, me = room(3)
    me.call(5, ALL, ttl_ms=300)
    agents[1].reply(1)
    me.heard()
    desk.after(SECOND)
    assert rows(me) == (
        [("agent@i0", "deadline_exceeded"), ("agent@i2", "deadline_exceeded")],
        summary(ok=1, failed=2),
    )
    for agent in (agents[0], agents[2]):
        assert agent.heard()[-1].kind == Kind.CANCEL
        agent.reply(1)
    assert me.heard() == []
    desk.assert_nothing_is_left()


def test_without_a_deadline_of_the_caller_the_longest_of_the_members_counts() -> None:
    desk = Desk()
    agents = [desk.offer("agent", {"name": "fetch", "timeout_ms": 400})]
    agents.append(desk.offer("other", {"name": "fetch", "timeout_ms": 900}))
    me = desk.join()
    me.call(5, "*@*.fetch")
    assert [agent.calls()[0].ttl_ms for agent in agents] == [900, 900]
    desk.after(600 * MS)
    assert me.heard() == []
    desk.after(600 * MS)
    assert rows(me)[1] == summary(failed=2)


def test_a_cancelled_survey_is_one_fail_and_stops_everyone() -> None:
    desk, agents, me = room(3)
    me.call(5, ALL)
    agents[0].reply(1)
    me.heard()
    me.cancel(5)
    assert me.fails() == {5: "cancelled"}
    for agent in agents[1:]:
        assert agent.kinds() == [Kind.CALL, Kind.CANCEL]
        agent.reply(1)
    assert me.heard() == []
    desk.assert_nothing_is_left()


def test_a_lost_caller_stops_everyone() -> None:
    desk, agents, me = room(2)
    me.call(5, ALL)
    me.lose()
    for agent in agents:
        assert agent.kinds() == [Kind.CALL, Kind.CANCEL]
        agent.reply(1)
    desk.assert_nothing_is_left()


def test_a_member_that_is_the_caller_may_leave_in_the_middle() -> None:
    desk, agents, _me = room(2)
    agents[0].call(5, ALL)
    agents[0].lose()
    agents[1].reply(1)
    desk.assert_nothing_is_left()


def test_a_survey_may_be_asked_of_oneself() -> None:
    desk, agents, _me = room(1)
    agents[0].call(5, ALL)
    agents[0].heard()
    agents[0].reply(1)
    assert rows(agents[0])[1] == summary(ok=1)
    desk.assert_nothing_is_left()


# --- tells and acks ------------------------------------------------------------------------------


def test_everyone_is_told_at_once() -> None:
    desk, agents, me = room(3)
    me.tell(5, ALL, payload=b"p")
    assert rows(me) == ([], summary(ok=3))
    for agent in agents:
        (call,) = agent.calls()
        assert (call.id, call.flags, call.payload) == (0, FLAG_SILENT, b"p")
    desk.assert_nothing_is_left()


def test_a_busy_member_is_not_told_and_the_others_are() -> None:
    desk, agents, me = room(3, concurrency=1)
    me.call(1, "agent@i1.fetch")
    me.tell(5, ALL)
    assert rows(me) == ([], summary(ok=2, failed=1))
    assert [len(agent.calls()) for agent in agents] == [1, 1, 1]
    agents[1].reply(1)
    desk.assert_nothing_is_left()


def test_an_ack_of_each_is_a_row_and_the_work_goes_on() -> None:
    desk, agents, me = room(3, reply="ack")
    ear = desk.join("ear")
    ear.sub(1, "$askr.command.failed")
    ear.heard()
    me.call(5, ALL)
    agents[0].accept(1)
    agents[1].reply(1, b"payload that nobody asked for")
    agents[2].accept(1)
    assert rows(me) == ([(f"agent@i{n}", None) for n in range(3)], summary(ok=3))
    agents[0].reply(1)
    agents[2].fail(1, "late")
    (event,) = ear.heard()
    assert (body(event)["id"], body(event)["instance"]) == (5, "i2")
    desk.assert_nothing_is_left()


def test_members_that_declare_different_modes_are_each_told_what_is_wanted() -> None:
    desk = Desk()
    one = desk.offer("agent", {"name": "fetch", "reply": "stream"})
    two = desk.offer("other", {"name": "fetch", "reply": "value"})
    me = desk.join()
    me.want(5, "*@*.fetch", reply="value")
    assert [agent.calls()[0].options for agent in (one, two)] == [b'{"reply":"value"}', b""]


def test_a_survey_may_wait_for_somebody_to_come() -> None:
    desk = Desk()
    me = desk.join()
    me.want(5, ALL, wait_ms=5_000)
    assert me.heard() == []
    agent = desk.serve()
    agent.reply(1)
    assert rows(me) == ([("agent@i1", 1)], summary(ok=1))
    desk.assert_nothing_is_left()
