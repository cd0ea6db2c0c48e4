"""The course of one command in the event loop: asked, followed while it lasts, left early or not.

A course that nobody follows any more cancels its command, so that nobody works for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Any, Self

from askrd.sdk.answers import guard_of, progress_reader
from askrd.sdk.arrivals import Arrivals
from askrd.sdk.connection import Connection
from askrd.sdk.context import inherit
from askrd.sdk.inquiry import Inquiry
from askrd.sdk.requests import NEVER, Meanwhile, Promise, Request
from askrd.sdk.uploads import Uploading
from askrd.wire.frames import Frame

Around = Callable[[Inquiry, Callable[[], Awaitable[None]]], Awaitable[None]]
"""Middleware of an agent, as a course sees it."""


class Following:
    """What comes back for one request, as it comes.

    ``async with`` asks at once; a bare ``async for`` asks with its first step.
    """

    def __init__(self, connection: Connection, *, waiting_max: int) -> None:
        self._connection = connection
        self._arrivals = Arrivals(partial(_now, connection), waiting_max)
        self._news = asyncio.Event()
        self._arrivals.on_news = self._news.set
        self._started_at = 0.0
        self._id = 0
        self._leave: Callable[[int], None] = connection.conversation.cancel
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        await self.begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def begin(self) -> None:
        """Asks, once.

        Raises:
            AskrError: it could not be asked; the code says why.
        """
        if not self._id and not self._is_over:
            await self._ask()

    async def _ask(self) -> None:
        raise AssertionError("each kind asks for its own")

    def close(self) -> None:
        """Ends it; what is still to come is not wanted any more."""
        self._is_over = True
        if self._id and not self._arrivals.done():
            self._leave(self._id)
        self._news.set()

    async def aclose(self) -> None:
        """Ends it, as `close` does; for `contextlib.aclosing`."""
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_id", 0) or self._is_over or self._arrivals.done():
            return
        if not self._connection.loop.is_closed():
            self._connection.loop.call_soon_threadsafe(self._leave, self._id)

    def _has_news(self) -> bool:
        return self._is_over or self._arrivals.has_news()

    async def _next(self) -> tuple[Frame, float] | None:
        """Returns the next item or row and when it came; None when the outcome is there.

        Cancelling it loses nothing.

        Raises:
            AskrError: the command failed.
        """
        if self._is_over:
            return None
        await self.begin()
        arrivals = self._arrivals
        while not self._has_news():
            self._news.clear()
            await self._news.wait()
        came = arrivals.next()
        if came is None:
            self.close()
            if arrivals.error is not None:
                raise arrivals.error
        return came


class Course(Following):
    """What comes back for one command, as it comes.

    Leaving it before the end cancels the command at its handlers.
    """

    def __init__(
        self,
        connection: Connection,
        inquiry: Inquiry,
        *,
        waiting_max: int,
        on_progress: Callable[[Any], None] | None = None,
    ) -> None:
        super().__init__(connection, waiting_max=waiting_max)
        self._inquiry = inquiry
        self._on_progress = on_progress
        self._around: Around | None = None
        self._uploading: Uploading | None = None

    async def begin(self) -> None:
        """Asks, once.

        Raises:
            ConnectionLost: there is no connection, within the command's timeout.
            DeadlineExceeded: the command being answered has no time left; nothing was sent.
            PayloadTooLarge: the payload cannot be sent.
        """
        if self._id or self._is_over:
            return
        if self._around is None:
            await self._ask()
        else:
            await self._around(self._inquiry, self._ask)

    def pass_through(self, around: Around) -> Self:
        """Has it asked by ``around``, which gets the inquiry and what sends it."""
        self._around = around
        return self

    async def _ask(self) -> None:
        self._started_at = self._connection.loop.time()
        self._id, self._uploading = await asked(
            self._connection,
            self._inquiry,
            self._arrivals,
            self._arrivals,
            progress_reader(self._on_progress),
        )

    def close(self) -> None:
        """Ends it; when the outcome is not there yet the command is cancelled."""
        if self._uploading is not None:
            self._uploading.stop()
        super().close()

    def __del__(self) -> None:
        uploading = getattr(self, "_uploading", None)
        if uploading is not None and not self._is_over and not self._connection.loop.is_closed():
            self._connection.loop.call_soon_threadsafe(uploading.stop)
        super().__del__()


def _now(connection: Connection) -> float:
    return connection.loop.time()


async def asked(
    connection: Connection,
    inquiry: Inquiry,
    promise: Promise,
    meanwhile: Meanwhile | None = None,
    on_progress: Callable[[Frame], None] | None = None,
) -> tuple[int, Uploading | None]:
    """Sends a command with all it wants and begins its upload.

    What is sent while another command is answered inherits from that one.

    Args:
        connection: where to.
        inquiry: the command.
        promise: who waits for its outcome.
        meanwhile: takes what comes before; None = pieces and rows are put together by themselves.
        on_progress: called with each `progress` frame.

    Returns:
        its id, and its upload when it has one; whoever asked stops that in the end.

    Raises:
        ConnectionLost: there is no connection, within the command's timeout.
        DeadlineExceeded: the command being answered has no time left; nothing was sent.
        PayloadTooLarge: the payload cannot be sent.
    """
    inherited = inherit(inquiry.target, inquiry.timeout, inquiry.headers)
    if not connection.is_usable:
        await connection.ready(inherited.timeout)
    conversation = connection.conversation
    inquiry.fit(conversation.exchange.payload_bytes_max)
    source = inquiry.source
    uploading = None if source is None else Uploading(connection, source)
    now = connection.loop.time()
    request = Request(
        promise,
        guard_of(now, inherited.timeout) if uploading is None else NEVER,
        on_progress=on_progress,
        meanwhile=meanwhile,
        on_credit=None if uploading is None else uploading.granted,
        again=inquiry.may_repeat,
    )
    call = inquiry.frame(inherited.timeout, inherited.headers, inherited.hops)
    id_ = conversation.commands.ask(call, request)
    if uploading is not None:
        uploading.start(id_)
    return id_, uploading
