"""What came for one command and its reader has not taken yet: items or rows, then the outcome.

It knows nothing of threads or loops: whoever reads it is told by `on_news` that there is more.
"""

from collections import deque
from collections.abc import Callable

from askrd.sdk.flow import Receiving
from askrd.sdk.gathering import Pieces
from askrd.wire.bodies import Credit
from askrd.wire.errors import LimitExceeded
from askrd.wire.frames import FLAG_MORE, Frame, Kind
from askrd.wire.limits import STREAM_ITEMS

_TAKEN = frozenset({Kind.ITEM, Kind.REPLY, Kind.FAIL, Kind.ANSWER})


def _nobody() -> None:
    """Stands where nobody waits for news."""


class Arrivals:
    """The frames of one command, in the order they came; a promise of its outcome as well.

    Attributes:
        outcome: the reply, once it is there.
        ended_at: when it came.
        error: why the command failed, once it has; what came before can still be taken.
        on_news: called when something came.
    """

    __slots__ = (
        "_clock",
        "_pieces",
        "_receiving",
        "_waiting",
        "_waiting_max",
        "ended_at",
        "error",
        "on_news",
        "outcome",
    )

    def __init__(self, clock: Callable[[], float], waiting_max: int = STREAM_ITEMS) -> None:
        """Starts with nothing.

        Args:
            clock: says when something came.
            waiting_max: frames that may wait; a daemon that sends more breaks the rules.
        """
        self._clock = clock
        self._waiting: deque[tuple[Frame, float]] = deque()
        self._waiting_max = waiting_max
        self._pieces = Pieces()
        self._receiving = Receiving()
        self.ended_at = 0.0
        self.outcome: Frame | None = None
        self.error: BaseException | None = None
        self.on_news: Callable[[], None] = _nobody

    # --- coming in --------------------------------------------------------------------------

    def take(self, frame: Frame) -> Credit | None:
        """Takes an item, a row, an answer to an event, or a piece of the reply.

        Raises:
            LimitExceeded: more came than was asked for.
            PayloadTooLarge: the pieces are more than a payload may be.
        """
        if frame.kind == Kind.ITEM and frame.flags & FLAG_MORE:
            return self._pieces.add(frame.payload)
        if frame.kind not in _TAKEN:
            return None
        if len(self._waiting) >= self._waiting_max:
            raise LimitExceeded(
                f"more than {self._waiting_max} items came before the reader took the first",
                details={"limit": "stream_items"},
                at="client",
            )
        self._waiting.append((frame, self._clock()))
        self.on_news()
        return None

    def done(self) -> bool:
        """Says whether the outcome is there."""
        return self.outcome is not None or self.error is not None

    def set_result(self, frame: Frame, /) -> None:
        """Takes the reply."""
        self.ended_at = self._clock()
        self.outcome = self._pieces.join(frame)
        self.on_news()

    def set_exception(self, error: BaseException, /) -> None:
        """Takes the failure."""
        self.error = error
        self.on_news()

    # --- going out --------------------------------------------------------------------------

    def has_news(self) -> bool:
        """Says whether there is something to take, or nothing more will come."""
        return bool(self._waiting) or self.done()

    def next(self) -> tuple[Frame, float] | None:
        """Returns the oldest item or row and when it came; None when none waits."""
        return self._waiting.popleft() if self._waiting else None

    def consumed(self, frame: Frame) -> Credit | None:
        """Takes note that a frame was taken; returns what to grant the sender of items now."""
        return self._receiving.take(len(frame.payload)) if frame.kind == Kind.ITEM else None
