"""Asynchronous iterators over events and state changes.

What they read ends with them: leaving the loop, closing or dropping the iterator ends the
subscription, so that nothing gathers for nobody.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from askrd.sdk.backlog import Backlog, ChangeBacklog, EventBacklog, LogBacklog
from askrd.sdk.connection import Connection
from askrd.sdk.errors import too_few
from askrd.sdk.hearing import PLAIN, Hearing, patterns_of
from askrd.sdk.inbox import Inbox
from askrd.sdk.receipts import Receipt, settle
from askrd.sdk.subscriptions import Subscription
from askrd.sdk.values import Change, Event, Gap, Synced
from askrd.sdk.watches import Watch
from askrd.wire.errors import AskrError
from askrd.wire.frames import Frame

LOG = logging.getLogger("askrd.sdk")

Item = TypeVar("Item")
Ending = Callable[[], None]


class Reader(Generic[Item]):
    """Reads one kind of thing until its time is over, it is closed, or the connection is.

    ``async with`` begins at once, before anything else happens; a bare ``async for`` begins with
    the first item. Closing it, from any task, ends it on the daemon too.
    """

    def __init__(
        self,
        connection: Connection,
        backlog: Callable[[], Backlog[Item]],
        timeout: float | None,
        idle: float | None,
    ) -> None:
        self._connection = connection
        self._backlog = backlog
        self._timeout = timeout
        self._idle = idle
        self._inbox: Inbox[Item] | None = None
        self._endings: list[Ending] = []
        self._until: float | None = None
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
        """Begins to listen; returns when the daemon has confirmed it.

        Raises:
            AskrError: the daemon refused, or is not there.
        """
        if self._inbox is not None or self._is_over:
            return
        connection = self._connection
        if not connection.is_usable:
            await connection.ready()
        loop = connection.loop
        self._inbox = Inbox(self._backlog(), loop)
        if self._timeout is not None:
            self._until = loop.time() + self._timeout
        try:
            guard_at = loop.time() + connection.conversation.answer_timeout_s
            await asyncio.gather(*self._ask(self._inbox, guard_at))
        except BaseException as exc:
            if self._inbox.is_closed and isinstance(exc, AskrError):
                return  # another task has closed it
            self.close()
            raise

    def close(self) -> None:
        """Ends it; closing twice does nothing."""
        self._is_over = True
        endings, self._endings = self._endings, []
        for ending in endings:
            ending()
        if self._inbox is not None:
            self._inbox.close()

    async def aclose(self) -> None:
        """Ends it, as `close` does; for `contextlib.aclosing`."""
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_endings", None):
            return
        loop = self._connection.loop
        if not loop.is_closed():
            for ending in self._endings:
                loop.call_soon_threadsafe(ending)

    async def _next(self) -> Item | None:
        """Returns the next item, or None when the time is over."""
        if self._is_over:
            return None
        await self.begin()
        assert self._inbox is not None
        until = self._until
        if self._idle is not None:
            idle_until = self._connection.loop.time() + self._idle
            until = idle_until if until is None else min(until, idle_until)
        try:
            return await self._inbox.take(until)
        except TimeoutError:
            return None

    @property
    def _is_late(self) -> bool:
        """Whether the whole time is over, and not only the idle time."""
        return self._until is not None and self._connection.loop.time() >= self._until

    def _ask(self, inbox: Inbox[Item], guard_at: float) -> list[asyncio.Future[Frame]]:
        """Asks the daemon, and returns what its answers will be."""
        raise AssertionError("each kind of reader asks for its own")


class EventReader(Reader[Event[Any] | Gap]):
    """Events that fit any of some patterns, or of a log.

    Asking for the next event says that the last one was handled: a log's consumer acknowledges
    it then, and who collects hears that there is no answer unless there was one. Leaving the
    ``async with`` says so too; an error that leaves it has the log tell the event again.
    """

    def __init__(
        self,
        connection: Connection,
        patterns: tuple[str, ...],
        wanted: Hearing = PLAIN,
        *,
        count: int | None = None,
        timeout: float | None = None,
        idle: float | None = None,
        gaps: bool = False,
        on_gap: Callable[[Gap], None] | None = None,
    ) -> None:
        """Prepares; see `Client.listen` for the arguments."""
        self._backlog_of_log = LogBacklog() if wanted.is_paced else None
        super().__init__(connection, self._new_backlog, timeout, idle)
        self._patterns = patterns_of(patterns, wanted)
        self._hearing = wanted.for_count(count)
        self._last: Receipt | None = None
        self._wanted = self._left = count
        self._gaps = gaps
        self._on_gap = on_gap or log_gap

    def _new_backlog(self) -> EventBacklog:
        return EventBacklog() if self._backlog_of_log is None else self._backlog_of_log

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._settle(failed=kind is not None)
        self.close()

    async def __anext__(self) -> Event[Any] | Gap:
        if self._last is not None:
            self._settle()
        if self._left == 0:
            if not self._hearing.is_manual:
                self.close()  # else what is taken may still be acknowledged until it is left
            raise StopAsyncIteration
        item = None if self._inbox is None or self._is_over else self._inbox.ready()
        if item is None:
            item = await self._next()
        while isinstance(item, Gap) and not self._gaps:
            self._on_gap(item)
            item = await self._next()
        if item is None:
            is_short = not self._is_over and bool(self._left) and self._is_late
            self.close()
            if is_short:
                wanted = self._wanted or 0
                raise too_few(wanted - (self._left or 0), wanted, self._timeout or 0.0)
            raise StopAsyncIteration
        if isinstance(item, Event):
            self._taken(item)
        return item

    def _taken(self, event: Event[Any]) -> None:
        self._last = event.receipt
        if self._left is not None:
            self._left -= 1
            if self._left == 0 and self._last is None:
                self.close()

    def _settle(self, *, failed: bool = False) -> None:
        """Says that the last event was handled, or could not be."""
        receipt, self._last = self._last, None
        if receipt is not None:
            settle(receipt, failed=failed)

    def _ask(self, inbox: Inbox[Event[Any] | Gap], guard_at: float) -> list[asyncio.Future[Frame]]:
        conversation = self._connection.conversation
        subscription = Subscription(inbox.put, inbox.fail)
        answers = []
        for pattern in self._patterns:
            answer = self._connection.loop.create_future()
            id_ = conversation.subscribe(
                pattern, subscription, self._hearing, promise=answer, guard_at=guard_at
            )
            self._endings.append(lambda id_=id_: conversation.unsubscribe(id_))  # type: ignore[misc]
            answers.append(answer)
            if self._backlog_of_log is not None:
                self._backlog_of_log.pause = partial(conversation.events.pause, id_)
                self._backlog_of_log.go_on = partial(conversation.events.go_on, id_)
        return answers


class ChangeReader(Reader[Change | Synced]):
    """The entries at or below a prefix, or what was missed, then `Synced`, then every change."""

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        *,
        since: int | None = None,
        timeout: float | None = None,
        idle: float | None = None,
    ) -> None:
        """Prepares; see `State.watch` for the arguments."""
        super().__init__(connection, ChangeBacklog, timeout, idle)
        self._prefix = prefix
        self._since = since

    async def __anext__(self) -> Change | Synced:
        item = await self._next()
        if item is None:
            self.close()
            raise StopAsyncIteration
        return item

    def _ask(self, inbox: Inbox[Change | Synced], guard_at: float) -> list[asyncio.Future[Frame]]:
        keys = self._connection.conversation.keys
        answer = self._connection.loop.create_future()
        watch = Watch(self._prefix, inbox.put, inbox.fail, since=self._since)
        id_ = keys.watch(watch, promise=answer, guard_at=guard_at)
        self._endings.append(lambda: keys.unwatch(id_))
        return [answer]


def log_gap(gap: Gap) -> None:
    """Says in the log that events were lost; what happens where nobody asked to be told."""
    LOG.warning("%s", gap)


def log_trouble(error: AskrError) -> None:
    """Says in the log what the daemon complained about without being asked."""
    LOG.warning("the daemon says: %s", error)
