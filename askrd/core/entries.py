"""The rules of connected state: get, put, del, watch, and answers after the commit."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from askrd.core.admission import check_flags, check_id
from askrd.core.effects import Persist
from askrd.core.events import text_of
from askrd.core.gate import Gated
from askrd.core.session import Session
from askrd.core.state import Entry, State, Write, decide, missing
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import EntryOptions, Synced, dump, load
from askrd.wire.codec import Raw, encode
from askrd.wire.errors import (
    BadRequest,
    Forbidden,
    LimitExceeded,
    NotFound,
    PayloadTooLarge,
    StorageUnavailable,
)
from askrd.wire.frames import FLAG_KEPT, FLAG_OPTIONS, FLAG_SEALED, Frame, Kind
from askrd.wire.limits import STATE_BYTES_MAX, STATE_ENTRIES_MAX, VALUE_BYTES_MAX, WATCHES_MAX
from askrd.wire.names import check_key, check_prefix, prefix_matches, shown


class _GetOptions(msgspec.Struct, forbid_unknown_fields=True):
    prefix: bool = False


class _WriteOptions(msgspec.Struct, forbid_unknown_fields=True):
    if_rev: int | None = None


def get(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Answers with an entry, or with every entry at or below a prefix."""
    check_id(session, frame.id)
    check_flags(frame, allowed=FLAG_OPTIONS)
    if session.last_ticket > board.gate.committed:
        board.gate.check_room()
        _park(board, Gated(session.last_ticket, session, frame))
    else:
        read(board, session, frame)


def read(board: Switchboard, session: Session, frame: Frame) -> None:
    """Answers a get from what is committed now.

    Raises:
        AskrError: there is no such key, or it can be none.
    """
    options = load(_GetOptions, frame.options or b"{}", "the options of get")
    key = text_of(frame.name, "a key")
    state = session.in_open_workspace.state
    if options.prefix:
        count = _snapshot(board, session, state, check_prefix(key), frame.id)
        _ok(board, session, frame, EntryOptions(rev=state.rev, count=count))
        return
    entry = state.entries.get(check_key(key))
    if entry is None:
        raise missing(key)
    _ok(board, session, frame, EntryOptions(rev=entry.rev, ts=entry.ts_ms), entry)


