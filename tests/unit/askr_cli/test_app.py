"""Holds what a command line means before anything is connected: options, frames, refusals."""

import json

import pytest

from askr_cli.exits import Exit
from askr_cli.verbs import VERBS
from askrd.wire.names import parse_address
from tests.unit.askr_cli.terminals import said

CALL = {"k": "call", "id": 1, "to": "fetch"}


@pytest.mark.parametrize(
    "words",
    [
        ("--timeout", "2s", "send", "fetch", "--dry-run"),
        ("send", "--timeout", "2s", "fetch", "--dry-run"),
        ("send", "fetch", "--dry-run", "--timeout", "2"),
        ("--timeout", "9s", "send", "fetch", "--dry-run", "--timeout", "2000ms"),
    ],
)
def test_shared_options_work_before_and_after_the_verb(words: tuple[str, ...]) -> None:
    code, out, err = said(*words)
    assert (code, json.loads(out), err) == (0, CALL | {"ttl": 2_000}, "")


def test_the_environment_gives_a_timeout() -> None:
    _, out, _ = said("send", "fetch", "--dry-run", environ={"ASKR_TIMEOUT": "1m"})
    assert json.loads(out) == CALL | {"ttl": 60_000}


@pytest.mark.parametrize(
    ("words", "frame"),
    [
        (
            ("send", "a.b", '{"x": 1}', "-H", "k=v", "-H", "l=a=b"),
            {"k": "call", "to": "a.b", "d": {"x": 1}, "headers": {"k": "v", "l": "a=b"}},
        ),
        (("emit", "X", "n:=1", "--count", "3"), {"k": "emit", "event": "X", "d": {"n": 1}}),
        (("listen", "a.**"), {"k": "sub", "pattern": "a.**", "retained": False}),
        (("state", "get", "a/b"), {"k": "get", "key": "a/b"}),
        (
            ("state", "set", "a/b", "1", "--if-rev", "0"),
            {"k": "put", "key": "a/b", "d": 1, "if_rev": 0},
        ),
        (("state", "rm", "a/b"), {"k": "del", "key": "a/b"}),
        (("state", "ls", "a"), {"k": "get", "key": "a", "prefix": True}),
        (("state", "watch"), {"k": "watch", "prefix": ""}),
        (("services",), {"k": "call", "to": "$askr.services"}),
        (("peers",), {"k": "call", "to": "$askr.peers"}),
        (("ping",), {"k": "call", "to": "$askr.ping"}),
        (
            ("describe", "agent"),
            {"k": "call", "to": "$askr.describe", "d": {"target": "agent"}},
        ),
    ],
)
def test_dry_run_shows_the_frame(words: tuple[str, ...], frame: dict[str, object]) -> None:
    code, out, err = said(*words, "--dry-run")
    assert (code, json.loads(out), err) == (0, {"id": 1} | frame, "")


def test_bytes_are_shown_in_base64(tmp_path) -> None:
    (tmp_path / "raw").write_bytes(b"\0\xff")
    _, out, _ = said("send", "fetch", "--raw-payload", str(tmp_path / "raw"), "--dry-run")
    assert json.loads(out) == CALL | {"b": "AP8="}


def test_lines_make_a_frame_each() -> None:
    _, out, _ = said("send", "fetch", "--lines", "-", "--dry-run", source=b"1\n\n[2]\n")
    assert [json.loads(line)["d"] for line in out.splitlines()] == [1, [2]]


def test_standard_input_is_one_document() -> None:
    _, out, _ = said("emit", "X", "-", "--dry-run", source=b'{"a":\n1}\n')
    assert json.loads(out)["d"] == {"a": 1}


USAGE = {
    "no verb": (),
    "unknown verb": ("sedn",),
    "unknown flag": ("send", "x", "--foo"),
    "later flag": ("listen", "X", "--udp"),
    "ways to answer": ("send", "x", "--tell", "--ack"),
    "stream of several": ("send", "a@*.x", "--stream"),
    "upload to several": ("send", "x", "--in", "f", "--all"),
    "key of several": ("send", "x", "--first", "--key", "k"),
    "two ends of a survey": ("send", "x", "--first", "--quorum", "2"),
    "no quorum": ("send", "x", "--quorum", "0"),
    "kept stream": ("send", "x", "--stream", "--idempotency-key", "k"),
    "empty key": ("send", "x", "--key", ""),
    "long idempotency key": ("send", "x", "--idempotency-key", "k" * 201),
    "no instance": ("send", "x", "--exclude", "a b"),
    "lines of an upload": ("send", "x", "--in", "f", "--lines", "-"),
    "standard input twice": ("send", "x", "-", "--in", "-"),
    "no such upload": ("send", "x", "--in", "/nonexistent/file"),
    "bad wait": ("send", "x", "--wait", "never"),
    "later verb": ("swap", "x"),
    "missing argument": ("send",),
    "group alone": ("state",),
    "unknown in group": ("state", "patch"),
    "bad duration": ("send", "x", "--timeout", "soon"),
    "bad count": ("emit", "X", "--count", "0"),
    "bad revision": ("state", "rm", "a", "--if-rev", "-1"),
    "context": ("send", "x", "--context", "prod"),
    "key file": ("--key-file", "k", "send", "x"),
    "bad url": ("ping", "--url", "gopher://x"),
    "bad workspace": ("ping", "-w", "NO"),
    "two payloads": ("send", "x", "1", "--raw-payload", "f"),
    "lines of a file": ("send", "x", "--lines", "f"),
    "lines and payload": ("emit", "X", "1", "--lines", "-"),
    "lines and count": ("emit", "X", "--lines", "-", "--count", "2"),
    "bad header": ("send", "x", "-H", "nope"),
    "raw and json": ("send", "x", "--raw", "--json"),
    "raw and fields": ("listen", "X", "--raw", "--fields", "a"),
    "empty field": ("listen", "X", "--fields", "a,,b"),
    "unknown shell": ("completion", "csh"),
    "unknown topic": ("help", "sedn"),
    "hostile word": ("\x1b[2J",),
}


