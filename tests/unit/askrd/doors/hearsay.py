"""What a door is given in tests: a connection and a relay that keep what they get."""

import asyncio
import base64
from typing import Any

from askrd.core.session import Phase, Session
from askrd.wire.errors import AskrError
from askrd.wire.limits import Limits

UPGRADE = (
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: askr.1\r\n\r\n"
).encode()


class Wire(asyncio.Transport):
    """A transport that keeps what is written and who reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: asyncio.BaseProtocol | None = None
        self.pieces: list[bytes] = []
        self.is_cut = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: Any) -> None:
        self.pieces.append(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.pieces += map(bytes, list_of_data)

    def is_closing(self) -> bool:
        return self.is_cut

    def close(self) -> None:
        self.is_cut = True

    def abort(self) -> None:
        self.is_cut = True


class Hearing:
    """A relay that keeps what it hears; all bytes of a session in ``heard``, in order."""

    def __init__(self) -> None:
        self.heard = b""
        self.reads: list[int] = []
        self.large: list[memoryview] = []
        self.told: list[str] = []

    def received(self, session: Session, data: bytes) -> None:
        self.heard += data
        self.reads.append(len(data))

    def received_large(self, session: Session, whole: memoryview) -> None:
        self.heard += whole
        self.large.append(whole)

    def refuse(self, session: Session, error: AskrError) -> None:
        self.told.append(f"refused {error.code}")

    def paused(self, session: Session) -> None:
        self.told.append("paused")

    def resumed(self, session: Session) -> None:
        self.told.append("resumed")

    def half_closed(self, session: Session) -> None:
        self.told.append("half closed")

    def lost(self, session: Session, cause: str) -> None:
        self.told.append(cause)


class Holding(Hearing):
    """A relay that counts, and holds the beginning of a frame, as the router does."""

    def received(self, session: Session, data: bytes) -> None:
        super().received(session, data)
        session.bytes_in += len(data)
        if data:
            session.assembly.hold(data)

    def received_large(self, session: Session, whole: memoryview) -> None:
        super().received_large(session, whole)
        session.bytes_in += len(whole)


def open_session() -> Session:
    """Returns a session that is past its handshake."""
    limits = Limits()
    session = Session(
        suffix="000001",
        secret="",
        via="tcp",
        address="here",
        limits=limits,
        on_full=lambda _: None,
        now_us=0,
    )
    session.phase = Phase.OPEN
    session.assembly.frame_bytes_max = limits.frame_bytes_max
    return session
