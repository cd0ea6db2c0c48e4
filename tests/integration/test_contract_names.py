"""The contract about names: instances, selectors, wildcards, and how arguments are passed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextPeer, TextService

pytestmark = pytest.mark.integration

AGENT = """
from askrd import Askr

agent = Askr("sums")

@agent.command
def add(a: int, b: int = 1) -> int:
    return a + b

@agent.command
def double(values: list[int]) -> list[int]:
    return [2 * value for value in values]

@agent.command
def nothing() -> None:
    return None

agent.run()
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as process:
        yield process


@pytest.fixture
def askr(daemon: DaemonProcess, tmp_path: Path) -> Askr:
    return Askr(tmp_path, daemon.unix_url)


@pytest.fixture(scope="module")
def sums(daemon: DaemonProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A service of the SDK, in a process of its own."""
    home = tmp_path_factory.mktemp("sums")
    (home / "agent.py").write_text(AGENT, encoding="utf-8")
    with TextPeer(daemon.unix_url) as ears:
        ears.ask(k="sub", id=1, pattern="$askr.service.joined")
        with subprocess.Popen(
            [sys.executable, "agent.py"],
            cwd=home,
            env=Askr(home, daemon.unix_url).environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                while ears.hear_kind("event")["d"]["service"] != "sums":
                    pass
                yield
            finally:
                process.kill()


def me(call: dict[str, object]) -> dict[str, object]:
    return {"d": os.getpid()}


def test_an_instance_id_is_the_six_characters_at_the_end_of_the_peers_id(
    daemon: DaemonProcess,
) -> None:
    with TextPeer(daemon.unix_url, "some-name") as peer:
        assert len(peer.instance) == 6
        assert peer.instance.isalnum()
        assert peer.welcome["id"] == f"askr-some-name-{peer.instance}"


def test_selectors_choose_an_instance(askr: Askr, daemon: DaemonProcess) -> None:
    with (
        TextService(daemon.unix_url, "zoned", {"who": lambda c: {"d": "eu"}}, tags={"zone": "eu"}),
        TextService(
            daemon.unix_url, "zoned", {"who": lambda c: {"d": "us"}}, tags={"zone": "us"}
        ) as west,
    ):
        assert {askr("send", "zoned.who").out for _ in range(2)} == {'"eu"\n', '"us"\n'}
        assert askr("send", f"zoned@{west.instance}.who").out == '"us"\n'
        for _ in range(2):
            assert askr("send", "zoned@{zone=eu}.who").out == '"eu"\n'
        assert askr("send", "zoned@{zone=asia}.who").code == 5


@pytest.mark.parametrize("target", ["zoned@*.who", "*@*.who", "zoned@{}.who"])
def test_addresses_of_several_instances_ask_each_of_them(
    askr: Askr, daemon: DaemonProcess, target: str
) -> None:
    with (
        TextService(daemon.unix_url, "zoned", {"who": me}) as one,
        TextService(daemon.unix_url, "zoned", {"who": me}) as two,
    ):
        target = target.format(f"{one.instance},{two.instance}")
        told = askr("send", target, "--json")
    rows = [json.loads(line) for line in told.out.splitlines()]
    asked = {row["from"]["instance"] for row in rows[:-1]}
    assert (told.code, asked) == (0, {one.instance, two.instance})
    assert rows[-1] == {"summary": {"ok": 2, "failed": 0, "lost": 0}}


def test_a_bare_name_may_have_dots(askr: Askr, daemon: DaemonProcess) -> None:
    with TextService(daemon.unix_url, "store", {"cache.clear": lambda c: {"d": 1}}):
        assert askr("send", ".cache.clear").out == "1\n"
        assert askr("send", "store.cache.clear").out == "1\n"
        assert askr("send", "cache.clear").code == 5


@pytest.mark.parametrize(
    ("pattern", "subject", "heard"),
    [
        ("p1.**", "p1", True),
        ("p2.**", "p2.a.b", True),
        ("p3.*", "p3.a.b", False),
        ("p4.*", "p4", False),
        ("p5.FETCHED_*", "p5.FETCHED_TIME", True),
        ("p6.*.paid", "p6.7.paid", True),
        ("p7.é/ü!", "p7.é/ü!", True),
    ],
)
def test_patterns_choose_events(
    daemon: DaemonProcess, pattern: str, subject: str, heard: bool
) -> None:
    with TextPeer(daemon.unix_url) as ears, TextPeer(daemon.unix_url) as mouth:
        assert ears.ask(k="sub", id=1, pattern=pattern)["k"] == "subbed"
        assert mouth.ask(k="emit", id=1, event=subject)["receivers"] == int(heard)


def test_a_pattern_that_begins_with_a_wildcard_never_hears_the_daemon(
    daemon: DaemonProcess,
) -> None:
    with TextPeer(daemon.unix_url) as ears:
        ears.ask(k="sub", id=1, pattern="**")
        ears.ask(k="sub", id=2, pattern="*.*.*")
        with TextService(daemon.unix_url, "noise", {}):
            pass
        ears.say(k="emit", event="end")
        assert ears.hear_kind("event")["event"] == "end"


@pytest.mark.parametrize("event", ["a b", "a..b", "", "a.*", "a\tb", "a\x1bb", "x" * 201])
def test_what_is_no_events_name_is_refused(daemon: DaemonProcess, event: str) -> None:
    with TextPeer(daemon.unix_url) as mouth:
        told = mouth.ask(k="emit", id=1, event=event)
        assert told["code"] == "bad_request"


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("sums.add", "a:=1", "b:=2"), "3\n"),
        (("sums.add", "a:=1"), "2\n"),
        (("sums.double", "[1, 2]"), "[2,4]\n"),
        (("sums.double", "values:=[3]"), "[6]\n"),
        (("sums.nothing",), ""),
    ],
)
def test_an_object_is_keyword_arguments_and_anything_else_the_sole_parameter(
    askr: Askr, sums: None, words: tuple[str, ...], out: str
) -> None:
    told = askr("send", *words)
    assert (told.code, told.out, told.err) == (0, out, "")


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (("sums.add", "a:=1", "c:=2"), "$.c"),
        (("sums.add", "b:=1"), "$.a"),
        (("sums.add", "a=one"), "$.a"),
        (("sums.double", '[1, "x"]'), "$[1]"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_their_path(
    askr: Askr, sums: None, words: tuple[str, ...], path: str
) -> None:
    told = askr("send", *words, "--json")
    error = told.json["error"]
    assert (told.code, error["code"], error["at"]) == (3, "schema_invalid", "request")
    assert error["details"]["path"] == path
    assert path in told.err
