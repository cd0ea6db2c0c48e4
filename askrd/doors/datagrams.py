"""Events in datagrams: emitted once, answered never, lost when that is easier.

One frame a datagram, binary or text, and only a plain `emit`. Whatever else comes is dropped and
counted. All of them are one peer, `udp`, in the daemon's own workspace.
"""

from __future__ import annotations

import asyncio
from typing import cast

from askrd.core.session import Session
from askrd.core.statistics import Totals
from askrd.doors.door import Door, Relay
from askrd.host.logs import Log
from askrd.wire.bodies import Hello, dump
from askrd.wire.codec import Raw, decode, encode
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.frames import FLAG_HEAD, FLAG_SEALED, HEADER, SIZE_BYTES, Coding, Frame, Kind
from askrd.wire.limits import HEADER_BYTES
from askrd.wire.text import decode_text

LOG_EVERY_S = 10.0
"""How often the log tells of what was dropped, at most."""

_log = Log("askrd.doors")


class DatagramDoor(Door):
    """The one peer that everybody who sends datagrams is.

    Attributes:
        dropped: datagrams that were no event which could be relayed.
    """

    def __init__(
        self, relay: Relay, session: Session, transport: asyncio.DatagramTransport, totals: Totals
    ) -> None:
        """Takes over a new session, and says hello for it.

        Args:
            relay: gets the events.
            session: new.
            transport: the socket.
            totals: counts datagrams, and those that are dropped.
        """
        super().__init__(relay, session, cast(asyncio.Transport, transport))
        session.is_held_to_pings = False
        self._totals = totals
        self._told = 0
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Says hello; from then on events can come."""
        hello = dump(Hello(v=1, name="udp", kind="legacy"))
        frame = Frame(kind=Kind.HELLO, payload=hello, coding=Coding.JSON)
        self.relay.received(self.session, encode(frame))

    def take(self, data: bytes) -> None:
        """Relays one datagram."""
        self._totals.datagrams += 1
        try:
            frame = event_in(data)
        except AskrError as error:
            self._drop(error.message)
        else:
            self.relay.received(self.session, frame)

    def write(self, pieces: list[Raw]) -> None:
        """Keeps what the core says to itself; a refusal is one more datagram dropped."""
        data = b"".join(pieces)
        at = 0
        while at < len(data):
            end = at + SIZE_BYTES + int.from_bytes(data[at : at + SIZE_BYTES], "little")
            frame = decode(data[at:end])
            if frame.kind == Kind.ERROR:
                self._drop(bytes(frame.payload).decode("utf-8", "replace"))
            at = end

    def give_up(self, cause: Exception) -> None:
        """Drops what it failed at: the socket is everybody's."""
        _log.error("door failed", cause=cause, peer=self.session.peer_id)
        self._drop("the daemon failed at it")

    def close(self, close_code: int, reason: str) -> None:
        """Closes the socket."""
        self.transport.close()

    def _drop(self, reason: str) -> None:
        self._totals.datagrams_dropped += 1
        if self._timer is None:
            self._log(reason)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LOG_EVERY_S, self._log_again)

    def _log_again(self) -> None:
        self._timer = None
        if self._totals.datagrams_dropped > self._told:
            self._log("see the first one")

    def _log(self, reason: str) -> None:
        self._told = self._totals.datagrams_dropped
        _log.warning("datagram dropped", dropped=self._told, reason=reason)


class Datagrams(asyncio.DatagramProtocol):
    """Hands what arrives to the door."""

    door: DatagramDoor | None = None
    """None until it is there: what comes earlier is lost."""

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Takes in one datagram; whatever goes wrong here costs this one only."""
        if self.door is not None:
            self.door.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Takes in that the socket is closed."""
        if self.door is not None:
            self.door.connection_lost(exc)


def event_in(data: bytes) -> bytes:
    """Returns the frame of an event that came in a datagram.

    Raises:
        AskrError: it is anything but one plain `emit`.
    """
    frame = decode_text(data) if data.startswith(b"{") else data
    if len(frame) < HEADER_BYTES or len(frame) != SIZE_BYTES + int.from_bytes(
        frame[:SIZE_BYTES], "little"
    ):
        raise BadRequest("a datagram is exactly one frame")
    _, kind, stamp_length, name_length, id_, _, tail = HEADER.unpack_from(frame)
    if stamp_length + name_length > len(frame) - HEADER_BYTES:
        # The core would close the session for it, and this one is everybody's.
        raise BadRequest("a frame's size is smaller than its header and name")
    if kind != Kind.EMIT or id_ or (tail >> 8 & 0xFF) & ~(FLAG_HEAD | FLAG_SEALED):
        raise BadRequest("a datagram carries an emit without id and without options")
    return frame
