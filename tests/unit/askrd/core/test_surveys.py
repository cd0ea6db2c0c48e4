"""Holds surveys: who is asked, one row each, one outcome, and every way to end."""

from typing import Any

import pytest

from askrd.core import surveys
from askrd.wire.frames import FLAG_MORE, Frame, Kind
from askrd.wire.limits import Limits
from tests.unit.askrd.core.desk import SECOND, Desk, Mate, body, json

ALL = "agent@*.fetch"


def room(count: int = 3, **spec: Any) -> tuple[Desk, list[Mate], Mate]:
    desk = Desk()
    agents = [desk.offer("agent", {"name": "fetch"} | spec) for _ in range(count)]
    return desk, agents, desk.join(streams=True)


def rows(me: Mate) -> tuple[list[tuple[str, Any]], dict[str, int] | None]:
    """Returns the rows since the last time, with what they say, and the summary if it came."""
    heard = me.heard()
    found: list[tuple[str, Any]] = []
    for frame in heard:
        if frame.flags & FLAG_MORE:
            assert frame.kind in {Kind.REPLY, Kind.FAIL}
            value = body(frame) if frame.payload else None
            said = value["code"] if frame.kind == Kind.FAIL else value
            found.append((frame.stamp.decode(), said))
    outcomes = [frame for frame in heard if not frame.flags & FLAG_MORE]
    if not outcomes:
        return found, None
    (outcome,) = outcomes
    assert (outcome.kind, outcome.stamp) == (Kind.REPLY, b"$askr@d")
    assert heard[-1] is outcome, "the outcome is the last that is said"
    return found, body(outcome)


def summary(ok: int = 0, failed: int = 0, lost: int = 0) -> dict[str, int]:
    return {"ok": ok, "failed": failed, "lost": lost}


# --- who is asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "options", "asked"),
    [
        ("agent@*.fetch", {}, "i0 i1 i2"),
        ("agent@i0,i2.fetch", {}, "i0 i2"),
        ("*@*.fetch", {}, "i0 i1 i2 i3"),
        ("agent@{zone=eu}.fetch", {"all": True}, "i0 i2"),
        ("agent@{version=^2}.fetch", {"all": True}, "i1"),
        ("agent.fetch", {"all": True}, "i0 i1 i2"),
        ("agent@i1.fetch", {"all": True}, "i1"),
        ("agent@*.fetch", {"exclude": ["i1"]}, "i0 i2"),
        ("agent@*.fetch", {"version": "1"}, "i0 i2"),
    ],
)
def test_a_survey_asks_everyone_its_address_means(
    address: str, options: dict[str, Any], asked: str
) -> None:
    desk = Desk()
    agents = [
        desk.offer(service, {"name": "fetch"}, tags={"zone": zone}, version=version)
        for service, zone, version in (
            ("agent", "eu", "1.0.0"), ("agent", "us", "2.1.0"), ("agent", "eu", "1.9.0"),
            ("other", "eu", "3.0.0"),
        )
    ]  # fmt: skip
    me = desk.join()
    me.want(5, address, **options)
    took = [agent for agent in agents if agent.calls()]
    assert " ".join(agent.session.suffix for agent in took) == asked
    for agent in took:
        agent.reply(1)
    found, outcome = rows(me)
    assert len(found) == len(took)
    assert outcome == summary(ok=len(took))
    desk.assert_nothing_is_left()


@pytest.mark.parametrize("address", ["agent@i1.fetch", "agent.fetch", "agent@{zone=eu}.fetch"])
def test_what_means_one_is_no_survey(address: str) -> None:
    desk = Desk()
    agents = [desk.serve("agent", tags={"zone": "eu"}) for _ in range(2)]
    me = desk.join()
    me.call(5, address)
    (asked,) = [agent for agent in agents if agent.calls()]
    asked.reply(1)
    (reply,) = me.heard()
    assert (reply.flags, reply.payload) == (0, b"1")


def test_a_declared_broadcast_asks_everyone_under_its_plain_name() -> None:
    desk, agents, me = room(mode="broadcast")
    me.call(5)
    for agent in agents:
        (call,) = agent.calls()
        assert call.name == b"agent.fetch"
        agent.reply(1)
    assert rows(me)[1] == summary(ok=3)
    me.call(6, "fetch")
    assert [len(agent.calls()) for agent in agents] == [1, 1, 1], "a bare name too"
    me.call(7, "agent@i1.fetch")
    assert [len(agent.calls()) for agent in agents] == [0, 1, 0], "one by its id is no survey"
    desk.after(40 * SECOND)
    me.lose()


