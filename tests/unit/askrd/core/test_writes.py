"""Holds the pure decision of a write of state."""

from typing import Any

import pytest

from askrd.core.state import Entry
from askrd.core.writes import Write, decide
from askrd.wire.errors import BadRequest, Conflict, NotFound

OLD = Entry(b"1", 1, 5, 100)
MORTAL = Entry(b"1", 1, 5, 100, 400, "", 300)
OWNED = Entry(b"1", 1, 5, 100, 0, "p1")


def write(
    value: bytes | None = b"2", if_rev: int | None = None, coding: int = 1, **fields: Any
) -> Write:
    return Write("k", value, coding, if_rev, **fields)


def test_a_write_becomes_the_next_revision() -> None:
    assert decide(None, write(), 6, 200) == Entry(b"2", 1, 6, 200)
    assert decide(OLD, write(), 6, 200) == Entry(b"2", 1, 6, 200)


def test_an_equal_value_is_the_same_entry() -> None:
    assert decide(OLD, write(b"1"), 6, 200) is OLD
    assert decide(OLD, write(b"1", coding=2), 6, 200) is not OLD


@pytest.mark.parametrize(("entry", "if_rev"), [(OLD, 4), (OLD, 0), (None, 5)])
def test_another_revision_is_a_conflict_that_says_which(entry: Entry | None, if_rev: int) -> None:
    for op in ("", "patch", "incr", "touch"):
        with pytest.raises(Conflict) as refused:
            decide(entry, write(if_rev=if_rev, op=op), 6, 200)
        assert refused.value.details == {"key": "k", "rev": entry.rev if entry else 0}


def test_the_right_revision_writes() -> None:
    assert decide(OLD, write(if_rev=5), 6, 200) is not None
    assert decide(None, write(if_rev=0), 6, 200) is not None


def test_deleting_and_touching_need_something_that_is_there() -> None:
    assert decide(OLD, write(None), 6, 200) is None
    for missing in (write(None), write(b"", op="touch")):
        with pytest.raises(NotFound):
            decide(None, missing, 6, 200)


def test_another_time_to_live_is_a_change_of_an_equal_value() -> None:
    given = decide(OLD, write(b"1", ttl_ms=300), 6, 200)
    assert given == Entry(b"1", 1, 6, 200, 500, "", 300)
    assert decide(MORTAL, write(b"1", ttl_ms=300), 6, 100) is MORTAL, "the same end"
    assert decide(MORTAL, write(b"1"), 6, 200) == Entry(b"1", 1, 6, 200), "a plain set leaves none"
    assert decide(OLD, write(b"1", ttl_ms=0), 6, 200) is OLD


def test_patch_and_incr_leave_the_end_where_it_is() -> None:
    for wanted in (write(b"1", op="incr"), write(b"2", op="patch")):
        after = decide(MORTAL, wanted, 6, 200)
        assert after == Entry(b"2", 1, 6, 200, 400, "", 300)
    moved = decide(MORTAL, write(b"1", op="incr", ttl_ms=50), 6, 200)
    assert moved == Entry(b"2", 1, 6, 200, 250, "", 50)
    assert decide(MORTAL, write(b"1", op="incr", ttl_ms=0), 6, 200) == Entry(b"2", 1, 6, 200)


def test_touching_begins_the_time_again() -> None:
    touch = write(b"", op="touch")
    assert decide(MORTAL, touch, 6, 200) == Entry(b"1", 1, 6, 200, 500, "", 300)
    counted = decide(MORTAL, write(b"1", op="incr"), 6, 350)
    renewed = decide(counted, touch, 7, 390)
    assert renewed is not None
    assert renewed.expires_ms == 690, "the whole time, and not what was left at the last change"
    kept = Entry(b"1", 1, 5, 100, 400)
    assert decide(kept, touch, 6, 200) == Entry(b"1", 1, 6, 200, 500, "", 300)
    assert decide(OLD, touch, 6, 200) is OLD, "nothing to renew"
    assert decide(OLD, write(b"", op="touch", ttl_ms=9), 6, 200) == Entry(
        b"1", 1, 6, 200, 209, "", 9
    )
    assert decide(MORTAL, write(b"", op="touch", ttl_ms=0), 6, 200) == Entry(b"1", 1, 6, 200)


def test_an_ephemeral_entry_belongs_to_its_last_plain_writer() -> None:
    assert decide(OLD, write(b"1", owner="p1"), 6, 200) == Entry(b"1", 1, 6, 200, 0, "p1")
    assert decide(OWNED, write(b"1", owner="p1"), 6, 200) is OWNED
    assert decide(OWNED, write(b"1", owner="p2"), 6, 200) == Entry(b"1", 1, 6, 200, 0, "p2")
    assert decide(OWNED, write(b"1"), 6, 200) == Entry(b"1", 1, 6, 200), "an ordinary one again"
    counted = decide(OWNED, write(b"1", op="incr"), 6, 200)
    assert counted == Entry(b"2", 1, 6, 200, 0, "p1"), "other ops leave it whose it is"


def test_patch_and_incr_begin_with_nothing() -> None:
    assert decide(None, write(b"", op="incr"), 1, 0) == Entry(b"1", 1, 1, 0)
    assert decide(None, write(b'{"a":1}', op="patch"), 1, 0) == Entry(b'{"a":1}', 1, 1, 0)
    assert decide(OLD, write(b"0", op="incr"), 6, 200) is OLD
    assert decide(OLD, write(b"1", op="patch"), 6, 200) is OLD
    with pytest.raises(BadRequest):
        decide(Entry(b'"x"', 1, 5, 100), write(b"1", op="incr"), 6, 200)
