"""Black box: `askr emit --retain` and `--collect`, and `askr listen --retained`."""

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.agent_process import AgentProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextPeer

pytestmark = pytest.mark.integration

WHO = "WHO_IS_THERE"


def test_who_comes_later_gets_the_retained_event_first(askr: Askr) -> None:
    told = askr("emit", "weather.sky", "sky=clear", "--retain")
    assert (told.code, told.err) == (0, "emitted weather.sky to 0 listeners; retained\n")
    heard = askr("listen", "weather.*", "--retained", "--count", "1", "--json").json
    assert (heard["event"], heard["payload"]) == ("weather.sky", {"sky": "clear"})
    assert heard["retained"] is True
    assert heard["from"]["service"] == "emit"
    text = askr("listen", "weather.*", "--retained", "--count", "1").out
    assert text.endswith('{"sky":"clear"}  (retained)\n')


def test_nothing_retained_comes_when_nobody_asks_for_it(askr: Askr) -> None:
    askr("emit", "unasked.sky", "1", "--retain")
    told = askr("listen", "unasked.*", "--idle", "200ms")
    assert (told.code, told.out) == (0, "")


def test_only_the_last_of_each_is_retained(askr: Askr) -> None:
    for subject, payload in (("last.a", "1"), ("last.b", "2"), ("last.a", "3")):
        askr("emit", subject, payload, "--retain")
    lines = askr("listen", "last.*", "--retained", "--count", "2", "--json").lines
    assert {one["event"]: one["payload"] for one in lines} == {"last.a": 3, "last.b": 2}


def test_no_payload_retains_nothing_any_more(askr: Askr) -> None:
    askr("emit", "gone.sky", "1", "--retain")
    told = askr("emit", "gone.sky", "--retain")
    assert (told.code, told.err) == (0, "emitted gone.sky to 0 listeners; retained no more\n")
    assert askr("listen", "gone.*", "--retained", "--idle", "200ms").out == ""


def test_null_can_be_retained(askr: Askr) -> None:
    askr("emit", "null.sky", "null", "--retain")
    heard = askr("listen", "null.*", "--retained", "--count", "1", "--json").json
    assert (heard["payload"], heard["retained"]) == (None, True)


def test_each_line_can_be_retained(askr: Askr) -> None:
    told = askr("emit", "lines.sky", "--retain", "--lines", "-", "--json", stdin=b"1\n2\n")
    assert [one["ok"] for one in told.lines] == [True, True]
    assert askr("listen", "lines.*", "--retained", "--count", "1", "--json").json["payload"] == 2


def test_what_is_retained_is_live_for_who_listens_already(
    askr: Askr, daemon: DaemonProcess
) -> None:
    with TextPeer(daemon.unix_url) as ears:
        ears.ask(k="sub", id=1, pattern="live.sky")
        assert askr("emit", "live.sky", "1", "--retain", "--json").json["receivers"] == 1
        assert ears.hear_kind("event")["d"] == 1


# --- answers -------------------------------------------------------------------------------------


def test_answers_are_collected(askr: Askr, mail: AgentProcess) -> None:
    told = askr("emit", WHO, "n:=1", "--collect", "--json")
    row, last = told.lines
    assert told.code == 0
    assert set(row) == {"from", "ok", "value", "ms"}
    assert (row["from"]["service"], row["ok"], row["value"]) == ("mail", True, {"asked": {"n": 1}})
    assert set(last) == {"ok", "event", "receivers", "seq", "answers"}
    assert (last["ok"], last["event"], last["receivers"], last["answers"]) == (True, WHO, 1, 1)


def test_answers_for_people_are_a_line_each(askr: Askr, mail: AgentProcess) -> None:
    told = askr("emit", WHO, "--collect")
    assert told.code == 0
    who, _, value = told.out.rstrip("\n").partition(" ")
    assert (who.partition("@")[0], value) == ("mail", '{"asked":null}')
    assert told.err == f"emitted {WHO} to 1 listener: 1 answer\n"


def test_a_listener_that_only_prints_has_nothing_to_say(askr: Askr) -> None:
    with askr.running("listen", "printed", "--count", "1", "--json") as run:
        run.wait_for_narration("listening to printed")
        told = askr("emit", "printed", "--collect", "--json", "--timeout", "20s").json
        assert (told["receivers"], told["answers"]) == (1, 0)
        assert run.end().json["event"] == "printed"


def test_answers_of_nobody_are_none(askr: Askr) -> None:
    told = askr("emit", "unheard", "--collect")
    assert (told.code, told.out) == (0, "")
    assert told.err == "emitted unheard to 0 listeners: 0 answers\n"
    required = askr("emit", "unheard", "--collect", "--require-listener", "--json")
    assert (required.code, required.json["error"]["code"]) == (5, "not_found")


def test_who_never_answers_is_waited_for_until_the_time_is_over(
    askr: Askr, daemon: DaemonProcess
) -> None:
    with TextPeer(daemon.unix_url) as ears:
        ears.ask(k="sub", id=1, pattern="silence")
        told = askr("emit", "silence", "--collect", "--timeout", "100ms", "--json")
        assert (told.code, told.json["receivers"], told.json["answers"]) == (0, 1, 0)


@pytest.mark.parametrize(
    "words", [("--retain",), ("--count", "2"), ("--every", "1s"), ("--lines", "-")]
)
def test_answers_are_collected_once(askr: Askr, words: tuple[str, ...]) -> None:
    told = askr("emit", "x", "--collect", *words)
    assert told.code == 2
    assert "--collect asks once" in told.err


def test_a_dry_run_shows_what_is_asked(askr: Askr) -> None:
    assert askr("emit", "x", "1", "--retain", "--dry-run").json == {
        "k": "emit", "id": 1, "event": "x", "d": 1, "retain": True,
    }  # fmt: skip
    assert askr("emit", "x", "--collect", "--timeout", "1s", "--dry-run").json == {
        "k": "emit", "id": 1, "event": "x", "collect": True, "ttl": 1000,
    }  # fmt: skip
