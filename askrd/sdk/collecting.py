"""The answers of listeners to an event, for programs that await them."""

from collections.abc import Mapping
from typing import Any

from askrd.sdk.answers import (
    ANSWERS_MAX,
    COLLECT_TIMEOUT_S,
    collect_ms_of,
    emitted_in,
    row_in,
)
from askrd.sdk.composition import head_bytes
from askrd.sdk.connection import Connection
from askrd.sdk.courses import Following
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
        connection: Connection,
        event: str,
        payload: Any,
        *,
        timeout: float = COLLECT_TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
        as_: Any = None,
    ) -> None:
        """Prepares; see `Client.collecting` for the arguments."""
        super().__init__(connection, waiting_max=ANSWERS_MAX)
        self._leave = connection.conversation.forget
        self._event = event
        self._said = said(payload)
        self._head = head_bytes(headers)
        self._timeout = timeout
        self._ttl_ms = collect_ms_of(timeout)
        self._as = as_

    async def _ask(self) -> None:
        connection = self._connection
        if not connection.is_usable:
            await connection.ready()
        data, coding = self._said
        self._started_at = connection.loop.time()
        self._id = connection.conversation.events.collect(
            self._event,
            data,
            coding,
            self._arrivals,
            self._arrivals.take,
            ttl_ms=self._ttl_ms,
            head=self._head,
            guard_at=self._started_at + self._timeout + GRACE_S,
        )

    async def __anext__(self) -> Row:
        """Returns the next answer.

        Raises:
            AskrError: the event could not be told, or the connection was lost.
            StopAsyncIteration: no more come.
        """
        while True:
            came = await self._next()
            if came is None:
                raise StopAsyncIteration
            frame, came_at = came
            if frame.coding != Coding.NONE:
                return row_in(frame, self._as, (came_at - self._started_at) * 1000)

    @property
    def emitted(self) -> Emitted | None:
        """How many were told and how many answered; None before the end."""
        outcome = self._arrivals.outcome
        return None if outcome is None else emitted_in(outcome)
