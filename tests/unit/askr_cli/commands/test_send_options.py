"""Holds what the options of `askr send` ask for, and which of them exclude each other."""

import json

import pytest

from askr_cli.commands.send_options import SendOptions, Way
from tests.unit.askr_cli.terminals import said


@pytest.mark.parametrize(
    ("words", "members"),
    [
        (("--all",), {"all": True}),
        (("--first",), {"all": True, "first": True}),
        (("--quorum", "2"), {"all": True, "quorum": 2}),
        (("--exclude", "k3Tz9a", "--exclude", "p01x7d"), {"exclude": ["k3Tz9a", "p01x7d"]}),
        (("--tell",), {"silent": True}),
        (("--ack",), {"reply": "ack"}),
        (("--stream",), {"reply": "stream"}),
        (("--in", "-"), {"upload": "items"}),
        (("--key", "k"), {"key": "k"}),
        (("--idempotency-key", "o7"), {"idempotency_key": "o7"}),
        (("--wait", "2s"), {"wait": 2_000}),
        (("--ack", "--all"), {"reply": "ack", "all": True}),
        (("--stream", "--in", "-", "--key", "k"), {"reply": "stream", "upload": "items", "key": "k"}),
        (("--trace",), {}),
    ],
)  # fmt: skip
def test_dry_run_shows_what_is_wanted(words: tuple[str, ...], members: dict[str, object]) -> None:
    code, out, err = said("send", "a.b", *words, "--dry-run")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"k": "call", "id": 1, "to": "a.b"} | members


def test_dry_run_leaves_standard_input_alone() -> None:
    _, out, _ = said("send", "a.b", "1", "--in", "-", "--dry-run", source=b"data")
    assert json.loads(out) == {"k": "call", "id": 1, "to": "a.b", "d": 1, "upload": "items"}


@pytest.mark.parametrize(
    ("target", "options", "way"),
    [
        ("a.b", SendOptions(), Way.VALUE),
        ("a@k3Tz9a.b", SendOptions(), Way.VALUE),
        ("a@{zone=eu}.b", SendOptions(), Way.VALUE),
        ("a.b", SendOptions(ack=True), Way.ACK),
        ("a.b", SendOptions(tell=True), Way.TELL),
        ("a.b", SendOptions(stream=True), Way.STREAM),
        ("a@*.b", SendOptions(), Way.SURVEY),
        ("*@*.b", SendOptions(), Way.SURVEY),
        ("a@x,y.b", SendOptions(), Way.SURVEY),
        ("a@{zone=eu}.b", SendOptions(every=True), Way.SURVEY),
        ("a.b", SendOptions(first=True), Way.SURVEY),
        ("a.b", SendOptions(quorum=1), Way.SURVEY),
        ("a.b", SendOptions(every=True, ack=True), Way.SURVEY),
        ("a@*.b", SendOptions(tell=True), Way.TELL),
    ],
)
def test_the_way_follows_from_address_and_options(
    target: str, options: SendOptions, way: Way
) -> None:
    options.check(target)
    assert options.way(target) is way


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("a.b", "--tell", "--ack"), "--tell and --ack exclude each other"),
        (("a.b", "--ack", "--stream"), "--ack and --stream exclude each other"),
        (("a.b", "--all", "--stream"), "--all (it asks several instances) and --stream"),
        (("a@*.b", "--stream"), "'a@*.b' (it asks several instances) and --stream"),
        (("a.b", "--quorum", "2", "--wait", "1s"), "--quorum (it asks several instances) and --wait"),
        (("a.b", "--tell", "--in", "-"), "--tell and --in exclude each other"),
        (("a.b", "--tell", "--all"), "tell all of them by the address, as agent@*.reload"),
        (("a.b", "--tell", "--raw"), "--tell and --raw exclude each other"),
        (("a@*.b", "--raw"), "the rows say who answered"),
        (("$askr.ping", "--all"), "'$askr.ping' is answered by the daemon, with one value: no --all"),
        (("$askr.peers", "--stream"), "with one value: no --stream"),
        (("a.b", "--exclude", "a b"), "--exclude: 'a b' is no instance name"),
        (("a.b", "--key", ""), "--key is empty"),
        (("a.b", "--idempotency-key", ""), "takes 1 to 200"),
        (("a.b", "--in", "/nonexistent/x"), "cannot read '/nonexistent/x' (No such file or directory)"),
        (("a.b", "--in", "/"), "'/' is a directory"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_the_reason(words: tuple[str, ...], sentence: str) -> None:
    code, out, err = said("send", *words)
    assert (code, out) == (2, "")
    assert sentence in err


def test_the_arguments_of_the_client_are_only_those_that_were_given() -> None:
    assert SendOptions().arguments() == {}
    options = SendOptions(exclude=("a",), key="k", idempotency_key="i", wait_ms=1_500)
    assert options.arguments() == {
        "exclude": ("a",), "key": "k", "idempotency_key": "i", "wait": 1.5,
    }  # fmt: skip
