"""Holds that a reader who leaves is noticed, and that other outputs have none."""

import os
import threading
from pathlib import Path

from askr_cli.commands.reader_watch import ReaderWatch
from tests.unit.askr_cli.terminals import KeptStream

PATIENCE_S = 10.0


def test_a_reader_who_leaves_is_noticed() -> None:
    reading, writing = os.pipe()
    gone = threading.Event()
    with os.fdopen(writing, "w") as out, ReaderWatch(out, gone.set) as watch:
        assert not watch.is_gone
        os.close(reading)
        assert gone.wait(PATIENCE_S)
        assert watch.is_gone


def test_a_reader_who_stays_is_not_gone_and_the_watch_ends() -> None:
    before = threading.active_count()
    reading, writing = os.pipe()
    gone = threading.Event()
    with os.fdopen(writing, "w") as out:
        with ReaderWatch(out, gone.set) as watch:
            out.write("x" * 10)
            out.flush()
        assert not watch.is_gone
    os.close(reading)
    assert not gone.is_set()
    assert threading.active_count() == before


def test_files_and_kept_streams_have_no_reader_who_could_leave(tmp_path: Path) -> None:
    for out in (KeptStream(), (tmp_path / "file").open("w")):
        with out, ReaderWatch(out, lambda: None) as watch:
            out.write("x")
        assert not watch.is_gone
