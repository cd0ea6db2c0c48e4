"""The tables: what changes make of the rows of a workspace, in memory and on the disk alike."""

import sqlite3

from hypothesis import given, strategies as st

from askrd.core.effects import Durable
from askrd.store import tables
from askrd.store.schema import upgrade
from tests.conformance.stores import change, record

Step = tuple[bool, int, bytes | None]
steps = st.lists(
    st.tuples(st.booleans(), st.integers(0, 3), st.one_of(st.none(), st.binary(max_size=3))),
    max_size=12,
)


def made(wanted: list[Step]) -> list[Durable]:
    return [
        change(ticket, f"k/{number}", value)
        if is_entry
        else record(ticket, "jobs", str(number), value)
        for ticket, (is_entry, number, value) in enumerate(wanted, start=1)
    ]


@given(steps, steps)
def test_the_disk_agrees_with_memory(first: list[Step], second: list[Step]) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    upgrade(connection)
    changes = made([*first, *second])
    for batch in (changes[: len(first)], changes[len(first) :]):
        newest: tables.Newest = {}
        tables.gather(newest, batch)
        tables.write_newest(connection, newest)
    rows = tables.Rows()
    for each in changes:
        rows.take(each)
    found = tables.read(connection).get("askr", tables.Rows())
    connection.close()
    assert (found.entries, found.records, found.head_rev) == (
        rows.entries,
        rows.records,
        rows.head_rev,
    )
