"""One request of a guest, and everything the daemon says to it, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from askrd.wire.bodies import Credit, ErrorBody, dump, load
from askrd.wire.codec import Raw
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    CommandCancelled,
    ErrorCode,
    PayloadTooLarge,
    error_from,
)
from askrd.wire.frames import FLAG_MORE, FLAG_UP, Coding, Frame, Kind
from askrd.wire.limits import GATHERED_BYTES_MAX, STREAM_BYTES, STREAM_ITEMS

FAILURES = (Kind.FAIL, Kind.ERROR)

Say = Callable[[Frame], None]
Weigh = Callable[[int], None]


class Exchange:
    """One request under way; await `next` for what the daemon says to it.

    Attributes:
        id: the request's, as the guest numbers them.
        is_over: whether nothing more will come.
    """

    def __init__(self, id_: int, say: Say, weigh: Weigh) -> None:
        """Begins empty.

        Args:
            id_: the request's number.
            say: sends a frame to the daemon.
            weigh: learns by how many bytes the exchange got heavier.
        """
        self.id = id_
        self.is_over = False
        self._say = say
        self._weigh = weigh
        self._frames: deque[Frame] = deque()
        self._fault: AskrError | None = None
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._is_nudged = False
        self._items_left, self._bytes_left = STREAM_ITEMS, STREAM_BYTES
        self._read_items = self._read_bytes = 0

    # ── from the daemon ───────────────────────────────────────────────────────────────────

    def take(self, frame: Frame) -> None:
        """Takes in what the daemon says to the request."""
        if self._fault is not None:
            return
        if frame.kind == Kind.CREDIT:
            grant = load(Credit, frame.payload, "credit")
            self._items_left += grant.items
            self._bytes_left += grant.bytes
            self._room.set()
            return
        self._frames.append(frame)
        self._weigh(len(frame.payload))
        self.is_over = self.is_over or _ends(frame)
        self._news.set()
        if self.is_over:
            self._room.set()

    def give_up(self, fault: AskrError) -> None:
        """Ends it from this side: what came is still read, then ``fault`` is raised."""
        if self._fault is None and not self.is_over:
            self._fault = fault
            self.is_over = True
            self._news.set()
            self._room.set()

    # ── to whoever waits ──────────────────────────────────────────────────────────────────

    async def next(self) -> Frame:
        """Returns the next frame for the request; a failed row of a survey is one, too.

        Raises:
            AskrError: it failed.
        """
        while not self._frames:
            if self._fault is not None:
                raise self._fault
            self._news.clear()
            await self._news.wait()
        frame = self._frames.popleft()
        self._weigh(-len(frame.payload))
        if frame.kind in FAILURES and not frame.flags & FLAG_MORE:
            raise fault_of(frame)
        if frame.kind == Kind.ITEM:
            self._grant(len(frame.payload))
        return frame

    def _grant(self, size: int) -> None:
        self._read_items += 1
        self._read_bytes += size
        if self.is_over:
            return
        if self._read_items >= STREAM_ITEMS // 2 or self._read_bytes >= STREAM_BYTES // 2:
            grant = {"items": self._read_items, "bytes": self._read_bytes}
            self._read_items = self._read_bytes = 0
            self._say(Frame(kind=Kind.CREDIT, id=self.id, payload=dump(grant), coding=Coding.JSON))

    def nudge(self) -> None:
        """Wakes `next_or_nudge` although nothing came."""
        self._is_nudged = True
        self._news.set()

    async def next_or_nudge(self) -> Frame | None:
        """Returns the next frame, or None after a `nudge`.

        Raises:
            AskrError: the exchange has ended.
        """
        while not self._frames and self._fault is None:
            if self._is_nudged:
                self._is_nudged = False
                return None
            self._news.clear()
            await self._news.wait()
        return await self.next()

    async def value(self) -> Frame:
        """Returns the reply, with its payload put together where it came in pieces.

        Raises:
            AskrError: it failed.
            PayloadTooLarge: the pieces are above what is put together.
        """
        pieces: list[bytes] = []
        size = 0
        while (frame := await self.next()).kind in (Kind.ITEM, Kind.PROGRESS, Kind.END):
            if frame.kind != Kind.ITEM or not frame.flags & FLAG_MORE:
                continue
            pieces.append(frame.payload)
            size += len(frame.payload)
            if size > GATHERED_BYTES_MAX:
                self.leave()
                raise PayloadTooLarge(
                    f"the value has more than {GATHERED_BYTES_MAX} bytes; ask for a stream"
                )
        return joined(pieces, frame)

    # ── the upload, and the end ───────────────────────────────────────────────────────────

    async def send_up(self, payload: Raw, coding: int) -> bool:
        """Sends one item of the upload as soon as the receiver takes one.

        Returns:
            Whether it was sent: not when the request is over.
        """
        while self._items_left <= 0 or self._bytes_left <= 0:
            if self.is_over:
                return False
            self._room.clear()
            await self._room.wait()
        if self.is_over:
            return False
        self._items_left -= 1
        self._bytes_left -= len(payload)
        self._say(
            Frame(kind=Kind.ITEM, id=self.id, payload=bytes(payload), coding=coding, flags=FLAG_UP)
        )
        return True

    def end_up(self) -> None:
        """Says that the upload is complete."""
        if not self.is_over:
            self._say(Frame(kind=Kind.END, id=self.id, flags=FLAG_UP))

    def cancel(self) -> None:
        """Takes the request back, unless it is over."""
        if not self.is_over:
            self._say(Frame(kind=Kind.CANCEL, id=self.id))

    def leave(self) -> None:
        """Takes the request back and drops what came of it: unread it would weigh for ever."""
        self.cancel()
        self.give_up(CommandCancelled("nobody reads it any more", at="daemon"))
        while self._frames:
            self._weigh(-len(self._frames.popleft().payload))


def _ends(frame: Frame) -> bool:
    """Says whether nothing follows a frame under its request's id."""
    if frame.flags & FLAG_MORE:
        return False
    return frame.kind in (
        Kind.REPLY, Kind.FAIL, Kind.ERROR, Kind.OK, Kind.SUBBED, Kind.EMITTED,
    )  # fmt: skip


def joined(pieces: list[bytes], reply: Frame) -> Frame:
    """Returns a reply whose payload begins with ``pieces``."""
    if not pieces:
        return reply
    return Frame(
        kind=reply.kind,
        id=reply.id,
        payload=b"".join((*pieces, reply.payload)),
        coding=reply.coding,
        flags=reply.flags,
        stamp=reply.stamp,
        options=reply.options,
    )


def failure_in(frame: Frame) -> ErrorBody:
    """Returns what a `fail` or `error` frame says.

    A service's own words are not trusted: what cannot be read is a failure of its handler.
    """
    try:
        return load(ErrorBody, frame.payload, "fail")
    except BadRequest:
        message = "the handler failed, and what it said of that cannot be read"
        return ErrorBody(code=ErrorCode.HANDLER_ERROR, message=message)


def fault_of(frame: Frame) -> AskrError:
    """Returns the exception that a `fail` or `error` frame stands for."""
    body = failure_in(frame)
    at = body.at or ("handler" if frame.stamp else "daemon")
    return error_from(
        body.code,
        body.message,
        details=body.details,
        retryable=body.retryable,
        at=at,
        instance=frame.stamp.decode("utf-8", "replace") or None,
    )
