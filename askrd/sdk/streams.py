"""The items of a command that answers with a stream, for programs that await them."""

from collections.abc import Callable
from typing import Any

from askrd.sdk.answers import outcome_in
from askrd.sdk.connection import Connection
from askrd.sdk.courses import Course
from askrd.sdk.inquiry import Inquiry
from askrd.sdk.payloads import read_payload
from askrd.sdk.values import Outcome
from askrd.wire.errors import SchemaInvalid
from askrd.wire.limits import STREAM_ITEMS


class Stream(Course):
    """The items of one command, in order, as fast as they are taken.

    What is not taken is not made: at most 64 items or 256 KiB are on their way. Leaving it early
    cancels the command.
    """

    def __init__(
        self,
        connection: Connection,
        inquiry: Inquiry,
        as_: Any = None,
        on_progress: Callable[[Any], None] | None = None,
    ) -> None:
        """Prepares; see `Client.stream` for the arguments."""
        super().__init__(connection, inquiry, waiting_max=STREAM_ITEMS, on_progress=on_progress)
        self._as = as_

    async def __anext__(self) -> Any:
        """Returns the next item: any JSON value, bytes, None, or what ``as_`` asked for.

        Raises:
            AskrError: the command failed; the items before came all.
            SchemaInvalid: an item does not fit ``as_``; the command is cancelled.
            StopAsyncIteration: it has ended.
        """
        came = await self._next()
        if came is None:
            raise StopAsyncIteration
        frame, _ = came
        credit = self._arrivals.consumed(frame)
        if credit is not None:
            self._connection.conversation.commands.grant(self._id, credit)
        try:
            return read_payload(frame, self._as)
        except SchemaInvalid:
            self.close()
            raise

    @property
    def value(self) -> Any:
        """What the command said at its end: any JSON value or bytes; None before that."""
        outcome = self._arrivals.outcome
        return None if outcome is None else read_payload(outcome)

    @property
    def outcome(self) -> Outcome | None:
        """The same with who answered and how long it took; None before the end."""
        arrivals = self._arrivals
        if arrivals.outcome is None:
            return None
        return outcome_in(arrivals.outcome, None, (arrivals.ended_at - self._started_at) * 1000)
