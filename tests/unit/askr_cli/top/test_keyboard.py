"""Bytes from the terminal as keys."""

import os
import pty
import termios

import pytest

from askr_cli.exits import Usage
from askr_cli.top.keyboard import Key, Keyboard, keys_in


def test_letters_and_sequences_are_keys_and_the_rest_is_nothing() -> None:
    assert keys_in(b"qs\x1b[A\x1b[6~x?\t\x1bOB") == [
        Key.QUIT,
        Key.SORT,
        Key.UP,
        Key.PAGE_DOWN,
        Key.HELP,
        Key.TABLE,
        Key.DOWN,
    ]
    assert keys_in("é\x1b[200~".encode()) == []


@pytest.fixture
def terminal():
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def test_keys_come_at_once_and_the_terminal_is_left_as_it_was(terminal) -> None:
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    with Keyboard(theirs) as keyboard:
        os.write(ours, b"p")
        assert keyboard.keys(5) == [Key.PAUSE]
        assert termios.tcgetattr(theirs) != before
    assert termios.tcgetattr(theirs) == before


def test_the_terminal_is_left_as_it_was_after_an_error(terminal) -> None:
    _, theirs = terminal
    before = termios.tcgetattr(theirs)
    with pytest.raises(ZeroDivisionError), Keyboard(theirs):
        raise ZeroDivisionError
    assert termios.tcgetattr(theirs) == before


def test_waking_ends_the_wait_without_a_key(terminal) -> None:
    with Keyboard(terminal[1]) as keyboard:
        keyboard.wake()
        assert keyboard.keys(5) == []


def test_what_is_no_terminal_is_refused() -> None:
    reader, writer = os.pipe()
    with pytest.raises(Usage, match="--once"), Keyboard(reader):
        pass
    os.close(reader)
    os.close(writer)
