"""How the daemon goes away: it tells everybody, hears what was said before they knew, and says goodbye."""

from __future__ import annotations

from askrd.core import log_writes, membership, records
from askrd.core.session import Phase
from askrd.core.switchboard import Switchboard
from askrd.wire.frames import Kind


def begin(board: Switchboard, grace_ms: int) -> None:
    """Takes no new commands from now on and tells every peer to go elsewhere.

    The ping behind it is answered by who has read of it: nothing that was sent before is overheard.
    """
    board.grace_ms = max(1, grace_ms)
    for session in board.sessions:
        if session.phase is Phase.OPEN:
            body = {"reason": "the daemon is shutting down", "grace_ms": grace_ms}
            board.tell(session, Kind.DRAIN, 0, body)
            board.tell(session, Kind.PING)
    for session in [session for session in board.sessions if session.is_away]:
        membership.leave(board, session, "the daemon is shutting down")


def uninformed(board: Switchboard) -> int:
    """Counts sessions that have not read yet that the daemon is going away.

    What they asked before that is still to come; peers that need not answer pings do not count.
    """
    return sum(
        not session.knows_drain
        for session in board.sessions
        if session.phase is Phase.OPEN and session.is_held_to_pings and session.is_ready
    )


def in_flight(board: Switchboard) -> int:
    """Counts commands without an outcome, with jobs that run and events that collect answers.

    Jobs that wait are kept.
    """
    callers = [space.jobs.caller for space in board.workspaces.values()]
    running = sum(len(caller.asking) for caller in callers if caller is not None)
    return running + sum(len(each.asking) + len(each.collections) for each in board.sessions)


def say_goodbye(board: Switchboard, reason: str) -> None:
    """Says goodbye to every session and has its connection closed.

    What the store refused after it was answered is given to it for the last time.
    """
    if board.gate.is_behind:
        records.save_again(board)
    log_writes.save_all(board)
    for session in board.sessions:
        if session.phase < Phase.CLOSING:
            board.tell(session, Kind.BYE, 0, {"reason": reason})
            board.close(session, 4000, reason)
