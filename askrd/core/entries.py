"""The rules of reading and writing the connected state: get, put and del."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice

from askrd.core import commits, presence, records, watchers
from askrd.core.admission import check_flags, check_id
from askrd.core.changes import Change
from askrd.core.events import text_of
from askrd.core.gate import Gated
from askrd.core.session import Session
from askrd.core.state import Entry, State, missing
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.core.writes import Write, decide
from askrd.wire.bodies import load
from askrd.wire.codec import Raw
from askrd.wire.errors import AskrError, BadRequest, Forbidden, LimitExceeded, PayloadTooLarge
from askrd.wire.frames import FLAG_OPTIONS, FLAG_SEALED, Coding, Frame, Kind
from askrd.wire.limits import (
    KEYS_CHECKED_MAX,
    STATE_BYTES_MAX,
    STATE_CHANGES_MAX,
    STATE_ENTRIES_MAX,
    TTL_MS_MAX,
    VALUE_BYTES_MAX,
)
from askrd.wire.names import check_key, check_prefix, shown
from askrd.wire.state import DelOptions, EntryOptions, GetOptions, PutOptions

OPS = ("", "patch", "incr", "touch")
"""What a `put` may be."""
_PUT_FLAGS = FLAG_OPTIONS | FLAG_SEALED
_SHOWN = frozenset({"patch", "incr"})
"""Those whose answer carries what came of them."""

# ── reading ───────────────────────────────────────────────────────────────────────────────────


def get(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Answers with an entry, with every entry at or below a prefix, or with what they were."""
    check_id(session, frame.id)
    check_flags(frame, allowed=FLAG_OPTIONS)
    if session.last_ticket > board.gate.committed:
        board.gate.check_room()
        commits.park(board, Gated(session.last_ticket, session, frame))
    else:
        read(board, session, frame)


def read(board: Switchboard, session: Session, frame: Frame) -> None:
    """Answers a get from what is committed now.

    Raises:
        AskrError: there is no such key, or it can be none.
    """
    options = load(GetOptions, frame.options or b"{}", "the options of get")
    name = text_of(frame.name, "a key")
    name = check_prefix(name) if options.prefix else check_key(name)
    workspace = session.in_open_workspace
    if options.history is not None:
        past = _history(workspace, name, options.history, is_prefix=options.prefix)
        count = watchers.recount(board, session, past, frame.id, is_kept=True)
    elif options.prefix:
        rows = rows_below(board, session, name)
        count = watchers.snapshot(board, session, rows, frame.id)
    else:
        _read_one(board, session, frame, name)
        return
    watchers.ok(board, session, frame, EntryOptions(rev=workspace.state.rev, count=count))


def rows_below(board: Switchboard, session: Session, prefix: str) -> Iterable[tuple[str, Entry]]:
    """Returns the entries at or below ``prefix`` as ``session`` may see them, by key."""
    if watchers.is_own(prefix):
        return presence.below(board, session, prefix)
    return session.in_open_workspace.state.below(prefix)


def _read_one(board: Switchboard, session: Session, frame: Frame, key: str) -> None:
    workspace = session.in_open_workspace
    if watchers.is_own(key):
        entry = presence.find(board, session, key)
    else:
        entry = workspace.state.entries.get(key)
    if entry is None:
        raise missing(key)
    watchers.ok(board, session, frame, watchers.about(board, workspace, key, entry), entry)


def _history(workspace: Workspace, name: str, count: int, *, is_prefix: bool) -> list[Change]:
    """The last changes of an entry, or of all below a prefix, newest first.

    An entry whose last change is no longer remembered stands for it.
    """
    if not 0 < count <= STATE_CHANGES_MAX:
        raise BadRequest(f"history is 1 to {STATE_CHANGES_MAX} changes, not {count}")
    if watchers.is_own(name):
        raise BadRequest("what the daemon's own keys were is not remembered; watch them instead")
    known = workspace.changes.backwards(name)
    past = [change for change in known if is_prefix or change.key == name]
    told = {change.key for change in past}
    rows = workspace.state.below(name)
    old = [
        Change(entry.rev, key, entry, "set", entry.ts_ms)
        for key, entry in rows
        if key not in told and (is_prefix or key == name)
    ]
    old.sort(key=lambda change: -change.rev)
    return list(islice((*past, *old), count))


# ── writing ───────────────────────────────────────────────────────────────────────────────────


