"""What a person sees of the one-shot verbs on a terminal: colours, tables, safety, Ctrl-C."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.conftest import HOSTILE
from tests.integration.cli.program import Askr
from tests.integration.text_peer import TextPeer, TextService

pytestmark = pytest.mark.terminal

COLUMNS, ROWS = 100, 30
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as process:
        yield process


@pytest.fixture
def service(daemon: DaemonProcess) -> Iterator[TextService]:
    commands = {
        "list": lambda call: {"d": {"a": [1, "x", None]}},
        "hostile": lambda call: {"d": HOSTILE},
        "slow": lambda call: None,
        "fail": lambda call: {"k": "fail", "code": "oops", "message": HOSTILE},
    }
    with TextService(daemon.unix_url, "lab", commands) as made:
        yield made


def spawned(daemon: DaemonProcess, home: Path, *words: str, **environ: str) -> Any:
    base = {k: v for k, v in Askr(home, daemon.unix_url).environ.items() if k != "NO_COLOR"}
    return pexpect.spawn(
        sys.executable,
        ["-m", "askr_cli", *words],
        env=base | {"TERM": "xterm-256color"} | environ,
        cwd=str(home),
        dimensions=(ROWS, COLUMNS),
        encoding="utf-8",
        timeout=20,
    )


@pytest.fixture
def run(daemon: DaemonProcess, tmp_path: Path) -> Run:
    """Runs a command line on a terminal; returns exit code and everything that was written."""

    def one(*words: str, **environ: str) -> tuple[int, str]:
        child = spawned(daemon, tmp_path, *words, **environ)
        child.expect(pexpect.EOF)
        child.close()
        return child.exitstatus, child.before

    return one


def screen_of(written: str) -> list[str]:
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(screen).feed(written)
    return [line.rstrip() for line in screen.display if line.strip()]


def test_a_value_is_pretty_and_coloured(run: Run, service: TextService) -> None:
    code, written = run("send", "lab.list")
    assert code == 0
    assert "\x1b[36m" in written
    assert screen_of(written) == [
        "{", '  "a": [', "    1,", '    "x",', "    null", "  ]", "}"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (("--no-color",), {}),
        ((), {"NO_COLOR": "1"}),
        ((), {"TERM": "dumb"}),
        (("--json",), {}),
    ],
)
@pytest.mark.parametrize("verb", [("send", "lab.list"), ("services",), ("peers",)])
def test_colour_can_be_refused(
    run: Run,
    service: TextService,
    verb: tuple[str, ...],
    words: tuple[str, ...],
    environ: dict[str, str],
) -> None:
    code, written = run(*verb, *words, **environ)
    assert code == 0
    assert "\x1b" not in written


def test_tables_are_drawn(run: Run, service: TextService) -> None:
    code, written = run("services")
    assert code == 0
    assert "\x1b[" in written
    head, _, row = screen_of(written)
    assert head.split()[:2] == ["SERVICE", "INSTANCE"]
    assert row.split()[:3] == ["lab", service.instance, "active"]


@pytest.mark.parametrize("verb", [("send", "lab.hostile"), ("send", "lab.fail")])
def test_a_hostile_service_cannot_drive_the_terminal(
    run: Run, service: TextService, verb: tuple[str, ...]
) -> None:
    _, written = run(*verb, NO_COLOR="1")
    assert written.replace("\r\n", "").isprintable()
    assert "owned" in screen_of(written)[0]


def test_a_hostile_event_cannot_drive_the_terminal(daemon: DaemonProcess, tmp_path: Path) -> None:
    child = spawned(daemon, tmp_path, "listen", "**", "--count", "1")
    child.expect("listening to")
    with TextPeer(daemon.unix_url, "mouth") as mouth:
        mouth.ask(k="emit", id=1, event="a", d=HOSTILE)
    child.expect(pexpect.EOF)
    text = child.before.replace("\x1b[2m", "").replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("verb", [("send", "lab.list"), ("listen", "x")])
def test_raw_is_refused_on_a_terminal(
    run: Run, service: TextService, verb: tuple[str, ...]
) -> None:
    code, written = run(*verb, "--raw")
    assert code == 2
    assert "not for a terminal" in written


def test_ctrl_c_cancels_the_command(
    daemon: DaemonProcess, tmp_path: Path, service: TextService
) -> None:
    child = spawned(daemon, tmp_path, "send", "lab.slow")
    service.wait_for_call()
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert service.wait_for("cancel")["reason"] in {"caller", "caller_lost"}
    assert "Traceback" not in child.before


def test_ctrl_c_ends_listening_quietly(daemon: DaemonProcess, tmp_path: Path) -> None:
    child = spawned(daemon, tmp_path, "listen", "x")
    child.expect("listening to x at [^\r]*\r\n")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert child.before.strip() in {"", "^C"}


def test_help_fits_the_terminal(run: Run) -> None:
    code, written = run("help", "send")
    assert code == 0
    assert max(map(len, written.split("\r\n"))) <= COLUMNS