def put(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Proposes a new value; the answer waits for the commit."""
    check_flags(frame, allowed=FLAG_OPTIONS | FLAG_SEALED)
    if len(frame.payload) > VALUE_BYTES_MAX:
        raise PayloadTooLarge(
            f"a state value has at most {VALUE_BYTES_MAX} bytes, not {len(frame.payload)}; "
            "nothing was written",
            details={"bytes": len(frame.payload), "bytes_max": VALUE_BYTES_MAX},
        )
    _write(board, session, frame, frame.payload)


def delete(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Proposes that an entry goes; the answer waits for the commit."""
    check_flags(frame, allowed=FLAG_OPTIONS)
    _write(board, session, frame, None)


def _write(board: Switchboard, session: Session, frame: Frame, value: bytes | None) -> None:
    check_id(session, frame.id)
    options = load(_WriteOptions, frame.options or b"{}", "the options of a write")
    if frame.ttl_ms:
        raise BadRequest("an entry's own ttl is not built yet; send 0")
    key = check_key(text_of(frame.name, "a key"))
    _check_owner(session, key)
    board.gate.check_room()
    workspace = session.in_open_workspace
    state = workspace.state
    before = state.head(key)
    write = Write(key, value, frame.coding, options.if_rev)
    after = decide(before, write, state.head_rev + 1, board.now_ms)
    if after is before and before is not None:
        unchanged = EntryOptions(rev=before.rev, ts=before.ts_ms, changed=False)
        if board.gate.committed < board.gate.ticket:
            session.last_ticket = board.gate.ticket
            _park(board, Gated(board.gate.ticket, session, frame, unchanged=unchanged))
        else:
            _ok(board, session, frame, unchanged)
        return
    if after is not None:
        _check_room(state, before, after)
    rev = state.propose(key, after)
    board.gate.ticket += 1
    session.last_ticket = board.gate.ticket
    change = (workspace, key, after, rev)
    _park(board, Gated(board.gate.ticket, session, frame, change))
    board.effects.append(Persist(board.gate.ticket, workspace.name, key, after))


def _park(board: Switchboard, item: Gated) -> None:
    """Has a request wait for the store; its id is in use until then."""
    board.gate.park(item)
    item.session.taken.add(item.frame.id)


def _check_owner(session: Session, key: str) -> None:
    if key.startswith("$"):
        raise Forbidden(f"{shown(key)}: keys that begin with $ are the daemon's and read-only")
    if key.startswith("@"):
        owner = key[1:].partition("/")[0]
        if owner not in session.instances:
            raise Forbidden(
                f"{shown(key)} belongs to service '{owner}', which this peer does not provide; "
                "nothing was written"
            )


def _check_room(state: State, before: Entry | None, after: Entry) -> None:
    if before is None and state.count >= STATE_ENTRIES_MAX:
        raise LimitExceeded(
            f"the state has {STATE_ENTRIES_MAX} entries already; nothing was written",
            details={"limit": "state_entries_max"},
        )
    grows = len(after.value) - (len(before.value) if before is not None else 0)
    if grows > 0 and state.bytes + grows > STATE_BYTES_MAX:
        raise LimitExceeded(
            f"the state has {STATE_BYTES_MAX} bytes at most; nothing was written",
            details={"limit": "state_bytes_max"},
        )


def committed(board: Switchboard, ticket: int) -> Iterator[Gated]:
    """Makes changes up to ``ticket`` visible and answers them, in order.

    Yields reads that waited for an earlier write, each when its turn has come: it is to be
    answered before the next one is asked for.
    """
    for item in board.gate.release(ticket):
        session = item.session
        session.taken.discard(item.frame.id)
        is_there = session in board.sessions
        if item.change is not None:
            workspace, key, entry, rev = item.change
            workspace.state.commit(key, entry, rev)
            ts_ms = entry.ts_ms if entry is not None else board.now_ms
            if is_there:
                _ok(board, session, item.frame, EntryOptions(rev=rev, ts=ts_ms, changed=True))
            _tell_watchers(board, workspace, key, entry, rev, ts_ms)
        elif item.unchanged is None:
            yield item
        elif is_there:
            _ok(board, session, item.frame, item.unchanged)


def rejected(board: Switchboard, reason: str) -> Iterator[Gated]:
    """Fails every write that waits, forgets their values, and yields reads as `committed` does."""
    released = board.gate.release(board.gate.ticket)
    for item in released:
        if item.change is not None:
            item.change[0].state.give_up()
    for item in released:
        session = item.session
        session.taken.discard(item.frame.id)
        if item.change is None and item.unchanged is None:
            yield item
        elif session in board.sessions:
            error = StorageUnavailable(f"the store cannot write ({reason}); nothing was written")
            board.fail(session, item.frame.id, error)


def _tell_watchers(
    board: Switchboard,
    workspace: Workspace,
    key: str,
    entry: Entry | None,
    rev: int,
    ts_ms: int,
) -> None:
    op = "set" if entry is not None else "del"
    options = EntryOptions(rev=rev, ts=ts_ms, op=op, cause=op)
    data = b""
    for session in workspace.watching:
        if any(prefix_matches(prefix, key) for prefix in session.watches.values()):
            data = data or _change(key, entry, options, 0)
            board.send_event(session, data)


def _change(key: str, entry: Entry | None, options: EntryOptions, flags: int) -> bytes:
    return encode(
        Frame(
            kind=Kind.CHANGE,
            id=options.rev,
            name=key.encode(),
            payload=entry.value if entry is not None else b"",
            coding=entry.coding if entry is not None else 0,
            options=dump(options),
            flags=flags,
        )
    )


def _snapshot(board: Switchboard, session: Session, state: State, prefix: str, id_: int) -> int:
    count = 0
    for key, entry in state.below(prefix):
        options = EntryOptions(rev=entry.rev, ts=entry.ts_ms, op="set", watch=id_)
        board.send_event(session, _change(key, entry, options, FLAG_KEPT))
        count += 1
    return count


def _ok(
    board: Switchboard,
    session: Session,
    frame: Frame,
    options: EntryOptions,
    entry: Entry | None = None,
) -> None:
    answer = Frame(
        kind=Kind.OK,
        id=frame.id,
        name=frame.name,
        payload=entry.value if entry is not None else b"",
        coding=entry.coding if entry is not None else 0,
        options=dump(options),
    )
    if options.count is None:
        board.send(session, answer)
    else:
        board.send_event(session, encode(answer))


def watch(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Sends the entries at or below a prefix, then every later change."""
    check_id(session, frame.id)
    check_flags(frame, allowed=0)
    prefix = check_prefix(text_of(frame.name, "a prefix"))
    if len(session.watches) >= WATCHES_MAX:
        raise LimitExceeded(
            f"this session has {WATCHES_MAX} watches already", details={"limit": "watches_max"}
        )
    workspace = session.in_open_workspace
    session.watches[frame.id] = prefix
    session.taken.add(frame.id)
    workspace.watching[session] = None
    _snapshot(board, session, workspace.state, prefix, frame.id)
    synced = Frame(
        kind=Kind.SYNCED, id=frame.id, payload=dump(Synced(rev=workspace.state.rev)), coding=1
    )
    board.send_event(session, encode(synced))


def unwatch(_board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Ends a watch."""
    if session.watches.pop(frame.id, None) is None:
        raise NotFound(f"you have no watch {frame.id}")
    session.taken.discard(frame.id)
    if not session.watches:
        session.in_open_workspace.watching.pop(session, None)


def forget(session: Session) -> None:
    """Ends every watch of a session that leaves."""
    session.watches.clear()
    session.in_open_workspace.watching.pop(session, None)
