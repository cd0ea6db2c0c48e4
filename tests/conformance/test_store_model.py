"""Every store against dictionaries: whatever is written, closed and opened again, they agree."""

import shutil
import tempfile
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from askrd.core.effects import Durable
from tests.conformance.stores import MEMORY, SQLITE, Opened, change, record, records_of, values_of

Place = TypeVar("Place", str, tuple[str, str])
KEYS = st.sampled_from(["a", "a/b", "b", "@agent/x", "long/" + "k" * 500])
VALUES = st.none() | st.binary(max_size=64) | st.just(b"x" * 20_000)
WORKSPACES = st.sampled_from(["askr", "other"])
SHELVES = st.just("") | st.sampled_from(["jobs", "log/news", "log/new", "retained"])
CHANGES = st.lists(st.tuples(WORKSPACES, SHELVES, KEYS, VALUES), min_size=1, max_size=80)
"""Where, on which shelf (none: it is an entry of the state), at which key, and what it becomes."""


def put(model: dict[Place, bytes], place: Place, value: bytes | None) -> None:
    if value is None:
        model.pop(place, None)
    else:
        model[place] = value


def filled(model: dict[str, dict[Place, bytes]]) -> dict[str, dict[Place, bytes]]:
    """Returns the workspaces where something is."""
    return {name: there for name, there in model.items() if there}


class Comparison(RuleBasedStateMachine):
    """Writes the same to both stores and to a dictionary per place."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="askr-store-"))
        self.durable = Opened(SQLITE, self.directory / "data")
        self.memory = Opened(MEMORY, self.directory)
        self.entries: dict[str, dict[str, bytes]] = {}
        self.records: dict[str, dict[tuple[str, str], bytes]] = {}
        self.heads: dict[str, int] = {}
        self.ticket = 0

    @rule(wanted=CHANGES)
    def write(self, wanted: list[tuple[str, str, str, bytes | None]]) -> None:
        changes: list[Durable] = []
        for workspace, shelf, key, value in wanted:
            self.ticket += 1
            if shelf:
                changes.append(record(self.ticket, shelf, key, value, workspace=workspace))
                put(self.records.setdefault(workspace, {}), (shelf, key), value)
            else:
                changes.append(change(self.ticket, key, value, workspace=workspace))
                put(self.entries.setdefault(workspace, {}), key, value)
                self.heads[workspace] = self.ticket
        self.durable.store.write(changes)
        self.memory.store.write(changes)

    @rule()
    def open_again(self) -> None:
        self.durable = self.durable.again()
        kept = self.durable.store.load()
        assert filled(values_of(kept)) == filled(self.entries)
        assert filled(records_of(kept)) == filled(self.records)
        heads = {name: workspace.head_rev for name, workspace in kept.workspaces.items()}
        assert heads == {**dict.fromkeys(filled(self.records), 0), **self.heads}

    @invariant()
    def nothing_is_refused(self) -> None:
        for store in (self.durable, self.memory):
            store.loop.turn()
            assert store.heard.said == sorted(store.heard.said, key=int)

    def teardown(self) -> None:
        self.durable.store.close()
        self.memory.store.close()
        self.durable.loop.turn()
        self.memory.loop.turn()
        for store in (self.durable, self.memory):
            assert not store.heard.said or store.heard.said[-1] == self.ticket
        shutil.rmtree(self.directory)


Comparison.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestComparison = pytest.mark.timeout(300)(Comparison.TestCase)
