"""One port for every tongue: the first bytes of a connection choose its door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from askrd.core.session import Session
from askrd.doors.door import WRITE_HIGH_BYTES, Door, RawDoor, Relay, as_transport
from askrd.doors.line import LineDoor
from askrd.doors.transcript import EventTexts
from askrd.doors.websocket import WebSocketDoor
from askrd.wire.bodies import ErrorBody, dump
from askrd.wire.errors import ErrorCode
from askrd.wire.frames import MAGIC
from askrd.wire.limits import OVERHEAD_BYTES_MAX, Limits

_UPGRADE = b"GET "
_METHODS = (b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"CONNECT ")
_HTTP_REFUSAL = (
    b"HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nConnection: close\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 58\r\n\r\n"
    b"askrd speaks WebSocket here; HTTP calls are not built yet\n"
)
_REFUSAL = {
    0x16: "TLS is not built yet; connect without it on loopback or the unix socket",
}

Opened = Callable[[asyncio.Transport], Session | None]
"""Makes the session of a new connection; None refuses it."""
Chosen = Callable[[Session, Door], None]
"""Learns which door a session speaks through."""


class Sniffer(asyncio.Protocol):
    """The first moment of a connection; replaced as soon as its first bytes say what it is."""

    def __init__(
        self, relay: Relay, opened: Opened, chosen: Chosen, events: EventTexts, limits: Limits
    ) -> None:
        self._relay = relay
        self._opened = opened
        self._chosen = chosen
        self._events = events
        self._text_bytes_max = limits.payload_bytes_max * 4 // 3 + OVERHEAD_BYTES_MAX
        self._first = b""
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Gives the connection a session, whose handshake deadline runs from now on."""
        self._transport = as_transport(transport)
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self._session = self._opened(self._transport)
        if self._session is None:
            self._transport.abort()
            return
        self._chosen(self._session, RawDoor(self._relay, self._session, self._transport))

    def connection_lost(self, exc: Exception | None) -> None:
        """Takes in that the connection ended before it said anything."""
        if self._session is not None:
            self._relay.lost(self._session, "closed before the first frame")

    def data_received(self, data: bytes) -> None:
        """Chooses the door as soon as the bytes decide, and hands everything over."""
        session, transport = self._session, self._transport
        if session is None or transport is None:
            return
        first = self._first = self._first + data
        if first.startswith(MAGIC):
            self._enter(RawDoor(self._relay, session, transport), first[len(MAGIC) :])
        elif first.startswith(b"{"):
            door = LineDoor(
                self._relay,
                session,
                transport,
                events=self._events,
                line_bytes_max=self._text_bytes_max,
            )
            self._enter(door, first)
        elif first.startswith(_UPGRADE):
            web = WebSocketDoor(
                self._relay,
                session,
                transport,
                events=self._events,
                message_bytes_max=self._text_bytes_max,
            )
            self._enter(web, first)
        elif not any(word.startswith(first) for word in (MAGIC, _UPGRADE, *_METHODS)):
            self._refuse(transport, first)

    def _enter(self, door: Door, data: bytes) -> None:
        self._first = b""
        self._chosen(door.session, door)
        door.transport.set_protocol(door)
        if data:
            door.data_received(data)

    @staticmethod
    def _refuse(transport: asyncio.Transport, first: bytes) -> None:
        if first.startswith(_METHODS):
            transport.write(_HTTP_REFUSAL)
        else:
            message = _REFUSAL.get(
                first[0],
                "the first bytes are no tongue that askrd speaks: binary frames, "
                'WebSocket, or a line of JSON such as {"k":"hello","v":1}',
            )
            body = ErrorBody(code=ErrorCode.BAD_REQUEST, message=message, at="daemon")
            transport.write(b'{"k":"error",' + dump(body)[1:] + b"\n")
        transport.close()
