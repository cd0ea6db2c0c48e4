"""One event as it is relayed, and who hears events in a way of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from askrd.core.outbox import LargeEvent
from askrd.wire.codec import decode, encode
from askrd.wire.frames import STAMP_TIME, Frame

if TYPE_CHECKING:
    from askrd.core.switchboard import Switchboard
    from askrd.core.workspace import Workspace


class Event:
    """An event with its number.

    Attributes:
        workspace: where it happened.
        subject: its name. seq: its number in the workspace.
        frame: what every plain listener gets.
    """

    __slots__ = ("_parts", "frame", "seq", "subject", "workspace")

    def __init__(
        self, workspace: Workspace, subject: bytes, seq: int, frame: bytes | LargeEvent
    ) -> None:
        self.workspace = workspace
        self.subject = subject
        self.seq = seq
        self.frame = frame
        self._parts: Frame | None = None

    @property
    def whole(self) -> bytes:
        """The frame in one piece."""
        frame = self.frame
        return frame if isinstance(frame, bytes) else frame.head + bytes(frame.payload)

    @property
    def parts(self) -> Frame:
        """The frame in parts."""
        if self._parts is None:
            self._parts = decode(self.whole)
        return self._parts

    @property
    def time_us(self) -> int:
        """When it happened, microseconds since 1970."""
        moment: int = STAMP_TIME.unpack_from(self.parts.stamp)[0]
        return moment

    def framed(self, options: bytes, flags: int = 0) -> bytes:
        """Returns the frame for one subscription only: with ``options``, and ``flags`` besides."""
        parts = self.parts
        return encode(
            Frame(
                kind=parts.kind,
                id=parts.id,
                name=parts.name,
                payload=parts.payload,
                coding=parts.coding,
                flags=parts.flags | flags,
                hops=parts.hops,
                head=parts.head,
                options=options,
                stamp=parts.stamp,
            )
        )


class Hearer(Protocol):
    """Who hears events in another way than every plain listener: a group, a log."""

    def hear(self, board: Switchboard, event: Event) -> int:
        """Takes in an event that fits its pattern; returns how many receivers that makes."""
