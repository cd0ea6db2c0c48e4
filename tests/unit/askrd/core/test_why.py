"""Holds `$askr.why`: a dry run of routing with every verdict, listeners of an event, commands that were."""

from typing import Any

import pytest

from askrd.core import switchboard
from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.core.desk import MS, SECOND, WALL_US, Desk, Mate, json


def room(count: int = 2, **spec: Any) -> tuple[Desk, list[Mate], Mate]:
    desk = Desk()
    agents = [desk.offer("agent", {"name": "fetch"} | spec) for _ in range(count)]
    return desk, agents, desk.join()


def why(mate: Mate, target: str = "agent.fetch", /, **wants: Any) -> Any:
    return mate.ask("$askr.why", {"target": target} | wants)


def verdicts(told: Any) -> dict[str, str]:
    assert all(row["reason"] for row in told["candidates"])
    return {row["instance"]: row["verdict"] for row in told["candidates"]}


# --- a target ------------------------------------------------------------------------------------


def test_it_says_who_is_next_and_takes_nobodys_turn() -> None:
    _desk, agents, me = room(3)
    told = why(me)
    for _ in range(3):
        assert why(me) == told
        assert (told["target"], told["verdict"]) == ("agent.fetch", "chosen")
        assert verdicts(told) == {"i0": "chosen", "i1": "eligible", "i2": "eligible"}
        assert "round_robin" in told["candidates"][0]["reason"]
    assert me.ask("$askr.why", "agent.fetch") == told, "a plain address will do"
    me.call(1)
    assert [len(agent.calls()) for agent in agents] == [1, 0, 0]
    assert verdicts(why(me, "fetch"))["i1"] == "chosen"


@pytest.mark.parametrize("policy", ["least", "random", "hash", "first", "weighted"])
def test_it_foretells_every_policy(policy: str) -> None:
    _desk, agents, me = room(4, policy=policy)
    for id_ in range(1, 30):
        (foretold,) = [
            i for i, verdict in verdicts(why(me, key=f"{id_}")).items() if verdict == "chosen"
        ]
        me.want(id_, key=f"{id_}")
        assert [agent.session.suffix for agent in agents if agent.calls()] == [foretold]


def test_every_verdict_on_an_instance() -> None:
    desk = Desk()
    spec = {"name": "fetch", "concurrency": 1}
    names = [
        "chosen",
        "eligible",
        "draining",
        "disabled",
        "saturated",
        "version",
        "forbidden",
        "excluded",
        "paused",
        "not_addressed",
        "not_offered",
    ]
    agents = {}
    for name in names:
        provision: dict[str, Any] = {"tags": {"zone": "eu"}, "version": "2.0.0"}
        own = spec if name != "not_offered" else {"name": "other"}
        if name == "not_addressed":
            provision["tags"] = {"zone": "us"}
        elif name == "version":
            provision["version"] = "1.0.0"
        elif name == "forbidden":
            provision["allow_from"] = ["nobody"]
        agents[name] = desk.offer("agent", own, **provision)
    me = desk.join()
    suffix = {name: agent.session.suffix for name, agent in agents.items()}
    me.call(1, f"agent@{suffix['saturated']}.fetch")
    me.ask("$askr.drain", {"target": f"agent@{suffix['draining']}"})
    me.ask("$askr.disable", {"target": f"agent@{suffix['disabled']}"})
    agents["paused"].pause()
    told = why(me, "agent@{zone=eu}.fetch", version="^2", exclude=[suffix["excluded"]])
    assert told["verdict"] == "chosen"
    assert verdicts(told) == {suffix[name]: name for name in names}
    reasons = {row["verdict"]: row["reason"] for row in told["candidates"]}
    assert "1/1" in reasons["saturated"]
    assert "allow_from" in reasons["forbidden"]


def test_silent_and_resting_instances() -> None:
    desk, agents, me = room(3)
    for id_ in range(1, 6):
        me.call(id_, "agent@i1.fetch")
        agents[1].fail(id_, "handler_error")
    for _ in range(5):
        desk.after(5 * SECOND)
        for mate in (*agents[1:], me):
            mate.say(Frame(kind=Kind.PONG))
    me.heard()
    assert verdicts(why(me))["i0"] == "unresponsive"
    for id_ in range(6, 12):
        me.call(id_, "agent@i1.fetch")
        agents[1].fail(id_, "handler_error")
    assert verdicts(why(me)) == {"i0": "unresponsive", "i1": "ejected", "i2": "chosen"}


def test_a_command_that_would_wait_says_so() -> None:
    _desk, agents, me = room(1, concurrency=1)
    me.call(1)
    told = why(me)
    assert (told["verdict"], verdicts(told)) == ("waits", {"i0": "saturated"})
    agents[0].reply(1)
    assert why(me)["verdict"] == "chosen"


