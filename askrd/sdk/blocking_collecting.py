"""The answers of listeners to an event, for threads."""

import time
from collections.abc import Mapping
from typing import Any

from askrd.sdk.answers import (
    ANSWERS_MAX,
    COLLECT_TIMEOUT_S,
    collect_ms_of,
    emitted_in,
    row_in,
)
from askrd.sdk.arrivals import Arrivals
from askrd.sdk.blocking import BlockingConnection
from askrd.sdk.blocking_courses import Following
from askrd.sdk.composition import head_bytes
from askrd.sdk.requests import GRACE_S
from askrd.sdk.shape import said
from askrd.sdk.values import Emitted, Row
from askrd.wire.frames import Coding


class Collecting(Following):
    """One row of each listener that answers, in the order they come.

    It ends when every listener has answered, has nothing to say or left, or the time is over.
    """

    def __init__(
        self,
        connection: BlockingConnection,
        event: str,
        payload: Any,
        *,
        timeout: float = COLLECT_TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
        as_: Any = None,
    ) -> None:
        """Tells the event; see `Client.collecting` for the arguments.

        Raises:
            AskrError: it could not be told; the code says why.
        """
        data, coding = said(payload)
        head, ttl_ms = head_bytes(headers), collect_ms_of(timeout)

        def ask(arrivals: Arrivals) -> int:
            with connection.talking() as conversation:
                return conversation.events.collect(
                    event,
                    data,
                    coding,
                    arrivals,
                    arrivals.take,
                    ttl_ms=ttl_ms,
                    head=head,
                    guard_at=time.monotonic() + timeout + GRACE_S,
                )

        super().__init__(connection, ask, waiting_max=ANSWERS_MAX)
        self._leave = connection.conversation.forget
        self._as = as_

    def __next__(self) -> Row:
        """Returns the next answer.

        Raises:
            AskrError: the event could not be told, or the connection was lost.
            StopIteration: no more come.
        """
        while True:
            came = self._next()
            if came is None:
                raise StopIteration
            frame, came_at = came
            if frame.coding != Coding.NONE:
                return row_in(frame, self._as, (came_at - self._started_at) * 1000)

    @property
    def emitted(self) -> Emitted | None:
        """How many were told and how many answered; None before the end."""
        outcome = self._arrivals.outcome
        return None if outcome is None else emitted_in(outcome)
