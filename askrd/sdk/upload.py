"""What a caller sends up while its command runs, as the handler reads it."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Generic, Self, TypeVar

from askrd.sdk.flow import Receiving
from askrd.sdk.shape import Shape, value_of
from askrd.sdk.waiting import wait_in_thread
from askrd.wire.bodies import Credit
from askrd.wire.errors import AskrError, LimitExceeded, PayloadTooLarge, SchemaInvalid
from askrd.wire.frames import Coding, Frame
from askrd.wire.limits import GATHERED_BYTES_MAX, STREAM_ITEMS

T = TypeVar("T")

_WAITING_MAX = 2 * STREAM_ITEMS
"""Pieces that are kept unread; no sender has credit for so many."""


class Upload(Generic[T]):
    """The pieces of an upload, in order; a parameter annotated `Upload` gets it.

    ``async for piece in upload`` yields each piece as it comes: bytes, or any JSON value;
    ``Upload[int]`` checks each. A plain function iterates without ``async``. The caller sends on
    as pieces are read, so a handler that reads slowly slows it down. A handler need not read.

    Attributes:
        is_ended: whether the caller has said that no more pieces come.
    """

    __slots__ = (
        "_arrived", "_error", "_grant", "_loop", "_news", "_receiving", "_refuse", "_shape",
        "_thread", "is_ended",
    )  # fmt: skip

    def __init__(
        self,
        *,
        grant: Callable[[Credit], object],
        refuse: Callable[[AskrError], None],
        shape: Shape | None = None,
    ) -> None:
        """Starts without a piece; call it in the loop.

        Args:
            grant: gives the caller credit for what was read.
            refuse: told about an error that the reader is about to get.
            shape: type of a piece; None takes any.
        """
        self.is_ended = False
        self._grant = grant
        self._refuse = refuse
        self._shape = shape
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._arrived: deque[Frame] = deque()
        self._receiving = Receiving()
        self._error: AskrError | None = None
        self._news = asyncio.Event()

    # --- what arrives -----------------------------------------------------------------------

    def take(self, frame: Frame) -> None:
        """Takes in a piece; it waits until it is read."""
        if self.is_ended:
            return
        if len(self._arrived) >= _WAITING_MAX:
            self.fail(LimitExceeded("the upload goes on without credit; it was cut off"))
            return
        self._arrived.append(frame)
        self._news.set()

    def finish(self) -> None:
        """Takes note that no more pieces come."""
        self.is_ended = True
        self._news.set()

    def fail(self, error: AskrError) -> None:
        """Takes note that the upload failed on the caller's side; the reader gets ``error``."""
        if not self.is_ended:
            self._error = error
            self.finish()

    # --- reading ----------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        frame = await self._next()
        if frame is None:
            raise StopAsyncIteration
        return self._value(frame)

    async def _next(self) -> Frame | None:
        """Returns the next piece and lets the caller send another; None after the last."""
        while not self._arrived:
            if self._error is not None:
                raise self._refused(self._error)
            if self.is_ended:
                return None
            self._news.clear()
            await self._news.wait()
        frame = self._arrived.popleft()
        credit = self._receiving.take(len(frame.payload))
        if credit is not None and not self.is_ended:
            self._grant(credit)
        return frame

    def _value(self, frame: Frame) -> T:
        try:
            if self._shape is None:
                value: T = value_of(frame.payload, frame.coding)
            else:
                value = self._shape.read(frame.payload, frame.coding)
        except SchemaInvalid as exc:
            raise self._refused(exc) from exc.__cause__
        return value

    def __iter__(self) -> Iterator[T]:
        """Yields each piece; for plain functions, which run in threads.

        Raises:
            RuntimeError: it would block the loop.
        """
        if threading.get_ident() == self._thread:
            raise RuntimeError("this would block the loop: write `async for piece in upload`")
        while frames := self._wait_in_thread():
            for frame in frames:
                yield self._value(frame)

    def _wait_in_thread(self) -> list[Frame]:
        """Returns the pieces that are there, at least one; none after the last."""
        return wait_in_thread(self._loop, self._some)

    async def _some(self) -> list[Frame]:
        first = await self._next()
        if first is None:
            return []
        frames = [first]
        while self._arrived:
            frame = await self._next()
            assert frame is not None
            frames.append(frame)
        return frames

    def read(self) -> Coroutine[Any, Any, bytes]:
        """Returns what is left, joined, once it is awaited; for pieces that are bytes.

        Cancelling it drops what it has read.

        Raises:
            PayloadTooLarge: there is more than 64 MiB; iterate instead.
            SchemaInvalid: a piece is JSON.
            AskrError: the upload failed on the caller's side.
            RuntimeError: a plain function called it; there it is ``b"".join(upload)``.
        """
        if threading.get_ident() != self._thread:
            raise RuntimeError('read() is awaited; a plain function writes b"".join(upload)')
        return self.gather()

    async def gather(self, first: bytes = b"") -> bytes:
        """Returns ``first`` and all pieces that are left, joined. Errors are those of `read`."""
        pieces, size = [first], len(first)
        while (frame := await self._next()) is not None:
            size += len(frame.payload)
            if size > GATHERED_BYTES_MAX:
                raise self._refused(
                    PayloadTooLarge(
                        f"what came up is above {GATHERED_BYTES_MAX} bytes, which is the most that "
                        "is put together; read an upload piece by piece",
                        details={"bytes_max": GATHERED_BYTES_MAX},
                        at="request",
                    )
                )
            if frame.coding == Coding.JSON:
                raise self._refused(
                    SchemaInvalid(
                        "read() joins bytes, and a piece of this upload is JSON; iterate instead",
                        details={"path": "$", "expected": "bytes"},
                        at="request",
                    )
                )
            pieces.append(frame.payload)
        return b"".join(pieces)

    def _refused(self, error: AskrError) -> AskrError:
        self._refuse(error)
        return error
