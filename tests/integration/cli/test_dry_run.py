"""Black box: `--dry-run` shows the frame as it would travel and sends nothing."""

from pathlib import Path

import pytest

from tests.integration.cli.program import Askr

pytestmark = pytest.mark.integration

SHOWN: dict[tuple[str, ...], dict[str, object]] = {
    ("send", "fetch"): {"k": "call", "id": 1, "to": "fetch"},
    ("send", "lab.echo", "[1]"): {"k": "call", "id": 1, "to": "lab.echo", "d": [1]},
    ("send", "a.b", "-H", "x=y", "--timeout", "5s"): {
        "k": "call", "id": 1, "to": "a.b", "ttl": 5000, "headers": {"x": "y"},
    },
    ("send", "a@*.b", "--exclude", "c"): {"k": "call", "id": 1, "to": "a@*.b", "exclude": ["c"]},
    ("send", "a.b", "--stream", "--in", "-"): {
        "k": "call", "id": 1, "to": "a.b", "reply": "stream", "upload": "items",
    },
    ("emit", "X", "n:=1"): {"k": "emit", "id": 1, "event": "X", "d": {"n": 1}},
    ("listen", "X.*"): {"k": "sub", "id": 1, "pattern": "X.*", "retained": False},
    ("state", "get", "a/b"): {"k": "get", "id": 1, "key": "a/b"},
    ("state", "set", "a/b", "1", "--if-rev", "0"): {
        "k": "put", "id": 1, "key": "a/b", "d": 1, "if_rev": 0,
    },
    ("state", "set", "a/b", "1", "--ttl", "5s", "--ephemeral", "--fast"): {
        "k": "put", "id": 1, "key": "a/b", "d": 1, "ttl": 5000, "ephemeral": True, "fast": True,
    },
    ("state", "patch", "a/b", "n:=1", "--ttl", "1m"): {
        "k": "put", "id": 1, "key": "a/b", "op": "patch", "d": {"n": 1}, "ttl": 60_000,
    },
    ("state", "incr", "a/b"): {"k": "put", "id": 1, "key": "a/b", "op": "incr"},
    ("state", "incr", "a/b", "--by", "-5", "--if-rev", "3"): {
        "k": "put", "id": 1, "key": "a/b", "op": "incr", "d": -5, "if_rev": 3,
    },
    ("state", "touch", "a/b", "--ttl", "5s"): {
        "k": "put", "id": 1, "key": "a/b", "op": "touch", "ttl": 5000,
    },
    ("state", "history", "a/b", "--count", "3"): {
        "k": "get", "id": 1, "key": "a/b", "history": 3,
    },
    ("state", "export", "a"): {"k": "get", "id": 1, "key": "a", "prefix": True},
    ("state", "watch", "a", "--since", "7"): {
        "k": "watch", "id": 1, "prefix": "a", "since": 7,
    },
    ("state", "rm", "a/c", "--fast"): {"k": "del", "id": 1, "key": "a/c", "fast": True},
    ("state", "rm", "a/b"): {"k": "del", "id": 1, "key": "a/b"},
    ("state", "ls", "a"): {"k": "get", "id": 1, "key": "a", "prefix": True},
    ("state", "watch", "a"): {"k": "watch", "id": 1, "prefix": "a"},
    ("services",): {"k": "call", "id": 1, "to": "$askr.services"},
    ("peers",): {"k": "call", "id": 1, "to": "$askr.peers"},
    ("ping",): {"k": "call", "id": 1, "to": "$askr.ping"},
    ("describe", "lab"): {"k": "call", "id": 1, "to": "$askr.describe", "d": {"target": "lab"}},
}  # fmt: skip


@pytest.mark.parametrize(("words", "frame"), SHOWN.items(), ids=map(" ".join, SHOWN))
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_the_frame_is_shown_although_nobody_is_there(
    tmp_path: Path, words: tuple[str, ...], frame: dict[str, object], form: tuple[str, ...]
) -> None:
    told = Askr(tmp_path, "ws://127.0.0.1:1")(*words, "--dry-run", *form)
    assert (told.code, told.json, told.err) == (0, frame, "")


def test_a_bad_payload_is_refused_as_without_it(tmp_path: Path) -> None:
    told = Askr(tmp_path, "ws://127.0.0.1:1")("send", "fetch", "{", "--dry-run")
    assert (told.code, told.out) == (3, "")


@pytest.mark.parametrize("verb", ["top", "shell", "demo", "completion", "help"])
def test_verbs_that_say_no_single_thing_refuse_it(tmp_path: Path, verb: str) -> None:
    assert Askr(tmp_path, "ws://127.0.0.1:1")(verb, "--dry-run").code == 2
