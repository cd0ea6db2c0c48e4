"""Requests without bodies, for a daemon without the extra `http`: GET and HEAD."""

from __future__ import annotations

from websockets.exceptions import SecurityError
from websockets.http11 import Request
from websockets.streams import StreamReader

from askrd.doors.http.intake import INSTALL, Head, Unreadable, has_body

METHODS = (b"GET ", b"HEAD ")


class BodilessIntake:
    """The reader of one GET or HEAD; see `Intake`."""

    def __init__(self) -> None:
        self.is_whole = False
        self.rest = b""

    def read_head(self, raw: bytes) -> Head:
        """Reads a head; see `Intake`."""
        if not raw.startswith(METHODS) or has_body(raw):
            said = f"this daemon takes GET without a body only; for the rest: {INSTALL}"
            raise Unreadable(501, said)
        reader = StreamReader()
        reader.feed_data(raw)
        parser = Request.parse(reader.read_line)
        try:
            next(parser)
        except StopIteration as done:
            request: Request = done.value
        except (ValueError, EOFError, SecurityError) as exc:
            raise Unreadable(400, f"this is no HTTP request: {exc}") from exc
        else:
            raise Unreadable(400, "the request's head cannot be read")
        headers: dict[str, str] = {}
        for name, value in request.headers.raw_items():
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        version = request.protocol.removeprefix("HTTP/")
        if version == "1.1" and "host" not in headers:
            raise Unreadable(400, "a request of HTTP/1.1 has the header Host")
        self.is_whole = True
        return Head(request.method, request.path, version, headers)

    def read_body(self, data: bytes) -> bytes:
        """Keeps what came behind the head; see `Intake`."""
        self.rest += data
        return b""
