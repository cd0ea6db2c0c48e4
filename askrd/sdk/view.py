"""A local copy of a part of the state that a watch keeps current: `client.state.view`."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from askrd.sdk.connection import Connection
from askrd.sdk.copies import Copy
from askrd.sdk.followers import Follower
from askrd.sdk.values import Change, Entry, Synced
from askrd.sdk.watches import Watch
from askrd.sdk.work import Work
from askrd.wire.errors import AskrError, ConnectionLost
from askrd.wire.frames import Frame

CLOSE_TIMEOUT_S = 1.0
"""How long callbacks that run may still take when the view closes."""


class View(Mapping[str, Any]):
    """The values at and below a prefix by key, read without asking the daemon.

    ``async with client.state.view("config") as view:`` begins with everything that is there.
    ``view["config/theme"]``, ``in``, ``len``, ``get`` and loops (in key order) read the copy.
    While there is no connection it keeps what it had; see `is_current`.
    """

    def __init__(self, connection: Connection, prefix: str, *, relative: bool = False) -> None:
        """Prepares; see `State.view` for the arguments."""
        self._connection = connection
        self._copy = Copy(prefix, relative=relative)
        self._watch = Watch(prefix, self._take, self._fail)
        self._followers: list[Follower] = []
        self._work: Work | None = None
        self._news = asyncio.Event()
        self._error: AskrError | None = None
        self._seen = 0
        self._id: int | None = None
        self._is_over = False

    # --- life -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def begin(self) -> None:
        """Returns when the copy holds everything that is there; beginning twice does nothing.

        Raises:
            BadRequest: its prefix is none.
            AskrError: the daemon refused, or is not there; or the view was closed.
        """
        if self._is_over:
            raise ConnectionLost("the view was closed; make a new one", at="client")
        if self._id is not None:
            return
        connection = self._connection
        if not connection.is_usable:
            await connection.ready()
        loop = connection.loop
        synced: asyncio.Future[Frame] = loop.create_future()
        guard_at = loop.time() + connection.conversation.answer_timeout_s
        self._id = connection.conversation.keys.watch(
            self._watch, promise=synced, guard_at=guard_at
        )
        self._work = Work("view", loop)
        for follower in self._followers:
            follower.start(self._work)
        try:
            await synced
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Ends the watch and waits a second for callbacks; the copy can still be read."""
        self._is_over = True
        self._news.set()
        if self._id is not None:
            self._connection.conversation.keys.unwatch(self._id)
        for follower in self._followers:
            follower.stop()
        work, self._work = self._work, None
        if work is not None:
            await work.finish(CLOSE_TIMEOUT_S)
            work.close()

    # --- reading ----------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        """Returns the value at ``key``; raises `KeyError` when there is none."""
        return self._copy[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._copy)

    def __len__(self) -> int:
        return len(self._copy)

    def __contains__(self, key: object) -> bool:
        return key in self._copy

    def __repr__(self) -> str:
        return f"<view of {self._watch.prefix or 'everything'!r}, {len(self)} entries>"

    def entry(self, key: str) -> Entry:
        """Returns value and revision at ``key``; raises `KeyError` when there is none."""
        return self._copy.entry(key)

    @property
    def rev(self) -> int:
        """The revision the copy is at."""
        return self._copy.rev

    @property
    def is_current(self) -> bool:
        """Whether it is kept current now; False while there is no connection, or it is closed."""
        is_open = self._connection.conversation.is_open
        return self._work is not None and self._error is None and is_open and self._watch.is_synced

    # --- changes ----------------------------------------------------------------------------

    async def changed(self) -> None:
        """Waits until something has changed since it was last called, or since the beginning.

        Raises:
            AskrError: the daemon no longer serves it, or it or the client was closed.
        """
        while self._copy.changes == self._seen:
            if self._error is not None:
                raise self._error
            if self._is_over:
                raise ConnectionLost("the view was closed", at="client")
            self._news.clear()
            await self._news.wait()
        self._seen = self._copy.changes

    def on_change(self, callback: Callable[..., Any]) -> Callable[[], None]:
        """Calls a function with each `Change`, or with nothing when it takes nothing.

        It is called in order, one change at a time, after the copy has taken it. What is there
        at the beginning is no change. A slow function gets the newest change per key.

        Args:
            callback: a function or coroutine function.

        Returns:
            a function that ends it.

        Raises:
            BadRequest: it takes something else.
        """
        follower = Follower(callback)
        self._followers.append(follower)
        if self._work is not None:
            follower.start(self._work)

        def stop() -> None:
            follower.stop()
            if follower in self._followers:
                self._followers.remove(follower)

        return stop

    def _take(self, item: Change | Synced) -> None:
        change = self._copy.take(item)
        if change is None:
            return
        self._news.set()
        for follower in self._followers:
            follower.take(change)

    def _fail(self, error: AskrError) -> None:
        self._error = error
        self._news.set()
