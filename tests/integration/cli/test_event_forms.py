"""Black box: the forms in which `askr listen` and `askr emit` print, read by a script."""

import json
from datetime import datetime

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr, Ended
from tests.integration.text_peer import TextPeer

pytestmark = pytest.mark.integration

PAYLOAD = {"id": 7, "user": {"name": "west"}, "tags": ["a", "b"]}


def heard(askr: Askr, daemon: DaemonProcess, *form: str, count: int = 1) -> Ended:
    """Runs `askr listen` in that form until it has printed so many events."""
    with (
        TextPeer(daemon.unix_url, "mouth") as mouth,
        askr.running("listen", "forms.*", "--count", str(count), *form) as run,
    ):
        run.wait_for_narration("listening")
        for number in range(count):
            mouth.say(k="emit", event=f"forms.{number}", d=PAYLOAD)
        return run.end()


def test_a_line_has_time_name_sender_and_payload(askr: Askr, daemon: DaemonProcess) -> None:
    clock, name, who, payload = heard(askr, daemon).out.split()
    assert (name, who.partition("-")[0], json.loads(payload)) == ("forms.0", "mouth", PAYLOAD)
    assert len(clock) == len("12:34:56.789")


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ("payload.id", [7]),
        ("event,payload.user.name,from.service", ["forms.0", "west", "mouth"]),
        ("user.name,tags.1", ["west", "b"]),
        ("payload.none,id", [None, 7]),
    ],
)
def test_fields_choose_and_order_what_is_printed(
    askr: Askr, daemon: DaemonProcess, fields: str, values: list[object]
) -> None:
    told = heard(askr, daemon, "--fields", fields, "--json")
    assert told.json == dict(zip(fields.split(","), values, strict=True))
    cells = heard(askr, daemon, "--fields", fields).out.rstrip("\n").split("\t")
    assert cells == ["" if value is None else str(value) for value in values]


def test_time_and_delta_are_added_to_the_object(askr: Askr, daemon: DaemonProcess) -> None:
    first, second = heard(askr, daemon, "--time", "--delta", "--json", count=2).lines
    at = datetime.fromisoformat(second["time"])
    assert at.tzinfo is not None
    assert round(at.timestamp() * 1000) == second["ts"]
    assert (first["delta_ms"], second["delta_ms"]) == (0, second["ts"] - first["ts"])


def test_raw_prints_payloads_alone(askr: Askr, daemon: DaemonProcess) -> None:
    assert heard(askr, daemon, "--raw", count=2).lines == [PAYLOAD, PAYLOAD]


@pytest.mark.parametrize(
    "words",
    [
        ("--raw", "--json"), ("--raw", "--fields", "id"), ("--fields", ""), ("--fields", "a,,b"),
        ("--count", "0"), ("--count", "x"), ("--idle", "x"), ("--timeout", "0"),
    ],
)  # fmt: skip
def test_forms_that_contradict_each_other_exit_2(askr: Askr, words: tuple[str, ...]) -> None:
    told = askr("listen", "forms.*", *words)
    assert told.code == 2
    assert "listening" not in told.err


@pytest.mark.parametrize("pattern", ["a..b", "a.**.b", "", "a b", "x" * 201])
def test_what_is_no_pattern_is_refused_before_listening(askr: Askr, pattern: str) -> None:
    told = askr("listen", pattern, "--json")
    assert (told.code, told.json["error"]["code"]) == (3, "bad_request")
    assert "listening" not in told.err


def test_too_few_events_are_told_with_how_many_came(askr: Askr, daemon: DaemonProcess) -> None:
    with (
        TextPeer(daemon.unix_url, "mouth") as mouth,
        askr.running("listen", "few", "--count", "3", "--timeout", "1s", "--json") as run,
    ):
        run.wait_for_narration("listening")
        mouth.say(k="emit", event="few")
        ended = run.end()
    event, failure = ended.lines
    assert (ended.code, event["event"], failure["ok"]) == (124, "few", False)
    assert failure["error"]["code"] == "deadline_exceeded"
    assert failure["error"]["details"] == {"wanted": 3, "came": 1}
    assert "1 of 3 came within 1 s" in ended.err


def test_an_endless_emitter_stops_at_a_signal(askr: Askr, daemon: DaemonProcess) -> None:
    with (
        TextPeer(daemon.unix_url) as ears,
        askr.running("emit", "again", "--every", "20ms", "--json") as run,
    ):
        ears.ask(k="sub", id=1, pattern="again")
        assert [ears.hear_kind("event")["event"] for _ in range(3)] == ["again"] * 3
        ended = run.stop()
    assert ended.code == 130
    assert {line["ok"] for line in ended.lines} == {True}
