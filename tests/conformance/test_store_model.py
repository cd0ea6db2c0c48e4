"""Every store against a dictionary: whatever is written, closed and opened again, they agree."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.conformance.stores import MEMORY, SQLITE, Opened, change, values_of

KEYS = st.sampled_from(["a", "a/b", "b", "@agent/x", "long/" + "k" * 500])
VALUES = st.none() | st.binary(max_size=64) | st.just(b"x" * 20_000)
WORKSPACES = st.sampled_from(["askr", "other"])
CHANGES = st.lists(st.tuples(WORKSPACES, KEYS, VALUES), min_size=1, max_size=80)


class Comparison(RuleBasedStateMachine):
    """Writes the same to both stores and to a dictionary per workspace."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="askr-store-"))
        self.durable = Opened(SQLITE, self.directory / "data")
        self.memory = Opened(MEMORY, self.directory)
        self.model: dict[str, dict[str, bytes]] = {}
        self.heads: dict[str, int] = {}
        self.ticket = 0

    @rule(wanted=CHANGES)
    def write(self, wanted: list[tuple[str, str, bytes | None]]) -> None:
        changes = []
        for workspace, key, value in wanted:
            self.ticket += 1
            changes.append(change(self.ticket, key, value, workspace=workspace))
            entries = self.model.setdefault(workspace, {})
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = value
            self.heads[workspace] = self.ticket
        self.durable.store.write(changes)
        self.memory.store.write(changes)

    @rule()
    def open_again(self) -> None:
        self.durable = self.durable.again()
        kept = self.durable.store.load()
        assert values_of(kept) == self.model
        heads = {name: workspace.head_rev for name, workspace in kept.workspaces.items()}
        assert heads == self.heads

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
