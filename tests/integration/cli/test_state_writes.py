"""Black box: `askr state patch`, `incr`, `touch`, `history`, and keys that do not stay."""

import json
import re

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextPeer

pytestmark = pytest.mark.integration


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A prefix that no other test writes to."""
    return f"writes/{request.node.name}"


def test_a_patch_prints_what_the_value_has_become(askr: Askr, key: str) -> None:
    assert askr("state", "patch", key, "a:=1", "b=x").out == '{"a":1,"b":"x"}\n'
    told = askr("state", "patch", key, '{"a": null, "c": [1]}', "--json").json
    assert (told["ok"], told["key"], told["value"]) == (True, key, {"b": "x", "c": [1]})
    assert askr("state", "get", key, "--json").json["rev"] == told["rev"]


def test_a_patch_needs_something_to_merge(askr: Askr, key: str) -> None:
    told = askr("state", "patch", key)
    assert (told.code, told.out) == (2, "")
    assert "askr state patch KEY" in told.err
    assert askr("state", "get", key).code == 5


def test_counting_prints_the_new_value(askr: Askr, key: str) -> None:
    assert [askr("state", "incr", key).out for _ in range(2)] == ["1\n", "2\n"]
    told = askr("state", "incr", key, "--by", "-5", "--json").json
    assert (told["key"], told["value"]) == (key, -3)
    assert askr("state", "incr", key, "--if-rev", "0").code == 9
    askr("state", "set", key, '"text"')
    refused = askr("state", "incr", key, "--json")
    assert (refused.code, refused.json["error"]["code"]) == (3, "bad_request")


def test_a_key_with_a_time_to_live_goes(askr: Askr, key: str) -> None:
    row = askr("state", "set", key, "1", "--ttl", "1m", "--json").json
    got = askr("state", "get", key, "--json").json
    assert 0 < got["ttl_ms"] <= 60_000
    assert got["rev"] == row["rev"]
    with askr.running("state", "watch", key, "--json", "--count", "2") as run:
        run.wait_for_narration("watching")
        askr("state", "set", key, "2", "--ttl", "100ms")
        ended = run.end()
    assert [(one["op"], one["cause"]) for one in ended.lines] == [("set", "set"), ("del", "ttl")]
    assert askr("state", "get", key).code == 5


def test_a_key_is_set_to_something(askr: Askr, key: str) -> None:
    told = askr("state", "set", key)
    assert (told.code, "to what?" in told.err) == (2, True)
    assert askr("state", "set", key, "null").code == 0


def test_a_set_without_a_time_to_live_stays(askr: Askr, key: str) -> None:
    askr("state", "set", key, "1", "--ttl", "1m")
    told = askr("state", "set", key, "1")
    assert "unchanged" not in told.err
    assert "ttl_ms" not in askr("state", "get", key, "--json").json
    assert askr("state", "set", key, "1", "--ttl", "0").code == 2


def test_a_touch_lets_a_key_live_longer(askr: Askr, key: str) -> None:
    askr("state", "set", key, "1", "--ttl", "1m")
    told = askr("state", "touch", key, "--ttl", "1h", "--json").json
    assert (told["ok"], told["key"], told["ttl_ms"] > 60_000) == (True, key, True)
    assert askr("state", "get", key, "--json").json["ttl_ms"] > 60_000
    assert re.search(r" lives (1 h|60 m), rev \d+$", askr("state", "touch", key, "--ttl", "1h").err)
    assert askr("state", "touch", f"{key}/none").code == 5


def test_how_long_a_key_lasts_is_listed(askr: Askr, key: str) -> None:
    askr("state", "set", f"{key}/a", "1", "--ttl", "1h")
    askr("state", "set", f"{key}/b", "1")
    head, first, second = askr("state", "ls", key).out.splitlines()
    assert head.split() == ["KEY", "REV", "LASTS", "VALUE"]
    assert len(first.split()) == len(second.split()) + 2
    rows = askr("state", "ls", key, "--json").json
    assert ["ttl_ms" in row for row in rows] == [True, False]


def test_the_history_of_a_key_is_told_newest_first(askr: Askr, key: str) -> None:
    revs = [askr("state", "set", key, str(n), "--json").json["rev"] for n in range(3)]
    gone = askr("state", "rm", key, "--json").json["rev"]
    rows = askr("state", "history", key, "--json").json
    assert [set(row) for row in rows] == [{"op", "key", "value", "rev", "cause", "ts"}] * 4
    assert [(row["op"], row["value"], row["rev"]) for row in rows] == [
        ("del", None, gone),
        *(("set", n, revs[n]) for n in (2, 1, 0)),
    ]
    assert len(askr("state", "history", key, "--count", "2", "--json").json) == 2
    lines = askr("state", "history", key).out.splitlines()
    assert lines[0].split() == ["REV", "TIME", "CAUSE", "VALUE"]
    assert lines[1].split()[0] == str(gone)
    none = askr("state", "history", f"{key}/none")
    assert (none.code, none.out) == (0, "")
    assert "nothing is remembered" in none.err


def test_a_write_need_not_wait_for_the_disk(askr: Askr, key: str) -> None:
    assert askr("state", "set", key, "1", "--fast").code == 0
    assert askr("state", "incr", key, "--fast").out == "2\n"
    assert askr("state", "rm", key, "--fast").code == 0


# --- held keys ----------------------------------------------------------------------------------


def test_an_ephemeral_key_is_held_until_ctrl_c(askr: Askr, daemon: DaemonProcess, key: str) -> None:
    with askr.running("state", "set", key, "1", "--ephemeral", "--json") as run:
        run.wait_for_narration("holding")
        row = askr("state", "get", key, "--json").json
        assert (row["value"], row["ephemeral"]) == (1, True)
        peers = askr("peers", "--json").json
        assert [row["owner"] in peer["id"] for peer in peers].count(True) == 1
        with askr.running("state", "watch", key, "--json", "--count", "1") as watch:
            watch.wait_for_narration("watching")
            ended = run.stop()
            change = watch.end()
    assert ended.code == 130
    assert json.loads(ended.out)["key"] == key
    assert [(one["op"], one["cause"]) for one in change.lines] == [("del", "owner_gone")]


def test_a_key_is_held_for_a_while(askr: Askr, key: str) -> None:
    told = askr("state", "set", key, "1", "--ephemeral", "--timeout", "200ms")
    assert told.code == 0
    assert "holding" in told.err


def test_a_key_held_in_the_shell_goes_when_the_verb_ends(askr: Askr, key: str) -> None:
    told = askr("shell", "-c", f"state set {key} 1 --ephemeral --timeout 200ms; state get {key}")
    assert told.code == 5
    assert "holding" in told.err


def test_a_held_key_that_is_deleted_exits_5_and_one_that_is_written_exits_9(
    askr: Askr, daemon: DaemonProcess, key: str
) -> None:
    with TextPeer(daemon.unix_url) as other:
        for change, code in (({"k": "del"}, 5), ({"k": "put", "d": 2}, 9)):
            with askr.running("state", "set", key, "1", "--ephemeral", "--json") as run:
                run.wait_for_narration("holding")
                other.ask(**change, id=code, key=key)
                ended = run.end()
            assert ended.code == code, ended
            assert "held no more" in ended.err


# --- watches since a revision -------------------------------------------------------------------


def test_a_watch_since_a_revision_tells_what_was_missed(askr: Askr, key: str) -> None:
    first = askr("state", "set", key, "0", "--json").json["rev"]
    revs = [askr("state", "set", key, str(n), "--json").json["rev"] for n in (1, 2)]
    told = askr("state", "watch", key, "--since", str(first), "--json", "--timeout", "300ms")
    assert told.code == 0, told
    *changes, synced = told.lines
    assert [(one["value"], one["rev"]) for one in changes] == [(1, revs[0]), (2, revs[1])]
    assert synced["synced"] >= revs[1]


def test_a_revision_that_never_was_exits_5(askr: Askr, key: str) -> None:
    told = askr("state", "watch", key, "--since", "999999999", "--json")
    assert (told.code, told.json["error"]["code"]) == (5, "gone")
    assert set(told.json["error"]["details"]) >= {"oldest", "rev"}
    assert f"askr state watch {key} --initial" in told.err


def test_a_watch_begins_in_one_way(askr: Askr, key: str) -> None:
    assert askr("state", "watch", key, "--since", "1", "--initial").code == 2


def test_one_watch_shows_who_is_there(askr: Askr, daemon: DaemonProcess) -> None:
    with askr.running("state", "watch", "$askr/peers", "--json", "--count", "2") as run:
        run.wait_for_narration("watching")
        with TextPeer(daemon.unix_url):
            come = json.loads(run.line())
        (gone,) = run.end().lines
    assert (come["op"], gone["op"], gone["key"]) == ("set", "del", come["key"])
    assert come["value"]["id"].endswith(come["key"].rpartition("/")[2])
    assert askr("state", "set", "$askr/peers/x", "1").code == 4
