"""Blocking iterators over events and state changes.

What they read ends with them: leaving the loop, Ctrl-C, closing or dropping the iterator ends the
subscription on the daemon.
"""

import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from askrd.sdk.backlog import Backlog, ChangeBacklog, EventBacklog, LogBacklog
from askrd.sdk.blocking import Answer, BlockingConnection
from askrd.sdk.conversation import Conversation
from askrd.sdk.errors import too_few
from askrd.sdk.hearing import PLAIN, Hearing, patterns_of
from askrd.sdk.receipts import Receipt, settle
from askrd.sdk.subscriptions import Subscription
from askrd.sdk.values import Change, Event, Gap, Synced
from askrd.sdk.watches import Watch
from askrd.wire.errors import AskrError

Item = TypeVar("Item")


class Reader(Generic[Item]):
    """Reads one kind of thing until its time is over, it is closed, or the connection is."""

    def __init__(
        self,
        connection: BlockingConnection,
        backlog: Backlog[Item],
        timeout: float | None,
        idle: float | None,
    ) -> None:
        self._connection = connection
        self._mail = _Mail(backlog)
        self._timeout = timeout
        self._until = None if timeout is None else time.monotonic() + timeout
        self._idle = idle
        self._endings: list[Callable[[], None]] = []
        self._is_over = False

    def __iter__(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        for ending in getattr(self, "_endings", ()):
            self._connection.later(ending)

    def close(self) -> None:
        """Ends it, from any thread; closing twice does nothing."""
        connection = self._connection
        with connection.quietly():
            self._is_over = True
            endings, self._endings = self._endings, []
            for ending in endings:
                ending()
            connection.changed.notify_all()

    def _begin(self, ask: Callable[[Conversation, float], list[Answer]]) -> None:
        try:
            with self._connection.talking() as conversation:
                answers = ask(conversation, time.monotonic() + conversation.answer_timeout_s)
            for answer in answers:
                answer.wait()
        except BaseException:
            self.close()
            raise

    def _next(self) -> Item | None:
        """Returns the next item, or None when the time is over.

        Raises:
            AskrError: nothing more will come.
        """
        try:
            with self._connection.quietly():
                self._connection.changed.wait_for(self._has_news, self._patience())
                if self._mail.backlog:
                    return self._mail.backlog.take()
                error = self._mail.error
                if error is not None and not self._is_over:
                    raise error
                return None
        except BaseException:
            self.close()
            raise

    def _has_news(self) -> bool:
        return bool(self._mail.backlog) or self._mail.error is not None or self._is_over

    def _patience(self) -> float | None:
        patience = self._idle
        if self._until is not None:
            left = max(0.0, self._until - time.monotonic())
            patience = left if patience is None else min(left, patience)
        return patience

    @property
    def _is_late(self) -> bool:
        """Whether the whole time is over, and not only the idle time."""
        return self._until is not None and time.monotonic() >= self._until


class _Mail(Generic[Item]):
    """What the conversation knows of a reader: dropping the reader leaves this behind."""

    __slots__ = ("backlog", "error")

    def __init__(self, backlog: Backlog[Item]) -> None:
        self.backlog = backlog
        self.error: AskrError | None = None

    def fail(self, error: AskrError) -> None:
        """Takes note that nothing more comes."""
        self.error = error


class EventReader(Reader[Event[Any] | Gap]):
    """Events that fit any of some patterns, or of a log; it listens from the beginning on.

    Asking for the next event says that the last one was handled, and so does leaving the
    ``with``; see `askrd.sdk.readers.EventReader`.
    """

    def __init__(
        self,
        connection: BlockingConnection,
        patterns: tuple[str, ...],
        wanted: Hearing = PLAIN,
        *,
        count: int | None,
        timeout: float | None,
        idle: float | None,
        gaps: bool,
        on_gap: Callable[[Gap], None],
    ) -> None:
        """Begins to listen; see `Client.listen` for the arguments.

        Raises:
            AskrError: the daemon refused, or is not there.
        """
        patterns, wanted = patterns_of(patterns, wanted), wanted.for_count(count)
        backlog = LogBacklog() if wanted.is_paced else EventBacklog()
        super().__init__(connection, backlog, timeout, idle)
        self._last: Receipt | None = None
        self._is_manual = wanted.is_manual
        self._wanted = self._left = count
        self._gaps = gaps
        self._on_gap = on_gap
        mail = self._mail
        subscription = Subscription(mail.backlog.put, mail.fail)

        def ask(conversation: Conversation, guard_at: float) -> list[Answer]:
            answers = []
            for pattern in patterns:
                answer = Answer()
                id_ = conversation.subscribe(
                    pattern, subscription, wanted, promise=answer, guard_at=guard_at
                )
                self._endings.append(_unsubscribe(conversation, id_))
                answers.append(answer)
                if isinstance(backlog, LogBacklog):
                    backlog.pause = partial(conversation.events.pause, id_)
                    backlog.go_on = partial(conversation.events.go_on, id_)
            return answers

        self._begin(ask)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.settle(failed=kind is not None)
        self.close()

    def settle(self, value: Any = None, *, failed: bool = False) -> None:
        """Says that the last event was handled, with an answer to it, or could not be."""
        receipt, self._last = self._last, None
        if receipt is not None:
            with self._connection.quietly():
                settle(receipt, value, failed=failed)

    def __next__(self) -> Event[Any] | Gap:
        """Returns the next event, or gap when those were asked for.

        Raises:
            DeadlineExceeded: the time is over and fewer than ``count`` came.
            StopIteration: there are no more.
        """
        if self._last is not None:
            self.settle()
        if self._left == 0:
            if not self._is_manual:
                self.close()  # else what is taken may still be acknowledged until it is left
            raise StopIteration
        item = self._next()
        while isinstance(item, Gap) and not self._gaps:
            self._on_gap(item)
            item = self._next()
        if item is None:
            is_short = not self._is_over and bool(self._left) and self._is_late
            self.close()
            if is_short:
                wanted = self._wanted or 0
                raise too_few(wanted - (self._left or 0), wanted, self._timeout or 0.0)
            raise StopIteration
        if isinstance(item, Event):
            self._taken(item)
        return item

    def _taken(self, event: Event[Any]) -> None:
        self._last = event.receipt
        if self._left is not None:
            self._left -= 1
            if self._left == 0 and self._last is None:
                self.close()


class ChangeReader(Reader[Change | Synced]):
    """The entries at or below a prefix, or what was missed, then `Synced`, then every change."""

    def __init__(
        self,
        connection: BlockingConnection,
        prefix: str,
        *,
        since: int | None = None,
        timeout: float | None = None,
        idle: float | None = None,
    ) -> None:
        """Begins to watch; see `State.watch` for the arguments.

        Raises:
            AskrError: the daemon refused, or is not there.
        """
        super().__init__(connection, ChangeBacklog(), timeout, idle)
        watch = Watch(prefix, self._mail.backlog.put, self._mail.fail, since=since)

        def ask(conversation: Conversation, guard_at: float) -> list[Answer]:
            answer = Answer()
            id_ = conversation.keys.watch(watch, promise=answer, guard_at=guard_at)
            self._endings.append(lambda: conversation.keys.unwatch(id_))
            return [answer]

        self._begin(ask)

    def __next__(self) -> Change | Synced:
        """Returns the next change, or the end of a snapshot.

        Raises:
            StopIteration: there are no more.
        """
        item = self._next()
        if item is None:
            self.close()
            raise StopIteration
        return item


def _unsubscribe(conversation: Conversation, id_: int) -> Callable[[], None]:
    return lambda: conversation.unsubscribe(id_)
