"""Black box: the rules that hold for every verb."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.program import Askr, Ended
from tests.integration.text_peer import TextPeer

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("service", "mail")]

# A line for each verb that ends by itself and succeeds.
LINES = {
    "send": ("send", "lab.echo", "1"),
    "emit": ("emit", "X"),
    "listen": ("listen", "NOTHING", "--timeout", "50ms"),
    "state set": ("state", "set", "rules/a", "1"),
    "state get": ("state", "get", "rules/a"),
    "state patch": ("state", "patch", "rules/c", "n:=1"),
    "state incr": ("state", "incr", "rules/d"),
    "state touch": ("state", "touch", "rules/a"),
    "state history": ("state", "history", "rules/a"),
    "state export": ("state", "export", "rules"),
    "state import": ("state", "import", "entries.jsonl"),
    "state ls": ("state", "ls", "rules"),
    "state watch": ("state", "watch", "rules", "--initial", "--timeout", "50ms"),
    "state rm": ("state", "rm", "rules/b"),
    "logs list": ("logs", "list"),
    "logs create": ("logs", "create", "rules", "rules.**"),
    "logs show": ("logs", "show", "A-LOG"),
    "logs consumers": ("logs", "consumers", "A-LOG"),
    "logs purge": ("logs", "purge", "A-LOG"),
    "logs rm": ("logs", "rm", "A-LOG"),
    "jobs list": ("jobs", "list"),
    "jobs show": ("jobs", "show", "A-DONE-JOB"),
    "jobs wait": ("jobs", "wait", "A-DONE-JOB"),
    "jobs retry": ("jobs", "retry", "A-FAILED-JOB"),
    "jobs cancel": ("jobs", "cancel", "A-RUNNING-JOB"),
    "jobs purge": ("jobs", "purge", "--state", "dead"),
    "jobs queues": ("jobs", "queues"),
    "services": ("services",),
    "describe": ("describe", "lab"),
    "why": ("why", "lab.echo"),
    "drain": ("drain", "lab"),
    "disable": ("disable", "lab"),
    "enable": ("enable", "lab"),
    "attach": ("attach",),
    "detach": ("detach", "away"),
    "on": ("on", "NOTHING", "true", "--timeout", "50ms"),
    "peers": ("peers",),
    "ping": ("ping",),
    "top": ("top", "--once"),
    "shell": ("shell", "-c", "ping"),
    "completion": ("completion", "bash"),
    "help": ("help", "send"),
}
SLOW = {"demo": ("demo",)}
UNTIL_STOPPED = {"expose": ("expose", "succeed", "true")}
SILENT = {"listen", "on"}


JOBS = {"A-DONE-JOB": "mail.post", "A-FAILED-JOB": "mail.refuse", "A-RUNNING-JOB": "mail.hang"}


class Prepared(Askr):
    """The program, for lines in which A-LOG or A-DONE-JOB stands for one that is made for it."""

    def __call__(self, *words: str, stdin: bytes | None = None) -> Ended:
        return super().__call__(*[self._made(word) for word in words], stdin=stdin)

    def _made(self, word: str) -> str:
        if word == "A-LOG":
            self._prepare("logs", "create", "made", "made.**")
            return "made"
        if word not in JOBS:
            return word
        job: str = self._prepare("send", JOBS[word]).json["job"]
        if word != "A-RUNNING-JOB":
            self._prepare("jobs", "wait", job)
        return job

    def _prepare(self, *words: str) -> Ended:
        url, self.environ["ASKR_URL"] = self.environ["ASKR_URL"], self.url
        try:
            return super().__call__(*words)
        finally:
            self.environ["ASKR_URL"] = url


@pytest.fixture
def askr(daemon: DaemonProcess, tmp_path: Path) -> Askr:
    """Runs `askr` against the daemon, in a home of its own."""
    return Prepared(tmp_path, daemon.unix_url)


@pytest.fixture(autouse=True)
def attached(daemon: DaemonProcess) -> None:
    away = {"url": "node-askr://127.0.0.1:1", "service": "away"}
    with TextPeer(daemon.unix_url) as peer:
        assert peer.ask(k="call", id=1, to="$askr.attach", d=away)["k"] == "reply"


@pytest.fixture(autouse=True)
def entries(askr: Askr) -> None:
    for key in ("rules/a", "rules/b"):
        assert askr("state", "set", key, "1").code == 0
    (askr.cwd / "entries.jsonl").write_text('{"key":"rules/e","value":1}\n')


def verbs(askr: Askr) -> set[str]:
    return {one["verb"] for one in askr("help", "--json").json["verbs"]}


def test_every_verb_of_the_tree_is_tried_here(askr: Askr) -> None:
    assert verbs(askr) == set(LINES) | set(SLOW) | set(UNTIL_STOPPED)


@pytest.mark.parametrize("words", (LINES | SLOW).values(), ids=LINES | SLOW)
def test_json_gives_json_and_nothing_else_on_stdout(askr: Askr, words: tuple[str, ...]) -> None:
    told = askr(*words, "--json")
    assert told.code == 0, told
    for line in told.out.splitlines():
        json.loads(line)
    assert told.out or words[0] in SILENT


@pytest.mark.parametrize("words", UNTIL_STOPPED.values(), ids=UNTIL_STOPPED)
def test_what_runs_until_it_is_stopped_gives_json_too(askr: Askr, words: tuple[str, ...]) -> None:
    with askr.running(*words, "--json") as run:
        run.wait_for_narration("is offered")
        assert askr("send", words[1]).code == 0
        ended = run.stop()
    assert ended.code == 130
    assert [line["state"] for line in ended.lines] == ["started", "finished"]


@pytest.mark.parametrize("words", LINES.values(), ids=LINES)
def test_options_may_stand_before_the_verb(askr: Askr, words: tuple[str, ...]) -> None:
    assert askr("--json", "--no-color", "-q", *words).code == 0


@pytest.mark.parametrize("words", LINES.values(), ids=LINES)
def test_no_verb_looks_at_a_silent_standard_input(askr: Askr, words: tuple[str, ...]) -> None:
    assert askr(*words).code == 0


@pytest.mark.parametrize("words", LINES.values(), ids=LINES)
def test_nothing_is_coloured_in_a_pipe(askr: Askr, words: tuple[str, ...]) -> None:
    told = askr(*words)
    assert told.code == 0
    assert "\x1b" not in told.out + told.err


@pytest.mark.parametrize("words", LINES.values(), ids=LINES)
def test_quiet_leaves_no_narration(askr: Askr, words: tuple[str, ...]) -> None:
    told = askr(*words, "--quiet")
    assert (told.code, told.err) == (0, "")


@pytest.mark.parametrize(
    "words", [words for verb, words in LINES.items() if verb not in {"completion", "help"}]
)
def test_an_unreachable_daemon_exits_7_everywhere(askr: Askr, words: tuple[str, ...]) -> None:
    askr.environ["ASKR_URL"] = "ws://127.0.0.1:1"
    told = askr(*words)
    assert (told.code, told.out) == (7, "")
    assert "cannot reach askrd at ws://127.0.0.1:1" in told.err


def test_a_broken_pipe_is_quiet(askr: Askr) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        [sys.executable, "-m", "askr_cli", "peers"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=askr.environ,
    ) as process:
        os.close(writing)
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.wait()
    assert process.returncode == 0


def test_a_full_disk_is_told(askr: Askr) -> None:
    with (
        Path("/dev/full").open("wb") as full,
        subprocess.Popen(
            [sys.executable, "-m", "askr_cli", "peers"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=askr.environ,
        ) as process,
    ):
        assert process.stderr is not None
        told = process.stderr.read().decode()
        process.wait()
    assert process.returncode == 1
    assert "cannot write the output" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("send", "lab.echo", "1"),
        ("send", "lab.echo", "1", "--trace"),
        ("send", "lab.echo", "1", "--tell"),
        ("send", "lab@*.echo", "1"),
        ("emit", "X"),
        ("emit", "X", "1", "--retain"),
        ("emit", "X", "--collect"),
        ("listen", "X", "--timeout", "50ms"),
        ("logs", "list"),
        ("jobs", "list"),
        ("jobs", "queues"),
    ],
)
def test_start_up_imports_no_heavy_machinery(askr: Askr, words: tuple[str, ...]) -> None:
    program = (
        "import runpy, sys, atexit\n"
        "heavy = ('rich', 'prompt_toolkit', 'asyncio', 'pydantic', 'uvloop')\n"
        "atexit.register(lambda: print([m for m in heavy if m in sys.modules]))\n"
        f"sys.argv = ['askr', *{words!r}]\n"
        "runpy.run_module('askr_cli', run_name='__main__')\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=askr.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines()[-1] == "[]"


def test_a_workspace_is_a_world_of_its_own(askr: Askr) -> None:
    assert askr("send", "lab.echo", "1", "-w", "global").code == 0
    assert askr("send", "lab.echo", "1", "-w", "elsewhere").code == 5
    assert askr("services", "-w", "elsewhere", "--json").json == []


def test_another_unix_socket_can_be_named(askr: Askr, daemon: DaemonProcess) -> None:
    del askr.environ["ASKR_URL"]
    assert askr("--url", daemon.unix_url, "ping").code == 0


NOT_UTF8 = os.fsdecode(b"\xff\x1b[2J")


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (("send", "lab.echo", "-H", f"k={NOT_UTF8}"), {2, 3}),
        (("send", "lab.echo", f"a={NOT_UTF8}"), {3}),
        (("send", NOT_UTF8), {3}),
        (("send", "lab.echo", "--raw-payload", NOT_UTF8), {2}),
        (("emit", NOT_UTF8), {3}),
        (("listen", NOT_UTF8), {3}),
        (("state", "get", NOT_UTF8), {3}),
        (("describe", NOT_UTF8), {2}),
        (("-w", NOT_UTF8, "ping"), {2}),
        (("--url", f"ws://{NOT_UTF8}", "ping"), {2}),
        ((NOT_UTF8,), {2}),
    ],
)
def test_a_hostile_command_line_is_refused_and_shown_safely(
    askr: Askr, words: tuple[str, ...], codes: set[int]
) -> None:
    told = askr(*words, "--json")
    assert told.code in codes
    assert told.json["ok"] is False
    assert told.err.startswith("askr: ")
    assert told.err.rstrip("\n").isprintable()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_reason_to_fail(askr: Askr, closed: str) -> None:
    line = f"exec {sys.executable} -m askr_cli ping {closed}"
    told = subprocess.run(
        ["sh", "-c", line], env=askr.environ, capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stderr) == (0, "")


def test_a_terminal_without_utf8_still_gets_json(askr: Askr) -> None:
    askr.environ["PYTHONIOENCODING"] = "ascii"
    assert json.loads(askr("send", "lab.echo", '"é☃🎉"').out) == "é☃🎉"


def test_a_removed_working_directory_is_no_reason_to_fail(askr: Askr) -> None:
    gone = askr.cwd / "gone"
    gone.mkdir()
    line = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m askr_cli ping"
    told = subprocess.run(
        ["sh", "-c", line], env=askr.environ, capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stderr) == (0, "")
