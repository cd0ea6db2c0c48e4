"""The course of one command for threads: asked, followed while it lasts, left early or not.

A course that nobody follows any more cancels its command, so that nobody works for nobody.
"""

import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self

from askrd.sdk.answers import guard_of, progress_reader
from askrd.sdk.arrivals import Arrivals
from askrd.sdk.blocking import BlockingConnection
from askrd.sdk.blocking_uploads import Uploading
from askrd.sdk.inquiry import Inquiry
from askrd.sdk.requests import NEVER, Meanwhile, Promise, Request
from askrd.wire.frames import Frame


class Following:
    """What comes back for one request, as it comes; it is asked from the beginning on."""

    def __init__(
        self, connection: BlockingConnection, ask: Callable[[Arrivals], int], *, waiting_max: int
    ) -> None:
        self._connection = connection
        self._arrivals = Arrivals(time.monotonic, waiting_max)
        self._leave: Callable[[int], None] = connection.conversation.cancel
        self._is_over = False
        self._started_at = time.monotonic()
        self._id = ask(self._arrivals)

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
        id_ = getattr(self, "_id", 0)
        if id_ and not self._is_over and not self._arrivals.done():
            self._connection.later(partial(self._leave, id_))

    def close(self) -> None:
        """Ends it, from any thread; what is still to come is not wanted any more."""
        connection = self._connection
        with connection.quietly():
            self._is_over = True
            if not self._arrivals.done():
                self._leave(self._id)
            connection.changed.notify_all()

    def _next(self) -> tuple[Frame, float] | None:
        """Returns the next item or row and when it came; None when the outcome is there.

        Raises:
            AskrError: the command failed.
        """
        arrivals, connection = self._arrivals, self._connection
        try:
            with connection.quietly() as conversation:
                connection.changed.wait_for(lambda: self._is_over or arrivals.has_news())
                came = None if self._is_over else arrivals.next()
                if came is not None:
                    conversation.commands.grant(self._id, arrivals.consumed(came[0]))
                    return came
        except BaseException:
            self.close()
            raise
        if not self._is_over:
            self.close()
            if arrivals.error is not None:
                raise arrivals.error
        return None


class Course(Following):
    """What comes back for one command, as it comes.

    Leaving it before the end, by closing, dropping or Ctrl-C, cancels the command at its handlers.
    """

    def __init__(
        self,
        connection: BlockingConnection,
        inquiry: Inquiry,
        *,
        waiting_max: int,
        on_progress: Callable[[Any], None] | None = None,
    ) -> None:
        tell = progress_reader(on_progress)
        super().__init__(
            connection,
            lambda arrivals: ask(connection, inquiry, arrivals, arrivals, tell),
            waiting_max=waiting_max,
        )


def ask(
    connection: BlockingConnection,
    inquiry: Inquiry,
    promise: Promise,
    meanwhile: Meanwhile | None = None,
    on_progress: Callable[[Frame], None] | None = None,
) -> int:
    """Sends a command with all it wants, begins its upload, and returns its id.

    Args:
        connection: where to.
        inquiry: the command.
        promise: who waits for its outcome.
        meanwhile: takes what comes before; None = pieces and rows are put together by themselves.
        on_progress: called with each `progress` frame.

    Raises:
        ConnectionLost: there is no connection, within the command's timeout.
        PayloadTooLarge: the payload cannot be sent.
        TypeError: its upload has to be awaited.
    """
    with connection.talking(inquiry.timeout) as conversation:
        inquiry.fit(conversation.exchange.payload_bytes_max)
        source = inquiry.source
        uploading = None if source is None else Uploading(connection, source)
        guard_at = guard_of(time.monotonic(), inquiry.timeout) if uploading is None else NEVER
        request = Request(
            promise,
            guard_at,
            on_progress=on_progress,
            meanwhile=meanwhile,
            on_credit=None if uploading is None else uploading.granted,
            again=inquiry.may_repeat,
        )
        call = inquiry.frame(inquiry.timeout, inquiry.headers, hops=0)
        id_ = conversation.commands.ask(call, request)
    if uploading is not None:
        uploading.start(id_)
    return id_
