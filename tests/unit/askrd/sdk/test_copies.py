"""Holds a copy of a part of the state against what a watch tells it."""

import pytest

from askrd.sdk.copies import Copy
from askrd.sdk.values import Change, Synced
from askrd.wire.errors import SchemaInvalid
from askrd.wire.frames import Frame, Kind


def put(key: str, rev: int, value: bytes = b"1", *, snapshot: bool = False) -> Change:
    frame = Frame(kind=Kind.CHANGE, payload=value, coding=1)
    return Change("set", key, rev, "set", 7, snapshot=snapshot, frame=frame)


def test_what_is_there_first_is_no_change() -> None:
    copy = Copy("cfg")

    assert copy.take(put("cfg/b", 2, snapshot=True)) is None
    assert copy.take(put("cfg/a", 3, b'{"x":1}', snapshot=True)) is None
    assert not copy.is_whole
    assert copy.take(Synced(5)) is None

    assert (copy.is_whole, copy.rev, copy.changes) == (True, 5, 0)
    assert dict(copy) == {"cfg/a": {"x": 1}, "cfg/b": 1}
    assert list(copy) == ["cfg/a", "cfg/b"]
    assert (copy.entry("cfg/b").rev, copy.entry("cfg/b").ts_ms) == (2, 7)


def test_changes_are_taken_and_passed_on() -> None:
    copy = Copy("")
    copy.take(Synced(0))
    change = put("a", 1)

    assert copy.take(change) is change
    assert copy.take(put("a", 2, b"2")) is not None
    assert copy["a"] == 2
    assert copy.take(Change("del", "a", 3)) is not None

    assert "a" not in copy
    assert copy.get("a") is None
    assert (len(copy), copy.rev, copy.changes) == (0, 3, 3)
    with pytest.raises(KeyError):
        copy["a"]


@pytest.mark.parametrize("prefix", ["@agent", "@agent/"])
def test_keys_may_be_told_without_the_prefix(prefix: str) -> None:
    copy = Copy(prefix, relative=True)
    copy.take(put("@agent/a/b", 1))
    copy.take(put("@agent", 1))
    copy.take(Synced(1))

    change = copy.take(Change("del", "@agent/a/b", 2))

    assert change is not None
    assert change.key == "a/b"
    assert list(copy) == []


def test_a_new_start_of_the_daemon_may_count_from_below() -> None:
    copy = Copy("")
    copy.take(Synced(9))
    copy.take(put("a", 1, snapshot=True))
    copy.take(Synced(2))

    assert (copy.rev, copy.changes) == (2, 1)


def test_a_value_is_decoded_whenever_it_is_looked_at() -> None:
    copy = Copy("")
    copy.take(put("a", 1, b"[1]"))
    copy.take(put("b", 1, b"no json"))

    copy["a"].append(2)

    assert copy["a"] == [1]
    with pytest.raises(SchemaInvalid):
        copy["b"]
