"""What a session keeps so that its peer can come back on another connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askrd.wire.bodies import Provision
from askrd.wire.tail import Tail

if TYPE_CHECKING:
    from askrd.core.session import Session


class Resumption:
    """The memory of one session whose peer may come back.

    Attributes:
        window_ms: how long the peer may be away.
        tail: what was sent last.
        uncounted_bytes: received bytes that belong to one connection only: HELLO, `resume`.
        confirmed: how many received bytes the peer was told of.
        links: further connections of the peer, which stand by.
        is_cut: whether no connection carries the session.
        back_by_us: when it is over unless the peer comes back; 0 while it is not away.
        absent: what the peer provided when it went away, and the state of each instance.
    """

    __slots__ = (
        "absent",
        "back_by_us",
        "confirmed",
        "is_cut",
        "links",
        "tail",
        "uncounted_bytes",
        "window_ms",
    )

    def __init__(self, window_ms: int, uncounted_bytes: int) -> None:
        self.window_ms = window_ms
        self.uncounted_bytes = uncounted_bytes
        self.tail = Tail()
        self.confirmed = 0
        self.links: list[Session] = []
        self.is_cut = False
        self.back_by_us = 0
        self.absent: list[tuple[Provision, str]] = []

    def received(self, session: Session) -> int:
        """Returns how many bytes of whole counted frames ``session`` got from its peer."""
        return session.bytes_in - session.assembly.held_bytes - self.uncounted_bytes
