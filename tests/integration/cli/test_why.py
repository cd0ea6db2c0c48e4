"""Black box: `askr why` explains who gets a command or an event, and why others do not."""

from collections.abc import Iterator

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextPeer, TextService

pytestmark = pytest.mark.integration


def echo(call: dict[str, object]) -> dict[str, object]:
    return {"d": call.get("d")}


def never(call: dict[str, object]) -> None:
    return None


@pytest.fixture
def two(daemon: DaemonProcess) -> Iterator[tuple[TextService, TextService]]:
    """Two instances of `team`; the first is of version 1.0.0 and takes one `work` at a time."""
    work = {"name": "work", "concurrency": 1, "waiting_max": 1}
    secret = {"name": "secret", "internal": True}
    body = {"commands": [work, {"name": "hi"}, secret]}
    handlers = {"work": never, "hi": echo, "secret": echo}
    with (
        TextService(daemon.unix_url, "team", handlers, version="1.0.0", **body) as one,
        TextService(daemon.unix_url, "team", handlers, version="2.0.0", **body) as other,
    ):
        yield one, other


def verdicts(told: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {row["instance"]: row["verdict"] for row in told["candidates"]}


def test_every_candidate_has_a_verdict(askr: Askr, two: tuple[TextService, TextService]) -> None:
    told = askr("why", "team.hi", "--json")
    assert set(told.json) == {"target", "verdict", "candidates"}
    assert (told.code, told.json["target"], told.json["verdict"]) == (0, "team.hi", "chosen")
    assert sorted(verdicts(told.json).values()) == ["chosen", "eligible"]
    assert set(told.json["candidates"][0]) == {"service", "instance", "verdict", "reason"}


def test_people_get_a_sentence_and_a_table(
    askr: Askr, two: tuple[TextService, TextService]
) -> None:
    told = askr("why", f"team@{two[0].instance}.hi")
    first, head, *rows = told.out.splitlines()
    assert (told.code, first) == (0, f"team@{two[0].instance}.hi goes to team@{two[0].instance}")
    assert head.split() == ["SERVICE", "INSTANCE", "VERDICT", "REASON"]
    by_instance = {row.split()[1]: row for row in rows}
    assert " chosen " in by_instance[two[0].instance]
    assert " not_addressed " in by_instance[two[1].instance]


def test_asking_why_changes_nothing(askr: Askr, two: tuple[TextService, TextService]) -> None:
    chosen = {askr("why", "team.hi").out.splitlines()[0] for _ in range(3)}
    assert len(chosen) == 1
    assert two[0].calls + two[1].calls == []


def test_options_of_the_call_are_respected(
    askr: Askr, two: tuple[TextService, TextService]
) -> None:
    told = askr("why", "team.hi", "--exclude", two[0].instance, "--json").json
    assert verdicts(told) == {two[0].instance: "excluded", two[1].instance: "chosen"}
    told = askr("why", "team@{version=^2}.hi", "--json").json
    assert verdicts(told) == {two[0].instance: "version", two[1].instance: "chosen"}


def test_nobody_who_is_free_is_explained(askr: Askr, two: tuple[TextService, TextService]) -> None:
    with askr.running("send", "team.work") as one, askr.running("send", "team.work") as other:
        two[0].wait_for_call()
        two[1].wait_for_call()
        told = askr("why", "team.work")
        one.stop()
        other.stop()
    assert told.code == 0
    assert told.out.startswith("team.work waits: nobody who may take it is free now\n")
    assert told.out.count("saturated 1/1") == 2


def test_those_out_of_rotation_are_explained(
    askr: Askr, two: tuple[TextService, TextService]
) -> None:
    askr("disable", f"team@{two[0].instance}")
    askr("drain", f"team@{two[1].instance}")
    told = askr("why", "team.hi")
    assert told.code == 0
    assert told.out.startswith("team.hi goes to nobody: ")
    assert {row.split()[2] for row in told.out.splitlines()[2:]} == {"disabled", "draining"}


def test_a_rule_that_forbids_is_named(askr: Askr, two: tuple[TextService, TextService]) -> None:
    told = askr("why", "team.secret")
    assert told.code == 0
    assert "(forbidden)" in told.out.splitlines()[0]
    assert "internal" in told.out


def test_what_is_not_there_is_explained_and_no_failure(
    askr: Askr, two: tuple[TextService, TextService]
) -> None:
    told = askr("why", "team.hii")
    assert told.code == 0
    assert told.out.startswith("team.hii goes to nobody: ")
    assert "Did you mean" in told.out
    assert askr("why", "taem.hi").out.splitlines()[0].endswith("(service_unknown)")


def test_who_hears_an_event_and_who_just_misses_it(askr: Askr, daemon: DaemonProcess) -> None:
    with TextPeer(daemon.unix_url) as near, TextPeer(daemon.unix_url) as far:
        near.ask(k="sub", id=1, pattern="orders.payd")
        missed = askr("why", "--event", "orders.paid")
        far.ask(k="sub", id=1, pattern="orders.*")
        heard = askr("why", "--event", "orders.paid")
        told = askr("why", "--event", "orders.paid", "--json").json
    assert (missed.code, missed.out.splitlines()[0]) == (0, "nobody hears orders.paid")
    assert "misses by one letter" in missed.out
    assert heard.out.splitlines()[0] == "orders.paid is heard by 1 of 2 that listen"
    assert verdicts(told) == {near.instance: "misses", far.instance: "hears"}


def test_what_became_of_a_command(askr: Askr, two: tuple[TextService, TextService]) -> None:
    sent = askr("send", "team.hi", "1", "--json").json
    told = askr("why", "--id", str(sent["id"]))
    stamp = f"{sent['from']['service']}@{sent['from']['instance']}"
    assert told.code == 0
    assert told.out.startswith(f"command {sent['id']} of send@")
    assert f"it was answered by {stamp}" in told.out.splitlines()[0]


def test_what_runs_is_found_by_who_asked(
    askr: Askr, two: tuple[TextService, TextService], daemon: DaemonProcess
) -> None:
    with TextPeer(daemon.unix_url) as caller:
        caller.say(k="call", id=77, to=f"team@{two[0].instance}.work")
        two[0].wait_for_call()
        told = askr("why", "--id", f"{caller.instance}:77", "--json").json
        text = askr("why", "--id", f"{caller.instance}:77").out
    assert (told["id"], told["state"], told["target"]) == (77, "running", "team.work")
    assert "it runs at team@" in text.splitlines()[0]


def test_what_failed_says_how(
    askr: Askr, two: tuple[TextService, TextService], daemon: DaemonProcess
) -> None:
    with TextPeer(daemon.unix_url) as caller:
        assert caller.ask(k="call", id=78, to="team.nothing")["k"] == "fail"
        told = askr("why", "--id", f"{caller.instance}:78", "--json").json
        text = askr("why", "--id", f"{caller.instance}:78").out
    assert (told["state"], told["verdict"]) == ("failed", "command_unknown")
    assert "it failed: " in text.splitlines()[0]


def test_an_id_that_nobody_remembers_exits_5(askr: Askr) -> None:
    told = askr("why", "--id", "999999", "--json")
    assert (told.code, told.json["error"]["code"]) == (5, "not_found")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 2),
        (("a.b", "--event", "X"), 2),
        (("--event", "X", "--id", "1"), 2),
        (("--event", "X", "--exclude", "k3Tz9a"), 2),
        (("--id", "1", "--key", "k"), 2),
        (("--id", "x"), 2),
        (("--id", "k3Tz9a:"), 2),
        (("a..b",), 3),
        (("--event", "a b"), 3),
    ],
)
def test_what_cannot_be_is_refused(askr: Askr, words: tuple[str, ...], code: int) -> None:
    told = askr("why", *words, "--json")
    assert (told.code, told.json["ok"]) == (code, False)


def test_a_dry_run_shows_the_question(askr: Askr) -> None:
    told = askr("why", "a.b", "--key", "k", "--exclude", "k3Tz9a", "--dry-run").json
    assert (told["k"], told["to"]) == ("call", "$askr.why")
    assert told["d"] == {"target": "a.b", "exclude": ["k3Tz9a"], "key": "k"}


def test_hostile_names_stay_on_their_line(askr: Askr, daemon: DaemonProcess) -> None:
    with TextService(daemon.unix_url, "hostile", {"x": echo}, version="\x1b[2J\n\u202e"):
        told = askr("why", "hostile@{version=^1}.x")
    assert told.code == 0
    assert told.out.replace("\n", "").isprintable()
    assert len(told.out.splitlines()) == 3
