"""The durable store at work: one thread, batches, and what becomes of those that fail."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.store.data_directory import DataDirectory
from askrd.store.database import Database
from askrd.store.sqlite import SqliteStore
from tests.conformance.stores import Heard, Loop, change, values_of


class Scene:
    """A store over a database whose size can be bounded."""

    def __init__(self, path: Path) -> None:
        with DataDirectory(path) as directory:
            self.database = Database(directory)
        self.loop, self.heard = Loop(), Heard()
        self.store = SqliteStore(self.database, self.heard, self.loop.later)

    def fill(self) -> None:
        """Lets the file grow no more."""
        self.bound(1)

    def bound(self, pages: int) -> None:
        self.database._connection.execute(f"PRAGMA max_page_count = {pages}")

    def until_said(self, count: int) -> None:
        self.loop.turn_until(lambda: len(self.heard.said) >= count)


LARGE = b"x" * 100_000


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path / "data")
    yield made
    made.store.close()


def test_a_store_that_writes_nothing_has_no_thread(scene: Scene) -> None:
    before = threading.active_count()
    scene.store.write([])
    assert threading.active_count() == before


def test_a_batch_that_fails_is_rejected_with_the_reason(scene: Scene) -> None:
    scene.fill()
    scene.store.write([change(1, "large", LARGE)])
    scene.until_said(1)
    assert scene.heard.said == ["database or disk is full"]
    assert values_of(scene.store.load()) == {}


def test_what_was_taken_before_the_rejection_was_told_is_not_written_either(
    scene: Scene,
) -> None:
    """The core takes it back together with what failed: it was decided on top of it."""
    scene.fill()
    scene.store.write([change(1, "large", LARGE)])
    scene.loop.turn()
    scene.loop.wait()
    scene.bound(100_000)
    scene.store.write([change(2, "handed/over")])
    scene.store._hand_over()
    scene.store.write([change(3, "gathered")])
    scene.until_said(1)
    scene.store.write([change(2, "afterwards")])
    scene.until_said(2)
    assert scene.heard.said == ["database or disk is full", 2]
    assert values_of(scene.store.load()) == {"askr": {"afterwards": b"1"}}


def test_it_works_again_by_itself_once_there_is_room(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.fill()
    for ticket in (1, 2):
        scene.store.write([change(1, "large", LARGE)])
        scene.until_said(ticket)
    scene.bound(100_000)
    with caplog.at_level("INFO", "askrd.store"):
        scene.store.write([change(1, "large", LARGE)])
        scene.until_said(3)
    assert scene.heard.said == ["database or disk is full", "database or disk is full", 1]
    assert [record.message for record in caplog.records] == [
        "store cannot write",
        "store writes again",
    ]


def test_a_database_that_is_locked_is_waited_for(scene: Scene) -> None:
    other = sqlite3.connect(scene.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    scene.store.write([change(1)])
    assert scene.heard.said == []
    other.execute("ROLLBACK")
    other.close()
    scene.until_said(1)
    assert scene.heard.said == [1]


def test_what_is_said_is_said_by_way_of_later_alone(scene: Scene) -> None:
    scene.store.write([change(1)])
    scene.store.close()
    assert scene.heard.said == []
    scene.loop.turn()
    assert scene.heard.said == [1]


def test_many_writes_share_a_commit(scene: Scene) -> None:
    """While one batch is on its way to the disk, everything else gathers for the next."""
    other = sqlite3.connect(scene.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for ticket in range(1, 501):
        scene.store.write([change(ticket)])
        scene.loop.turn()
    other.execute("ROLLBACK")
    other.close()
    scene.loop.turn_until(lambda: bool(scene.heard.said) and scene.heard.said[-1] == 500)
    assert len(scene.heard.said) <= 2


def test_what_one_turn_of_the_loop_brings_is_one_commit(scene: Scene) -> None:
    for ticket in range(1, 51):
        scene.store.write([change(ticket)])
    scene.loop.turn()
    scene.until_said(1)
    assert scene.heard.said == [50]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_is_told_instead_of_leaving_writers_waiting(scene: Scene) -> None:
    scene.store.write([change(2**70)])
    scene.until_said(1)
    assert scene.heard.said == ["OverflowError"]
