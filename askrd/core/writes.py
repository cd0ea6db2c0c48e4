"""The rule that decides a write of state; pure, and shared by every authority over revisions."""

from __future__ import annotations

import msgspec

from askrd.core.merging import counted, merged
from askrd.core.state import Entry, missing
from askrd.wire.errors import Conflict
from askrd.wire.frames import Coding
from askrd.wire.names import shown


class Write(msgspec.Struct, frozen=True):
    """A wanted change.

    Attributes:
        key: of which entry.
        value: the payload; None deletes. coding: what its bytes are; see `Entry`.
        if_rev: the revision that must be there, 0 = no entry; None does not care.
        op: empty (``value`` is the new value), `patch`, `incr` or `touch`.
        ttl_ms: how long the entry is to live; 0 = for ever; None = as the op has it.
        owner: instance id of the peer it is to die with; empty = as the op has it.
    """

    key: str
    value: bytes | None
    coding: int
    if_rev: int | None = None
    op: str = ""
    ttl_ms: int | None = None
    owner: str = ""


def decide(entry: Entry | None, write: Write, next_rev: int, now_ms: int) -> Entry | None:
    """Returns what the entry becomes; the very same object when nothing changes.

    Raises:
        Conflict: the entry's rev is not ``if_rev`` (0 = must not exist).
        NotFound: there is nothing to delete or to touch.
        BadRequest: what is there cannot be patched or counted.
    """
    if write.if_rev is not None:
        _check_rev(entry, write, write.if_rev)
    if write.value is None or write.op == "touch":
        if entry is None:
            raise missing(write.key)
        if write.value is None:
            return None
    if write.op:
        value, coding = _worked_out(entry, write, write.value)
    else:
        value, coding = write.value, write.coding
    expires_ms, ttl_ms = _life(entry, write, now_ms) if write.op or write.ttl_ms else (0, 0)
    owner = write.owner
    if write.op and entry is not None and not owner:
        owner = entry.owner
    if (
        entry is not None
        and entry.value == value
        and entry.coding == coding
        and entry.expires_ms == expires_ms
        and entry.owner == owner
    ):
        return entry
    return Entry(value, coding, next_rev, now_ms, expires_ms, owner, ttl_ms)


def _check_rev(entry: Entry | None, write: Write, if_rev: int) -> None:
    rev = entry.rev if entry is not None else 0
    if if_rev != rev:
        there = f"it has rev {rev}" if rev else "it does not exist"
        raise Conflict(
            f"{shown(write.key)} was not written: {there}, not rev {if_rev}. "
            "Read it again and decide anew",
            details={"key": write.key, "rev": rev},
        )


def _worked_out(entry: Entry | None, write: Write, value: bytes) -> tuple[bytes, int]:
    """The new value of an op, and what its bytes are."""
    there, coding = (entry.value, entry.coding) if entry is not None else (b"", 0)
    if write.op == "patch":
        return merged(there, coding, value), Coding.JSON
    if write.op == "incr":
        return counted(there, coding, value, write.coding), Coding.JSON
    return there, coding


def _life(entry: Entry | None, write: Write, now_ms: int) -> tuple[int, int]:
    """When the entry goes (Unix milliseconds), and how long it lasts once renewed; 0 = never."""
    ttl_ms = write.ttl_ms
    if ttl_ms is None and entry is not None and write.op:
        ttl_ms = entry.lasts_ms
        if write.op != "touch":
            return entry.expires_ms, ttl_ms
    return (now_ms + ttl_ms, ttl_ms) if ttl_ms else (0, 0)
