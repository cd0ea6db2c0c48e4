"""One event as it is relayed, and who hears events in a way of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from askrd.core.lanes import LargeEvent
from askrd.wire.bodies import EventOptions, dump
from askrd.wire.codec import decode
from askrd.wire.frames import FLAG_HEAD, FLAG_OPTIONS, HEADER, SECTION, STAMP_TIME, Frame
from askrd.wire.limits import HEADER_BYTES

if TYPE_CHECKING:
    from askrd.core.session import Session
    from askrd.core.switchboard import Switchboard
    from askrd.core.workspace import Workspace


class Asking(Protocol):
    """Who wants answers to an event."""

    def ask(self, session: Session) -> int:
        """Returns a new id under which ``session`` may answer; 0 = it is not asked."""


class Event:
    """An event with its number.

    Attributes:
        workspace: where it happened.
        subject: its name. seq: its number in the workspace.
        frame: what every plain listener gets.
        key: what the policy `hash` of a group goes by.
        asking: who wants answers; None = nobody does.
        is_awaited: whether its emitter, if it wants to know, is told only once the store has what
            a hearer wrote; the hearer sets it.
        receivers: who got it, so far.
    """

    __slots__ = (
        "_parts",
        "asking",
        "frame",
        "is_awaited",
        "key",
        "receivers",
        "seq",
        "subject",
        "workspace",
    )

    def __init__(
        self, workspace: Workspace, subject: bytes, seq: int, frame: bytes | LargeEvent
    ) -> None:
        self.workspace = workspace
        self.subject = subject
        self.seq = seq
        self.frame = frame
        self.key = subject
        self.asking: Asking | None = None
        self.is_awaited = False
        self.receivers = 0
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
        return with_options(self.whole, options, flags)

    def told(self, session: Session, sub: int = 0) -> bytes | LargeEvent:
        """Returns the frame for a session, or for one subscription of it only."""
        answer = 0 if self.asking is None else self.asking.ask(session)
        if not (sub or answer):
            return self.frame
        options = dump(EventOptions(sub=sub, answer=answer))
        return marked(self.frame, options)


def marked(told: bytes | LargeEvent, options: bytes, flags: int = 0) -> bytes | LargeEvent:
    """Returns an event's frame with OPTIONS, and ``flags`` besides; a large payload stays put."""
    if isinstance(told, bytes):
        return with_options(told, options, flags)
    if told.head[21] & FLAG_HEAD:
        return with_options(told.head + bytes(told.payload), options, flags)
    return LargeEvent(with_options(told.head, options, flags), told.payload)


def with_options(frame: bytes, options: bytes, flags: int = 0) -> bytes:
    """Returns a frame that has no OPTIONS, or its beginning, with ``options``, and ``flags`` besides."""
    size, kind, stamp_length, name_length, id_, ttl_ms, tail = HEADER.unpack_from(frame)
    at = HEADER_BYTES + stamp_length + name_length
    if tail >> 8 & FLAG_HEAD:
        at += SECTION.size + SECTION.unpack_from(frame, at)[0]
    section = SECTION.pack(len(options)) + options
    tail |= (flags | FLAG_OPTIONS) << 8
    size += len(section)
    header = HEADER.pack(size, kind, stamp_length, name_length, id_, ttl_ms, tail)
    return b"".join((header, frame[HEADER_BYTES:at], section, frame[at:]))


class Hearer(Protocol):
    """Who hears events in another way than every plain listener: a group, a log.

    Attributes:
        is_durable: whether it writes what it hears to the store; then an `emit` is refused while
            the store is too far behind.
    """

    is_durable: bool

    def hear(self, board: Switchboard, event: Event) -> int:
        """Takes in an event that fits its pattern; returns how many receivers that makes."""


class Hearing(Protocol):
    """A subscription whose frames are its own (option `sub`): of a group, of a log, of the newest."""

    @property
    def pattern(self) -> str:
        """What it listens to."""

    @property
    def manner(self) -> str:
        """How it hears, for people: ``in group workers``; empty when there is nothing to say."""

    def end(self, board: Switchboard) -> None:
        """Ends it: by `unsub`, or because its session has left."""
