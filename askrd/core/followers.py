"""Who wants to know what is listened to: peers that say an event only to those who named it."""

from __future__ import annotations

from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.frames import Frame, Kind


def follow(board: Switchboard, session: Session) -> None:
    """Tells a session from now on which events somebody listens to, and which now."""
    workspace = session.in_open_workspace
    workspace.followers[session] = None
    for each in list(workspace.sessions.values()):
        for pattern in each.subscriptions.values():
            _tell(board, session, pattern)
        for hearing in each.hearings.values():
            _tell(board, session, hearing.pattern)


def pass_on(board: Switchboard, workspace: Workspace, pattern: str) -> None:
    """Tells those who follow that somebody listens."""
    for follower in workspace.followers:
        _tell(board, follower, pattern)


def _tell(board: Switchboard, follower: Session, pattern: str) -> None:
    """Passes on the wish to hear an event; a wildcard names none, and `$` the daemon's own."""
    if "*" not in pattern and not pattern.startswith("$"):
        board.send(follower, Frame(kind=Kind.SUB, name=pattern.encode()))