@pytest.mark.parametrize("words", USAGE.values(), ids=USAGE)
def test_a_wrong_line_is_a_usage_error_in_both_languages(words: tuple[str, ...]) -> None:
    code, out, err = said(*words, "--json")
    assert code == 2
    told = json.loads(out)
    assert (told["ok"], told["error"]["code"], told["error"]["at"]) == (False, "usage", "client")
    assert err == f"askr: {told['error']['message']}\n"
    assert err[:-1].isprintable()


@pytest.mark.parametrize(
    "words",
    [
        ("send", "a b"),
        ("send", "x", "hello"),
        ("emit", "a b"),
        ("emit", "$askr.x"),
        ("listen", "a.**.b"),
        ("state", "get", "a//b"),
    ],
)
def test_a_bad_name_or_payload_exits_3(words: tuple[str, ...]) -> None:
    code, out, err = said(*words, "--json")
    error = json.loads(out)["error"]
    assert (code, error["code"]) == (3, "bad_request")
    assert err.startswith("askr: ")


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS if not verb.hidden])
def test_every_verb_has_json_help_and_an_example(verb: str) -> None:
    _, out, _ = said("help", verb, "--json")
    (told,) = [one for one in json.loads(out)["verbs"] if one["verb"] == verb]
    assert ["--json"] in [option["flags"] for option in told["options"]]
    assert told["summary"]
    assert all(line["line"].strip() and line["meaning"] for line in told["examples"])
    assert told["examples"]


def test_help_explains_exit_codes_shared_options_and_addresses() -> None:
    code, out, err = said("help", "exits")
    assert (code, err) == (0, "")
    assert [int(line.split()[0]) for line in out.splitlines() if line[:5].strip().isdigit()] == [
        *Exit
    ]
    told = json.loads(said("help", "--json")[1])
    assert [one["code"] for one in told["exits"]] == [*Exit]
    assert json.loads(said("help", "exits", "--json")[1])["exits"] == told["exits"]
    assert "--timeout D" in said("help", "options")[1]
    flags = [one["flags"][0] for one in json.loads(said("help", "options", "--json")[1])["options"]]
    assert {"--json", "--timeout", "--url"} <= set(flags)
    told = json.loads(said("help", "addresses", "--json")[1])["addresses"]
    assert all(parse_address(one["form"]) and one["meaning"] for one in told)
    assert told[0]["form"] in said("help", "addresses")[1]
    listed = said("help")[1]
    assert "askr help exits" in listed
    assert "askr help options" in listed


def test_a_page_of_help_shows_shared_options_in_one_line_and_examples_of_its_own() -> None:
    page = said("help", "state")[1]
    assert "askr state set config/theme" in page
    assert "askr help send" not in page
    assert page.count("--workspace") == 1
    assert "[default: 1s]" in said("help", "top")[1]


def test_a_missing_word_is_told_on_one_line() -> None:
    assert said("completion")[2] == (
        "askr: missing argument 'bash|zsh|fish'  (askr completion --help)\n"
    )


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_help_of_every_verb_begins_with_what_it_does(verb: str) -> None:
    code, out, err = said("help", *verb.split())
    assert (code, err) == (0, "")
    assert out.startswith(f"askr {verb}: ")


def test_the_version_is_told_in_both_languages() -> None:
    from askrd.version import VERSION

    assert said("--version") == (0, f"askr {VERSION}\n", "")
    assert json.loads(said("--version", "--json")[1])["version"] == VERSION


def test_a_typo_gets_a_suggestion() -> None:
    assert said("sevices")[2] == (
        "askr: there is no verb 'sevices' in this version. Did you mean: services?  (askr help)\n"
    )


@pytest.mark.parametrize("group", ["logs", "jobs"])
@pytest.mark.parametrize("words", [(), ("--dry-run",), ("-w", "global", "--dry-run")])
def test_a_group_alone_means_its_list(group: str, words: tuple[str, ...]) -> None:
    _, out, _ = said(group, *words, *(() if words else ("--dry-run",)))
    assert json.loads(out)["to"] == f"$askr.{group}.list"


def test_a_wrong_word_after_a_group_is_told_with_the_nearest() -> None:
    code, _, err = said("jobs", "retyr", "17")
    assert code == 2
    assert "Did you mean: retry?  (askr help jobs)" in err


def test_a_group_says_what_it_means_alone() -> None:
    assert "askr jobs alone is askr jobs list" in said("help", "jobs")[1]
    assert "alone is" not in said("help", "state")[1]
