"""The seam between a connection and the relay, and the one bulkhead: a session may die alone."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from askrd.core.session import Session
from askrd.doors.reception import Receiver, Reception, is_worth
from askrd.host.logs import Log
from askrd.wire.blocks import Packer
from askrd.wire.codec import Raw
from askrd.wire.errors import AskrError

CLOSE_WITHIN_S = 2.0
"""How long a closing connection may take to swallow its last bytes."""
WRITE_HIGH_BYTES = 64 * 1024
"""Bytes the transport may keep before the session counts as paused."""
LARGE_READ_BYTES = 32 * 1024
"""Only after a read of this size is it asked whether a large frame began."""
APART_BYTES = 32 * 1024
"""Pieces of this size are written as they are; smaller ones are joined first."""
APART_PIECES_MAX = 16
"""Of more pieces than this all are joined: looking at each would cost more than it saves."""

_log = Log("askrd.doors")


class Relay(Protocol):
    """What a door tells the relay; every call returns at once."""

    def received(self, session: Session, data: bytes) -> None:
        """Binary frames arrived, cut anywhere; none at all when only a part of a large one did."""

    def received_large(self, session: Session, whole: memoryview) -> None:
        """One large frame arrived; ``whole`` is read-only and never written again."""

    def refuse(self, session: Session, error: AskrError) -> None:
        """Something arrived that the door could not read."""

    def paused(self, session: Session) -> None:
        """The connection takes no more bytes for now."""

    def resumed(self, session: Session) -> None:
        """The connection takes bytes again."""

    def half_closed(self, session: Session) -> None:
        """The peer sends nothing more and still reads."""

    def lost(self, session: Session, cause: str) -> None:
        """The connection is gone."""


class Door(Receiver):
    """One connection that speaks binary frames in both directions, as they are.

    Subclasses translate: `take` what arrives, `write` what leaves.

    Attributes:
        word: what the door adds to the session's `via`.
        tells_log: whether the door itself says in the log why a connection ends.
        is_full: whether the transport takes no more bytes for now.
        packer: what packs all that is written; None = it travels as it is.
    """

    word = ""
    tells_log = False

    def __init__(self, relay: Relay, session: Session, transport: asyncio.Transport) -> None:
        """Takes over a connection whose first bytes chose this door."""
        self.relay = relay
        self.session = session
        self.transport = transport
        self.is_full = False
        self.packer: Packer | None = None
        self._cut: asyncio.TimerHandle | None = None
        session.via = session.via + self.word

    def compress(self, kind: str) -> None:
        """Has everything travel in compressed blocks from now on, both ways."""
        from askrd import compression
        from askrd.doors.compressed import UnpackingRelay

        self.packer = compression.packer(kind)
        self.relay = UnpackingRelay(self.relay, self, compression.unpacker(kind))
        self.session.via += f"+{kind}"

    # ── from the peer ─────────────────────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        """Takes what arrived; whatever goes wrong here ends this session only."""
        try:
            self.take(data)
        except Exception as exc:  # noqa: BLE001  # the bulkhead
            self.give_up(exc)

    def whole_received(self, whole: memoryview) -> None:
        """Takes something large that a `Reception` put together; fails alone as well."""
        try:
            self.take_whole(whole)
        except Exception as exc:  # noqa: BLE001  # the same bulkhead
            self.give_up(exc)

    def give_up(self, cause: Exception) -> None:
        """Cuts the connection because the door itself has failed; nobody else loses anything."""
        _log.error("door failed", cause=cause, peer=self.session.peer_id)
        self.transport.abort()

    def take(self, data: bytes) -> None:
        """Hands what arrived to the relay as binary frames."""
        self.relay.received(self.session, data)

    def take_whole(self, whole: memoryview) -> None:
        """Hands one large frame to the relay."""
        self.relay.received_large(self.session, whole)

    def eof_received(self) -> bool | None:
        """Takes in that the peer closed its side: a binary peer that does is gone."""
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Takes in that the connection is gone; no timer keeps what it held."""
        if self._cut is not None:
            self._cut.cancel()
            self._cut = None
        self.relay.lost(self.session, f"connection lost: {exc}" if exc else "connection closed")

    def pause_writing(self) -> None:
        """Takes in that the transport keeps enough bytes."""
        self.is_full = True
        self.relay.paused(self.session)

    def resume_writing(self) -> None:
        """Takes in that the transport has room again."""
        self.is_full = False
        self.relay.resumed(self.session)

    # ── to the peer ───────────────────────────────────────────────────────────────────────

    def write(self, pieces: list[Raw]) -> None:
        """Writes pieces of binary frames, together whole frames, in one go."""
        if self.packer is not None:
            pieces = [self.packer.pack(b"".join(pieces))]
        if len(pieces) == 1:
            self.transport.write(pieces[0])
            return
        runs = in_runs(pieces)
        if len(runs) == 1:
            self.transport.write(runs[0])
        else:
            self.transport.writelines(runs)

    def close(self, close_code: int, reason: str) -> None:
        """Closes after what was written; cuts the connection if that takes long."""
        self.say_goodbye(close_code, reason)
        self.transport.close()
        loop = asyncio.get_running_loop()
        self._cut = loop.call_later(CLOSE_WITHIN_S, self.transport.abort)

    def say_goodbye(self, close_code: int, reason: str) -> None:
        """Says in the door's own way why it closes; binary frames have said it already."""


class RawDoor(Door):
    """Binary frames over TCP or a unix socket."""

    def take(self, data: bytes) -> None:
        """Hands what arrived to the relay, and sees whether a large frame began."""
        self.relay.received(self.session, data)
        if len(data) >= LARGE_READ_BYTES and self.packer is None:
            self._look_ahead()

    def _look_ahead(self) -> None:
        """Has the rest of a large frame received in its place."""
        assembly = self.session.assembly
        have = assembly.held_bytes
        size = have + assembly.missing_bytes
        if is_worth(have, size) and not self.transport.is_closing():
            self.session.bytes_in -= have  # They are handed over once more, within the whole.
            Reception(self, assembly.release(), size).start()


def in_runs(pieces: list[Raw]) -> list[Raw]:
    """Returns ``pieces`` with neighbours joined, but for large ones, which are not copied."""
    if len(pieces) <= APART_PIECES_MAX:
        for piece in pieces:
            if len(piece) >= APART_BYTES:
                return _apart(pieces)
    return [b"".join(pieces)]


def _apart(pieces: list[Raw]) -> list[Raw]:
    runs: list[Raw] = []
    run: list[Raw] = []
    for piece in pieces:
        if len(piece) < APART_BYTES:
            run.append(piece)
            continue
        if run:
            runs.append(b"".join(run))
            run = []
        runs.append(piece)
    if run:
        runs.append(b"".join(run))
    return runs


def as_transport(transport: asyncio.BaseTransport) -> asyncio.Transport:
    """Returns a stream's transport as what it is."""
    return cast(asyncio.Transport, transport)
