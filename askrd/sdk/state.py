"""The connected state as an asynchronous program sees it: `client.state`."""

import asyncio
from collections.abc import Callable
from typing import Any

from askrd.sdk.answers import entries_in, entry_in, written
from askrd.sdk.connection import Connection
from askrd.sdk.readers import ChangeReader
from askrd.sdk.requests import Promise
from askrd.sdk.shape import said
from askrd.sdk.values import Entry
from askrd.wire.frames import Frame


class State:
    """Entries of the workspace: `/` keys with JSON values, or bytes, and revisions.

    Cancelling a write leaves open whether it was carried out.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get(self, key: str, *, as_: Any = None) -> Entry:
        """Returns the entry at ``key``.

        Args:
            key: where it lies, as ``config/theme``.
            as_: a type to decode and check its value as.

        Raises:
            NotFound: there is none.
            SchemaInvalid: its value does not fit ``as_``.
            AskrError: the request failed; the code says why.
        """
        keys = self._connection.conversation.keys
        frame = await self._ask(lambda promise, guard_at: keys.get(key, promise, guard_at))
        return entry_in(frame, as_)

    async def entries(self, prefix: str = "") -> list[Entry]:
        """Returns every entry at or below ``prefix``, in key order; empty means everything.

        Raises:
            AskrError: the request failed; the code says why.
        """
        keys = self._connection.conversation.keys
        found: list[Frame] = []
        await self._ask(lambda promise, guard_at: keys.entries(prefix, found, promise, guard_at))
        return entries_in(found)

    async def set(self, key: str, value: Any, *, if_rev: int | None = None) -> Entry:
        """Writes ``value`` at ``key``, and returns the entry with its revision.

        Args:
            key: where it lies.
            value: any JSON value, or bytes, up to 256 KiB.
            if_rev: write only if the entry has this revision; 0 = it must not exist.

        Raises:
            Conflict: it has another one, ``details["rev"]``; nothing was written.
            AskrError: the request failed; the code says why.
        """
        data, coding = said(value, "the value")
        keys = self._connection.conversation.keys
        frame = await self._ask(
            lambda promise, guard_at: keys.put(key, data, coding, if_rev, promise, guard_at)
        )
        return written(frame, key, value)

    async def delete(self, key: str, *, if_rev: int | None = None) -> int:
        """Deletes the entry at ``key``, and returns the revision of the deletion.

        Args:
            key: where it lies.
            if_rev: delete only if the entry has this revision.

        Raises:
            NotFound: there is none.
            Conflict: it has another revision, ``details["rev"]``; nothing was deleted.
            AskrError: the request failed; the code says why.
        """
        keys = self._connection.conversation.keys
        frame = await self._ask(
            lambda promise, guard_at: keys.delete(key, if_rev, promise, guard_at)
        )
        return written(frame, key, None).rev

    def watch(
        self, prefix: str = "", *, timeout: float | None = None, idle: float | None = None
    ) -> ChangeReader:
        """Returns an iterator of what there is, then `Synced`, then every change as it happens.

        After a lost connection it goes on: changes missed meanwhile come, deletions with the
        cause `resync`, then `Synced` again. A slow reader gets only the newest change per key.

        Args:
            prefix: empty for everything.
            timeout: end after so many seconds.
            idle: end when nothing came for so many seconds.
        """
        return ChangeReader(self._connection, prefix, timeout=timeout, idle=idle)

    async def _ask(self, ask: Callable[[Promise, float], int]) -> Frame:
        connection = self._connection
        if not connection.is_usable:
            await connection.ready()
        loop = connection.loop
        answer: asyncio.Future[Frame] = loop.create_future()
        id_ = ask(answer, loop.time() + connection.conversation.answer_timeout_s)
        try:
            return await answer
        except asyncio.CancelledError:
            connection.conversation.forget(id_)
            raise
