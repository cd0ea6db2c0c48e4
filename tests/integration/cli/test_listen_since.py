"""Black box: `askr listen --since` and `--group`."""

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextPeer

pytestmark = pytest.mark.integration


def test_the_recent_past_comes_first_and_then_what_is_told_now(askr: Askr) -> None:
    for number in range(3):
        askr("emit", "past.tick", str(number))
    with askr.running("listen", "past.*", "--since", "10m", "--count", "4", "--json") as run:
        run.wait_for_narration("listening to past.*")
        askr("emit", "past.tick", "3")
        lines = run.end().lines
    assert [one["payload"] for one in lines] == [0, 1, 2, 3]
    assert set(lines[0]) == set(lines[3]) == {"event", "payload", "from", "seq", "ts"}
    assert [one["seq"] for one in lines] == sorted(one["seq"] for one in lines)


def test_the_past_is_marked_for_people(askr: Askr) -> None:
    askr("emit", "marked", "1")
    out = askr("listen", "marked", "--since", "1m", "--count", "1").out
    assert out.endswith("1  (earlier)\n")


def test_only_what_is_recent_enough_comes(askr: Askr) -> None:
    askr("emit", "old.tick", "1")
    assert askr("listen", "old.*", "--since", "1ms", "--idle", "200ms", "--json").out == ""


def test_retained_and_recent_events_come_once(askr: Askr) -> None:
    askr("emit", "both.sky", "1", "--retain")
    told = askr("listen", "both.*", "--since", "1m", "--retained", "--idle", "200ms", "--json")
    assert [one["payload"] for one in told.lines] == [1]


def test_each_event_goes_to_one_of_a_group(askr: Askr, daemon: DaemonProcess) -> None:
    group = ("listen", "build.*", "--group", "builders", "--count", "2", "--json")
    with (
        askr.running(*group) as one,
        askr.running(*group) as other,
        TextPeer(daemon.unix_url) as mouth,
    ):
        for run in (one, other):
            run.wait_for_narration("listening to build.* in group builders")
        for number in range(4):
            assert mouth.ask(k="emit", id=number + 1, event="build.it", d=number)["receivers"] == 1
        heard = [[line["payload"] for line in run.end().lines] for run in (one, other)]
    assert sorted(heard[0] + heard[1]) == [0, 1, 2, 3]
    assert [len(each) for each in heard] == [2, 2]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "say what to listen to"),
        (("X", "--since", "soon"), "is not a duration"),
        (("X", "--group", "a b"), "is no group name"),
        (("X", "--group", "g", "--since", "1m"), "what comes from now on"),
        (("X", "--group", "g", "--retained"), "what comes from now on"),
        (("X", "--consumer", "c"), "--consumer is for a durable log"),
        (("X", "--ack"), "--ack is for a durable log"),
        (("X", "--start", "new"), "--start is for a durable log"),
    ],
)
def test_what_makes_no_sense_is_refused(askr: Askr, words: tuple[str, ...], why: str) -> None:
    told = askr("listen", *words, "--json")
    assert told.code in {2, 3}
    assert told.json["ok"] is False
    assert why in told.err


def test_a_dry_run_shows_what_is_asked(askr: Askr) -> None:
    assert askr("listen", "X", "--since", "10m", "--retained", "--dry-run").json == {
        "k": "sub", "id": 1, "pattern": "X", "since": 600_000,
    }  # fmt: skip
    assert askr("listen", "X", "--group", "g", "--dry-run").json == {
        "k": "sub", "id": 1, "pattern": "X", "retained": False, "group": "g",
    }  # fmt: skip
