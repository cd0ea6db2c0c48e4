"""What was written last: one row per batch, folded into the tables when there is time.

A batch is durable with a single statement, whatever keys it touches: that is what a write waits
for. Folding writes each key once, however often it changed meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from askrd.core.effects import Durable
from askrd.store.tables import write_newest
from askrd.wire.limits import MIB

FOLD_CHANGES = 8_192
"""So many changes are folded even while others wait: a few tens of milliseconds."""
FOLD_BYTES = 16 * MIB
"""The same for their size."""
ROW_BYTES = 4 * MIB
"""A batch is put into rows of about this size."""
_ADD = "INSERT INTO journal (changes) VALUES (?)"
_ALL = "SELECT changes FROM journal ORDER BY id"
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


def fold(connection: sqlite3.Connection) -> None:
    """Brings the journal into the tables, within the transaction that is open.

    Raises:
        sqlite3.Error: the transaction is to be rolled back; the journal is as it was.
        msgspec.MsgspecError: the same; a row is none that this version wrote.
    """
    write_newest(connection, list(unfolded(connection)))
    connection.execute(_CLEAR)
