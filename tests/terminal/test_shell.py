"""`askr shell` at a prompt: completion, hints, history, jobs, pipes, and what goes wrong."""

import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing import DaemonProcess
from tests.integration.text_peer import Frame, TextPeer, TextService
from tests.terminal.screens import END, INTERRUPT, OnScreen

pytestmark = pytest.mark.terminal

HOSTILE = "\x1b[2Jowned\x07\x9b31m"
SCHEMA = {
    "type": "object",
    "properties": {"url": {"type": "string"}, "depth": {"type": "integer", "default": 1}},
    "required": ["url"],
}
COMMANDS = [
    {"name": "echo", "doc": "Says it again."},
    {"name": "crawl", "doc": "Crawls.", "request": SCHEMA, "response": {"type": "integer"}},
    {"name": "slow"},
    {"name": "hostile"},
    {"name": "broken"},
]


def broken(call: Frame) -> Frame:
    return {"k": "fail", "code": "no_ink", "message": "the pen is empty"}


@pytest.fixture
def service(askr_daemon: DaemonProcess) -> Iterator[TextService]:
    """The service `lab`."""
    commands = {
        "echo": lambda call: {"d": call.get("d")},
        "crawl": lambda call: {"d": 1},
        "slow": lambda call: None,
        "hostile": lambda call: {"d": HOSTILE},
        "broken": broken,
    }
    with TextService(askr_daemon.unix_url, "lab", commands) as made:
        made.say(k="update", id=2, service="lab", commands=COMMANDS, emits=["INK_LOW"])
        made.wait_for("provided")
        yield made


@pytest.fixture
def shell(askr_daemon: DaemonProcess, service: TextService, tmp_path: Path) -> Iterator[OnScreen]:
    """A shell at its first prompt, with the service there."""
    with OnScreen("shell", home=tmp_path, url=askr_daemon.unix_url) as screen:
        screen.wait_for("askr>")
        yield screen


def test_the_same_verbs_work_over_one_connection(
    shell: OnScreen, askr_daemon: DaemonProcess
) -> None:
    shell.enter('send echo {"a": [1, 2]}')
    shell.wait_for('"a"')
    shell.enter("services")
    shell.wait_for("lab")
    shell.enter('state set config/theme "dark"; state get config/theme')
    shell.wait_for('"dark"\n')
    with TextPeer(askr_daemon.unix_url) as peer:
        rows = peer.ask(k="call", id=1, to="$askr.peers")["d"]
    assert sorted(row["name"] for row in rows) == ["lab", "me", "shell"]
    shell.type(END)
    assert shell.end() == 0
    assert shell.is_cooked()


def test_tab_completes_live_names_and_the_toolbar_shows_the_signature(shell: OnScreen) -> None:
    shell.type("send cr\t")
    shell.wait_for("askr> send crawl")
    shell.type(" ")
    shell.wait_for("lab.crawl(url: string, depth: integer = 1) → integer   Crawls.")
    shell.type("u\t")
    shell.wait_for("askr> send crawl url=")


def test_an_error_is_told_and_the_shell_goes_on(shell: OnScreen) -> None:
    shell.enter("send broken")
    shell.wait_for("the pen is empty")
    shell.enter("sned echo")
    shell.wait_for("Did you mean: send?")
    shell.enter("send echo 1")
    shell.wait_for("\n1\n")


def test_an_open_brace_goes_on_in_the_next_line(shell: OnScreen) -> None:
    shell.type("send echo {\r")
    shell.wait_for(".....")
    shell.type('"a": 7}\r')
    shell.wait_for('"a": 7\n}')


def test_ctrl_c_cancels_the_line(shell: OnScreen) -> None:
    shell.type("send echo 12345")
    shell.wait_for("12345")
    shell.type(INTERRUPT)
    shell.wait_for(lambda text: text.count("askr>") == 2)
    shell.enter("send echo 67")
    shell.wait_for("\n67\n")


def test_ctrl_c_cancels_the_running_command_at_the_service(
    shell: OnScreen, service: TextService
) -> None:
    shell.enter("send slow")
    service.wait_for_call()
    shell.type(INTERRUPT)
    assert service.wait_for("cancel")["reason"] == "caller"
    shell.wait_for(lambda text: "cancelled" in text and text.count("askr>") == 2)
    shell.enter("send echo 67")
    text = shell.wait_for("\n67\n")
    assert text.split("send slow")[1].split("askr>")[0].split() == ["cancelled"]


def test_payload_text_cannot_drive_the_terminal(shell: OnScreen) -> None:
    shell.enter("send hostile")
    shell.wait_for("owned")
    assert HOSTILE.encode() not in shell.output
    assert b"\x1b[2Jowned" not in shell.output


def test_output_goes_through_a_program(shell: OnScreen) -> None:
    shell.enter('send echo {"x": {"y": 41}} | tr 1-4 5-8')
    shell.wait_for('{"x":{"y":85}}')
    shell.enter("send echo 1 | nonexistent-program")
    shell.wait_for("there is no program 'nonexistent-program'")


