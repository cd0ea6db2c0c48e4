"""The connected state as a blocking program sees it: `client.state` of `askrd.sync`."""

import time
from collections.abc import Callable
from typing import Any

from askrd.sdk.answers import entries_in, entry_in, written
from askrd.sdk.blocking import Answer, BlockingConnection
from askrd.sdk.blocking_readers import ChangeReader
from askrd.sdk.keys import Keys
from askrd.sdk.shape import said
from askrd.sdk.values import Entry
from askrd.wire.frames import Frame


class State:
    """Entries of the workspace: `/` keys with JSON values, or bytes, and revisions."""

    __slots__ = ("_connection",)

    def __init__(self, connection: BlockingConnection) -> None:
        self._connection = connection

    def get(self, key: str, *, as_: Any = None) -> Entry:
        """Returns the entry at ``key``.

        Args:
            key: where it lies, as ``config/theme``.
            as_: a type to decode and check its value as.

        Raises:
            NotFound: there is none.
            SchemaInvalid: its value does not fit ``as_``.
            AskrError: the request failed; the code says why.
        """
        return entry_in(self._ask(lambda keys, answer, at: keys.get(key, answer, at)), as_)

    def entries(self, prefix: str = "") -> list[Entry]:
        """Returns every entry at or below ``prefix``, in key order; empty means everything.

        Raises:
            AskrError: the request failed; the code says why.
        """
        found: list[Frame] = []
        self._ask(lambda keys, answer, at: keys.entries(prefix, found, answer, at))
        return entries_in(found)

    def set(self, key: str, value: Any, *, if_rev: int | None = None) -> Entry:
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
        frame = self._ask(lambda keys, answer, at: keys.put(key, data, coding, if_rev, answer, at))
        return written(frame, key, value)

    def delete(self, key: str, *, if_rev: int | None = None) -> int:
        """Deletes the entry at ``key``, and returns the revision of the deletion.

        Args:
            key: where it lies.
            if_rev: delete only if the entry has this revision.

        Raises:
            NotFound: there is none.
            Conflict: it has another revision, ``details["rev"]``; nothing was deleted.
            AskrError: the request failed; the code says why.
        """
        frame = self._ask(lambda keys, answer, at: keys.delete(key, if_rev, answer, at))
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

        Raises:
            AskrError: the daemon refused, or is not there.
        """
        return ChangeReader(self._connection, prefix, timeout=timeout, idle=idle)

    def _ask(self, ask: Callable[[Keys, Answer, float], int]) -> Frame:
        answer = Answer()
        with self._connection.talking() as conversation:
            id_ = ask(conversation.keys, answer, time.monotonic() + conversation.answer_timeout_s)
        try:
            return answer.wait()
        except KeyboardInterrupt:
            with self._connection.quietly() as conversation:
                conversation.forget(id_)
            raise
