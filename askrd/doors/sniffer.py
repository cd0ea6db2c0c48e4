"""One port for every tongue: the first bytes of a connection choose its door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from askrd.core.session import Session
from askrd.doors.door import WRITE_HIGH_BYTES, Door, RawDoor, Relay, as_transport
from askrd.doors.first_object import FirstObject
from askrd.doors.http.intake import begins_request
from askrd.doors.http.surroundings import Surroundings
from askrd.doors.line import LineDoor
from askrd.doors.node_askr import NodeAskrDoor
from askrd.doors.transcript import EventTexts
from askrd.doors.websocket import WebSocketDoor
from askrd.host.logs import Log
from askrd.wire.bodies import ErrorBody, dump
from askrd.wire.errors import BadRequest, ErrorCode
from askrd.wire.frames import MAGIC, MAGIC_COMPRESSED
from askrd.wire.limits import OVERHEAD_BYTES_MAX, Limits

_METHODS = (
    b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ",
    b"CONNECT ",
)  # fmt: skip
_REFUSAL = {
    0x16: "this daemon has no certificate, so TLS is not spoken here; connect without it, or give it "
    "one: tls_certificate and tls_key in its configuration",
}

_log = Log("askrd.doors")

Opened = Callable[[asyncio.Transport], Session | None]
"""Makes the session of a new connection; None refuses it."""
Chosen = Callable[[Session, Door], None]
"""Learns which door a session speaks through."""


class Sniffer(asyncio.Protocol):
    """The first moment of a connection; replaced as soon as its first bytes say what it is."""

    def __init__(
        self,
        relay: Relay,
        opened: Opened,
        chosen: Chosen,
        events: EventTexts,
        limits: Limits,
        around: Surroundings,
    ) -> None:
        self._relay = relay
        self._opened = opened
        self._chosen = chosen
        self._events = events
        self._around = around
        self._text_bytes_max = limits.payload_bytes_max * 4 // 3 + OVERHEAD_BYTES_MAX
        self._first = b""
        self._lines: LineDoor | None = None
        self._first_object = FirstObject()
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
        elif first.startswith(MAGIC_COMPRESSED):
            self._take_offer(session, transport, first)
        elif first.startswith(b"{"):
            self._take_object(session, transport, data)
        elif first.startswith(_METHODS) or begins_request(first):
            self._take_http(session, transport)
        elif not any(word.startswith(first) for word in (MAGIC, MAGIC_COMPRESSED, *_METHODS)):
            self._refuse(session, transport, first)

    def _take_offer(self, session: Session, transport: asyncio.Transport, first: bytes) -> None:
        """Agrees with a peer that would like to compress on how that is done."""
        from askrd.doors.compressed import NOTHING, agreed

        try:
            found = agreed(first, is_allowed=self._around.may_compress)
        except BadRequest:
            self._refuse(session, transport, first)
            return
        if found is not None:
            kind, rest = found
            transport.write(f"{kind or NOTHING}\n".encode())
            door = RawDoor(self._relay, session, transport)
            if kind:
                door.compress(kind)
            self._enter(door, rest)

    def _take_object(self, session: Session, transport: asyncio.Transport, data: bytes) -> None:
        """Waits for the end of the first object: it says which JSON is spoken."""
        if self._lines is None:
            self._lines = LineDoor(
                self._relay,
                session,
                transport,
                events=self._events,
                line_bytes_max=self._text_bytes_max,
            )
            self._chosen(session, self._lines)  # Who says nothing whole in time reads why.
        tongue = self._first_object.feed(data)
        if tongue == "askr":
            self._enter(self._lines, self._first)
        elif tongue == "node-askr":
            self._enter(NodeAskrDoor(self._relay, session, transport), self._first)

    def _take_http(self, session: Session, transport: asyncio.Transport) -> None:
        """Lets HTTP begin; a request for a WebSocket goes on to that door as it is."""
        from askrd.doors.http.door import HttpDoor

        def upgrade(data: bytes) -> None:
            web = WebSocketDoor(
                self._relay,
                session,
                transport,
                events=self._events,
                message_bytes_max=self._text_bytes_max,
                allow_origins=self._around.allow_origins,
                may_compress=self._around.may_compress,
            )
            self._enter(web, data)

        self._enter(HttpDoor(self._relay, session, transport, self._around, upgrade), self._first)

    def _enter(self, door: Door, data: bytes) -> None:
        self._first = b""
        self._chosen(door.session, door)
        door.transport.set_protocol(door)
        if data:
            door.data_received(data)

    @staticmethod
    def _refuse(session: Session, transport: asyncio.Transport, first: bytes) -> None:
        message = _REFUSAL.get(
            first[0],
            "the first bytes are no tongue that askrd speaks: binary frames, "
            'WebSocket, HTTP, or a line of JSON such as {"k":"hello","v":1}',
        )
        body = ErrorBody(code=ErrorCode.BAD_REQUEST, message=message, at="daemon")
        _log.warning("connection refused", address=session.address, reason=message)
        transport.write(b'{"k":"error",' + dump(body)[1:] + b"\n")
        transport.close()
