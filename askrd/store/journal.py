"""What was written last: one row per batch, folded into the tables when there is time.

A batch is durable with a single statement, whatever keys it touches: that is what a write waits
for. Folding writes each key once, however often it changed meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from askrd.core.effects import Durable
from askrd.store.tables import Newest, write_newest
from askrd.wire.limits import MIB

FOLD_ROWS = 8_192
"""So many entries and records are folded even while others wait: a few tens of milliseconds."""
FOLD_BYTES = 16 * MIB
"""A journal of this size is folded, however few entries it is about."""
ROW_BYTES = 4 * MIB
"""A batch is put into rows of about this size."""
_ADD = "INSERT INTO journal (changes) VALUES (?)"
_ALL = "SELECT changes FROM journal ORDER BY id"
_SIZE = "SELECT sum(length(changes)) FROM journal"
_CLEAR = "DELETE FROM journal"

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Durable])


def packed(changes: Sequence[Durable]) -> list[bytes]:
    """Returns a batch as the rows it becomes; one, unless it is very large."""
    row = _ENCODER.encode(changes)
    if len(row) <= ROW_BYTES or len(changes) == 1:
        return [row]
    half = len(changes) // 2
    return packed(changes[:half]) + packed(changes[half:])


def add(connection: sqlite3.Connection, rows: Sequence[bytes]) -> None:
    """Makes a batch of one row durable; of several, within the transaction that is open.

    Raises:
        sqlite3.Error: nothing was written.
    """
    for row in rows:
        connection.execute(_ADD, (row,))


def unfolded(connection: sqlite3.Connection) -> Iterator[Durable]:
    """Yields the changes that are not in the tables yet, oldest first.

    Raises:
        sqlite3.Error: they cannot be read.
        msgspec.MsgspecError: a row is none that this version wrote.
    """
    for (row,) in connection.execute(_ALL):
        yield from _DECODER.decode(row)


def size(connection: sqlite3.Connection) -> int:
    """Returns how many bytes the rows of the journal have.

    Raises:
        sqlite3.Error: they cannot be read.
    """
    (size_bytes,) = connection.execute(_SIZE).fetchone()
    return int(size_bytes or 0)


def fold(connection: sqlite3.Connection, newest: Newest) -> None:
    """Brings the journal into the tables, within the transaction that is open.

    Args:
        connection: to the database.
        newest: what the changes in the journal come to.

    Raises:
        sqlite3.Error: the transaction is to be rolled back; the journal is as it was.
    """
    write_newest(connection, newest)
    connection.execute(_CLEAR)
