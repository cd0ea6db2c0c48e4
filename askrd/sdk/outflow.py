"""Where the items of a stream go: to the caller as it gives credit, into a list, or nowhere."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from typing import Any

import msgspec

from askrd.sdk.context import CURRENT
from askrd.sdk.flow import Sending
from askrd.sdk.waiting import wait_in_thread
from askrd.wire.bodies import Credit
from askrd.wire.errors import CommandCancelled, PayloadTooLarge
from askrd.wire.frames import Coding
from askrd.wire.limits import GATHERED_BYTES_MAX, STREAM_ITEM_BYTES, STREAM_ITEMS

Encode = Callable[[Any], tuple[bytes, Coding]]


class Sink(ABC):
    """What takes the items of a generator, which goes on only when there is room."""

    @property
    @abstractmethod
    def has_room(self) -> bool:
        """Whether one more item is wanted now."""

    @abstractmethod
    async def room(self) -> None:
        """Waits until one more item is wanted."""

    @abstractmethod
    def put(self, data: bytes, coding: int) -> None:
        """Takes an item; the thread of a plain generator may call it."""


class Outflow(Sink):
    """Items on their way to the caller, never more than it has given credit for."""

    __slots__ = ("_lock", "_loop", "_news", "_send", "_sending", "_thread")

    def __init__(self, send: Callable[[bytes, int], object]) -> None:
        """Starts with the window every stream begins with; call it in the loop.

        Args:
            send: sends an item, in the loop.
        """
        self._send = send
        self._sending = Sending()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._news = asyncio.Event()
        self._lock = threading.Lock()

    def grant(self, credit: Credit) -> None:
        """Takes note that the caller takes more."""
        with self._lock:
            self._sending.grant(credit)
        self._news.set()

    @property
    def has_room(self) -> bool:
        """Whether there is credit for one more item."""
        return self._sending.may_send()

    async def room(self) -> None:
        """Waits for credit; the end of the command ends it."""
        while not self._sending.may_send():
            self._news.clear()
            await self._news.wait()

    def put(self, data: bytes, coding: int) -> None:
        """Sends an item."""
        with self._lock:
            self._sending.spend(len(data))
        if threading.get_ident() == self._thread:
            self._send(data, coding)
        else:
            self._loop.call_soon_threadsafe(self._send, data, coding)

    async def pieces(self, data: bytes) -> bytes:
        """Sends ``data`` in pieces of bytes, except the last, which is returned."""
        at = 0
        while len(data) - at > STREAM_ITEM_BYTES:
            await self.room()
            self.put(data[at : at + STREAM_ITEM_BYTES], Coding.BYTES)
            at += STREAM_ITEM_BYTES
        return data[at:]


class Nowhere(Sink):
    """Items nobody asked for: the command runs to its end all the same."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    @property
    def has_room(self) -> bool:
        """Always."""
        return True

    async def room(self) -> None:
        """Gives way to others now and then."""
        self._count += 1
        if not self._count % STREAM_ITEMS:
            await asyncio.sleep(0)

    def put(self, data: bytes, coding: int) -> None:
        """Drops an item."""


class Collection(Nowhere):
    """Items that become one value: a list.

    Attributes:
        items: what came, JSON as it was encoded.
    """

    __slots__ = ("_size", "items")

    def __init__(self) -> None:
        super().__init__()
        self.items: list[Any] = []
        self._size = 0

    def put(self, data: bytes, coding: int) -> None:
        """Keeps an item.

        Raises:
            PayloadTooLarge: the list would be too long for one value.
        """
        self._size += len(data) + 1
        if self._size > GATHERED_BYTES_MAX:
            raise PayloadTooLarge(
                f"the items are above {GATHERED_BYTES_MAX} bytes together, too much for one "
                "value; ask for the stream",
                details={"bytes_max": GATHERED_BYTES_MAX},
                at="response",
            )
        self.items.append(data if coding == Coding.BYTES else msgspec.Raw(data or b"null"))


async def pour(items: AsyncGenerator[Any, Any], sink: Sink, encode: Encode) -> None:
    """Puts what a generator yields into ``sink``; the generator is closed in the end.

    Cancelling it closes the generator where it waits.
    """
    async with aclosing(items):
        await sink.room()
        async for item in items:
            sink.put(*encode(item))
            await sink.room()


def pour_in_thread(
    items: Generator[Any, Any, Any], sink: Sink, encode: Encode, loop: asyncio.AbstractEventLoop
) -> None:
    """Does the same with a plain generator, in the thread it runs in.

    Raises:
        CommandCancelled: nobody wants more items; the generator was closed between two of them.
    """
    with closing(items):
        _wait_for_room(sink, loop)
        for item in items:
            sink.put(*encode(item))
            _wait_for_room(sink, loop)


def _wait_for_room(sink: Sink, loop: asyncio.AbstractEventLoop) -> None:
    context = CURRENT.get()
    if context is not None and context.is_cancelled:
        raise CommandCancelled("the command was cancelled; nobody takes more items", at="client")
    if not sink.has_room:
        wait_in_thread(loop, sink.room)
