"""A subscription that wants the newest event of each subject only, when it cannot read them all."""

from __future__ import annotations

from askrd.core.event import Event
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard


class Newest:
    """One `sub` with ``when_full`` `conflate`; its events have frames of their own.

    Attributes:
        pattern: what it listens to. manner: how it hears, for people.
        is_durable: no.
    """

    __slots__ = ("_session", "_sub", "manner", "pattern")
    is_durable = False

    def __init__(self, session: Session, sub: int, pattern: str) -> None:
        self._session = session
        self._sub = sub
        self.pattern = pattern
        self.manner = "(the newest of each subject, when it reads slowly)"

    def hear(self, board: Switchboard, event: Event) -> int:
        """Has the session read the event, unless a newer one of its subject comes before it can."""
        told = event.told(self._session, self._sub)
        board.send_newest(self._session, (self._sub, event.subject), told)
        return 1

    def end(self, _board: Switchboard) -> None:
        """Hears nothing more."""
        self._session.in_open_workspace.subscriptions.remove(self.pattern, self)