@pytest.mark.parametrize(
    ("target", "wants", "verdict"),
    [
        ("nobody.fetch", {}, "service_unknown"),
        ("agent.no", {}, "command_unknown"),
        ("agent@zz.fetch", {}, "no_instance"),
        ("agent@{version=^x}.fetch", {}, "bad_request"),
        ("agent.fetch", {"version": "9"}, "no_instance"),
        ("agent.fetch", {"exclude": ["i0"]}, "no_instance"),
        ("agent.fetch", {"reply": "none"}, "bad_request"),
        ("agent.fetch", {"unknown": 1}, "bad_request"),
        ("agent.fetch", {"exclude": 5}, "bad_request"),
        ("agent.fetch", {"version": "^x"}, "bad_request"),
        ("no way", {}, "bad_request"),
        ("", {}, "bad_request"),
        ("\ud800".encode("utf-8", "replace").decode(), {}, "bad_request"),
    ],
)
def test_a_command_that_would_fail_says_how(
    target: str, wants: dict[str, Any], verdict: str
) -> None:
    desk, _agents, me = room(1)
    told = why(me, target, **wants)
    assert told["verdict"] == verdict
    assert told["error"]
    me.want(1, target, **wants)
    assert me.fails() == {1: verdict}, "it is what the command itself hears"
    desk.assert_nothing_is_left()


def test_a_forbidden_command_says_which_rule() -> None:
    _desk, _agents, me = room(2, internal=True)
    told = why(me)
    assert (told["verdict"], set(verdicts(told).values())) == ("forbidden", {"forbidden"})
    assert "internal" in told["error"]


@pytest.mark.parametrize(
    ("target", "wants"),
    [("agent@*.fetch", {}), ("agent.fetch", {"all": True}), ("*@*.fetch", {})],
)
def test_a_survey_chooses_everyone_that_fits(target: str, wants: dict[str, Any]) -> None:
    _desk, _agents, me = room(3)
    me.ask("$askr.drain", {"target": "agent@i1"})
    told = why(me, target, exclude=["i2"], **wants)
    assert verdicts(told) == {"i0": "chosen", "i1": "draining", "i2": "excluded"}
    assert told["verdict"] == "chosen"
    told = why(me, target, exclude=["i0", "i2"], **wants)
    assert told["verdict"] == "no_instance"


def test_a_broadcast_chooses_everyone() -> None:
    _desk, _agents, me = room(2, mode="broadcast")
    assert verdicts(why(me)) == {"i0": "chosen", "i1": "chosen"}
    assert verdicts(why(me, "agent@i1.fetch")) == {"i0": "not_addressed", "i1": "chosen"}


@pytest.mark.parametrize(
    "argument",
    [
        None, 5, [], {}, {"target": "a", "event": "b"}, {"target": 5}, {"target": ["a"]},
        {"event": 5}, {"event": ""}, {"event": "a..b"}, {"id": "1"}, {"id": 1.5},
        {"id": 1, "instance": 5}, {"target": None},
    ],
)  # fmt: skip
def test_an_odd_question_is_a_bad_request(argument: Any) -> None:
    _desk, _agents, me = room(1)
    assert me.ask("$askr.why", argument)["code"] == "bad_request"


# --- an event ------------------------------------------------------------------------------------


def test_it_says_who_hears_an_event_and_who_nearly_does() -> None:
    desk, agents, me = room(2)
    for number, pattern in enumerate(
        ("orders.*", "orders.payd", "other", "orders.pai", "orders"), 1
    ):
        mate = desk.join(f"m{number}")
        mate.sub(1, pattern)
        mate.sub(2, f"unrelated.{number}")
    agents[0].sub(1, "orders.**")
    told = me.ask("$askr.why", {"event": "orders.paid"})
    assert (told["target"], told["verdict"]) == ("orders.paid", "heard")
    rows = {f"{row['service']}@{row['instance']}": row for row in told["candidates"]}
    assert rows["agent@i0"]["verdict"] == rows["m1@i3"]["verdict"] == "hears"
    assert rows["m1@i3"]["reason"] == "it listens to orders.*"
    for near in ("m2@i4", "m4@i6"):
        assert rows[near]["verdict"] == "misses"
        assert "one letter" in rows[near]["reason"]
    for far in ("m3@i5", "m5@i7"):
        assert rows[far]["reason"].startswith("it listens to")
    assert "agent@i1" not in rows, "who listens to nothing is no candidate"
    assert [row["verdict"] for row in told["candidates"]] == ["hears"] * 2 + ["misses"] * 4


def test_an_event_that_nobody_hears() -> None:
    _desk, _agents, me = room(1)
    told = me.ask("$askr.why", {"event": "orders.paid"})
    assert told == {"target": "orders.paid", "verdict": "nobody", "candidates": []}
    me.sub(1, "a")
    assert me.ask("$askr.why", {"event": "orders.paid"})["verdict"] == "nobody"


