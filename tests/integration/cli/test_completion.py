"""Black box: completion scripts in real shells, and names that a run left behind for Tab."""

import shutil
import subprocess
from pathlib import Path

import pytest

from askr_cli.known_names import NAMES_MAX
from tests.integration.agent_process import AgentProcess
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextService

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("service")]

BASH = """
source "$1"
COMP_LINE="$2"
COMP_POINT=${#COMP_LINE}
_askr
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def on_path(askr: Askr, tmp_path: Path) -> Askr:
    """The program, to be found as `askr` by a shell."""
    import sys

    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "askr"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m askr_cli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    askr.environ["PATH"] = f"{program.parent}:{askr.environ['PATH']}"
    return askr


def completed(askr: Askr, line: str) -> list[str]:
    script = askr.cwd / "askr.bash"
    script.write_text(askr("completion", "bash").out, encoding="utf-8")
    told = subprocess.run(
        ["bash", "-c", BASH, "bash", str(script), line],
        env=askr.environ,
        cwd=askr.cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.split()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("askr se", ["send", "services"]),
        ("askr state w", ["watch"]),
        ("askr send lab.ec", ["lab.echo"]),
        ("askr send --raw-", ["--raw-payload"]),
    ],
)
def test_bash_completes(on_path: Askr, line: str, names: list[str]) -> None:
    assert completed(on_path, line) == names


CRAWL = {
    "type": "object",
    "properties": {"url": {"type": "string"}, "mode": {"enum": ["fast", "deep"]}},
    "required": ["url"],
}


def test_bash_completes_the_items_of_a_payload_and_the_addresses_of_instances(
    on_path: Askr, service: TextService
) -> None:
    commands = [{"name": "crawl", "request": CRAWL}]
    service.say(k="update", id=9, service="lab", commands=commands)
    service.wait_for("provided")
    assert completed(on_path, "askr send crawl ") == ["url=", "mode="]
    assert completed(on_path, "askr send lab.crawl url=x m") == ["mode="]
    assert completed(on_path, "askr send crawl mode=") == ["fast", "deep"]
    (address,) = completed(on_path, "askr send lab@")
    assert address.startswith("@")
    assert address.endswith(".crawl")


def test_bash_offers_files_where_they_may_stand_and_nowhere_else(on_path: Askr) -> None:
    (on_path.cwd / "a_file").touch()
    assert "a_file" in completed(on_path, "askr send lab.echo --raw-payload a_")
    assert "@a_file" in completed(on_path, "askr send lab.echo x=@a_")
    assert completed(on_path, "askr send lab.echo a_") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_is_valid(askr: Askr, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    script = askr("completion", shell).out
    check = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (check.returncode, check.stderr) == (0, "")


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", ".local/share/bash-completion/completions/askr"),
        ("zsh", ".local/share/zsh/site-functions/_askr"),
        ("fish", ".config/fish/completions/askr.fish"),
    ],
)
def test_scripts_are_installed_where_the_shell_looks(askr: Askr, shell: str, place: str) -> None:
    told = askr("completion", shell, "install", "--json")
    assert told.json == {"ok": True, "shell": shell, "installed": str(askr.cwd / place)}
    assert (askr.cwd / place).read_text(encoding="utf-8") == askr("completion", shell).out


def test_a_run_keeps_the_names_and_tab_needs_no_daemon(askr: Askr) -> None:
    assert askr("send", "lab.echo", "1").code == 0
    assert askr("state", "set", "tab/key", "1").code == 0
    (kept,) = (askr.cwd / ".cache" / "askr").iterdir()
    saved = kept.stat().st_mtime_ns
    told = askr("__complete", "--", "send", "lab.e", "--json")
    assert told.code == 0
    assert askr("__complete", "--", "state", "get", "ta").out == "tab/key\t\n"
    assert kept.stat().st_mtime_ns == saved


def test_tab_without_a_daemon_is_silent(tmp_path: Path) -> None:
    told = Askr(tmp_path, "ws://127.0.0.1:1")("__complete", "--", "send", "")
    assert (told.code, told.out, told.err) == (0, "", "")


def test_logs_and_jobs_that_are_there_are_offered(askr: Askr, mail: AgentProcess) -> None:
    assert askr("logs", "create", "offered", "offered.**").code == 0
    job = askr("send", "mail.post").json["job"]
    assert "offered\toffered.**\n" in askr("__complete", "--", "listen", "--log", "").out
    assert "offered\t" in askr("__complete", "--", "logs", "show", "off").out
    assert f"{job}\tmail.post " in askr("__complete", "--", "jobs", "wait", "").out


def test_no_more_keys_are_offered_than_are_remembered(askr: Askr) -> None:
    lines = "".join(f'{{"key":"k{number:05}","value":1}}\n' for number in range(NAMES_MAX + 100))
    assert askr("-w", "crowd", "state", "import", stdin=lines.encode()).code == 0
    words = ("__complete", "--", "-w", "crowd", "state", "get", "k")
    fetched, remembered = askr(*words).out, askr(*words).out
    assert fetched.count("\n") == NAMES_MAX
    assert remembered == fetched
