"""Holds that an upload is read in pieces, as they come, from a file or from standard input."""

import os
from pathlib import Path

import pytest

from askr_cli.commands.upload_pieces import UploadPieces
from askr_cli.exits import Usage
from askr_cli.terminal import Terminal
from askrd.wire.errors import InternalError
from tests.unit.askr_cli.terminals import NOWHERE, KeptStream, KeptTerminal

PIECE = 64 * 1024


def test_a_file_comes_in_pieces_of_64_kib(tmp_path: Path) -> None:
    data = os.urandom(3 * PIECE + 5)
    (tmp_path / "data").write_bytes(data)
    pieces = UploadPieces(KeptTerminal(), str(tmp_path / "data"))
    taken = list(pieces)
    assert [len(piece) for piece in taken] == [PIECE, PIECE, PIECE, 5]
    assert b"".join(taken) == data
    assert pieces.sent_bytes == len(data)


def test_standard_input_without_a_descriptor_is_read_too() -> None:
    data = os.urandom(PIECE + 1)
    assert b"".join(UploadPieces(KeptTerminal(source=data), "-")) == data


def test_a_pipe_gives_what_is_there_without_waiting_for_more() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source:
        terminal = Terminal(
            out=KeptStream(), err=KeptStream(), source=source, environ={}, cwd=NOWHERE
        )
        pieces = iter(UploadPieces(terminal, "-"))
        os.write(writing, b"first")
        assert next(pieces) == b"first"
        os.write(writing, b"sec")
        os.write(writing, b"ond")
        assert next(pieces) == b"second"
        os.close(writing)
        assert list(pieces) == []


def test_a_file_that_cannot_be_opened_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    for name in (str(tmp_path), str(tmp_path / "missing"), "a\0b"):
        with pytest.raises(Usage, match="nothing was sent"):
            UploadPieces(KeptTerminal(), name)


def test_reading_that_fails_half_way_says_how_far_it_came() -> None:
    reading, writing = os.pipe()
    source = os.fdopen(reading, "rb")
    terminal = Terminal(out=KeptStream(), err=KeptStream(), source=source, environ={}, cwd=NOWHERE)
    os.write(writing, b"abc")
    pieces = iter(UploadPieces(terminal, "-"))
    assert next(pieces) == b"abc"
    os.dup2(writing, reading)  # the end for writing cannot be read
    with pytest.raises(InternalError, match="after 3 bytes"):
        next(pieces)
    source.close()
    os.close(writing)
