"""Holds the rest of instances that fail all they get, and their return."""

from typing import Any

import pytest

from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import EJECTION_MS, FAILURES_MAX
from tests.unit.askrd.core.desk import SECOND, Desk, Mate, json

REST = EJECTION_MS // 1000


def room(count: int = 2, **spec: Any) -> tuple[Desk, list[Mate], Mate]:
    desk = Desk()
    agents = [desk.offer("agent", {"name": "fetch"} | spec) for _ in range(count)]
    return desk, agents, desk.join()


class Trial:
    """Fails commands of one instance."""

    def __init__(self, desk: Desk, me: Mate) -> None:
        self.desk, self.me, self.id_ = desk, me, 0

    def call(self, agent: Mate) -> int:
        """Calls one instance; returns its id for it."""
        self.id_ += 1
        self.me.call(self.id_, f"agent@{agent.session.suffix}.fetch", ttl_ms=90_000)
        (call,) = agent.calls()
        return call.id

    def fail(self, agent: Mate, count: int = FAILURES_MAX, code: str = "handler_error") -> None:
        for _ in range(count):
            agent.fail(self.call(agent), code)
        self.me.heard()


def states(me: Mate) -> dict[str, str]:
    return {row["instance"]: row["state"] for row in me.ask("$askr.services")}


def pass_time(desk: Desk, seconds: int) -> None:
    """Lets time pass in which everybody can be heard."""
    for _ in range(seconds):
        desk.after(SECOND)
        for mate in desk.peers:
            mate.say(Frame(kind=Kind.PONG))


@pytest.mark.parametrize("code", ["handler_error", "internal"])
def test_an_instance_that_fails_all_it_gets_rests_and_comes_back(code: str) -> None:
    desk, agents, me = room()
    ear = desk.join("ear")
    ear.sub(1, "$askr.service.changed")
    Trial(desk, me).fail(agents[0], FAILURES_MAX - 1, code)
    assert states(me) == {"i0": "active", "i1": "active"}
    me.call(900, "agent@i0.fetch")
    agents[0].fail(FAILURES_MAX, code)
    assert states(me) == {"i0": "ejected", "i1": "active"}
    me.call(901, "agent@i0.fetch")
    for id_ in range(1_000, 1_004):
        me.call(id_)
    assert (len(agents[0].calls()), len(agents[1].calls())) == (1, 4)
    assert me.fails()[901] == "no_instance"
    pass_time(desk, REST - 1)
    assert states(me)["i0"] == "ejected"
    pass_time(desk, 2)
    assert states(me)["i0"] == "active"
    for id_ in range(2_000, 2_004):
        me.call(id_)
    assert (len(agents[0].calls()), len(agents[1].calls())) == (2, 2)
    assert [f.kind for f in ear.heard()].count(Kind.EVENT) == 2


def test_a_refusal_of_its_own_is_no_failure_and_ends_the_row() -> None:
    desk, agents, me = room()
    trial = Trial(desk, me)
    trial.fail(agents[0], 20, "not_found")
    assert states(me)["i0"] == "active"
    for _ in range(4):
        trial.fail(agents[0], FAILURES_MAX - 1)
        trial.fail(agents[0], 1, "not_found")
    assert states(me)["i0"] == "active"


@pytest.mark.parametrize("declared", [{}, {"concurrency": 9}, {"reply": "ack"}])
def test_a_good_answer_ends_the_row(declared: dict[str, Any]) -> None:
    desk, agents, me = room(**declared)
    trial = Trial(desk, me)
    for _ in range(3):
        trial.fail(agents[0], FAILURES_MAX - 1)
        rid = trial.call(agents[0])
        if declared.get("reply") == "ack":
            agents[0].accept(rid)
        agents[0].reply(rid)
    assert states(me)["i0"] == "active"


def test_deadlines_count_like_failures() -> None:
    desk, _agents, me = room()
    for id_ in range(1, FAILURES_MAX + 1):
        me.call(id_, "agent@i0.fetch", ttl_ms=1_000)
    desk.after(2 * SECOND)
    assert len(me.fails()) == FAILURES_MAX
    assert states(me)["i0"] == "ejected"


def test_a_deadline_too_short_for_anybody_says_nothing() -> None:
    desk, _agents, me = room()
    for id_ in range(1, 2 * FAILURES_MAX):
        me.call(id_, "agent@i0.fetch", ttl_ms=100)
    desk.after(SECOND)
    assert len(me.fails()) == 2 * FAILURES_MAX - 1
    assert states(me)["i0"] == "active"


def test_deadlines_of_a_survey_count_too() -> None:
    desk, agents, me = room(2)
    for id_ in range(1, FAILURES_MAX + 1):
        me.call(id_, "agent@*.fetch", ttl_ms=1_000)
        agents[1].reply(id_)
    desk.after(2 * SECOND)
    assert states(me) == {"i0": "ejected", "i1": "active"}


@pytest.mark.parametrize(("at", "state"), [("handler", "ejected"), ("daemon", "active")])
def test_a_deadline_that_the_instance_noticed_counts(at: str, state: str) -> None:
    _desk, agents, me = room()
    for id_ in range(1, FAILURES_MAX + 1):
        me.call(id_, "agent@i0.fetch")
        agents[0].fail(id_, "deadline_exceeded", at=at)
    assert states(me)["i0"] == state


