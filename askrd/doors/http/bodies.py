"""Requests with bodies, read by h11; this file is imported only where the extra `http` is."""

from __future__ import annotations

import re

import h11

from askrd.doors.http.intake import Head, Unreadable
from askrd.wire.limits import HTTP_HANDSHAKE_BYTES_MAX

_QUOTED = re.compile(r"bytearray\(b(['\"])(.*?)\1\)")
"""How h11 quotes what it refuses."""


class BodyIntake:
    """The reader of one request of any method; see `Intake`."""

    def __init__(self) -> None:
        self.is_whole = False
        self.rest = b""
        self._library = h11.Connection(
            h11.SERVER, max_incomplete_event_size=HTTP_HANDSHAKE_BYTES_MAX
        )

    def read_head(self, raw: bytes) -> Head:
        """Reads a head; see `Intake`."""
        self._library.receive_data(raw)
        request = self._next()
        if not isinstance(request, h11.Request):
            raise Unreadable(400, "the request's head cannot be read")
        if request.http_version not in {b"1.0", b"1.1"}:
            raise Unreadable(505, "this daemon speaks HTTP/1.1 and HTTP/1.0")
        headers: dict[str, str] = {}
        for name, value in request.headers:
            key, text = name.decode("ascii"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self._look_for_end(self._next())
        return Head(
            method=request.method.decode("ascii"),
            target=request.target.decode("ascii"),
            version=request.http_version.decode("ascii"),
            headers=headers,
        )

    def read_body(self, data: bytes) -> bytes:
        """Reads a part of the body; see `Intake`."""
        if data:
            self._library.receive_data(data)
        parts: list[bytes] = []
        while isinstance(event := self._next(), h11.Data):
            parts.append(bytes(event.data))
        self._look_for_end(event)
        return b"".join(parts)

    def _look_for_end(self, event: object) -> None:
        if isinstance(event, h11.EndOfMessage):
            self.is_whole = True
            self.rest = self._library.trailing_data[0]

    def _next(self) -> object:
        try:
            return self._library.next_event()
        except h11.RemoteProtocolError as exc:
            said = _QUOTED.sub(r"\1\2\1", str(exc))
            raise Unreadable(exc.error_status_hint, f"this is no HTTP request: {said}") from exc
