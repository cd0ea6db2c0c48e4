"""Holds which connection a line uses, and when there is colour."""

import pytest

from askr_cli.exits import Usage
from askr_cli.profile import Options, Profile
from askr_cli.terminal import Terminal
from askrd.sdk.errors import CannotConnect
from askrd.sync import Client
from tests.unit.askr_cli.terminals import NOWHERE, KeptStream, KeptTerminal

NOBODY = "ws://127.0.0.1:1"


class Shell:
    """A terminal with a connection of its own that its lines share."""

    def __init__(self) -> None:
        self.client = Client(NOBODY)
        kept = KeptTerminal()
        self.terminal = Terminal(
            out=kept.out,
            err=kept.err,
            source=kept._source,
            environ={},
            cwd=NOWHERE,
            options=Options(url=NOBODY),
            connect=self.give,
            shared=True,
        )

    def give(self, profile: Profile, reconnect: bool) -> Client:
        return self.client

    def is_open(self) -> bool:
        """A client that was closed says so; one that was not, looks for the daemon."""
        with pytest.raises(Exception) as caught:  # noqa: PT011  # which one is the answer
            self.client.connect()
        return isinstance(caught.value, CannotConnect)


def test_a_line_of_the_shell_uses_its_connection_and_leaves_it_open() -> None:
    shell = Shell()
    with shell.terminal.with_options(Options(json=True)) as line:
        assert line.client() is shell.client
        assert line.json
    assert shell.is_open()
    shell.client.close()
    assert not shell.is_open()


@pytest.mark.parametrize("options", [Options(url="ws://127.0.0.1:2"), Options(workspace="other")])
def test_a_line_that_names_another_place_connects_by_itself(options: Options) -> None:
    shell = Shell()
    with shell.terminal.with_options(options) as line, pytest.raises(CannotConnect):
        line.client()
    shell.client.close()


@pytest.mark.parametrize(
    ("is_terminal", "options", "environ", "colour"),
    [
        (True, Options(), {"TERM": "xterm"}, True),
        (False, Options(), {"TERM": "xterm"}, False),
        (True, Options(no_color=True), {}, False),
        (True, Options(json=True), {}, False),
        (True, Options(), {"NO_COLOR": "1"}, False),
        (True, Options(), {"NO_COLOR": ""}, True),
        (True, Options(), {"TERM": "dumb"}, False),
    ],
)
def test_there_is_colour_where_a_person_sees_it(
    is_terminal: bool, options: Options, environ: dict[str, str], colour: bool
) -> None:
    terminal = KeptTerminal(is_terminal=is_terminal, options=options, environ=environ)
    assert terminal.colour is colour


def test_narration_is_one_safe_line_and_can_be_hushed() -> None:
    loud, hushed = KeptTerminal(), KeptTerminal(options=Options(quiet=True))
    for terminal in (loud, hushed):
        terminal.note("a\n\x1b[2J")
        terminal.say("b\rc")
    assert loud.kept_err.text == "a\\n\\u001b[2J\naskr: b\\rc\n"
    assert hushed.kept_err.text == "askr: b\\rc\n"


def test_bytes_are_not_written_to_a_terminal() -> None:
    with pytest.raises(Usage):
        KeptTerminal(is_terminal=True).write_bytes(b"x")
    kept = KeptTerminal()
    kept.write_bytes(b"x")
    assert kept.kept_out.text == "x"


def test_a_stream_keeps_what_it_says() -> None:
    stream = KeptStream()
    stream.write("é")
    assert stream.text == "é"
