"""`askr top` on a terminal: it draws, obeys keys, survives, and leaves the terminal as it was."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.testing import DaemonProcess
from tests.integration.text_peer import TextPeer, TextService
from tests.terminal.screens import (
    CURSOR_ON,
    INTERRUPT,
    OTHER_SCREEN_OFF,
    OTHER_SCREEN_ON,
    OnScreen,
)

pytestmark = pytest.mark.terminal


@pytest.fixture
def service(askr_daemon: DaemonProcess) -> Iterator[TextService]:
    """The service `lab`, which has answered three commands and failed one."""
    commands = {
        "echo": lambda call: {"d": call.get("d")},
        "fail": lambda call: {"k": "fail", "code": "no", "message": "no"},
    }
    with TextService(askr_daemon.unix_url, "lab", commands) as made:
        with TextPeer(askr_daemon.unix_url) as peer:
            for number in range(1, 4):
                peer.ask(k="call", id=number, to="lab.echo")
            peer.ask(k="call", id=4, to="lab.fail")
            peer.ask(k="emit", id=5, event="INK_LOW")
        yield made


@pytest.fixture
def top(askr_daemon: DaemonProcess, service: TextService, tmp_path: Path) -> Iterator[OnScreen]:
    """A monitor that shows its first numbers."""
    with OnScreen("top", "--interval", "200ms", home=tmp_path, url=askr_daemon.unix_url) as screen:
        screen.wait_for("lab.echo")
        yield screen


def test_it_shows_commands_events_and_peers(top: OnScreen) -> None:
    text = top.wait_for(lambda text: "INK_LOW" in text and "q quit" in text)
    assert "lab.fail" in text
    assert "askr-lab-" in text
    assert "errors 1" in text
    assert "every 0.2 s" in text


def test_q_leaves_and_the_screen_before_comes_back(top: OnScreen) -> None:
    top.type("q")
    assert top.end() == 0
    left_as_it_was(top)


@pytest.mark.parametrize(("how", "code"), [("key", 130), ("int", 130), ("term", 143)])
def test_however_it_ends_the_terminal_is_left_as_it_was(top: OnScreen, how: str, code: int) -> None:
    if how == "key":
        top.type(INTERRUPT)
    else:
        top.signal(signal.SIGINT if how == "int" else signal.SIGTERM)
    assert top.end() == code
    left_as_it_was(top)


def left_as_it_was(top: OnScreen) -> None:
    assert top.output.count(OTHER_SCREEN_ON) == 1
    assert top.output.rindex(OTHER_SCREEN_OFF) > top.output.index(OTHER_SCREEN_ON)
    assert CURSOR_ON in top.output[-40:]
    assert top.is_cooked()


def test_keys_pause_sort_and_help(top: OnScreen) -> None:
    top.type("s")
    top.wait_for("sort: slowest")
    top.type("\t")
    top.wait_for("table: events")
    top.type("?")
    top.wait_for("this help, and back")
    top.type("?p")
    top.wait_for("PAUSED")
    top.type("p")
    top.wait_for(lambda text: "PAUSED" not in text)


def test_a_new_window_size_is_taken_at_once(top: OnScreen) -> None:
    top.type("p")
    top.wait_for("PAUSED")
    top.resize(160, 30)
    top.wait_for(is_wide)


def is_wide(text: str) -> bool:
    """Whether tables stand side by side and the keys in the thirtieth line."""
    lines = text.split("\n")
    together = any("COMMANDS" in line and "EVENTS" in line for line in lines)
    return together and len(lines) == 30 and "q quit" in lines[29]


def test_it_goes_on_after_a_restart_of_the_daemon(tmp_path: Path) -> None:
    with DaemonProcess() as daemon:
        where = {"home": tmp_path, "url": daemon.unix_url}
        with OnScreen("top", "--interval", "200ms", **where) as top:  # type: ignore[arg-type]
            top.wait_for("every 0.2 s")
            daemon.kill()
            top.wait_for("reconnecting …")
            daemon.start()
            top.wait_for("every 0.2 s")


def test_without_a_daemon_it_ends_with_7_and_never_leaves_the_screen(tmp_path: Path) -> None:
    with OnScreen("top", home=tmp_path, url=f"unix:{tmp_path}/none.sock") as top:
        top.wait_for("Start one: askrd serve")
        assert top.end() == 7
        assert OTHER_SCREEN_ON not in top.output


def test_no_color_means_no_colour(
    askr_daemon: DaemonProcess, service: TextService, tmp_path: Path
) -> None:
    with OnScreen("top", home=tmp_path, url=askr_daemon.unix_url, NO_COLOR="1") as top:
        top.wait_for("lab.echo")
        top.type("q")
        assert top.end() == 0
        assert b"\x1b[3" not in top.output.replace(b"\x1b[3J", b"")
