"""Sessions whose time has come: late handshakes, passed deadlines, silence."""

from __future__ import annotations

from askrd.core import commands, membership
from askrd.core.session import Phase, Session
from askrd.core.switchboard import Switchboard
from askrd.wire.errors import Gone, Unavailable
from askrd.wire.frames import Kind


def review(board: Switchboard, session: Session) -> None:
    """Looks at one session that the wheel gave out, and puts it back for its next time."""
    if session.phase is Phase.OPENING:
        board.refuse(session, 0, Unavailable("no hello came within the handshake timeout"))
        board.close(session, 4003, "no hello in time")
        return
    if session.phase is not Phase.OPEN:
        return
    deadline_us = commands.expire(board, session)
    silent_ms = (board.now_us - session.heard_us) // 1000
    if silent_ms >= board.limits.gone_after_ms and session.is_held_to_pings:
        board.refuse(session, 0, Gone(f"you were silent for {silent_ms} ms", retryable=True))
        board.close(session, 4002, "silent too long")
        return
    _judge_silence(board, session, silent_ms)
    patience_ms = board.limits.heartbeat_after_ms
    next_us = session.heard_us + patience_ms * 1000
    next_us = max(next_us, board.now_us + patience_ms * 500)
    # Armed once, at the earliest: a second, later place in the wheel would outlive the session.
    board.wheel.arm(session, min(next_us, deadline_us))


def _judge_silence(board: Switchboard, session: Session, silent_ms: int) -> None:
    """Pings a session that has been silent, and takes one out of rotation that stays so."""
    if silent_ms >= board.limits.heartbeat_after_ms:
        board.tell(session, Kind.PING, 0)
    is_late = silent_ms >= board.limits.unresponsive_after_ms
    membership.judge(board, session, is_unresponsive=is_late and session.is_held_to_pings)
