"""Text frames, one JSON object a line, over TCP or a unix socket: `nc -U` can be a service."""

from __future__ import annotations

import asyncio
import socket

from askrd.core.session import Phase, Session
from askrd.doors.door import Door, Relay
from askrd.doors.transcript import EventTexts, Transcript
from askrd.wire.codec import Raw
from askrd.wire.errors import AskrError, PayloadTooLarge
from askrd.wire.limits import HANDSHAKE_BYTES_MAX, SKIP_BYTES_MAX

PROBE_S = 0.1
"""How often a half-closed connection is looked at."""
TCP_CLOSE = 7
"""The kernel's number for a TCP connection that is over."""


class LineDoor(Door):
    """Newline-delimited JSON.

    A line that is too long is refused and skipped; the rest of the conversation goes on.
    """

    word = "+json"

    def __init__(
        self,
        relay: Relay,
        session: Session,
        transport: asyncio.Transport,
        *,
        events: EventTexts,
        line_bytes_max: int,
    ) -> None:
        """Takes over a connection that began with ``{``."""
        super().__init__(relay, session, transport)
        session.is_held_to_pings = False
        self._transcript = Transcript(session, events)
        self._line_bytes_max = line_bytes_max
        self._parts: list[bytes] = []
        self._have = 0
        self._skipped = 0

    def take(self, data: bytes) -> None:
        """Reads every line that is whole, keeps the rest."""
        *lines, rest = data.split(b"\n")
        frames: list[bytes] = []
        for line in lines:
            whole = self._finish(line)
            if whole and not whole.isspace():
                self._read(whole, frames)
        self._relay(frames)
        self._keep(rest)

    def _read(self, line: bytes, frames: list[bytes]) -> None:
        try:
            frames.append(self._transcript.read(line))
        except AskrError as error:
            self._relay(frames)
            self.relay.refuse(self.session, error)
            return
        if self.session.phase is Phase.OPENING:
            self._relay(frames)

    def _relay(self, frames: list[bytes]) -> None:
        if frames:
            self.relay.received(self.session, b"".join(frames))
            frames.clear()

    def _finish(self, line: bytes) -> bytes:
        """Returns the whole line that ``line`` ends, empty when it is to be skipped."""
        if self._skipped:
            self._skipped = 0
            return b""
        if self._parts:
            self._parts.append(line)
            line = b"".join(self._parts)
            self._parts = []
            self._have = 0
        if len(line) > self._limit:
            self._refuse_long(len(line))
            return b""
        return line

    @property
    def _limit(self) -> int:
        is_opening = self.session.phase is Phase.OPENING
        return HANDSHAKE_BYTES_MAX if is_opening else self._line_bytes_max

    def _keep(self, rest: bytes) -> None:
        if self._skipped:
            self._skipped += len(rest)
            if self._skipped > SKIP_BYTES_MAX:
                self.transport.abort()
            return
        if not rest:
            return
        self._parts.append(rest)
        self._have += len(rest)
        if self._have > self._limit:
            self._refuse_long(self._have)
            self._skipped = self._have
            self._parts = []
            self._have = 0
        elif len(self._parts) > 1_024:
            self._parts = [b"".join(self._parts)]

    def _refuse_long(self, size: int) -> None:
        limit = self._limit
        error = PayloadTooLarge(
            f"a line of more than {limit} bytes is refused; it was not relayed",
            details={"bytes": size, "bytes_max": limit},
        )
        self.relay.refuse(self.session, error)

    def eof_received(self) -> bool | None:
        """Lets a peer that sends nothing more read the outcomes it waits for."""
        self.relay.half_closed(self.session)
        asyncio.get_running_loop().call_later(PROBE_S, self._probe)
        return True

    def _probe(self) -> None:
        """Notices that a half-closed TCP peer is gone altogether: it answered a ping by a reset."""
        if self.transport.is_closing():
            return
        if _was_reset(self.transport.get_extra_info("socket")):
            self.transport.abort()
        else:
            asyncio.get_running_loop().call_later(PROBE_S, self._probe)

    def write(self, pieces: list[Raw]) -> None:
        """Writes frames as lines, in one go."""
        texts = self._transcript.texts(pieces)
        if texts:
            texts.append(b"")
            self.transport.write(b"\n".join(texts))


def _was_reset(connection: socket.socket) -> bool:
    if connection.family == socket.AF_UNIX or not hasattr(socket, "TCP_INFO"):
        return False
    state: int = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state == TCP_CLOSE
