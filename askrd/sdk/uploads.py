"""Sends an upload as fast as its receiver takes it, in the event loop."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from functools import partial
from queue import Queue
from threading import Thread
from typing import Any, TypeVar, cast

from askrd.sdk.connection import Connection
from askrd.sdk.flow import Sending
from askrd.sdk.sources import Blamed, Source, items_of
from askrd.wire.bodies import Credit

Result = TypeVar("Result")

_END: Any = object()


class Uploading:
    """One upload on its way; it waits for credit and for the connection, never for time."""

    __slots__ = ("_connection", "_sending", "_source", "_task", "_waiter")

    def __init__(self, connection: Connection, source: Source) -> None:
        """Prepares; nothing is taken from the source before `start`."""
        self._connection = connection
        self._source = source
        self._sending = Sending()
        self._waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def granted(self, credit: Credit) -> None:
        """Takes note that the receiver takes more."""
        self._sending.grant(credit)
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def start(self, id_: int) -> None:
        """Begins to send; whoever starts it stops it when the command has ended."""
        self._task = self._connection.loop.create_task(self._run(id_))
        self._task.add_done_callback(lambda task: self._ended(id_, task))

    def stop(self) -> None:
        """Sends no more."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, id_: int) -> None:
        connection, sending = self._connection, self._sending
        commands = connection.conversation.commands
        async with self._values() as values:
            async for value in values:
                for payload, coding in items_of(value):
                    while not sending.may_send():
                        self._waiter = connection.loop.create_future()
                        await self._waiter
                    if not connection.is_usable:
                        await connection.ready()
                    commands.item(id_, payload, coding)
                    sending.spend(len(payload))
        commands.finish(id_)

    def _values(self) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        values: Any = self._source.values
        if self._source.is_async:  # it is the caller's to close
            return nullcontext(cast("AsyncIterator[Any]", values))
        return aclosing(in_thread(values) if self._source.may_block else _at_once(values))

    def _ended(self, id_: int, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._connection.conversation.commands.break_off(id_, error)


async def _at_once(values: Iterable[Any]) -> AsyncGenerator[Any, None]:
    for value in values:
        yield value


async def in_thread(values: Iterator[Any]) -> AsyncGenerator[Any, None]:
    """Yields what an iterator gives that may block; it runs in a thread of its own.

    A thread cannot be cancelled: one that waits for a terminal to be typed at is left behind, and
    does not keep the process from ending.
    """
    loop = asyncio.get_running_loop()
    thread = _DaemonThread()
    try:
        while (value := await loop.run_in_executor(thread, next, values, _END)) is not _END:
            yield value
    finally:
        thread.shutdown()


class _DaemonThread(Executor):
    """One thread that nobody waits for when the process ends."""

    def __init__(self) -> None:
        self._work: Queue[tuple[Future[Any], Callable[[], Any]] | None] = Queue(2)
        Thread(target=self._run, name="askr-upload", daemon=True).start()

    def submit(
        self, function: Callable[..., Result], /, *args: Any, **kwargs: Any
    ) -> Future[Result]:
        """Has a function carried out; the next one may be submitted when it has ended."""
        future: Future[Result] = Future()
        self._work.put_nowait((future, partial(function, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  # as any executor's
        """Ends the thread after what it does now."""
        self._work.put_nowait(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            future, function = work
            if future.set_running_or_notify_cancel():
                with Blamed(future.set_exception):
                    future.set_result(function())
