"""A connection that compresses: between the door, which speaks as ever, and the relay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askrd import compression
from askrd.core.session import Phase, Session
from askrd.host.logs import Log
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.frames import MAGIC_COMPRESSED

if TYPE_CHECKING:
    from askrd.doors.door import Door, Relay
    from askrd.wire.blocks import Unpacker

OFFER_BYTES_MAX = 64
"""Longest first line of a connection that would like to compress."""
NOTHING = "plain"
"""What is answered when there is no common kind: everything travels as it is."""

_log = Log("askrd.doors")


def agreed(first: bytes, *, is_allowed: bool) -> tuple[str, bytes] | None:
    """Reads the first line of a connection that would like to compress.

    Args:
        first: all that has come; begins with `MAGIC_COMPRESSED`.
        is_allowed: whether the daemon compresses at all.

    Returns:
        the kind that is spoken from now on (empty = none), and what follows the line; None when
        the line is not whole.

    Raises:
        BadRequest: it is too long for one.
    """
    offer, end, rest = first.partition(b"\n")
    if len(offer) > OFFER_BYTES_MAX:
        raise BadRequest(f"the first line has at most {OFFER_BYTES_MAX} bytes")
    if not end:
        return None
    offered = offer[len(MAGIC_COMPRESSED) :].decode("ascii", "replace").split()
    return (compression.chosen(offered) if is_allowed else ""), rest


class UnpackingRelay:
    """What a door that compresses tells: bytes are unpacked before the relay gets them."""

    def __init__(self, relay: Relay, door: Door, unpacker: Unpacker) -> None:
        """Stands between ``door`` and ``relay``."""
        self._door = door
        self._unpacker: Unpacker | None = unpacker
        self._plain = relay
        self.refuse = relay.refuse
        self.paused = relay.paused
        self.resumed = relay.resumed
        self.half_closed = relay.half_closed

    def received(self, session: Session, data: bytes) -> None:
        """Hands on what whole blocks hold; closes a connection whose blocks cannot be read."""
        if self._unpacker is None or self._door.transport.is_closing():
            return
        try:
            plain = self._unpacker.unpack(data)
        except BadRequest as error:
            self._give_up(session, error)
        else:
            self._plain.received(session, plain)  # A part of a block is no silence either.

    def received_large(self, session: Session, whole: memoryview) -> None:
        """Takes something large like everything else: it is a part of blocks, not a frame."""
        self.received(session, bytes(whole))

    def lost(self, session: Session, cause: str) -> None:
        """Takes in that the connection is gone: its window is not kept until garbage is collected."""
        self._unpacker = self._door.packer = None
        self._plain.lost(session, cause)

    def _give_up(self, session: Session, error: AskrError) -> None:
        self._unpacker = None
        if session.phase is Phase.OPEN:  # The relay tells of those that were not let in yet.
            peer = session.peer_id
            _log.warning(
                "connection closed", address=session.address, peer=peer, reason=error.message
            )
        self._plain.refuse(session, error)
        self._door.close(4500, error.message)
