"""Reading one HTTP request: where its head ends, whether it may be believed, and its body.

Bodies are read by h11 (extra `http`). Without it only GET and HEAD are served, read by the parser
that the WebSocket door has anyway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from askrd.wire.limits import HTTP_HANDSHAKE_BYTES_MAX

HEADERS_MAX = 100
INSTALL = "pip install 'askrd[http]'"

_FOLDED = re.compile(rb"\r\n[ \t]")
_LONE = re.compile(rb"(?<!\r)\n|\r(?!\n)|\0")
_LONE_FEED = re.compile(rb"(?<!\r)\n")
_LINE_ENDS = "a line of the head ends with CR LF, and has neither elsewhere"
_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_NUMBER = re.compile(rb"[0-9]{1,18}[ \t]*")
_CODING = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_REQUEST_LINE = re.compile(rb"[!-~]{1,32} [!-~]+ HTTP/[0-9]\.[0-9]\r\n")
_UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:[^\r\n]*websocket", re.IGNORECASE)


class Unreadable(Exception):
    """Bytes that are no request; the connection closes, for where the next begins is unknown.

    Attributes:
        status: of the answer.
        sentence: what is wrong and what to do.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Head:
    """What a request says before its body.

    Attributes:
        method: in capitals. target: as it was sent. version: `1.0` or `1.1`.
        headers: names in small letters; those given twice are joined by a comma.
    """

    method: str
    target: str
    version: str
    headers: dict[str, str]

    @property
    def keeps_alive(self) -> bool:
        """Whether the client wants to go on with this connection."""
        words = self.headers.get("connection", "").lower()
        return "keep-alive" in words if self.version == "1.0" else "close" not in words

    @property
    def expects_word(self) -> bool:
        """Whether the client waits to be told before it sends its body."""
        return self.version == "1.1" and self.headers.get("expect", "").lower() == "100-continue"


class Intake(Protocol):
    """The reader of one request.

    Attributes:
        is_whole: whether the body has ended.
        rest: what came behind it.
    """

    is_whole: bool
    rest: bytes

    def read_head(self, raw: bytes) -> Head:
        """Reads a head, up to and with its empty line.

        Raises:
            Unreadable: it is none.
        """

    def read_body(self, data: bytes) -> bytes:
        """Returns what ``data`` says of the body.

        Raises:
            Unreadable: it is none.
        """


def begins_request(data: bytes) -> bool:
    """Says whether ``data`` begins with the first line of a request, of whatever method."""
    return _REQUEST_LINE.match(data) is not None


def is_websocket(data: bytes | bytearray) -> bool:
    """Says whether a whole head asks for a WebSocket: then its door, not this one, judges it."""
    end = data.find(b"\r\n\r\n")
    return data.startswith(b"GET ") and _UPGRADE.search(data, 0, end + 2) is not None


def end_of_head(data: bytes | bytearray) -> int:
    """Returns where a head ends, or -1 when it is not whole.

    Raises:
        Unreadable: it is above the limit, or will never end as a head does.
    """
    at = data.find(b"\r\n\r\n", 0, HTTP_HANDSHAKE_BYTES_MAX)
    if at < 0 and len(data) >= HTTP_HANDSHAKE_BYTES_MAX:
        raise Unreadable(431, f"a request's head has at most {HTTP_HANDSHAKE_BYTES_MAX} bytes")
    if at < 0 and _LONE_FEED.search(data):
        raise Unreadable(400, _LINE_ENDS)
    return at + 4 if at >= 0 else -1


def check_head(raw: bytes) -> None:
    """Returns when two readers could not take a head for two different requests.

    Raises:
        Unreadable: they could.
    """
    if _LONE.search(raw):
        raise Unreadable(400, _LINE_ENDS)
    if _FOLDED.search(raw):
        raise Unreadable(400, "a header stands on one line")
    if raw.count(b"\r\n") > HEADERS_MAX + 2:
        raise Unreadable(431, f"a request has at most {HEADERS_MAX} headers")
    lengths = _LENGTH.findall(raw)
    if not all(map(_NUMBER.fullmatch, lengths)):
        raise Unreadable(400, "Content-Length is a number of bytes")
    if len(lengths) + len(_CODING.findall(raw)) > 1:
        raise Unreadable(400, "say the length of a body once: Content-Length or Transfer-Encoding")


def has_body(raw: bytes) -> bool:
    """Says whether a head announces a body."""
    lengths = _LENGTH.findall(raw)
    return _CODING.search(raw) is not None or any(each.strip(b"0 \t") for each in lengths)