def test_who_is_out_of_rotation_is_not_asked() -> None:
    desk, agents, me = room(3)
    me.ask("$askr.disable", {"target": "agent@i0"})
    me.ask("$askr.drain", {"target": "agent@i1"})
    me.call(5, ALL)
    assert [len(agent.calls()) for agent in agents] == [0, 0, 1]
    desk.offer("agent", {"name": "fetch"})
    agents[2].reply(1)
    assert rows(me) == ([("agent@i2", 1)], summary(ok=1)), "members are frozen at dispatch"


@pytest.mark.parametrize(
    ("address", "options", "code"),
    [
        ("nobody@*.fetch", {}, "service_unknown"),
        ("agent@*.nothing", {}, "command_unknown"),
        ("*@*.nothing", {}, "command_unknown"),
        ("agent@x,y.fetch", {}, "no_instance"),
        ("agent@{zone=us}.fetch", {"all": True}, "no_instance"),
        (ALL, {"exclude": ["i0", "i1", "i2"]}, "no_instance"),
        (ALL, {"version": "9"}, "no_instance"),
        (ALL, {"reply": "stream"}, "bad_request"),
        (ALL, {"upload": "payload"}, "bad_request"),
        (ALL, {"idempotency_key": "k"}, "bad_request"),
        ("agent.nothing", {"all": True}, "command_unknown"),
        ("no way", {"all": True}, "bad_request"),
    ],
)
def test_a_survey_of_nobody_is_one_fail(address: str, options: dict[str, Any], code: str) -> None:
    desk, agents, me = room()
    me.want(5, address, **options)
    (fail,) = me.heard()
    assert (fail.kind, fail.flags, body(fail)["code"]) == (Kind.FAIL, 0, code)
    assert all(agent.calls() == [] for agent in agents)
    desk.assert_nothing_is_left()


def test_a_survey_of_those_who_may_not_be_asked_is_forbidden() -> None:
    _desk, agents, me = room(internal=True)
    me.call(5, ALL)
    assert me.fails() == {5: "forbidden"}
    assert all(agent.calls() == [] for agent in agents)


def test_the_members_of_a_survey_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveys, "SURVEY_MEMBERS_MAX", 2)
    desk, _agents, me = room(3)
    me.call(5, ALL)
    assert me.fails() == {5: "limit_exceeded"}
    desk.assert_nothing_is_left()


def test_the_daemons_own_commands_cannot_be_surveyed() -> None:
    _desk, _agents, me = room(1)
    me.want(5, "$askr.ping", all=True)
    me.call(6, "*@*.ping")
    assert me.fails() == {5: "bad_request", 6: "command_unknown"}


# --- rows and the outcome ------------------------------------------------------------------------


def test_each_member_is_one_row_and_the_last_one_ends_it() -> None:
    desk, agents, me = room()
    me.call(5, ALL, payload=b"p", ttl_ms=700, hops=1)
    for agent in agents:
        (call,) = agent.calls()
        assert (call.payload, call.ttl_ms, call.hops, call.options) == (b"p", 700, 1, b"")
        assert (call.stamp, call.name) == (b"me@i3", b"agent.fetch")
    agents[1].reply(1, b'"b"')
    agents[0].fail(1, "refused")
    assert rows(me) == ([("agent@i1", "b"), ("agent@i0", "refused")], None)
    agents[1].reply(1, b'"again"')
    assert rows(me) == ([], None), "a second answer is dropped"
    agents[2].reply(1, b'"c"')
    assert rows(me) == ([("agent@i2", "c")], summary(ok=2, failed=1))
    desk.assert_nothing_is_left()


def test_every_row_has_the_callers_id_and_is_free_of_it_afterwards() -> None:
    desk, agents, me = room(2)
    me.call(5, ALL)
    me.call(5, ALL)
    assert me.errors() == [(5, "bad_request")], "the id is in use"
    for agent in agents:
        agent.reply(1)
    assert {frame.id for frame in me.heard()} == {5}
    me.call(5, ALL)
    for agent in agents:
        agent.reply(2)
    assert rows(me)[1] == summary(ok=2)
    desk.assert_nothing_is_left()


