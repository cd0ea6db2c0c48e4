"""The items of a command that answers with a stream, and the rows of a survey, for threads."""

from collections.abc import Callable
from typing import Any

from askrd.sdk.answers import outcome_in, row_in, summary_in
from askrd.sdk.blocking import BlockingConnection
from askrd.sdk.blocking_courses import Course
from askrd.sdk.inquiry import Inquiry
from askrd.sdk.payloads import read_payload
from askrd.sdk.values import Outcome, Row
from askrd.wire.bodies import Summary
from askrd.wire.errors import SchemaInvalid
from askrd.wire.limits import STREAM_ITEMS, SURVEY_MEMBERS_MAX


class Stream(Course):
    """The items of one command, in order, as fast as they are taken.

    What is not taken is not made: at most 64 items or 256 KiB are on their way. Leaving it early
    cancels the command.
    """

    def __init__(
        self,
        connection: BlockingConnection,
        inquiry: Inquiry,
        as_: Any = None,
        on_progress: Callable[[Any], None] | None = None,
    ) -> None:
        """Asks; see `Client.stream` for the arguments.

        Raises:
            ConnectionLost: there is no connection, within the command's timeout.
        """
        super().__init__(connection, inquiry, waiting_max=STREAM_ITEMS, on_progress=on_progress)
        self._as = as_

    def __next__(self) -> Any:
        """Returns the next item: any JSON value, bytes, None, or what ``as_`` asked for.

        Raises:
            AskrError: the command failed; the items before came all.
            SchemaInvalid: an item does not fit ``as_``; the command is cancelled.
            StopIteration: it has ended.
        """
        came = self._next()
        if came is None:
            raise StopIteration
        try:
            return read_payload(came[0], self._as)
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


class Survey(Course):
    """One row of each instance that was asked, in the order they come.

    Leaving it early cancels the command where it still runs.
    """

    def __init__(self, connection: BlockingConnection, inquiry: Inquiry, as_: Any = None) -> None:
        """Asks; see `Client.survey` for the arguments.

        Raises:
            ConnectionLost: there is no connection, within the command's timeout.
        """
        super().__init__(connection, inquiry, waiting_max=SURVEY_MEMBERS_MAX)
        self._as = as_

    def __next__(self) -> Row:
        """Returns the next row; a member that failed is a row, not an error.

        Raises:
            AskrError: nobody could be asked, or the connection was lost.
            StopIteration: every instance has its row.
        """
        came = self._next()
        if came is None:
            raise StopIteration
        frame, came_at = came
        return row_in(frame, self._as, (came_at - self._started_at) * 1000)

    @property
    def summary(self) -> Summary | None:
        """How many rows were good, failed and lost; None before the end."""
        outcome = self._arrivals.outcome
        return None if outcome is None else summary_in(outcome)
