"""The rows of a command that several instances are asked, for programs that await them."""

from collections.abc import Generator
from typing import Any

from askrd.sdk.answers import row_in, summary_in
from askrd.sdk.connection import Connection
from askrd.sdk.courses import Course
from askrd.sdk.inquiry import Inquiry
from askrd.sdk.values import Row
from askrd.wire.bodies import Summary
from askrd.wire.limits import SURVEY_MEMBERS_MAX


class Survey(Course):
    """One row of each instance that was asked, in the order they come.

    ``async for`` takes them as they come, ``await`` gives all of them as a list. Leaving it early
    cancels the command where it still runs.
    """

    def __init__(self, connection: Connection, inquiry: Inquiry, as_: Any = None) -> None:
        """Prepares; see `Client.survey` for the arguments."""
        super().__init__(connection, inquiry, waiting_max=SURVEY_MEMBERS_MAX)
        self._as = as_

    async def __anext__(self) -> Row:
        """Returns the next row; a member that failed is a row, not an error.

        Raises:
            AskrError: nobody could be asked, or the connection was lost.
            StopAsyncIteration: every instance has its row.
        """
        came = await self._next()
        if came is None:
            raise StopAsyncIteration
        frame, came_at = came
        return row_in(frame, self._as, (came_at - self._started_at) * 1000)

    def __await__(self) -> Generator[Any, None, list[Row]]:
        return self._all().__await__()

    async def _all(self) -> list[Row]:
        async with self:
            return [row async for row in self]

    @property
    def summary(self) -> Summary | None:
        """How many rows were good, failed and lost; None before the end."""
        outcome = self._arrivals.outcome
        return None if outcome is None else summary_in(outcome)
