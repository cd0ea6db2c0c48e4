"""What a person sees of a survey: a table that grows, its end, and what Ctrl-C leaves."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from askrd.testing.daemon_process import DaemonProcess
from tests.integration.cli.conftest import HOSTILE
from tests.integration.text_peer import TextService
from tests.terminal.screens import CURSOR_ON, INTERRUPT, OnScreen

pytestmark = pytest.mark.terminal


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess() as process:
        yield process


@pytest.fixture
def crew(daemon: DaemonProcess) -> Iterator[list[TextService]]:
    """Two instances: the first one insults, the second one answers `slow` never."""
    first = {"status": lambda call: {"d": HOSTILE}, "slow": lambda call: {"d": [1, 2]}}
    second = {
        "status": lambda call: {"k": "fail", "code": "oops", "message": HOSTILE},
        "slow": lambda call: None,
    }
    with ExitStack() as stack:
        yield [
            stack.enter_context(TextService(daemon.unix_url, "crew", answers))
            for answers in (first, second)
        ]


def test_the_rows_are_a_table(
    daemon: DaemonProcess, tmp_path: Path, crew: list[TextService]
) -> None:
    with OnScreen("send", "crew@*.status", home=tmp_path, url=daemon.unix_url) as screen:
        assert screen.end() == 6
        text = screen.text
    assert screen.lines[0].split() == ["FROM", "TIME", "VALUE"]
    for member in crew:
        assert f"crew@{member.instance}" in text
    assert "owned" in text
    assert "(oops)" in text
    assert screen.lines[-1] == "1 ok, 1 failed, 0 lost"
    assert "answered, asking for" not in text
    assert b"\x1b[2Jowned" not in screen.output
    assert CURSOR_ON in screen.output


def test_the_table_grows_while_some_have_not_answered_and_ctrl_c_ends_it(
    daemon: DaemonProcess, tmp_path: Path, crew: list[TextService]
) -> None:
    with OnScreen("send", "crew@*.slow", home=tmp_path, url=daemon.unix_url) as screen:
        screen.wait_for("1 answered, asking for")
        assert f"crew@{crew[0].instance}" in screen.text
        screen.type(INTERRUPT)
        assert screen.end() == 130
        assert f"crew@{crew[0].instance}" in screen.text
        assert screen.is_cooked()
    assert crew[1].wait_for("cancel")
    assert b"Traceback" not in screen.output
    assert screen.output.rindex(CURSOR_ON) > 0


def test_a_dumb_terminal_gets_lines(
    daemon: DaemonProcess, tmp_path: Path, crew: list[TextService]
) -> None:
    with OnScreen(
        "send", "crew@*.slow", "--first", home=tmp_path, url=daemon.unix_url, TERM="dumb"
    ) as screen:
        assert screen.end() == 0
    assert b"\x1b" not in screen.output
    assert screen.lines[0] == f"crew@{crew[0].instance} [1,2]"
