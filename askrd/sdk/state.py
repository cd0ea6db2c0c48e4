"""The connected state as an asynchronous program sees it: `client.state`."""

import asyncio
from collections.abc import Callable
from typing import Any

from askrd.sdk.answers import changes_in, entries_in, entry_in, merged, touched, written
from askrd.sdk.connection import Connection
from askrd.sdk.keys import Keys
from askrd.sdk.readers import ChangeReader
from askrd.sdk.requests import Promise
from askrd.sdk.shape import said
from askrd.sdk.values import Change, Entry, Touched
from askrd.sdk.view import View
from askrd.sdk.writing import patch_of, step_of, writing
from askrd.wire.frames import Coding, Frame
from askrd.wire.state import DelOptions, PutOptions


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
        frame = await self._ask(lambda keys, answer, at: keys.get(key, answer, at))
        return entry_in(frame, as_)

    async def entries(self, prefix: str = "") -> list[Entry]:
        """Returns every entry at or below ``prefix``, in key order; empty means everything.

        Raises:
            AskrError: the request failed; the code says why.
        """
        found: list[Frame] = []
        await self._ask(lambda keys, answer, at: keys.entries(prefix, found, answer, at))
        return entries_in(found)

    async def history(self, key: str, count: int = 20) -> list[Change]:
        """Returns the last changes of the entry at ``key``, newest first.

        The daemon remembers the last 10 000 changes of the workspace.

        Args:
            key: where it lies, or lay.
            count: how many at most.

        Raises:
            AskrError: the request failed; the code says why.
        """
        found: list[Frame] = []
        await self._ask(lambda keys, answer, at: keys.history(key, count, found, answer, at))
        return changes_in(found)

    async def set(
        self,
        key: str,
        value: Any,
        *,
        if_rev: int | None = None,
        ttl: float | None = None,
        ephemeral: bool = False,
        fast: bool = False,
    ) -> Entry:
        """Writes ``value`` at ``key``, and returns the entry with its revision.

        Args:
            key: where it lies.
            value: any JSON value, or bytes, up to 256 KiB.
            if_rev: write only if the entry has this revision; 0 = it must not exist.
            ttl: seconds it is to live, at most 49 days; None = it stays.
            ephemeral: it goes when this peer leaves for good.
            fast: do not wait until it is on disk; a crash of the daemon may lose it.

        Raises:
            Conflict: it has another one, ``details["rev"]``; nothing was written.
            AskrError: the request failed; the code says why.
        """
        data, coding = said(value, "the value")
        how = writing(if_rev=if_rev, ttl=ttl, ephemeral=ephemeral, fast=fast)
        return written(await self._put(key, data, coding, how), key, value)

    async def patch(
        self,
        key: str,
        patch: Any,
        *,
        if_rev: int | None = None,
        ttl: float | None = None,
        fast: bool = False,
    ) -> Entry:
        """Merges ``patch`` into the entry at ``key``, and returns it with its new value.

        Args:
            key: where it lies; without an entry the patch is merged into an empty object.
            patch: a JSON merge patch (RFC 7396): members replace those of the value, objects
                are merged, None takes a member away.
            if_rev: write only if the entry has this revision; 0 = it must not exist.
            ttl: seconds it is to live; None leaves the time it has.
            fast: do not wait until it is on disk.

        Raises:
            BadRequest: the value, or the patch, is bytes.
            Conflict: it has another revision; nothing was written.
            AskrError: the request failed; the code says why.
        """
        data, coding = patch_of(patch)
        how = writing("patch", if_rev=if_rev, ttl=ttl, fast=fast)
        return merged(await self._put(key, data, coding, how), key)

    async def incr(
        self,
        key: str,
        by: int = 1,
        *,
        if_rev: int | None = None,
        ttl: float | None = None,
        fast: bool = False,
    ) -> Entry:
        """Counts the entry at ``key`` up, and returns it with its new value.

        Args:
            key: where it lies; without an entry it counts from 0.
            by: how far; negative counts down.
            if_rev: write only if the entry has this revision; 0 = it must not exist.
            ttl: seconds it is to live; None leaves the time it has.
            fast: do not wait until it is on disk.

        Raises:
            BadRequest: the value is no integer, or would need more than 64 bits.
            Conflict: it has another revision; nothing was written.
            AskrError: the request failed; the code says why.
        """
        data, coding = step_of(by)
        how = writing("incr", if_rev=if_rev, ttl=ttl, fast=fast)
        return merged(await self._put(key, data, coding, how), key)

    async def touch(
        self, key: str, ttl: float | None = None, *, if_rev: int | None = None, fast: bool = False
    ) -> Touched:
        """Lets the entry at ``key`` live longer; its value stays.

        Args:
            key: where it lies.
            ttl: seconds it is to live from now; None = as many as it was given last.
            if_rev: only if the entry has this revision.
            fast: do not wait until it is on disk.

        Raises:
            NotFound: there is none.
            Conflict: it has another revision; nothing was written.
            AskrError: the request failed; the code says why.
        """
        how = writing("touch", if_rev=if_rev, ttl=ttl, fast=fast)
        return touched(await self._put(key, b"", Coding.NONE, how), key)

    async def delete(self, key: str, *, if_rev: int | None = None, fast: bool = False) -> int:
        """Deletes the entry at ``key``, and returns the revision of the deletion.

        Args:
            key: where it lies.
            if_rev: delete only if the entry has this revision.
            fast: do not wait until it is on disk.

        Raises:
            NotFound: there is none.
            Conflict: it has another revision, ``details["rev"]``; nothing was deleted.
            AskrError: the request failed; the code says why.
        """
        how = DelOptions(if_rev=if_rev, fast=fast)
        frame = await self._ask(lambda keys, answer, at: keys.delete(key, how, answer, at))
        return written(frame, key, None).rev

    def watch(
        self,
        prefix: str = "",
        *,
        since: int | None = None,
        timeout: float | None = None,
        idle: float | None = None,
    ) -> ChangeReader:
        """Returns an iterator of what there is, then `Synced`, then every change as it happens.

        After a lost connection it goes on: changes missed meanwhile come, deletions with the
        cause `resync`, then `Synced` again. A slow reader gets only the newest change per key.

        Args:
            prefix: empty for everything.
            since: tell first what changed after this revision, in place of what there is.
            timeout: end after so many seconds.
            idle: end when nothing came for so many seconds.

        Raises:
            Gone: the daemon no longer remembers what changed after ``since``; also later, when
                it has been started again.
            AskrError: the daemon refused, or is not there.
        """
        return ChangeReader(self._connection, prefix, since=since, timeout=timeout, idle=idle)

    def view(self, prefix: str = "", *, relative: bool = False) -> View:
        """Returns a copy of a part of the state that keeps itself current; see `View`.

        Args:
            prefix: empty for everything.
            relative: have its keys without the prefix.
        """
        return View(self._connection, prefix, relative=relative)

    async def _put(self, key: str, data: bytes, coding: int, how: PutOptions) -> Frame:
        return await self._ask(
            lambda keys, answer, at: keys.put(key, data, coding, how, answer, at)
        )

    async def _ask(self, ask: Callable[[Keys, Promise, float], int]) -> Frame:
        connection = self._connection
        if not connection.is_usable:
            await connection.ready()
        loop = connection.loop
        answer: asyncio.Future[Frame] = loop.create_future()
        conversation = connection.conversation
        id_ = ask(conversation.keys, answer, loop.time() + conversation.answer_timeout_s)
        try:
            return await answer
        except asyncio.CancelledError:
            conversation.forget(id_)
            raise
