"""How a session joins its workspace and how it leaves: HELLO, BYE, and what a leave ends."""

from __future__ import annotations

from askrd.core import collecting, commands, commits, links, log_readers, roster, waiting, watches
from askrd.core.session import Phase, Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.codec import Raw
from askrd.wire.errors import (
    AskrError,
    Draining,
    InternalError,
    Unauthenticated,
    VersionUnsupported,
)
from askrd.wire.frames import Frame, Kind
from askrd.wire.handshake import Opening, read_hello


def hello(board: Switchboard, session: Session, frame: Frame, size: int) -> None:
    """Opens a session, takes an earlier one up again, or says why not and closes.

    Args:
        board: the tables.
        session: of the new connection.
        frame: what it said.
        size: the frame's bytes.
    """
    try:
        opening = read_hello(frame.payload)
        if board.is_draining:
            raise Draining("the daemon is shutting down; connect again when it is back")
        workspace = board.workspace(opening.workspace or board.daemon.workspace)
        if links.take_up(board, session, opening, workspace):
            return
        _identify(board, session, opening, workspace)
    except AskrError as error:
        turn_away(board, session, error)
        return
    session.phase = Phase.OPEN
    session.judge_ready()
    session.name = opening.name
    session.kind = opening.kind
    session.takes_streams = opening.streams
    session.workspace = workspace
    session.origin = f"{opening.name}@{session.suffix}".encode()
    session.assembly.frame_bytes_max = board.limits.frame_bytes_max
    session.routes = workspace.destinations.plain
    session.subjects = workspace.subscriptions.subjects
    session.remember = workspace.recent.append
    workspace.sessions[session.suffix] = session
    board.wheel.arm(session, board.now_us + board.limits.heartbeat_after_ms * 1000)
    links.greet(board, session, opening, size)
    board.note("session opened", peer=session.peer_id, via=session.via, workspace=workspace.name)
    roster.announce_peer(board, session, "joined")
    if opening.roster:
        session.wants_roster = True
        roster.send_full(board, session)


def turn_away(board: Switchboard, session: Session, error: AskrError) -> None:
    """Answers a bad opening with its error and closes."""
    board.refuse(session, 0, error)
    code = {VersionUnsupported: 4501, Unauthenticated: 4502, Draining: 4000}.get(type(error), 4500)
    board.close(session, code, f"{error.code}: {error.message}")


def _identify(board: Switchboard, session: Session, opening: Opening, workspace: Workspace) -> None:
    """Lets a peer that comes back keep its instance id."""
    wanted = opening.instance
    if wanted:
        holder = workspace.sessions.get(wanted)
        if holder is not None and opening.resume and holder.secret == opening.resume:
            reason = "another connection took over this identity"
            board.tell(holder, Kind.BYE, 0, {"reason": reason})
            board.close(holder, 4505, reason)
            leave(board, holder, "superseded")
            holder = None
        if holder is None:
            session.suffix = wanted
    if session.suffix in workspace.sessions:
        raise InternalError("the new instance id is taken; connect again")


def bye(board: Switchboard, session: Session, _frame: Frame, _raw: Raw) -> None:
    """Closes a session at its own wish; what it shared with others goes to them at once."""
    for hearing in session.hearings.values():
        hearing.end(board)
    session.hearings.clear()
    board.close(session, 1000, "bye")


def half_close(board: Switchboard, session: Session) -> None:
    """Takes in that the peer sends nothing more but still reads: it answers no command now."""
    session.is_finishing = True
    session.judge_ready()
    if session.phase is Phase.OPEN:
        links.lose_services(board, session)
        if session.asking or session.listens or session.watches:
            # A peer that is gone altogether looks the same until something is written to it.
            board.tell(session, Kind.PING)


def judge(board: Switchboard, session: Session, *, is_unresponsive: bool) -> None:
    """Takes in whether a session has been silent for long; its instances change with it."""
    if session.is_unresponsive == is_unresponsive:
        return
    session.is_unresponsive = is_unresponsive
    session.judge_ready()
    for instance in session.instances.values():
        roster.announce_instance(board, instance, "changed")
    if session.is_ready:
        commands.look_for(board, session.in_open_workspace)
        waiting.serve(board, session)
        log_readers.serve_session(board, session)


def lose(board: Switchboard, session: Session, cause: str) -> None:
    """Takes in that a session's connection is gone: its peer may come back, or the session ends."""
    main = session.main
    if main is not None:
        leave(board, session, cause)
        if links.unlink(session, main):
            lose(board, main, cause)
    elif not links.keeps(board, session, cause):
        leave(board, session, cause)


def leave(board: Switchboard, session: Session, cause: str) -> None:
    """Ends a session: every table forgets it, and whoever waits for it hears so. Idempotent."""
    if session.phase is Phase.CLOSED:
        return
    session.phase = Phase.CLOSED
    session.is_ready = False
    board.sessions.pop(session, None)
    board.totals.dropped += session.outbox.dropped
    session.parts = None
    links.let_go(board, session)
    workspace = session.workspace
    if workspace is None:
        return
    links.lose_services(board, session)
    commands.lose_caller(board, session)
    for pattern in session.subscriptions.values():
        workspace.subscriptions.remove(pattern, session)
    session.subscriptions.clear()
    for hearing in session.hearings.values():
        hearing.end(board)
    session.hearings.clear()
    collecting.leave(board, session)
    watches.forget(session)
    workspace.roster.pop(session, None)
    workspace.followers.pop(session, None)
    workspace.sessions.pop(session.suffix, None)
    commits.abandon(board, workspace, session.suffix)
    session.routes = {}
    session.subjects = {}
    board.retire(session)
    if not session.is_away:
        roster.announce_peer(board, session, "left")
    board.note("session closed", peer=session.peer_id, cause=cause, workspace=workspace.name)
