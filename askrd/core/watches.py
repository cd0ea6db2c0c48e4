"""The rules of watching the connected state: how a watch begins and ends."""

from __future__ import annotations

from askrd.core import entries, watchers
from askrd.core.admission import check_flags, check_id
from askrd.core.events import text_of
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import dump, load
from askrd.wire.codec import Raw, encode
from askrd.wire.errors import Gone, LimitExceeded, NotFound
from askrd.wire.frames import FLAG_OPTIONS, Coding, Frame, Kind
from askrd.wire.limits import WATCHES_MAX
from askrd.wire.names import check_prefix
from askrd.wire.state import Synced, WatchOptions


def watch(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Sends the entries at or below a prefix, or what was missed; then every later change."""
    check_id(session, frame.id)
    check_flags(frame, allowed=FLAG_OPTIONS)
    since = load(WatchOptions, frame.options or b"{}", "the options of watch").since
    prefix = check_prefix(text_of(frame.name, "a prefix"))
    if len(session.watches) >= WATCHES_MAX:
        raise LimitExceeded(
            f"this session has {WATCHES_MAX} watches already", details={"limit": "watches_max"}
        )
    workspace = session.in_open_workspace
    if since is not None:
        _check_known(workspace, prefix, since)
    session.watches[frame.id] = prefix
    session.taken.add(frame.id)
    workspace.watching[session] = None
    if watchers.is_own(prefix):
        workspace.onlookers[session] = None
    if since is None:
        rows = entries.rows_below(board, session, prefix)
        watchers.snapshot(board, session, rows, frame.id)
    else:
        missed = workspace.changes.since(since, prefix)
        watchers.recount(board, session, missed, frame.id, is_kept=False)
    rev = dump(Synced(rev=workspace.state.rev))
    synced = Frame(kind=Kind.SYNCED, id=frame.id, payload=rev, coding=Coding.JSON)
    board.send_event(session, encode(synced))


def _check_known(workspace: Workspace, prefix: str, since: int) -> None:
    rev = workspace.state.rev
    oldest = rev + 1 if watchers.is_own(prefix) else workspace.changes.floor
    if not oldest <= since <= rev:
        why = f"is yet to come, the last one is {rev}" if since > rev else "is not remembered"
        raise Gone(
            f"what changed since rev {since} {why}; watch from a snapshot",
            details={"oldest": oldest, "rev": rev},
        )


def unwatch(_board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Ends a watch."""
    if session.watches.pop(frame.id, None) is None:
        raise NotFound(f"you have no watch {frame.id}")
    session.taken.discard(frame.id)
    workspace = session.in_open_workspace
    if not session.watches:
        workspace.watching.pop(session, None)
    if not any(map(watchers.is_own, session.watches.values())):
        workspace.onlookers.pop(session, None)


def forget(session: Session) -> None:
    """Ends every watch of a session that leaves."""
    session.watches.clear()
    session.in_open_workspace.watching.pop(session, None)
    session.in_open_workspace.onlookers.pop(session, None)