def test_a_deadline_counts_once_whatever_is_answered_later() -> None:
    desk, agents, me = room()
    for id_ in range(1, FAILURES_MAX):
        me.call(id_, "agent@i0.fetch", ttl_ms=1_000)
    desk.after(2 * SECOND)
    for rid in range(1, FAILURES_MAX):
        agents[0].fail(rid, "handler_error")
    assert states(me)["i0"] == "active"


def test_cancelled_commands_say_nothing_of_their_instance() -> None:
    _desk, agents, me = room()
    for id_ in range(1, 3 * FAILURES_MAX):
        me.call(id_, "agent@i0.fetch")
        me.cancel(id_)
        agents[0].fail(id_, "handler_error")
    assert states(me)["i0"] == "active"


def test_each_rest_in_a_row_is_longer_up_to_a_bound() -> None:
    desk, agents, me = room()
    trial = Trial(desk, me)
    trial.fail(agents[0])
    for times in (1, 2, 3, 4, 5, 6, 6):
        pass_time(desk, REST * times - 1)
        assert states(me)["i0"] == "ejected"
        pass_time(desk, 2)
        assert states(me)["i0"] == "active"
        trial.fail(agents[0], 1)
        assert states(me)["i0"] == "ejected", "one more failure sends it back"


def test_after_a_good_answer_the_first_rest_is_short_again() -> None:
    desk, agents, me = room()
    trial = Trial(desk, me)
    trial.fail(agents[0])
    pass_time(desk, REST + 1)
    trial.fail(agents[0], 1)
    pass_time(desk, 2 * REST + 1)
    agents[0].reply(trial.call(agents[0]))
    trial.fail(agents[0])
    pass_time(desk, REST + 1)
    assert states(me)["i0"] == "active"


# --- the last one --------------------------------------------------------------------------------


def test_the_last_one_never_rests() -> None:
    desk, agents, me = room(1)
    Trial(desk, me).fail(agents[0], 20)
    assert states(me) == {"i0": "active"}


@pytest.mark.parametrize("how", ["disable", "drain", "eject", "silent"])
def test_the_last_one_in_rotation_never_rests(how: str) -> None:
    desk, agents, me = room(2)
    trial = Trial(desk, me)
    if how == "eject":
        trial.fail(agents[1])
    elif how == "silent":
        for _ in range(25):
            desk.after(SECOND)
            agents[0].say(Frame(kind=Kind.PONG))
            me.say(Frame(kind=Kind.PONG))
        assert states(me)["i1"] == "unresponsive"
    else:
        me.ask(f"$askr.{how}", {"target": "agent@i1"})
    trial.fail(agents[0])
    assert states(me)["i0"] == "active"


@pytest.mark.parametrize("how", ["lose", "withdraw", "disable", "drain"])
def test_one_that_rests_comes_back_when_nobody_else_is_left(how: str) -> None:
    desk, agents, me = room(2)
    Trial(desk, me).fail(agents[0])
    if how == "lose":
        agents[1].lose()
    elif how == "withdraw":
        agents[1].say(json(Kind.WITHDRAW, {"service": "agent"}, id=5))
    else:
        me.ask(f"$askr.{how}", {"target": "agent@i1"})
    assert states(me)["i0"] == "active"
    me.call(5_000)
    assert len(agents[0].calls()) == 1


def test_who_was_disabled_while_it_rested_stays_so() -> None:
    desk, agents, me = room(2)
    Trial(desk, me).fail(agents[0])
    me.ask("$askr.disable", {"target": "agent@i0"})
    agents[1].lose()
    assert states(me) == {"i0": "disabled"}


# --- what waits ----------------------------------------------------------------------------------


def test_what_waits_is_given_to_one_that_comes_back() -> None:
    desk, agents, me = room(2, concurrency=1)
    Trial(desk, me).fail(agents[0])
    me.call(5_001, ttl_ms=90_000)
    me.call(5_002, ttl_ms=90_000)
    assert [len(agent.calls()) for agent in agents] == [0, 1]
    pass_time(desk, REST + 1)
    assert [len(agent.calls()) for agent in agents] == [1, 0]


def test_who_hopes_for_one_that_rests_gets_it_when_it_is_back() -> None:
    desk, agents, me = room(2)
    Trial(desk, me).fail(agents[0])
    me.want(5_001, "agent@i0.fetch", wait_ms=60_000, fields={"ttl_ms": 90_000})
    assert me.heard() == []
    pass_time(desk, REST + 1)
    assert len(agents[0].calls()) == 1


def test_enabling_ends_a_rest() -> None:
    desk, agents, me = room(2)
    trial = Trial(desk, me)
    trial.fail(agents[0])
    (row,) = me.ask("$askr.enable", {"target": "agent@i0"})["instances"]
    assert row["state"] == "active"
    trial.fail(agents[0], FAILURES_MAX - 1)
    assert states(me)["i0"] == "active", "its row begins anew"


def test_an_instance_that_left_cannot_be_sent_to_rest() -> None:
    _desk, agents, me = room(2)
    for id_ in range(1, FAILURES_MAX + 2):
        me.call(id_, "agent@i0.fetch")
    agents[0].say(json(Kind.WITHDRAW, {"service": "agent"}, id=5))
    agents[0].provide("agent", "fetch")
    for rid in range(1, FAILURES_MAX + 2):
        agents[0].fail(rid, "handler_error")
    assert states(me) == {"i0": "active", "i1": "active"}
