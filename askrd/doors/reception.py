"""What is large is received in its place: one buffer of its size, so nothing is joined later."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

MISSING_BYTES_MIN = 64 * 1024
"""Fewer missing bytes than this are not worth a buffer of their own."""
SHARE_MIN = 8
"""One part in so many has to be there before room for all of it is taken."""


def is_worth(have: int, size: int) -> bool:
    """Says whether something of ``size`` bytes is to be received in its place.

    A peer that only announces bytes costs none: room is taken for at most eight times what came.
    """
    return size - have >= MISSING_BYTES_MIN and have * SHARE_MIN >= size


class Receiver(asyncio.Protocol, ABC):
    """What something large is received for: a door.

    Attributes:
        transport: its connection.
    """

    transport: asyncio.Transport

    @abstractmethod
    def whole_received(self, whole: memoryview) -> None:
        """Takes something large; ``whole`` is read-only and never written again."""


class Reception(asyncio.BufferedProtocol):
    """Stands in for a door until one large thing is whole, and hands it to the door then."""

    def __init__(self, door: Receiver, beginning: bytes, size: int) -> None:
        """Takes in ``beginning``; `start` lets the rest come.

        Args:
            door: who gets the whole, and everything else that happens meanwhile.
            beginning: what came already.
            size: bytes of the whole; more than ``beginning`` has.
        """
        self._door = door
        self._whole = bytearray(size)
        self._whole[: len(beginning)] = beginning
        self._room = memoryview(self._whole)[len(beginning) :]

    def start(self) -> None:
        """Has the connection put its next bytes here."""
        self._door.transport.set_protocol(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Returns the place of what is missing; never empty."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Takes in that ``nbytes`` came; the last of them gives the connection back."""
        self._room = self._room[nbytes:]
        if self._room:
            self._door.data_received(b"")
            return
        self._door.transport.set_protocol(self._door)
        self._door.whole_received(memoryview(self._whole).toreadonly())

    def eof_received(self) -> bool | None:
        """Tells the door that the peer closed its side."""
        return self._door.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells the door that the connection is gone."""
        self._door.connection_lost(exc)

    def pause_writing(self) -> None:
        """Tells the door that the transport keeps enough bytes."""
        self._door.pause_writing()

    def resume_writing(self) -> None:
        """Tells the door that the transport has room again."""
        self._door.resume_writing()
