"""The tables of entries and records: read whole, and written newest row by newest row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from askrd.core.effects import Durable, Persist, Record
from askrd.core.state import Entry

ROWS_MAX = 64
"""Rows of one statement: between statements the thread waits for the interpreter's lock."""
STATEMENTS_KEPT = 3 * ROWS_MAX + 16
_PUT = "INSERT INTO entries VALUES "
_PUT_ROW = "(?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_OVER = (
    " ON CONFLICT (workspace, key) DO UPDATE SET rev = excluded.rev, ts_ms = excluded.ts_ms,"
    " expires_ms = excluded.expires_ms, ttl_ms = excluded.ttl_ms, coding = excluded.coding,"
    " value = excluded.value"
)
_DELETE = "DELETE FROM entries WHERE workspace = ? AND key = ?"
_KEEP = "INSERT INTO records VALUES "
_KEEP_ROW = "(?, ?, ?, ?)"
_KEEP_OVER = " ON CONFLICT (workspace, shelf, key) DO UPDATE SET value = excluded.value"
_FORGET = "DELETE FROM records WHERE workspace = ? AND shelf = ? AND key = ?"
_HEAD = (
    "INSERT INTO heads VALUES (?, ?)"
    " ON CONFLICT (workspace) DO UPDATE SET rev = max(rev, excluded.rev)"
)


class Rows:
    """What the tables hold of one workspace, and what changes make of it.

    Attributes:
        entries: of the state, by key. records: values by shelf and key. head_rev: the highest revision.
    """

    __slots__ = ("entries", "head_rev", "records")

    def __init__(self, head_rev: int = 0) -> None:
        self.entries: dict[str, Entry] = {}
        self.records: dict[tuple[str, str], bytes] = {}
        self.head_rev = head_rev

    def take(self, change: Durable) -> None:
        """Takes in one change."""
        if isinstance(change, Persist):
            self.head_rev = max(self.head_rev, change.rev)
            if change.entry is None:
                self.entries.pop(change.key, None)
            else:
                self.entries[change.key] = change.entry
        elif change.value is None:
            self.records.pop((change.shelf, change.key), None)
        else:
            self.records[change.shelf, change.key] = change.value


def read(connection: sqlite3.Connection) -> dict[str, Rows]:
    """Returns what the tables hold, by workspace.

    Raises:
        sqlite3.Error: they cannot be read.
    """
    heads = connection.execute("SELECT workspace, rev FROM heads")
    spaces = {workspace: Rows(rev) for workspace, rev in heads}
    for place in connection.execute("SELECT * FROM entries"):
        workspace, key, rev, ts_ms, expires_ms, ttl_ms, coding, value = place
        entry = Entry(value, coding, rev, ts_ms, expires_ms, ttl_ms=ttl_ms)
        spaces[workspace].entries[key] = entry
    for workspace, shelf, key, value in connection.execute("SELECT * FROM records"):
        spaces.setdefault(workspace, Rows()).records[shelf, key] = value
    return spaces


Newest = dict[tuple[str, ...], Durable]
"""What changes come to: the last one by workspace and key, or by workspace, shelf and key."""


def gather(newest: Newest, changes: Iterable[Durable]) -> None:
    """Takes further changes in, in their order."""
    for change in changes:
        if isinstance(change, Persist):
            newest[change.workspace, change.key] = change
        else:
            newest[change.workspace, change.shelf, change.key] = change


def write_newest(connection: sqlite3.Connection, newest: Newest) -> None:
    """Writes what entries and records are now, in the transaction that is open.

    Raises:
        sqlite3.Error: the transaction is to be rolled back.
    """
    changes = newest.values()
    entries = [change for change in changes if isinstance(change, Persist)]
    if entries:
        _write_entries(connection, entries)
    records = [change for change in changes if isinstance(change, Record)]
    if records:
        _write_records(connection, records)


def _write_entries(connection: sqlite3.Connection, changes: Sequence[Persist]) -> None:
    rows = [
        (change.workspace, change.key, *_columns(change.entry))
        for change in changes
        if change.entry is not None
    ]
    rows.sort()
    _put(connection, rows, _PUT, _PUT_ROW, _PUT_OVER)
    gone = [(change.workspace, change.key) for change in changes if change.entry is None]
    if gone:
        connection.executemany(_DELETE, gone)
    heads: dict[str, int] = {}
    for change in changes:
        heads[change.workspace] = max(change.rev, heads.get(change.workspace, 0))
    connection.executemany(_HEAD, heads.items())


def _write_records(connection: sqlite3.Connection, changes: Sequence[Record]) -> None:
    rows = [
        (change.workspace, change.shelf, change.key, change.value)
        for change in changes
        if change.value is not None
    ]
    rows.sort()
    _put(connection, rows, _KEEP, _KEEP_ROW, _KEEP_OVER)
    gone = [(each.workspace, each.shelf, each.key) for each in changes if each.value is None]
    if gone:
        connection.executemany(_FORGET, gone)


def _put(
    connection: sqlite3.Connection,
    rows: Sequence[tuple[str | int | bytes, ...]],
    begin: str,
    row: str,
    over: str,
) -> None:
    """Writes rows over those that are there, `ROWS_MAX` with each statement."""
    for at in range(0, len(rows), ROWS_MAX):
        some = rows[at : at + ROWS_MAX]
        statement = begin + ", ".join([row] * len(some)) + over
        connection.execute(statement, [value for given in some for value in given])


def _columns(entry: Entry) -> tuple[int | bytes, ...]:
    times_ms = (entry.ts_ms, entry.expires_ms, entry.ttl_ms)
    return (entry.rev, *times_ms, entry.coding, entry.value)
