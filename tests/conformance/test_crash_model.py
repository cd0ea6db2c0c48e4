"""A database that crashes after every step: what is committed is there, in whole batches alone."""

import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from askrd.core.effects import Durable
from askrd.store.data_directory import DataDirectory
from askrd.store.database import REV_GAP, Database
from askrd.store.store import Kept
from tests.conformance.stores import change, record, records_of, values_of
from tests.conformance.test_store_model import CHANGES, filled, put


class Model(NamedTuple):
    """What a database holds: entries, records and the last revision, by workspace."""

    entries: dict[str, dict[str, bytes]]
    records: dict[str, dict[tuple[str, str], bytes]]
    heads: dict[str, int]


def model_of(kept: Kept, gap: int) -> Model:
    heads = {name: workspace.head_rev - gap for name, workspace in kept.workspaces.items()}
    heads = {name: rev for name, rev in heads.items() if rev}
    return Model(filled(values_of(kept)), filled(records_of(kept)), heads)


def opened(path: Path) -> Database:
    with DataDirectory(path) as directory:
        return Database(directory)


class Crashes(RuleBasedStateMachine):
    """Writes batches, and looks after every step at what a crash right there would have left."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="askr-crash-"))
        self.copies = 0
        self.ticket = 0
        self.gap = 0
        self.begin(self.directory / "data")
        self.past = [Model({}, {}, {})]

    @rule(wanted=CHANGES, cut=st.floats(0, 1))
    def write(self, wanted: list[tuple[str, str, str, bytes | None]], cut: float) -> None:
        now = deepcopy(self.past[-1])
        changes: list[Durable] = []
        for workspace, shelf, key, value in wanted:
            self.ticket += 1
            if shelf:
                changes.append(record(self.ticket, shelf, key, value, workspace=workspace))
                put(now.records.setdefault(workspace, {}), (shelf, key), value)
            else:
                changes.append(change(self.ticket, key, value, workspace=workspace))
                put(now.entries.setdefault(workspace, {}), key, value)
                now.heads[workspace] = self.ticket
        self.database.write(changes)
        self.past.append(Model(filled(now.entries), filled(now.records), now.heads))
        self.look()
        self.look_at_a_torn_log(cut)

    @rule()
    def fold(self) -> None:
        self.database.fold()
        self.look()

    @rule()
    def go_on_after_a_crash(self) -> None:
        copy = self.copied()
        self.database.close()
        self.begin(copy)
        self.gap = REV_GAP
        assert model_of(self.database.load(), self.gap) == self.past[-1]

    @rule()
    def end_and_begin_again(self) -> None:
        path = self.database.path.parent
        self.database.close()
        self.begin(path)
        self.gap = 0
        assert model_of(self.database.load(), self.gap) == self.past[-1]

    def begin(self, path: Path) -> None:
        self.database = opened(path)
        self.begun_bytes = self.database.path.with_name("askr.db-wal").stat().st_size

    def look(self) -> None:
        assert model_of(self.database.load(), self.gap) == self.past[-1]
        assert self.left_by(self.copied()) == self.past[-1]

    def look_at_a_torn_log(self, cut: float) -> None:
        """Wherever the log is cut since the start, what is left is what there was after some batch."""
        copy = self.copied()
        wal = copy / "askr.db-wal"
        whole = wal.read_bytes()
        wal.write_bytes(whole[: self.begun_bytes + int((len(whole) - self.begun_bytes) * cut)])
        assert self.left_by(copy) in self.past

    def copied(self) -> Path:
        """Copies the files as they are now: a crash of the daemon leaves them like this."""
        self.copies += 1
        copy = self.directory / f"copy-{self.copies}"
        copy.mkdir(mode=0o700)
        for name in ("askr.db", "askr.db-wal"):
            shutil.copy(self.database.path.with_name(name), copy)
        return copy

    def left_by(self, files: Path) -> Model:
        database = opened(files)
        try:
            (verdict,) = database._connection.execute("PRAGMA integrity_check").fetchone()
            assert verdict == "ok"
            return model_of(database.load(), REV_GAP)
        finally:
            database.close()
            shutil.rmtree(files)

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.directory)


Crashes.TestCase.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
TestCrashes = pytest.mark.timeout(300)(Crashes.TestCase)
