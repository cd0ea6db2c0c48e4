"""What becomes of a WebSocket that says given bytes: at a daemon's door, and at the library."""

import base64
import os
import socket
import struct
from dataclasses import dataclass, field

from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from askrd.wire.limits import DEFAULT_LIMITS, OVERHEAD_BYTES_MAX
from tests.integration.peers import BinaryPeer, connect

MESSAGE_BYTES_MAX = DEFAULT_LIMITS.payload_bytes_max * 4 // 3 + OVERHEAD_BYTES_MAX
STAYS, HUNGRY = "stays", "waits for more"
_PROBE = b"are you there"
Verdict = int | str
"""A close code; or that it goes on; or that a frame is not whole yet."""


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    is_last: bool = True,
    reserved: int = 0,
    is_masked: bool = True,
    declared: int | None = None,
    wide: int = 0,
) -> bytes:
    """Returns a frame as a client says it, or as none should.

    Args:
        opcode: 0 to 15.
        payload: as it is before it is masked.
        is_last: the bit FIN.
        reserved: the three reserved bits.
        is_masked: whether it is masked.
        declared: the length it announces; that of the payload when None.
        wide: 2 or 8 bytes for a length that would need less.
    """
    length = len(payload) if declared is None else declared
    mark = 0x80 if is_masked else 0
    data = bytes((opcode | reserved << 4 | (0x80 if is_last else 0),))
    if wide == 8 or length > 65_535:
        data += struct.pack(">BQ", mark | 127, length)
    elif wide == 2 or length > 125:
        data += struct.pack(">BH", mark | 126, length)
    else:
        data += bytes((mark | length,))
    if not is_masked:
        return data + payload
    mask = os.urandom(4)
    return data + mask + bytes(byte ^ mask[at & 3] for at, byte in enumerate(payload))


def upgrade(subprotocol: str, *, more: str = "") -> bytes:
    """Returns a request for a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{more}"
        f"Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    ).encode()


@dataclass
class Said:
    """Frames of a server, read from its bytes.

    Attributes:
        code: of the close frame; None without one.
        reason: its words. pongs: payloads of pongs. texts: payloads of text messages.
    """

    code: int | None = None
    reason: str = ""
    pongs: list[bytes] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    rest: bytes = b""

    def add(self, data: bytes) -> None:
        """Takes in what came."""
        self.rest += data
        while len(self.rest) >= 2:
            length, start = self.rest[1], 2
            if length == 126:
                length, start = int.from_bytes(self.rest[2:4], "big"), 4
            elif length == 127:
                length, start = int.from_bytes(self.rest[2:10], "big"), 10
            if len(self.rest) < start + length:
                return
            opcode, payload = self.rest[0] & 15, self.rest[start : start + length]
            self.rest = self.rest[start + length :]
            self._take(opcode, payload)

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == Opcode.CLOSE:
            self.code = int.from_bytes(payload[:2], "big") if payload else 1005
            self.reason = payload[2:].decode()
        elif opcode == Opcode.PONG:
            self.pongs.append(payload)
        elif opcode == Opcode.TEXT:
            self.texts.append(payload)


def verdict_of_library(data: bytes) -> Verdict:
    """Says what the library does after a handshake, its check of whole texts included."""
    protocol = ServerProtocol(state=OPEN, max_size=MESSAGE_BYTES_MAX)
    said = Said()
    text: bytes | None = None
    for at in range(len(data)):
        protocol.receive_data(data[at : at + 1])
        for event in protocol.events_received():
            assert not isinstance(event, Exception)
            opcode, payload = event.opcode, bytes(event.data)  # type: ignore[union-attr]
            if opcode is Opcode.TEXT:
                text = payload
            elif opcode is Opcode.CONT and text is not None:
                text += payload
            if text is not None and opcode in {Opcode.TEXT, Opcode.CONT} and event.fin:  # type: ignore[union-attr]
                if not _is_utf8(text):
                    protocol.fail(1007)
                text = None
        if protocol.state is not OPEN:
            break
    for piece in protocol.data_to_send():
        said.add(piece)
    if said.code is not None:
        return said.code
    protocol.receive_eof()
    is_whole = str(protocol.parser_exc) == "unexpected end of stream"
    return STAYS if is_whole else HUNGRY


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


class WebSocket:
    """A bare WebSocket at a daemon, welcome already."""

    def __init__(self, where: str, *, is_text: bool) -> None:
        """Connects and says hello."""
        self.plug = connect(where)
        self.said = Said()
        hello = b'{"v":1,"name":"web"}'
        if is_text:
            said = frame(1, b'{"k":"hello","v":1,"name":"web"}')
        else:
            said = frame(2, BinaryPeer.frame("hello", payload=hello, coding=1))
        self.plug.sendall(upgrade("askr.1.json" if is_text else "askr.1") + said)
        found = b""
        while b"\r\n\r\n" not in found or b'"epoch"' not in found:
            piece = self.plug.recv(1 << 16)
            assert piece, found
            found += piece
        self.said.add(found.partition(b"\r\n\r\n")[2])

    def say(self, *pieces: bytes) -> None:
        """Sends pieces as far as they are taken."""
        try:
            for piece in pieces:
                self.plug.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def verdict(self, expected: Verdict) -> Verdict:
        """Says what the daemon does; ``expected`` tells only how that is found out."""
        if expected == STAYS:
            self.say(frame(Opcode.PING, _PROBE))
        elif expected == HUNGRY:
            self.plug.shutdown(socket.SHUT_WR)
        while _PROBE not in self.said.pongs:
            try:
                piece = self.plug.recv(1 << 16)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return HUNGRY if self.said.code is None else self.said.code
            self.said.add(piece)
        return STAYS

    def close(self) -> None:
        """Hangs up."""
        self.plug.close()
