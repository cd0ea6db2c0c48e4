"""A local copy of a part of the state for threads: `client.state.view` of `askrd.sync`."""

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from askrd.sdk.blocking import Answer, BlockingConnection
from askrd.sdk.copies import Copy
from askrd.sdk.values import Change, Entry, Synced
from askrd.sdk.watches import Watch
from askrd.wire.errors import AskrError, ConnectionLost


class View(Mapping[str, Any]):
    """The values at and below a prefix by key, read without asking the daemon.

    ``with client.state.view("config") as view:`` begins with everything that is there. Any thread
    may read it. While there is no connection it keeps what it had; see `is_current`.
    """

    def __init__(
        self, connection: BlockingConnection, prefix: str, *, relative: bool = False
    ) -> None:
        """Prepares; see `State.view` for the arguments."""
        self._connection = connection
        self._copy = Copy(prefix, relative=relative)
        self._watch = Watch(prefix, self._take, self._fail)
        self._error: AskrError | None = None
        self._seen = 0
        self._id: int | None = None
        self._is_over = False

    # --- life -------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def begin(self) -> None:
        """Returns when the copy holds everything that is there; beginning twice does nothing.

        Raises:
            BadRequest: its prefix is none.
            AskrError: the daemon refused, or is not there; or the view was closed.
        """
        if self._is_over:
            raise ConnectionLost("the view was closed; make a new one", at="client")
        if self._id is not None:
            return
        synced = Answer()
        with self._connection.talking() as conversation:
            guard_at = time.monotonic() + conversation.answer_timeout_s
            self._id = conversation.keys.watch(self._watch, promise=synced, guard_at=guard_at)
        try:
            synced.wait()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends the watch, from any thread; the copy can still be read."""
        with self._connection.quietly() as conversation:
            self._is_over = True
            if self._id is not None:
                conversation.keys.unwatch(self._id)
            self._connection.changed.notify_all()

    # --- reading ----------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        """Returns the value at ``key``; raises `KeyError` when there is none."""
        with self._connection.changed:
            return self._copy[key]

    def __iter__(self) -> Iterator[str]:
        with self._connection.changed:
            return iter(self._copy)

    def __len__(self) -> int:
        return len(self._copy)

    def __contains__(self, key: object) -> bool:
        return key in self._copy

    def __repr__(self) -> str:
        return f"<view of {self._watch.prefix or 'everything'!r}, {len(self)} entries>"

    def entry(self, key: str) -> Entry:
        """Returns value and revision at ``key``; raises `KeyError` when there is none."""
        with self._connection.changed:
            return self._copy.entry(key)

    @property
    def rev(self) -> int:
        """The revision the copy is at."""
        return self._copy.rev

    @property
    def is_current(self) -> bool:
        """Whether it is kept current now; False while there is no connection, or it is closed."""
        is_open = self._connection.conversation.is_open
        return not self._is_over and self._error is None and is_open and self._watch.is_synced

    # --- changes ----------------------------------------------------------------------------

    def changed(self, timeout: float | None = None) -> bool:
        """Waits until something has changed since it was last called, or since the beginning.

        Args:
            timeout: at most so many seconds; None = for ever.

        Returns:
            whether something has; False when the time is over, or another thread closed it.

        Raises:
            AskrError: the daemon no longer serves it, or the client was closed.
        """
        condition = self._connection.changed
        with condition:
            condition.wait_for(self._has_news, timeout)
            if self._copy.changes != self._seen:
                self._seen = self._copy.changes
                return True
            if self._error is not None and not self._is_over:
                raise self._error
            return False

    def _has_news(self) -> bool:
        return self._copy.changes != self._seen or self._error is not None or self._is_over

    def _take(self, item: Change | Synced) -> None:
        self._copy.take(item)

    def _fail(self, error: AskrError) -> None:
        self._error = error
