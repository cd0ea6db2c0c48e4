"""Black box: `askr state export` and `import`."""

import json
import os
import re

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextPeer

pytestmark = pytest.mark.integration


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A prefix that no other test writes to."""
    return f"copies/{request.node.originalname}"


def test_what_is_exported_can_be_imported(askr: Askr, key: str) -> None:
    (askr.cwd / "raw").write_bytes(b"\0\xff")
    askr("state", "set", f"{key}/a", '{"x": ["é", 1.5, null]}')
    askr("state", "set", f"{key}/b", "--raw-payload", "raw")
    askr("state", "set", f"{key}/c", "null", "--ttl", "1h")
    told = askr("state", "export", key)
    assert told.code == 0
    rows = told.lines
    assert [(row["key"], row.get("value"), row.get("b")) for row in rows] == [
        (f"{key}/a", {"x": ["é", 1.5, None]}, None),
        (f"{key}/b", None, "AP8="),
        (f"{key}/c", None, None),
    ]
    assert [set(row) - {"key", "rev", "ts"} for row in rows] == [
        {"value"},
        {"b"},
        {"value", "ttl_ms"},
    ]

    assert askr("state", "import", "-", "--prefix", "back", stdin=told.out.encode()).code == 0
    copied = askr("state", "export", "back").lines
    assert [row["key"] for row in copied] == [f"back/{row['key']}" for row in rows]
    assert [(row.get("value"), row.get("b")) for row in copied] == [
        (row.get("value"), row.get("b")) for row in rows
    ]
    assert 0 < copied[2]["ttl_ms"] <= rows[2]["ttl_ms"]


def test_a_file_is_imported_in_its_order(askr: Askr, key: str) -> None:
    lines = [{"key": f"{key}/{n % 100}", "value": n} for n in range(300)]
    (askr.cwd / "state.jsonl").write_text("\n\n".join(map(json.dumps, lines)))
    told = askr("state", "import", "state.jsonl", "--json").json
    assert (told["ok"], told["entries"]) == (True, 300)
    rows = askr("state", "ls", key, "--json").json
    assert {row["key"]: row["value"] for row in rows} == {
        line["key"]: line["value"] for line in lines[200:]
    }
    assert max(row["rev"] for row in rows) == told["rev"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "JSON"),
        ("[]", "no entry"),
        ('{"value": 1}', "key"),
        ('{"key": "x"}', "a value, or b"),
        ('{"key": "x", "value": 1, "b": ""}', "a value, or b"),
        ('{"key": "x", "b": "?"}', "base64"),
        ('{"key": "x y", "value": 1}', "white space"),
        ('{"key": "x", "value": 1, "ttl_ms": -5}', "time to live"),
    ],
)
def test_a_bad_line_is_named_and_ends_it(askr: Askr, key: str, line: str, why: str) -> None:
    good = json.dumps({"key": f"{key}/good", "value": 1})
    told = askr("state", "import", "--json", stdin=f"{good}\n{line}\n".encode())
    assert (told.code, told.json["error"]["code"]) == (3, "bad_request")
    assert "entry 2: " in told.err
    assert why in told.err
    assert re.search(r"Of the file (1 entry was|0 entries were) written$", told.err.strip())


def test_a_refused_key_is_named(askr: Askr) -> None:
    told = askr("state", "import", "--json", stdin=b'{"key":"@other/x","value":1}')
    assert (told.code, told.json["error"]["code"]) == (4, "forbidden")
    assert "entry 1: " in told.err
    assert "Of the file 0 entries were written" in told.err


def test_nothing_to_import_is_no_error(askr: Askr) -> None:
    told = askr("state", "import", stdin=b"\n")
    assert (told.code, told.out, told.err) == (0, "", "0 entries were written\n")


def test_a_file_that_is_not_there_exits_2(askr: Askr) -> None:
    assert askr("state", "import", "none.jsonl").code == 2


def test_what_goes_with_its_peer_is_not_exported(
    askr: Askr, daemon: DaemonProcess, key: str
) -> None:
    with TextPeer(daemon.unix_url) as peer:
        peer.ask(k="put", id=1, key=f"{key}/held", d=1, ephemeral=True)
        peer.ask(k="put", id=2, key=f"{key}/kept", d=1)
        told = askr("state", "export", key)
    assert [row["key"] for row in told.lines] == [f"{key}/kept"]
    assert told.err == "1 entry; those that go with their peers stay out: 1\n"


def test_a_prefix_may_end_with_a_slash(askr: Askr, key: str) -> None:
    line = b'{"key":"a","value":1}'
    assert askr("state", "import", "--prefix", f"{key}/", stdin=line).code == 0
    assert askr("state", "get", f"{key}/a").out == "1\n"
    assert askr("state", "import", "--prefix", "/", stdin=line).code == 3


def test_an_import_that_is_stopped_says_how_far_it_was(askr: Askr, key: str) -> None:
    lines = [f'{{"key":"{key}/{number}","value":1}}\n' for number in range(64)]
    os.mkfifo(askr.cwd / "pipe")
    with (
        askr.running("state", "watch", key, "--count", "33", "--json") as watching,
        askr.running("state", "import", "pipe") as run,
        (askr.cwd / "pipe").open("w") as pipe,
    ):
        watching.wait_for_narration("watching")
        pipe.writelines(lines)
        pipe.flush()
        assert watching.end().code == 0  # the second batch is under way, the first one is over
        ended = run.stop()
    assert (ended.code, ended.out) == (130, "")
    assert re.fullmatch(r"(32|64) entries were written, and maybe up to 32 more\n", ended.err)
