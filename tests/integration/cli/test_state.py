"""Black box: `askr state`."""

import json
import shlex
from contextlib import closing
from pathlib import Path

import pytest

from askr_cli.profile import Profile
from askr_cli.terminal import connect
from askrd.sdk.values import Synced
from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import PATIENCE_S, Askr
from tests.integration.proxy import Proxy
from tests.integration.text_peer import TextPeer

pytestmark = pytest.mark.integration


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A prefix that no other test writes to."""
    return f"state/{request.node.name}"


def test_a_value_is_set_and_read(askr: Askr, key: str) -> None:
    told = askr("state", "set", key, '"dark"')
    assert (told.code, told.out) == (0, "")
    assert told.err.startswith(f"{key} rev ")
    assert askr("state", "get", key).out == '"dark"\n'


def test_the_bytes_of_a_file_come_out_as_they_went_in(askr: Askr, key: str, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"png \xc3\xa4 {}")
    assert askr("state", "set", key, "--raw-payload", str(tmp_path / "picture")).code == 0
    assert askr("state", "get", key, "--raw").out == "png \u00e4 {}"
    assert askr("state", "get", key, "--raw", "--json").code == 2


def test_the_answers_as_json(askr: Askr, key: str) -> None:
    put = askr("state", "set", key, "active:=true", "name=west", "--json").json
    assert put["ok"] is True
    got = askr("state", "get", key, "--json").json
    assert got == {
        "ok": True,
        "key": key,
        "value": {"active": True, "name": "west"},
        "rev": put["rev"],
        "ts": put["ts"],
    }
    gone = askr("state", "rm", key, "--json").json
    assert (gone["ok"], gone["key"], gone["rev"] > put["rev"]) == (True, key, True)


def test_no_such_key_exits_5(askr: Askr, key: str) -> None:
    for verb in ("get", "rm"):
        told = askr("state", verb, key, "--json")
        assert (told.code, told.json["error"]["code"]) == (5, "not_found")


def test_another_revision_exits_9_and_writes_nothing(askr: Askr, key: str) -> None:
    rev = askr("state", "set", key, "1", "--if-rev", "0", "--json").json["rev"]
    told = askr("state", "set", key, "2", "--if-rev", "0", "--json")
    assert (told.code, told.json["error"]["code"]) == (9, "conflict")
    assert told.json["error"]["details"]["rev"] == rev
    assert askr("state", "rm", key, "--if-rev", str(rev + 1)).code == 9
    assert askr("state", "get", key).out == "1\n"
    assert askr("state", "set", key, "2", "--if-rev", str(rev)).code == 0


def test_a_next_step_can_be_pasted(askr: Askr, key: str) -> None:
    askr("state", "set", f"{key}/it's", "1")
    told = askr("state", "set", f"{key}/it's", "1", "--if-rev", "0")
    step = told.err.rpartition("  (")[2].removesuffix(")\n")
    assert shlex.split(step) == ["askr", "state", "get", f"{key}/it's", "--json"]


def test_an_equal_value_is_no_change(askr: Askr, key: str) -> None:
    rev = askr("state", "set", key, "1", "--json").json["rev"]
    told = askr("state", "set", key, "1")
    assert told.err == f"{key} unchanged, rev {rev}\n"


def test_entries_are_listed(askr: Askr, key: str) -> None:
    for name in ("b", "a", "a/x"):
        askr("state", "set", f"{key}/{name}", "1")
    rows = askr("state", "ls", key, "--json").json
    assert [row["key"] for row in rows] == [f"{key}/a", f"{key}/a/x", f"{key}/b"]
    assert set(rows[0]) == {"key", "value", "rev", "ts"}
    assert [row["key"] for row in askr("state", "ls", f"{key}/a", "--json").json] == [
        f"{key}/a",
        f"{key}/a/x",
    ]
    lines = askr("state", "ls", key).out.splitlines()
    assert lines[0].split() == ["KEY", "REV", "VALUE"]
    assert lines[1].split() == [f"{key}/a", str(rows[0]["rev"]), "1"]
    assert askr("state", "ls", f"{key}/none", "--json").json == []


def test_changes_are_watched(askr: Askr, daemon: DaemonProcess, key: str) -> None:
    askr("state", "set", f"{key}/old", "1")
    with (
        TextPeer(daemon.unix_url) as writer,
        askr.running("state", "watch", key, "--json", "--count", "2") as run,
    ):
        run.wait_for_narration("watching")
        writer.ask(k="put", id=1, key=f"{key}/new", d=5)
        writer.ask(k="put", id=2, key=f"{key}x", d=5)
        writer.ask(k="del", id=3, key=f"{key}/old")
        ended = run.end()
    assert ended.code == 0
    lines = ended.lines
    assert [set(one) for one in lines] == [{"op", "key", "value", "rev", "cause"}] * 2
    assert [(one["op"], one["key"], one["value"]) for one in lines] == [
        ("set", f"{key}/new", 5),
        ("del", f"{key}/old", None),
    ]
    assert lines[0]["rev"] < lines[1]["rev"]


def test_the_snapshot_comes_first_when_wanted(askr: Askr, key: str) -> None:
    rev = askr("state", "set", key, "1", "--json").json["rev"]
    told = askr("state", "watch", key, "--initial", "--json", "--timeout", "300ms")
    assert told.code == 0
    first, synced = told.lines
    assert (first["op"], first["key"], first["value"], first["rev"]) == ("set", key, 1, rev)
    assert list(synced) == ["synced"]
    assert synced["synced"] >= rev


def test_a_watch_that_sees_too_little_exits_124(askr: Askr, key: str) -> None:
    assert askr("state", "watch", key, "--count", "1", "--timeout", "100ms").code == 124


def test_a_change_for_people_is_one_safe_line(askr: Askr, daemon: DaemonProcess, key: str) -> None:
    with (
        TextPeer(daemon.unix_url) as writer,
        askr.running("state", "watch", key, "--count", "1") as run,
    ):
        run.wait_for_narration("watching")
        rev = writer.ask(k="put", id=1, key=key, d="\u202e\x9b2J")["rev"]
        ended = run.end()
    assert ended.out == f'set  {key}  rev {rev}  "\\u202e\\u009b2J"\n'


def test_bytes_are_state_too(askr: Askr, key: str) -> None:
    (askr.cwd / "raw").write_bytes(b"\0\xff")
    assert askr("state", "set", key, "--raw-payload", "raw").code == 0
    assert json.loads(askr("state", "get", key).out) == {"b": "AP8="}


def test_a_reader_that_leaves_is_noticed_while_nothing_changes(askr: Askr, key: str) -> None:
    askr("state", "set", key, "1")
    with askr.running("state", "watch", key, "--initial", "--count", "2") as run:
        assert key in run.line()
        run.wait_for_narration("watching")
        assert run.process.stdout is not None
        run.process.stdout.close()
        assert run.process.wait(PATIENCE_S) == 0
    assert run._narration.count(b"\n") == 1


def test_a_short_timeout_ends_watching_and_does_not_hurry_the_daemon(
    daemon: DaemonProcess, key: str
) -> None:
    lasting = True
    with Proxy(daemon.unix_url) as proxy:
        profile = Profile(url=proxy.url, timeout_ms=100)
        with closing(connect(profile, lasting)) as client:
            proxy.delay(0.6)
            told = list(client.state.watch(key, timeout=0.1))
    assert all(isinstance(one, Synced) for one in told)