@pytest.mark.parametrize(
    ("pattern", "event", "is_near"),
    [
        ("orders.pad", "orders.paid", True),
        ("orders.paidd", "orders.paid", True),
        ("Orders.paid", "orders.paid", True),
        ("orderspaid", "orders.paid", True),
        ("ordres.*", "orders.paid", False),
        ("order.*", "orders.paid", True),
        ("order.**", "orders.paid.eu", True),
        ("orders.*.a", "orders.paid.b", True),
        ("orders.x*", "orders.paid", False),
        ("*.paix", "orders.paid", True),
        ("other.thing", "orders.paid", False),
        ("a", "b", True),
        ("a.**", "b", True),
    ],
)
def test_near_misses_are_one_letter_away(pattern: str, event: str, is_near: bool) -> None:
    me = Desk().join()
    me.sub(1, pattern)
    (row,) = me.ask("$askr.why", {"event": event})["candidates"]
    assert row["verdict"] == "misses"
    assert ("one letter" in row["reason"]) is is_near


# --- a command that was --------------------------------------------------------------------------


def test_it_knows_a_command_that_runs_and_one_that_was_answered() -> None:
    desk, agents, me = room(2)
    me.call(7)
    desk.after(30 * MS)
    told = me.ask("$askr.why", {"id": 7})
    assert (told["target"], told["id"], told["verdict"]) == ("agent.fetch", 7, "chosen")
    assert (told["state"], told["caller"], told["instance"]) == ("running", "me@i2", "agent@i0")
    assert told["ms"] == 30
    assert told["came"] == (desk.now_us - 30 * MS + WALL_US) // 1000
    assert verdicts(told)["i0"] == "chosen"
    agents[0].reply(1)
    me.heard()
    assert me.ask("$askr.why", {"id": 7})["state"] == "answered"


@pytest.mark.parametrize("way", ["refused", "failed", "expired", "cancelled", "lost", "unknown"])
def test_it_knows_how_a_command_failed(way: str) -> None:
    desk, agents, me = room(1)
    me.call(7, "nobody.fetch" if way == "unknown" else "agent.fetch", ttl_ms=200)
    if way == "failed":
        agents[0].fail(1, "of_its_own", message="told so")
    elif way == "refused":
        agents[0].reply(1)
        me.want(7, reply="stream")
    elif way == "expired":
        desk.after(SECOND)
    elif way == "cancelled":
        me.cancel(7)
    elif way == "lost":
        agents[0].lose()
    (code,) = me.fails().values()
    told = me.ask("$askr.why", {"id": 7, "instance": "i1"})
    assert (told["state"], told["verdict"], told["id"]) == ("failed", code, 7)
    assert told["error"]
    assert told["caller"] == "me@i1"


def test_it_knows_a_command_that_waits_for_room_or_for_somebody() -> None:
    desk, _agents, me = room(1, concurrency=1)
    me.call(6)
    me.call(7)
    me.want(8, "later.fetch", wait_ms=9_000)
    desk.after(20 * MS)
    told = me.ask("$askr.why", {"id": 7})
    assert (told["state"], told["verdict"], told["ms"]) == ("running", "waits", 20)
    assert verdicts(told) == {"i0": "saturated"}
    told = me.ask("$askr.why", {"id": 8})
    assert (told["state"], told["verdict"], told["target"]) == ("running", "waits", "later.fetch")
    assert "no service 'later'" in told["error"]


def test_it_knows_a_survey_that_runs() -> None:
    _desk, _agents, me = room(2)
    me.want(7, "agent.fetch", all=True)
    told = me.ask("$askr.why", {"id": 7})
    assert (told["state"], told["verdict"], told["caller"]) == ("running", "chosen", "me@i2")
    assert verdicts(told) == {"i0": "chosen", "i1": "chosen"}


def test_ids_are_those_of_one_caller_and_the_latest_counts() -> None:
    desk, agents, me = room(1)
    other = desk.join("other")
    me.call(7)
    other.call(7)
    assert me.ask("$askr.why", {"id": 7, "instance": "i1"})["caller"] == "me@i1"
    assert me.ask("$askr.why", {"id": 7, "instance": "i2"})["caller"] == "other@i2"
    agents[0].fail(1)
    agents[0].reply(2)
    me.heard()
    desk.after(MS)
    me.call(7)
    assert me.ask("$askr.why", {"id": 7, "instance": "i1"})["state"] == "running"


def test_commands_of_other_workspaces_are_not_known() -> None:
    desk, _agents, me = room(1)
    me.call(7)
    stranger = desk.join("stranger", workspace="other")
    stranger.call(9, "nobody.x")
    assert stranger.ask("$askr.why", {"id": 7})["code"] == "not_found"
    assert me.ask("$askr.why", {"id": 9})["code"] == "not_found"


def test_so_many_commands_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "RECENT_COMMANDS_MAX", 3)
    _desk, agents, me = room(1)
    for id_ in range(1, 6):
        me.call(id_)
        agents[0].reply(id_)
    me.heard()
    assert me.ask("$askr.why", {"id": 2})["code"] == "not_found"
    assert me.ask("$askr.why", {"id": 3})["state"] == "answered"


def test_a_command_may_be_explained_after_everyone_left() -> None:
    desk, agents, me = room(1)
    me.call(7)
    agents[0].reply(1)
    agents[0].say(json(Kind.WITHDRAW, {"service": "agent"}, id=5))
    agents[0].lose()
    me.lose()
    told = desk.join("later").ask("$askr.why", {"id": 7})
    assert (told["state"], told["instance"]) == ("answered", "agent@i0")
