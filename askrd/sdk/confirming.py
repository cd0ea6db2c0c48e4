"""How a program in an event loop, or a thread beside it, hears that what it said was taken."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from askrd.sdk.connection import Connection
from askrd.sdk.receipts import DONE, Ask
from askrd.sdk.waiting import wait_in_thread
from askrd.wire.frames import Frame


class Taken:
    """A promise whose answer says only that it was kept."""

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[None]) -> None:
        self._future = future
        future.add_done_callback(_look_at)

    def done(self) -> bool:
        """Says whether nobody waits any more."""
        return self._future.done()

    def set_result(self, frame: Frame, /) -> None:
        """Takes the answer."""
        self._future.set_result(None)

    def set_exception(self, error: BaseException, /) -> None:
        """Takes the failure."""
        self._future.set_exception(error)


class Confirming:
    """The way of one connection: awaited in its loop, waited for in any other thread."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ask(self, step: Ask, /) -> Awaitable[None]:
        """Carries out a step at once; the daemon keeps its promise.

        Raises:
            AskrError: it could not be said; in a thread, or it was refused.
        """

        def begin() -> asyncio.Future[None]:
            connection = self._connection
            future: asyncio.Future[None] = connection.loop.create_future()
            guard_at = connection.loop.time() + connection.conversation.answer_timeout_s
            step(Taken(future), guard_at)
            return future

        if self._is_here:
            return begin()

        async def whole() -> None:
            await begin()

        wait_in_thread(self._connection.loop, whole)
        return DONE

    def tell(self, step: Callable[[], object], /) -> Awaitable[None]:
        """Carries out a step at once.

        Raises:
            AskrError: it could not be said.
        """
        if self._is_here:
            step()
            return DONE

        async def whole() -> None:
            step()

        wait_in_thread(self._connection.loop, whole)
        return DONE

    @property
    def _is_here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._connection.loop
        except RuntimeError:
            return False


def _look_at(future: asyncio.Future[Any]) -> None:
    """Takes note of an error nobody may wait for, so that asyncio does not complain."""
    if not future.cancelled():
        future.exception()
