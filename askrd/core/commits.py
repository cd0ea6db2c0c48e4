"""How a change of state becomes real: proposed, kept by the store, committed, told.

Changes take effect in the order of their revisions. One that the store keeps waits for the store;
a **loose** one (`fast`, ephemeral, the daemon's own) waits only for those before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from askrd.core import watchers
from askrd.core.changes import Change
from askrd.core.effects import Persist
from askrd.core.gate import Gated
from askrd.core.session import Session
from askrd.core.state import Entry
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.errors import Busy, SlowConsumer, StorageUnavailable
from askrd.wire.frames import Frame, Kind
from askrd.wire.state import EntryOptions

EXPIRED_MAX = 1_000
"""Entries that go by themselves in one tick; the next tick comes at once."""
_AGAIN_US = 50_000
_TOO_FAR = "the store is too far behind to tell who is there"
_RETRY_US = 1_000_000
RESTART_REVS = 1_000_000
"""How far revisions jump at a start: ephemeral, `fast` and the daemon's own changes have revisions
that no store knows, and none of them is given again."""
_NO_KEY = ""
_NOT_ASKED = Frame(kind=Kind.PUT)

# ── proposing ─────────────────────────────────────────────────────────────────────────────────


def propose(
    board: Switchboard,
    workspace: Workspace,
    key: str,
    entry: Entry | None,
    cause: str,
    *,
    is_fast: bool = False,
    session: Session | None = None,
    frame: Frame = _NOT_ASKED,
    shows_value: bool = False,
) -> None:
    """Gives a change its revision and has it take effect in its turn.

    Args:
        board: the tables.
        workspace: where.
        key: of which entry.
        entry: what it becomes; None = it goes.
        cause: why, as watchers are told.
        is_fast: whether it does not wait for the store.
        session: who asked, and is answered; None = nobody.
        frame: what it asked.
        shows_value: whether the answer carries the new value.
    """
    item = Gated(0, session, frame, workspace)
    item.is_loose, item.shows_value = is_fast, shows_value
    _begin(board, workspace, item, key, entry, cause)


def _begin(
    board: Switchboard, workspace: Workspace, item: Gated, key: str, entry: Entry | None, cause: str
) -> None:
    """Makes a change the head of its key, and has it wait for the store unless it need not."""
    state, gate = workspace.state, board.gate
    before = state.head(key)
    rev = state.propose(key, entry, before)
    ts_ms = entry.ts_ms if entry is not None else board.now_ms
    item.change = Change(rev, key, entry, cause, ts_ms)
    if (entry is not None and entry.expires_ms) or len(board.expiry):
        _schedule(board, workspace, key, entry)
    is_durable = entry is not None and not entry.owner
    if is_durable or (before is not None and not before.owner):
        _persist(board, workspace, key, entry if is_durable else None, rev)
        if not item.is_loose:
            item.ticket = gate.ticket
            park(board, item)
            return
        gate.follow(workspace.name, key)
    elif not state.told_rev or rev >= state.told_rev + RESTART_REVS:
        _tell_rev(board, workspace, rev)
    item.ticket, item.is_loose = gate.awaited, True
    _in_turn(board, item)


def show(
    board: Switchboard,
    workspace: Workspace,
    key: str,
    entry: Entry | None,
    for_services: Entry | None,
) -> None:
    """Has whoever watches one of the daemon's own keys learn what it is now, in its turn.

    When that cannot be while the store is too far behind, they are closed: better than stale.
    """
    if board.gate.is_full:
        for session in list(workspace.onlookers):
            board.refuse(session, 0, SlowConsumer(f"{_TOO_FAR}; connect again", at="daemon"))
            board.close(session, 4001, _TOO_FAR)
        return
    cause = "set" if entry is not None else "del"
    change = Change(workspace.state.number(), key, entry, cause, board.now_ms)
    if change.rev >= workspace.state.told_rev + RESTART_REVS:
        _tell_rev(board, workspace, change.rev)
    item = Gated(board.gate.awaited, None, _NOT_ASKED, workspace, change)
    item.for_services = for_services
    item.is_loose = True
    _in_turn(board, item)


def acknowledge(
    board: Switchboard,
    session: Session,
    frame: Frame,
    entry: Entry,
    *,
    is_fast: bool,
    shows_value: bool,
) -> None:
    """Answers a write that changes nothing, once what it found is as safe as it asks for."""
    gate = board.gate
    is_loose = is_fast or gate.committed == gate.ticket
    item = Gated(gate.awaited if is_loose else gate.ticket, session, frame)
    item.unchanged = entry
    item.is_loose, item.shows_value = is_loose, shows_value
    if is_loose:
        _in_turn(board, item)
    else:
        park(board, item)


def park(board: Switchboard, item: Gated) -> None:
    """Has a change or a request wait; the id of a request is in use until then."""
    board.gate.park(item)
    session = item.session
    if session is not None:
        session.taken.add(item.frame.id)
        if not item.is_read:
            session.last_ticket = max(session.last_ticket, item.ticket)


def _in_turn(board: Switchboard, item: Gated) -> None:
    if len(board.gate):
        park(board, item)
    else:
        _settle(board, item)


def save_again(board: Switchboard) -> None:
    """Has the store try once more to keep what it refused after it was answered."""
    gate = board.gate
    unsaved, gate.unsaved = gate.unsaved, {}
    for name, key in unsaved:
        workspace = board.workspace(name)
        entry = workspace.state.head(key)
        kept = None if entry is None or entry.owner else entry
        _persist(board, workspace, key, kept, workspace.state.head_rev)
        gate.follow(name, key)


def probe(board: Switchboard) -> None:
    """Has the store write what it has already, to see whether it can."""
    workspace = board.workspace(board.daemon.workspace)
    _persist(board, workspace, _NO_KEY, None, workspace.state.head_rev)


def _persist(
    board: Switchboard, workspace: Workspace, key: str, entry: Entry | None, rev: int
) -> None:
    board.gate.ticket += 1
    board.effects.append(Persist(board.gate.ticket, workspace.name, key, entry, rev))
    if rev > workspace.state.told_rev:  # noqa: PLR1730  # a call takes longer
        workspace.state.told_rev = rev


def _tell_rev(board: Switchboard, workspace: Workspace, rev: int) -> None:
    """Has the store know of a revision that it would not hear of: a restart goes on behind it."""
    _persist(board, workspace, _NO_KEY, None, rev)
    board.gate.follow(workspace.name, _NO_KEY)


def _schedule(board: Switchboard, workspace: Workspace, key: str, entry: Entry | None) -> None:
    """Has the newest entry of a key go when its time is over."""
    if entry is not None and entry.expires_ms:
        left_ms = max(0, entry.expires_ms - board.now_ms)
        board.expiry.arm((workspace.name, key), board.now_us + left_ms * 1000)
    elif len(board.expiry):
        board.expiry.spare((workspace.name, key))


# ── committing ────────────────────────────────────────────────────────────────────────────────


def committed(board: Switchboard, ticket: int) -> Iterator[Gated]:
    """Makes changes up to ``ticket`` visible and answers them, in order.

    Yields reads that waited for an earlier write, each when its turn has come: it is to be
    answered before the next one is asked for.
    """
    board.gate.refusal = ""
    for item in board.gate.release(ticket):
        if item.session is not None:
            item.session.taken.discard(item.frame.id)
        if item.is_read:
            yield item
        elif item.deed is not None:
            item.deed.done(board)
        else:
            _settle(board, item)


def _settle(board: Switchboard, item: Gated) -> None:
    """Makes a change visible, answers it and tells it."""
    change, session, workspace = item.change, item.session, item.workspace
    is_there = session is not None and session in board.sessions
    if change is None or workspace is None:
        if session is not None and is_there and item.unchanged is not None:
            _answer_unchanged(board, session, item, item.unchanged)
        return
    if change.key.startswith(watchers.OWN):
        workspace.state.pass_by(change.rev)
    else:
        workspace.state.commit(change.key, change.entry, change.rev)
        workspace.changes.remember(change)
    if session is not None and is_there:
        _answer(board, session, item, change)
    if workspace.watching:
        watchers.tell(board, workspace, change, item.for_services)


def _answer(board: Switchboard, session: Session, item: Gated, change: Change) -> None:
    entry = change.entry
    if entry is not None and not (item.shows_value or entry.expires_ms or entry.owner):
        watchers.ok_plainly(board, session, item.frame, change.rev, change.ts_ms)
        return
    if entry is None:
        options = EntryOptions(rev=change.rev, ts=change.ts_ms)
    else:
        options = watchers.about(board, session.in_open_workspace, change.key, entry)
    options.changed = True
    watchers.ok(board, session, item.frame, options, entry if item.shows_value else None)


def _answer_unchanged(board: Switchboard, session: Session, item: Gated, entry: Entry) -> None:
    workspace, key = session.in_open_workspace, item.frame.name.decode()
    options = watchers.about(board, workspace, key, entry)
    options.changed = False
    watchers.ok(board, session, item.frame, options, entry if item.shows_value else None)


# ── giving up ─────────────────────────────────────────────────────────────────────────────────


def rejected(board: Switchboard, reason: str) -> Iterator[Gated]:
    """Fails every write that waits for the store, and forgets its value.

    Yields reads, and writes that did not wait for the store, each in its turn: it is to be asked
    again before the next one.
    """
    board.gate.refusal = reason
    released = board.gate.reject()
    spaces = {item.workspace: None for item in released if item.workspace is not None}
    for space in board.workspaces.values():
        space.state.told_rev = 0
    for space in spaces:
        _look_again(board, space, space.state.give_up())
    for item in released:
        session, change, workspace = item.session, item.change, item.workspace
        if item.deed is not None:
            if session is not None:
                session.taken.discard(item.frame.id)
            item.deed.undone(board, reason)
            continue
        if session is None:
            if change is not None and workspace is not None and watchers.is_own(change.key):
                show(board, workspace, change.key, change.entry, item.for_services)
            continue
        session.taken.discard(item.frame.id)
        if item.is_read or (item.is_loose and session in board.sessions):
            yield item
        elif session in board.sessions:
            error = StorageUnavailable(f"the store cannot write ({reason}); nothing was written")
            board.fail(session, item.frame.id, error)


def _look_again(board: Switchboard, workspace: Workspace, keys: Iterable[str]) -> None:
    """Sees to entries that are there again: their time may be over, their owner may be gone."""
    for key in keys:
        entry = workspace.state.head(key)
        _schedule(board, workspace, key, entry)
        if entry is None:
            continue
        if entry.owner and entry.owner not in workspace.sessions:
            propose(board, workspace, key, None, "owner_gone")
        elif 0 < entry.expires_ms <= board.now_ms:
            board.expiry.arm((workspace.name, key), board.now_us + _RETRY_US)


# ── what goes by itself ───────────────────────────────────────────────────────────────────────


def expire(board: Switchboard) -> None:
    """Proposes that entries go whose time is over."""
    due = board.expiry.due(board.now_us, EXPIRED_MAX)
    for at, (name, key) in enumerate(due):
        try:
            board.gate.check_room()
        except Busy:
            for place in due[at:]:
                board.expiry.arm(place, board.now_us + _AGAIN_US)
            return
        workspace = board.workspaces.get(name)
        entry = workspace.state.head(key) if workspace is not None else None
        if workspace is not None and entry is not None and entry.expires_ms:
            propose(board, workspace, key, None, "ttl")


def abandon(board: Switchboard, workspace: Workspace, owner: str) -> None:
    """Proposes that the ephemeral entries of a peer go, which has left for good."""
    for key in sorted(workspace.state.owned.get(owner, ())):
        propose(board, workspace, key, None, "owner_gone")


def restore(
    board: Switchboard, name: str, rows: Iterable[tuple[str, Entry]], head_rev: int
) -> None:
    """Takes in what a store kept of a workspace; what expired meanwhile goes at once."""
    workspace = board.workspace(name)
    state = workspace.state
    state.restore(rows, head_rev + RESTART_REVS)
    _persist(board, workspace, _NO_KEY, None, state.rev)
    workspace.changes.begin(state.entries.items(), state.rev)
    mortal = [(key, entry) for key, entry in state.entries.items() if entry.expires_ms]
    for key, entry in mortal:
        if entry.expires_ms > board.now_ms:
            _schedule(board, workspace, key, entry)
        else:
            propose(board, workspace, key, None, "ttl", is_fast=True)
