"""Black box: what later versions bring is refused with exit code 2, never accepted and ignored."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli.program import Askr

pytestmark = pytest.mark.integration

FLAGS = {
    "listen X --timeout 50ms": ("--udp",),
    "ping": ("--context c", "--key-file f"),
}
LINES = [f"{line} {flag}" for line, flags in FLAGS.items() for flag in flags]
VERBS = (
    "map", "tap", "history", "record", "replay",
    "swap lab", "bench send", "doctor", "key", "context", "workspace", "acl", "auth",
    "invite", "join",
)  # fmt: skip
DAEMON = ("serve --tls f", "config set workspace x")


@pytest.mark.parametrize("line", [*LINES, *VERBS])
def test_what_is_not_built_exits_2_and_says_so(askr: Askr, line: str) -> None:
    told = askr("--json", *line.split())
    assert (told.code, told.json["ok"], told.json["error"]["code"]) == (2, False, "usage")
    assert told.err.startswith("askr: ")
    assert "this version" in told.err


def test_a_refused_flag_has_no_effect(askr: Askr) -> None:
    assert askr("state", "set", "not/built", "1", "--retain").code == 2
    assert askr("state", "get", "not/built").code == 5


@pytest.mark.parametrize("variable", ["ASKR_CONTEXT", "ASKR_KEY_FILE"])
def test_a_setting_that_is_not_built_exits_2(askr: Askr, variable: str) -> None:
    askr.environ[variable] = "something"
    told = askr("ping", "--json")
    assert (told.code, told.json["error"]["code"]) == (2, "usage")
    assert variable in told.err


@pytest.mark.parametrize("line", DAEMON)
def test_the_daemon_refuses_what_is_not_built(tmp_path: Path, line: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "askrd", *line.split(), "--json"],
        env=Askr(tmp_path).environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (told.returncode, json.loads(told.stdout)["ok"]) == (2, False)
    assert told.stderr.startswith("askrd: ")


@pytest.mark.parametrize("scheme", ["http", "node-askr"])
def test_the_daemon_listens_only_where_it_can(tmp_path: Path, scheme: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "askrd", "serve", "--listen", f"{scheme}://127.0.0.1:0"],
        env=Askr(tmp_path).environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (told.returncode, told.stdout) == (2, "")
    assert scheme in told.stderr