def put(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Proposes a new value; the answer waits for the commit, unless it need not."""
    check_id(session, frame.id)
    check_flags(frame, _PUT_FLAGS)
    _check_size(len(frame.payload))
    key = _key_of(frame.name)
    coding = frame.coding | frame.flags & FLAG_SEALED
    if not frame.options:
        _write(board, session, frame, Write(key, frame.payload, coding))
        return
    options = load(PutOptions, frame.options, "the options of put")
    _check_put(frame, options)
    owner = session.suffix if options.ephemeral else ""
    write = Write(
        key,
        frame.payload,
        coding,
        if_rev=options.if_rev,
        op=options.op,
        ttl_ms=options.ttl_ms,
        owner=owner,
    )
    _write(board, session, frame, write, is_fast=options.fast)


def delete(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Proposes that an entry goes; the answer waits for the commit, unless it need not."""
    check_id(session, frame.id)
    check_flags(frame, allowed=FLAG_OPTIONS)
    options = load(DelOptions, frame.options or b"{}", "the options of del")
    write = Write(_key_of(frame.name), None, 0, if_rev=options.if_rev)
    _write(board, session, frame, write, is_fast=options.fast)


@lru_cache(maxsize=KEYS_CHECKED_MAX)
def _key_of(name: bytes) -> str:
    """Returns the key a frame names; checking the same ones again and again would cost most of a put."""
    return check_key(text_of(name, "a key"))


def _check_put(frame: Frame, options: PutOptions) -> None:
    op = options.op
    if op not in OPS:
        raise BadRequest(f"op is one of {', '.join(OPS[1:])}, or absent; not {shown(op)}")
    if op and frame.flags & FLAG_SEALED:
        raise BadRequest(f"op {op} works on the value, which must not be sealed")
    if op == "patch" and (frame.coding != Coding.JSON or not frame.payload):
        raise BadRequest('a patch is JSON (RFC 7396), for instance {"theme":null}')
    if op == "touch" and frame.payload:
        raise BadRequest("touch has no payload: it renews the time to live and nothing else")
    if options.ttl_ms is not None and not 0 <= options.ttl_ms <= TTL_MS_MAX:
        raise BadRequest(f"ttl_ms is milliseconds, 0 (for ever) to {TTL_MS_MAX}")


def _check_size(size: int) -> None:
    if size > VALUE_BYTES_MAX:
        raise PayloadTooLarge(
            f"a state value has at most {VALUE_BYTES_MAX} bytes, not {size}; nothing was written",
            details={"bytes": size, "bytes_max": VALUE_BYTES_MAX},
        )


def _write(
    board: Switchboard, session: Session, frame: Frame, write: Write, *, is_fast: bool = False
) -> None:
    if frame.ttl_ms:
        raise BadRequest("an entry's time to live is the option ttl_ms; send 0 in the header")
    key = write.key
    if key[0] in "$@":
        _check_owner(session, key)
    gate, workspace = board.gate, session.in_open_workspace
    gate.check_room()
    state = workspace.state
    before = state.head(key)
    try:
        after = decide(before, write, state.head_rev + 1, board.now_ms)
    except AskrError as error:
        if before is state.entries.get(key):
            raise
        records.in_turn(board, _No(session, frame, error), session, frame)
        return
    if gate.is_behind:
        records.save_again(board)
    shows_value = write.op in _SHOWN
    if after is before and before is not None:
        commits.acknowledge(board, session, frame, before, is_fast=is_fast, shows_value=shows_value)
        return
    if after is not None:
        if after.value is not write.value:
            _check_size(len(after.value))
        _check_room(state, key, before, after)
    cause = "set" if after is not None else "del"
    commits.propose(
        board,
        workspace,
        key,
        after,
        cause,
        is_fast=is_fast,
        session=session,
        frame=frame,
        shows_value=shows_value,
    )


class _No:
    """The answer to a write against which something stands that the store does not have yet."""

    __slots__ = ("_error", "_frame", "_session")

    def __init__(self, session: Session, frame: Frame, error: AskrError) -> None:
        self._session = session
        self._frame = frame
        self._error = error

    def done(self, board: Switchboard) -> None:
        """Says no: it is so."""
        if self._session in board.sessions:
            board.fail(self._session, self._frame.id, self._error)

    def undone(self, board: Switchboard, _reason: str) -> None:
        """Takes the write as if it came now: what stood against it has not happened."""
        if self._session not in board.sessions:
            return
        frame = self._frame
        rule = put if frame.kind == Kind.PUT else delete
        try:
            rule(board, self._session, frame, b"")
        except AskrError as error:
            board.fail(self._session, frame.id, error)


def _check_owner(session: Session, key: str) -> None:
    if key.startswith("$"):
        raise Forbidden(
            f"{shown(key)}: keys that begin with $ are the daemon's and read-only; "
            "nothing was written"
        )
    if key.startswith("@"):
        owner = key[1:].partition("/")[0]
        if owner not in session.instances:
            raise Forbidden(
                f"{shown(key)} belongs to service '{owner}', which this peer does not provide; "
                "nothing was written"
            )


def _check_room(state: State, key: str, before: Entry | None, after: Entry) -> None:
    if before is None and state.count >= STATE_ENTRIES_MAX:
        raise LimitExceeded(
            f"the state has {STATE_ENTRIES_MAX} entries already; nothing was written",
            details={"limit": "state_entries_max"},
        )
    grows = len(after.value) - (len(before.value) if before is not None else -len(key))
    if grows > 0 and state.bytes + grows > STATE_BYTES_MAX:
        raise LimitExceeded(
            f"the state has {STATE_BYTES_MAX} bytes at most; nothing was written",
            details={"limit": "state_bytes_max"},
        )
