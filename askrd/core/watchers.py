"""What those who read and watch the state are told: answers, rows of answers, and changes."""

from __future__ import annotations

from collections.abc import Iterable

from askrd.core.changes import Change
from askrd.core.instants import NEVER_US
from askrd.core.session import Session
from askrd.core.state import Entry
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire import header
from askrd.wire.bodies import dump
from askrd.wire.codec import encode
from askrd.wire.frames import (
    FLAG_KEPT,
    FLAG_OPTIONS,
    FLAG_SEALED,
    HEADER_REST_BYTES,
    SECTION,
    Frame,
    Kind,
)
from askrd.wire.names import prefix_matches
from askrd.wire.state import EntryOptions

OWN = "$askr"
"""Below it are the daemon's own keys; an empty prefix does not cover them."""


def is_own(prefix: str) -> bool:
    """Says whether only keys of the daemon's are at or below ``prefix``."""
    return prefix_matches(OWN, prefix)


def ok(
    board: Switchboard,
    session: Session,
    frame: Frame,
    options: EntryOptions,
    entry: Entry | None = None,
) -> None:
    """Answers a request about the state, with the value of ``entry`` if there is one."""
    payload, coding, flags = _shown(entry)
    answer = Frame(
        kind=Kind.OK,
        id=frame.id,
        name=frame.name,
        payload=payload,
        coding=coding,
        flags=flags,
        options=dump(options),
    )
    if options.count is None:
        board.send(session, answer)
    else:
        board.send_event(session, encode(answer))


def ok_plainly(board: Switchboard, session: Session, frame: Frame, rev: int, ts_ms: int) -> None:
    """Answers a write that changed an entry which stays: what `ok` says of most of them."""
    options = b'{"rev":%d,"ts":%d,"changed":true}' % (rev, ts_ms)
    name = frame.name
    rest = name + SECTION.pack(len(options)) + options
    size = len(rest)
    ok = header.stamped(
        HEADER_REST_BYTES + size,
        Kind.OK,
        len(name),
        frame.id,
        0,
        FLAG_OPTIONS << 8,
        b"",
        rest,
        0,
        size,
    )
    board.put(session, ok)


def about(board: Switchboard, workspace: Workspace, key: str, entry: Entry) -> EntryOptions:
    """Returns what is said of an entry beside its value."""
    if not (entry.expires_ms or entry.owner):
        return EntryOptions(rev=entry.rev, ts=entry.ts_ms)
    return EntryOptions(
        rev=entry.rev,
        ts=entry.ts_ms,
        ttl_ms=_left_ms(board, workspace, key, entry),
        ephemeral=bool(entry.owner),
        owner=entry.owner,
    )


def _left_ms(board: Switchboard, workspace: Workspace, key: str, entry: Entry) -> int:
    """How long an entry still lives; 0 = for ever."""
    if not entry.expires_ms:
        return 0
    at_us = board.expiry.at_us((workspace.name, key))
    if at_us == NEVER_US or workspace.state.head(key) is not entry:
        return max(1, entry.expires_ms - board.now_ms)
    return max(1, (at_us - board.now_us) // 1000)


def change_frame(key: str, entry: Entry | None, options: EntryOptions, flags: int = 0) -> bytes:
    """Returns the frame that tells what an entry is, or was."""
    payload, coding, sealed = _shown(entry)
    return encode(
        Frame(
            kind=Kind.CHANGE,
            id=options.rev,
            name=key.encode(),
            payload=payload,
            coding=coding,
            options=dump(options),
            flags=flags | sealed,
        )
    )


def _shown(entry: Entry | None) -> tuple[bytes, int, int]:
    """Returns payload, coding and flags of a frame that shows an entry; None = there is none."""
    if entry is None:
        return b"", 0, 0
    return entry.value, entry.coding & ~FLAG_SEALED, entry.coding & FLAG_SEALED


def tell(
    board: Switchboard, workspace: Workspace, change: Change, for_services: Entry | None = None
) -> None:
    """Tells a change to everybody who watches it.

    Args:
        board: the tables.
        workspace: where it happened.
        change: what happened.
        for_services: what services see in place of its entry; None = the same.
    """
    own = change.key.startswith(OWN)
    audience = workspace.onlookers if own else workspace.watching
    plain = full = b""
    for session in audience:
        if not _watches(session, change.key, own=own):
            continue
        if for_services is not None and session.is_service:
            full = full or _told(board, workspace, _as_services_see_it(change, for_services))
            board.send_event(session, full)
        else:
            plain = plain or _told(board, workspace, change)
            board.send_event(session, plain)


def _as_services_see_it(change: Change, entry: Entry) -> Change:
    return Change(change.rev, change.key, entry, change.cause, change.ts_ms)


def _watches(session: Session, key: str, *, own: bool) -> bool:
    prefixes = session.watches.values()
    return any(prefix_matches(prefix, key) and (prefix or not own) for prefix in prefixes)


def _told(board: Switchboard, workspace: Workspace, change: Change) -> bytes:
    entry = change.entry
    options = about(board, workspace, change.key, entry) if entry is not None else EntryOptions()
    return _frame_of(change, options)


def _frame_of(change: Change, options: EntryOptions, flags: int = 0) -> bytes:
    options.rev, options.ts = change.rev, change.ts_ms
    options.op, options.cause = change.op, change.cause
    return change_frame(change.key, change.entry, options, flags)


def recount(
    board: Switchboard,
    session: Session,
    changes: Iterable[Change],
    watch: int,
    *,
    is_kept: bool,
) -> int:
    """Tells past changes to one session and returns how many there were.

    Args:
        board: the tables.
        session: who asked.
        changes: what it asked for.
        watch: id of its request.
        is_kept: whether they are flagged as what was, and not as what happens.
    """
    count = 0
    for change in changes:
        owner = change.entry.owner if change.entry is not None else ""
        options = EntryOptions(watch=watch, ephemeral=bool(owner), owner=owner)
        flags = FLAG_KEPT if is_kept else 0
        board.send_event(session, _frame_of(change, options, flags))
        count += 1
    return count


def snapshot(
    board: Switchboard,
    session: Session,
    rows: Iterable[tuple[str, Entry]],
    watch: int,
) -> int:
    """Tells one session what there is, and returns how many rows that are."""
    workspace = session.in_open_workspace
    count = 0
    for key, entry in rows:
        options = about(board, workspace, key, entry)
        options.op, options.watch = "set", watch
        board.send_event(session, change_frame(key, entry, options, FLAG_KEPT))
        count += 1
    return count
