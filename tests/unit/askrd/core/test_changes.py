"""Holds what is remembered of the changes of the state, and how far back."""

import pytest

from askrd.core import changes
from askrd.core.changes import Change, Changes
from askrd.core.state import Entry


def change(rev: int, key: str = "a", value: bytes | None = b"1") -> Change:
    entry = None if value is None else Entry(value, 1, rev, 0)
    return Change(rev, key, entry, "set" if entry else "del", 0)


def test_since_gives_what_came_after_in_order_and_below_the_prefix() -> None:
    memory = Changes()
    for rev, key in enumerate(("a", "b", "a/b", "ab", "a"), 1):
        memory.remember(change(rev, key, None if rev == 5 else b"1"))
    assert [one.rev for one in memory.since(1, "a")] == [3, 5]
    assert [one.rev for one in memory.since(0, "")] == [1, 2, 3, 4, 5]
    assert memory.since(5, "") == []
    assert [one.op for one in memory.since(3, "a")] == ["del"]
    assert [one.rev for one in memory.backwards("a")] == [5, 3, 1]


def test_the_oldest_give_way_by_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "STATE_CHANGES_MAX", 3)
    memory = Changes(floor=7)
    assert memory.floor == 7
    for rev in range(8, 14):
        memory.remember(change(rev))
    assert (len(memory), memory.floor) == (3, 10)
    assert [one.rev for one in memory.since(memory.floor, "")] == [11, 12, 13]


def test_the_oldest_give_way_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "STATE_CHANGES_BYTES_MAX", 100)
    memory = Changes()
    for rev in range(1, 5):
        memory.remember(change(rev, value=bytes(39)))
    assert (len(memory), memory.floor) == (2, 2)
    memory.remember(change(5, value=bytes(100)))
    assert (len(memory), memory.floor) == (0, 5), "one alone may be too large"
    memory.remember(change(6, value=None))
    assert [one.rev for one in memory.since(5, "")] == [6]


def test_what_was_kept_begins_every_history_and_no_since(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "STATE_CHANGES_MAX", 2)
    memory = Changes()
    rows = {"b": Entry(b"2", 1, 9, 0), "a": Entry(b"1", 1, 4, 0), "c": Entry(b"3", 1, 7, 0)}
    memory.begin(rows.items(), 12)
    assert [one.rev for one in memory.backwards("")] == [9, 7], "the newest of them"
    assert memory.floor == 12