def test_a_background_listener_prints_above_the_prompt_until_it_is_killed(
    shell: OnScreen, askr_daemon: DaemonProcess
) -> None:
    shell.enter("listen INK_* &")
    shell.wait_for("listening to INK_*")
    with TextPeer(askr_daemon.unix_url) as peer:
        shell.type("send ec")
        shell.wait_for("askr> send ec")
        assert peer.ask(k="emit", id=1, event="INK_LOW", d=3)["receivers"] == 1
        text = shell.wait_for("INK_LOW")
        assert "[1] " in next(line for line in text.split("\n") if "INK_LOW" in line)
        shell.wait_for(lambda text: "askr> send ec" in text.split("INK_LOW")[-1])
        shell.type(INTERRUPT)
        shell.enter("jobs")
        shell.wait_for("[1]  running")
        shell.enter("kill %1")
        shell.wait_for("[1] ended")
        asked = 1
        while peer.ask(k="emit", id=(asked := asked + 1), event="INK_LOW", d=4)["receivers"]:
            assert asked < 10_000, "the listener never left"


def test_it_survives_a_restart_of_the_daemon_and_says_so_once(tmp_path: Path) -> None:
    with DaemonProcess() as first:
        address = first.unix_url
        with OnScreen("shell", home=tmp_path, url=address) as shell:
            shell.wait_for("askr>")
            first.kill()
            shell.wait_for("reconnecting")
            first.start()
            shell.wait_for("connected again")
            shell.enter("ping")
            shell.wait_for("ms")
            assert shell.text.count("connected again") == 1
            assert shell.text.count("is lost; reconnecting") == 1


def test_history_is_private_searchable_and_holds_no_secrets(
    shell: OnScreen, askr_daemon: DaemonProcess, tmp_path: Path
) -> None:
    shell.enter("send echo 4711")
    shell.wait_for("\n4711\n")
    shell.enter("send echo token=abc")
    shell.wait_for('"token": "abc"')
    shell.enter("exit")
    assert shell.end() == 0
    path = tmp_path / "state" / "askr" / "history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "token" not in path.read_text()
    with OnScreen("shell", home=tmp_path, url=askr_daemon.unix_url) as again:
        again.wait_for("askr>")
        again.type("\x12")
        again.type("eco47")
        again.wait_for("history:")
        again.wait_for(lambda text: "send echo 4711" in text)
        again.type("\r")
        again.wait_for("askr> send echo 4711")
        again.type("\r")
        again.wait_for("\n4711\n")


def test_help_and_leaving(shell: OnScreen) -> None:
    shell.enter("help state set")
    shell.wait_for("--raw-payload FILE")
    shell.enter("exit")
    assert shell.end() == 0


def test_another_workspace_stands_in_the_prompt(askr_daemon: DaemonProcess, tmp_path: Path) -> None:
    with OnScreen("shell", "-w", "shop", home=tmp_path, url=askr_daemon.unix_url) as shell:
        shell.wait_for("askr:shop>")


def test_a_dumb_terminal_gets_plain_lines(
    askr_daemon: DaemonProcess, service: TextService, tmp_path: Path
) -> None:
    with OnScreen("shell", home=tmp_path, url=askr_daemon.unix_url, TERM="dumb") as shell:
        shell.wait_for("askr>")
        shell.type("send echo {\r")
        shell.wait_for(".....")
        shell.type('"a": 7}\r')
        shell.wait_for('"a": 7\n}')
        assert b"\x1b" not in shell.output
        shell.type(END)
        assert shell.end() == 0


def test_without_a_daemon_it_ends_with_7(tmp_path: Path) -> None:
    with OnScreen("shell", home=tmp_path, url=f"unix:{tmp_path}/none.sock") as shell:
        shell.wait_for("Start one: askrd serve")
        assert shell.end() == 7


def test_sigterm_ends_it_and_leaves_the_terminal_as_it_was(shell: OnScreen) -> None:
    shell.type("send ec")
    shell.wait_for("askr> send ec")
    shell.signal(signal.SIGTERM)
    assert shell.end() == 143
    assert shell.is_cooked()


@pytest.mark.parametrize("columns", [30, 120])
def test_narrow_and_wide_windows_are_no_trouble(
    askr_daemon: DaemonProcess, service: TextService, tmp_path: Path, columns: int
) -> None:
    size = {"columns": columns, "lines": 24}
    with OnScreen("shell", home=tmp_path, url=askr_daemon.unix_url, **size) as shell:  # type: ignore[arg-type]
        shell.wait_for("askr>")
        shell.type("send cra\t")
        shell.wait_for("send crawl")
        shell.resize(80, 10)
        shell.type(" url=x\r")
        shell.wait_for("\n1\n")