def test_progress_of_a_member_reaches_the_caller_with_its_stamp() -> None:
    _desk, agents, me = room(2)
    me.call(5, ALL)
    agents[1].say(Frame(kind=Kind.PROGRESS, id=1, payload=b"half"))
    (news,) = me.heard()
    assert (news.kind, news.id, news.stamp) == (Kind.PROGRESS, 5, b"agent@i1")


def test_a_saturated_member_is_a_busy_row_and_the_others_are_asked() -> None:
    desk, agents, me = room(3, concurrency=1)
    me.call(1, "agent@i0.fetch")
    me.call(5, ALL)
    assert rows(me) == ([("agent@i0", "busy")], None)
    agents[1].reply(1)
    agents[2].reply(1)
    assert rows(me) == ([("agent@i1", 1), ("agent@i2", 1)], summary(ok=2, failed=1))
    agents[0].reply(1)
    assert me.kinds() == [Kind.REPLY]
    desk.assert_nothing_is_left()


def test_a_survey_of_saturated_members_only_ends_at_once() -> None:
    desk, agents, me = room(2, concurrency=1)
    for agent in agents:
        me.call(int(agent.session.suffix[1:]) + 1, f"agent@{agent.session.suffix}.fetch")
    me.call(5, ALL)
    assert rows(me) == ([("agent@i0", "busy"), ("agent@i1", "busy")], summary(failed=2))
    me.lose()
    for agent in agents:
        agent.reply(1)
    desk.assert_nothing_is_left()


def test_a_lost_member_is_a_row_and_counted_as_lost() -> None:
    desk, agents, me = room(2)
    me.call(5, ALL)
    agents[0].heard()
    agents[0].lose()
    (row,) = me.heard()
    assert (row.flags, row.stamp, body(row)["at"]) == (FLAG_MORE, b"agent@i0", "daemon")
    assert body(row)["code"] == "instance_lost"
    agents[1].reply(1)
    assert rows(me) == ([("agent@i1", 1)], summary(ok=1, lost=1))
    desk.assert_nothing_is_left()


def test_a_survey_ends_when_its_last_member_is_lost() -> None:
    desk, agents, me = room(2)
    me.call(5, ALL)
    for agent in agents:
        agent.lose()
    assert rows(me)[1] == summary(lost=2)
    desk.assert_nothing_is_left()


def test_a_member_that_withdraws_still_answers() -> None:
    desk, agents, me = room(2)
    me.call(5, ALL)
    agents[0].say(json(Kind.WITHDRAW, {"service": "agent"}, id=3))
    for agent in agents:
        agent.reply(1)
    assert rows(me)[1] == summary(ok=2)
    desk.assert_nothing_is_left()


def test_an_answer_above_the_limit_is_a_failed_row() -> None:
    desk = Desk(limits=Limits(payload_bytes_max=100))
    agents = [desk.serve(), desk.serve()]
    me = desk.join()
    me.call(5, ALL)
    agents[0].reply(1, b"x" * 101)
    agents[1].reply(1)
    assert rows(me) == (
        [("agent@i0", "payload_too_large"), ("agent@i1", 1)], summary(ok=1, failed=1),
    )  # fmt: skip
    desk.assert_nothing_is_left()


def test_an_answer_in_pieces_is_a_failed_row() -> None:
    desk, agents, me = room(2)
    me.call(5, ALL)
    agents[0].item(1, b"first", FLAG_MORE)
    agents[0].item(1, b"second", FLAG_MORE)
    agents[0].reply(1, b'"third"')
    agents[1].reply(1)
    assert rows(me) == (
        [("agent@i0", "payload_too_large"), ("agent@i1", 1)], summary(ok=1, failed=1),
    )  # fmt: skip
    assert Kind.CANCEL in agents[0].kinds()
    desk.assert_nothing_is_left()


def test_items_are_no_answer_to_a_survey() -> None:
    desk, agents, me = room(1, reply="stream")
    me.call(5, ALL)
    assert agents[0].calls()[0].options == b'{"reply":"value"}'
    agents[0].item(1)
    assert agents[0].errors() == [(1, "bad_request")]
    agents[0].reply(1, b"[1]")
    assert rows(me) == ([("agent@i0", [1])], summary(ok=1))
    desk.assert_nothing_is_left()
