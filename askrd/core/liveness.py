"""Sessions whose time has come: late handshakes, passed deadlines, silence."""

from __future__ import annotations

from askrd.core import (
    collecting,
    commands,
    commits,
    links,
    log_readers,
    membership,
    records,
    waiting,
)
from askrd.core.session import Phase, Session
from askrd.core.switchboard import Switchboard
from askrd.wire.errors import Gone, Unavailable
from askrd.wire.frames import Kind
from askrd.wire.limits import RECENT_MS


def look_around(board: Switchboard) -> None:
    """Does everything whose time has come."""
    for session in board.wheel.due(board.now_us):
        if session in board.sessions:
            review(board, session)
    commits.expire(board)
    board.alarms.ring(board)


def reads_again(board: Switchboard, session: Session) -> None:
    """Gives a session that takes bytes again what waited for that."""
    session.judge_ready()
    if session.is_ready:
        waiting.serve(board, session)
    log_readers.serve_session(board, session)


def review(board: Switchboard, session: Session) -> None:
    """Looks at one session that the wheel gave out, and puts it back for its next time."""
    if session.phase is Phase.OPENING and session.main is None:
        board.refuse(session, 0, Unavailable("no hello came within the handshake timeout"))
        board.close(session, 4003, "no hello in time")
        return
    if session.phase >= Phase.CLOSING:
        return
    deadline_us = min(commands.expire(board, session), collecting.expire(board, session))
    if session.is_away:
        _await_return(board, session, deadline_us)
        return
    silent_ms = (board.now_us - session.heard_us) // 1000
    if silent_ms >= board.limits.gone_after_ms and session.is_held_to_pings:
        board.refuse(session, 0, Gone(f"you were silent for {silent_ms} ms", retryable=True))
        board.close(session, 4002, "silent too long")
        return
    links.confirm(board, session)
    _judge_silence(board, session, silent_ms)
    patience_ms = board.limits.heartbeat_after_ms
    next_us = session.heard_us + patience_ms * 1000
    next_us = max(next_us, board.now_us + patience_ms * 500)
    # Armed once, at the earliest: a second, later place in the wheel would outlive the session.
    board.wheel.arm(session, min(next_us, deadline_us))


def _await_return(board: Switchboard, session: Session, deadline_us: int) -> None:
    """Ends a session whose peer did not come back in time."""
    assert session.resumption is not None
    back_by_us = session.resumption.back_by_us
    if board.now_us >= back_by_us:
        membership.leave(board, session, "it did not come back in time")
    else:
        board.wheel.arm(session, min(back_by_us, deadline_us))


def _judge_silence(board: Switchboard, session: Session, silent_ms: int) -> None:
    """Pings a session that has been silent, and takes one out of rotation that stays so."""
    if silent_ms >= board.limits.heartbeat_after_ms:
        board.tell(session, Kind.PING, 0)
    is_late = silent_ms >= board.limits.unresponsive_after_ms
    membership.judge(board, session, is_unresponsive=is_late and session.is_held_to_pings)


def forget(board: Switchboard) -> None:
    """Drops what was remembered long enough: services, outcomes and events, empty workspaces.

    What the store refused after it was answered is given to it once more.
    """
    if board.gate.unsaved or board.gate.unsaved_rows:
        records.save_again(board)
    for workspace in list(board.workspaces.values()):
        board.totals.departed_calls += workspace.destinations.forget_departed(board.now_us)
        workspace.kept.expire(board.now_us)
        workspace.recent.expire(board.now_us + board.wall_offset_us - RECENT_MS * 1000)
        if workspace.is_empty and board.gate.is_settled:
            board.forget_workspace(workspace)
