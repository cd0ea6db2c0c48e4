"""Where what was told waits for the task that reads it."""

import asyncio
from typing import Generic, TypeVar

from askrd.sdk.backlog import Backlog
from askrd.wire.errors import AskrError

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """One reader's backlog, and the future of the task that waits for something in it.

    Attributes:
        error: why nothing more will come; None while something may.
        is_closed: whether nobody wants more.
    """

    __slots__ = ("_backlog", "_loop", "_put", "_waiter", "error", "is_closed")

    def __init__(self, backlog: Backlog[Item], loop: asyncio.AbstractEventLoop) -> None:
        self._backlog = backlog
        self._put = backlog.put
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self.error: AskrError | None = None
        self.is_closed = False

    def put(self, item: Item) -> None:
        """Adds an item and wakes the reader."""
        self._put(item)
        if self._waiter is not None:
            self._wake()

    def fail(self, error: AskrError) -> None:
        """Ends it: the reader gets ``error`` after the items that wait."""
        self.error = error
        self._wake()

    def close(self) -> None:
        """Ends it for who waits in `take`."""
        self.is_closed = True
        self._wake()

    def ready(self) -> Item | None:
        """Returns the next item, or None when none is there yet."""
        return self._backlog.take() if self._backlog else None

    async def take(self, until: float | None) -> Item:
        """Returns the next item.

        Cancelling it loses nothing.

        Args:
            until: when to give up, on the loop's clock; None = never.

        Raises:
            TimeoutError: nothing came by then, or it was closed.
            AskrError: nothing more will come.
        """
        while not self._backlog:
            if self.error is not None:
                raise self.error
            if self.is_closed:
                raise TimeoutError
            self._waiter = self._loop.create_future()
            async with asyncio.timeout_at(until):
                await self._waiter
        return self._backlog.take()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
