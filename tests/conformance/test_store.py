"""What every store owes the relay; one suite, run for each implementation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from askrd.core.effects import Persist
from askrd.core.state import Entry
from tests.conformance.stores import (
    MEMORY,
    SQLITE,
    Kind,
    Opened,
    change,
    record,
    records_of,
    values_of,
)


@pytest.fixture(params=[MEMORY, SQLITE], ids=lambda kind: kind.name)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    kind: Kind = request.param
    found = Opened(kind, tmp_path / "data")
    yield found
    found.close()


def test_nothing_is_committed_before_the_caller_is_done(opened: Opened) -> None:
    opened.store.write([change(1)])
    assert opened.heard.said == []
    opened.until(1)
    assert opened.heard.said == [1]


def test_tickets_are_committed_in_order_and_up_to_the_last(opened: Opened) -> None:
    opened.store.write([change(1), change(2), change(3)])
    opened.store.write([change(4)])
    opened.until(4)
    tickets = [said for said in opened.heard.said if isinstance(said, int)]
    assert tickets == sorted(tickets)
    assert set(tickets) <= {3, 4}


def test_entries_and_records_share_one_row_of_tickets(opened: Opened) -> None:
    opened.store.write([change(1), record(2), change(3), record(4)])
    opened.until(4)
    assert opened.heard.said == [4]
    opened.store.write([record(5)])
    opened.until(5)
    assert opened.heard.said == [4, 5]


def test_an_empty_batch_says_nothing(opened: Opened) -> None:
    opened.store.write([])
    opened.keep(change(1))
    assert opened.heard.said == [1]


def test_a_closed_store_takes_nothing(opened: Opened) -> None:
    opened.store.write([change(1)])
    opened.store.close()
    opened.loop.turn()
    assert opened.heard.said == [1]
    with pytest.raises(RuntimeError):
        opened.store.write([change(2)])


def test_closing_twice_is_closing_once(opened: Opened) -> None:
    opened.store.close()
    opened.store.close()


def test_a_new_store_is_empty(opened: Opened) -> None:
    assert opened.store.load().workspaces == {}
    assert opened.store.load().entries == 0


def test_what_was_kept_is_there_again_where_the_store_is_durable(opened: Opened) -> None:
    opened.keep(change(1, "a"), change(2, "b"), change(3, "a", b"2"), change(4, "b", None))
    kept = opened.again().store.load()
    if opened.kind.is_durable:
        assert values_of(kept) == {"askr": {"a": b"2"}}
        assert kept.workspaces["askr"].head_rev == 4
    else:
        assert values_of(kept) == {}


def test_records_that_were_kept_are_there_again_where_the_store_is_durable(
    opened: Opened,
) -> None:
    opened.keep(record(1, "jobs", "1"), record(2, "jobs", "2"), record(3, "jobs", "1", b"again"))
    opened.keep(record(4, "jobs", "2", None), record(5, "queues", "agent.run", b"{}"))
    kept = opened.again().store.load()
    if opened.kind.is_durable:
        rows = [("jobs", "1", b"again"), ("queues", "agent.run", b"{}")]
        assert kept.workspaces["askr"].records == rows
        assert (kept.entries, kept.records) == (0, 2)
    else:
        assert (kept.workspaces, kept.records) == ({}, 0)


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Opened]:
    found = Opened(SQLITE, tmp_path / "data")
    yield found
    found.close()


def test_what_was_taken_before_the_close_is_kept(durable: Opened) -> None:
    durable.store.write([change(1)])
    durable.store.write([change(2)])
    assert values_of(durable.again().store.load()) == {"askr": {"key/1": b"1", "key/2": b"1"}}


def test_every_part_of_an_entry_comes_back(durable: Opened) -> None:
    entry = Entry(
        b"\x00\xff", 3, 2**53, 1_700_000_000_123, expires_ms=1_700_000_060_123, ttl_ms=60_000
    )
    key = "config/\u00e9\U0001f40d"
    durable.keep(Persist(1, "askr", key, entry, 2**53))
    (workspace,) = durable.again().store.load().workspaces.values()
    assert workspace.rows == [(key, entry)]


def test_the_largest_value_comes_back(durable: Opened) -> None:
    value = bytes(range(256)) * 1024
    durable.keep(change(1, "large", value))
    assert values_of(durable.again().store.load()) == {"askr": {"large": value}}


def test_workspaces_do_not_mix(durable: Opened) -> None:
    durable.keep(
        change(1, "k", b"1", workspace="one"),
        change(2, "k", b"2", workspace="two"),
        change(3, "k", None, workspace="one"),
    )
    kept = durable.again().store.load()
    assert values_of(kept) == {"one": {}, "two": {"k": b"2"}}
    assert {name: kept.workspaces[name].head_rev for name in kept.workspaces} == {
        "one": 3,
        "two": 2,
    }


def test_the_revision_of_a_deletion_is_not_given_again(durable: Opened) -> None:
    durable.keep(change(1, "a"), change(2, "a", None))
    assert durable.again().store.load().workspaces["askr"].head_rev == 2


def test_more_rows_than_one_statement_takes_are_all_kept(durable: Opened) -> None:
    durable.keep(*(change(ticket) for ticket in range(1, 1000)))
    kept = durable.again().store.load()
    assert values_of(kept) == {"askr": {f"key/{ticket}": b"1" for ticket in range(1, 1000)}}
    assert [key for key, _ in kept.workspaces["askr"].rows] == sorted(
        f"key/{ticket}" for ticket in range(1, 1000)
    )


def test_deleting_what_was_never_kept_is_fine(durable: Opened) -> None:
    durable.keep(change(1, "ghost", None))
    assert values_of(durable.again().store.load()) == {"askr": {}}


def test_records_come_back_by_shelf_and_key(durable: Opened) -> None:
    durable.keep(
        record(1, "log/news", "00000000000000ff"),
        record(2, "log/news", "000000000000000a"),
        record(3, "jobs", "7"),
        record(4, "log/news", "0000000000000100"),
    )
    (workspace,) = durable.again().store.load().workspaces.values()
    assert [(shelf, key) for shelf, key, _ in workspace.records] == [
        ("jobs", "7"),
        ("log/news", "000000000000000a"),
        ("log/news", "00000000000000ff"),
        ("log/news", "0000000000000100"),
    ]


@pytest.mark.parametrize(
    "value", [b"", b"\x00\xff" * 40, bytes(range(256)) * 4096], ids=["none", "few", "a mebibyte"]
)
def test_the_value_of_a_record_is_any_bytes(durable: Opened, value: bytes) -> None:
    durable.keep(record(1, "retained", "a/\u00e9\U0001f40d", value))
    kept = durable.again().store.load()
    assert records_of(kept) == {"askr": {("retained", "a/\u00e9\U0001f40d"): value}}


def test_a_workspace_with_records_alone_is_there(durable: Opened) -> None:
    durable.keep(record(1, workspace="quiet"), change(2, "k", workspace="busy"))
    kept = durable.again().store.load()
    assert values_of(kept) == {"quiet": {}, "busy": {"k": b"1"}}
    assert records_of(kept) == {"quiet": {("jobs", "1"): b"1"}, "busy": {}}
    assert kept.workspaces["quiet"].head_rev == 0


def test_a_record_and_an_entry_of_one_name_are_two_things(durable: Opened) -> None:
    durable.keep(change(1, "jobs"), record(2, "jobs", "jobs", b"2"), change(3, "jobs", None))
    kept = durable.again().store.load()
    assert values_of(kept) == {"askr": {}}
    assert records_of(kept) == {"askr": {("jobs", "jobs"): b"2"}}


def test_shelves_and_workspaces_of_records_do_not_mix(durable: Opened) -> None:
    durable.keep(
        record(1, "a", "k", b"1"),
        record(2, "b", "k", b"2"),
        record(3, "a", "k", b"3", workspace="other"),
        record(4, "a", "k", None),
    )
    assert records_of(durable.again().store.load()) == {
        "askr": {("b", "k"): b"2"},
        "other": {("a", "k"): b"3"},
    }


def test_forgetting_what_was_never_kept_is_fine(durable: Opened) -> None:
    durable.keep(record(1, "jobs", "ghost", None))
    assert durable.again().store.load().records == 0


def test_more_records_than_one_statement_takes_are_all_kept_and_forgotten(
    durable: Opened,
) -> None:
    durable.keep(*(record(ticket) for ticket in range(1, 1000)))
    durable.keep(*(record(1000 + ticket, key=str(ticket), value=None) for ticket in range(1, 900)))
    kept = records_of(durable.again().store.load())
    assert kept == {"askr": {("jobs", str(ticket)): b"1" for ticket in range(900, 1000)}}
