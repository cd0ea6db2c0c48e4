"""Black box: `askr drain disable enable` take instances out of rotation and put them back."""

from collections.abc import Iterator

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.processes import wait_until
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextService

pytestmark = pytest.mark.integration

Pair = tuple[TextService, TextService]


@pytest.fixture
def pair(daemon: DaemonProcess) -> Iterator[Pair]:
    """Two instances of `crew`, whose `work` is answered by the test."""
    handlers = {"hi": lambda call: {"d": 1}, "work": lambda call: None}
    with (
        TextService(daemon.unix_url, "crew", handlers) as one,
        TextService(daemon.unix_url, "crew", handlers) as other,
    ):
        yield one, other


def states(askr: Askr) -> dict[str, str]:
    rows = askr("services", "--json").json
    return {row["instance"]: row["state"] for row in rows if row["service"] == "crew"}


def who_answers(askr: Askr, times: int = 4) -> set[str]:
    return {askr("send", "crew.hi", "--json").json["from"]["instance"] for _ in range(times)}


def test_a_disabled_instance_gets_nothing_until_it_is_enabled(askr: Askr, pair: Pair) -> None:
    one, other = (service.instance for service in pair)
    told = askr("disable", f"crew@{one}", "--json")
    assert told.code == 0
    assert (told.json["ok"], told.json["target"]) == (True, f"crew@{one}")
    (row,) = told.json["instances"]
    assert (row["service"], row["instance"], row["state"]) == ("crew", one, "disabled")
    assert states(askr) == {one: "disabled", other: "active"}
    assert who_answers(askr) == {other}
    (row,) = askr("enable", f"crew@{one}", "--json").json["instances"]
    assert row["state"] == "active"
    assert who_answers(askr) == {one, other}


def test_people_get_a_table(askr: Askr, pair: Pair) -> None:
    told = askr("disable", "crew")
    head, *rows = told.out.splitlines()
    assert head.split() == ["SERVICE", "INSTANCE", "STATE", "IN", "FLIGHT"]
    assert [row.split()[2:] for row in rows] == [["disabled", "0"]] * 2


def test_a_service_that_is_disabled_is_not_there(askr: Askr, pair: Pair) -> None:
    askr("disable", "crew")
    told = askr("send", "crew.hi", "--json")
    assert (told.code, told.json["error"]["code"]) == (5, "no_instance")
    askr("enable", "crew")
    assert askr("send", "crew.hi").code == 0


def test_an_idle_instance_is_drained_at_once(askr: Askr, pair: Pair) -> None:
    told = askr("drain", "crew", "--json")
    assert told.code == 0
    assert [(row["state"], row["inflight"]) for row in told.json["instances"]] == [
        ("draining", 0)
    ] * 2
    failed = askr("send", "crew.hi", "--json")
    assert (failed.code, failed.json["error"]["code"]) == (75, "draining")
    askr("enable", "crew")
    assert askr("send", "crew.hi").code == 0


def test_drain_waits_for_what_is_in_flight(askr: Askr, pair: Pair) -> None:
    one = pair[0]
    with askr.running("send", f"crew@{one.instance}.work") as asked:
        call = one.wait_for_call()
        with askr.running("drain", f"crew@{one.instance}") as drain:
            wait_until(lambda: states(askr)[one.instance] == "draining")
            assert states(askr)[pair[1].instance] == "active"
            assert drain.process.poll() is None
            one.say(k="reply", id=call["id"], d="done")
            ended = drain.end()
        assert asked.end().out == '"done"\n'
    assert ended.code == 0
    assert "is drained" in ended.err


def test_a_drain_that_takes_too_long_exits_124_and_names_who_works(askr: Askr, pair: Pair) -> None:
    one = pair[0]
    with askr.running("send", f"crew@{one.instance}.work"):
        one.wait_for_call()
        told = askr("drain", "crew", "--timeout", "300ms", "--json")
    assert (told.code, told.json["error"]["code"]) == (124, "deadline_exceeded")
    assert told.json["error"]["details"] == {"inflight": {f"crew@{one.instance}": 1}}
    assert f"crew@{one.instance} (1)" in told.err


def test_an_instance_that_leaves_is_drained(askr: Askr, pair: Pair) -> None:
    one = pair[0]
    with askr.running("send", f"crew@{one.instance}.work") as asked:
        one.wait_for_call()
        with askr.running("drain", f"crew@{one.instance}", "--json") as drain:
            wait_until(lambda: states(askr)[one.instance] == "draining")
            one.drop()
            ended = drain.end()
        assert asked.end().code == 8
    assert ended.code == 0
    assert [row["state"] for row in ended.json["instances"]] == ["gone"]


@pytest.mark.parametrize("verb", ["drain", "disable", "enable"])
def test_who_is_not_there_exits_5(askr: Askr, pair: Pair, verb: str) -> None:
    unknown = askr(verb, "nobody", "--json")
    assert (unknown.code, unknown.json["error"]["code"]) == (5, "service_unknown")
    gone = askr(verb, "crew@abcdef", "--json")
    assert (gone.code, gone.json["error"]["code"]) == (5, "no_instance")


@pytest.mark.parametrize("verb", ["drain", "disable", "enable"])
def test_a_dry_run_shows_the_frame(askr: Askr, pair: Pair, verb: str) -> None:
    told = askr(verb, "crew", "--dry-run").json
    assert (told["to"], told["d"]) == (f"$askr.{verb}", {"target": "crew"})
    assert set(states(askr).values()) == {"active"}
