"""Holds the shelf of outcomes: what is forgotten, when, and that its bytes add up."""

import pytest

from askrd.core import shelf
from askrd.core.shelf import Kept, Shelf
from tests.unit.askrd.core.desk import Desk


def put(where: Shelf, name: str, size: int = 1, until_us: int | None = 100) -> Kept:
    kept = Kept((b"agent.fetch", name), "value", (Desk().join().session, 1), where)
    where.items[kept.key] = kept
    if until_us is not None:
        kept.outcome = (0, 0, b"", b"x" * size)
        kept.until_us = until_us
        where.bytes += size
    return kept


def names(where: Shelf) -> str:
    return " ".join(name for _, name in where.items)


def test_outcomes_leave_when_their_time_is_over_and_runs_stay() -> None:
    where = Shelf()
    put(where, "running", until_us=None)
    put(where, "old", 5, until_us=100)
    put(where, "young", 7, until_us=200)
    where.expire(99)
    assert names(where) == "running old young"
    where.expire(100)
    assert (names(where), where.bytes, len(where)) == ("running young", 7, 2)
    where.expire(1_000)
    assert (names(where), where.bytes) == ("running", 0)


def test_the_oldest_give_way_to_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "KEPT_OUTCOMES_MAX", 3)
    monkeypatch.setattr(shelf, "KEPT_BYTES_MAX", 10)
    where = Shelf()
    for name in "abcd":
        put(where, name)
    where.expire(0)
    assert names(where) == "b c d"
    put(where, "e", 9)
    where.expire(0)
    assert (names(where), where.bytes) == ("d e", 10)


def test_a_key_is_forgotten_only_by_who_has_it() -> None:
    where = Shelf()
    first = put(where, "k", 3)
    where.forget(first)
    second = put(where, "k", 4)
    where.forget(first)
    assert (where.items[second.key], where.bytes) == (second, 4)
