"""How a blocking program hears that what it said to an event was taken: it waits."""

import time
from collections.abc import Awaitable, Callable

from askrd.sdk.blocking import Answer, BlockingConnection
from askrd.sdk.receipts import DONE, Ask


class Confirming:
    """The way of one blocking connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: BlockingConnection) -> None:
        self._connection = connection

    def ask(self, step: Ask, /) -> Awaitable[None]:
        """Carries out a step and waits until the daemon has.

        Raises:
            AskrError: it could not be said, or was refused.
        """
        answer = Answer()
        with self._connection.talking() as conversation:
            step(answer, time.monotonic() + conversation.answer_timeout_s)
        answer.wait()
        return DONE

    def tell(self, step: Callable[[], object], /) -> Awaitable[None]:
        """Carries out a step.

        Raises:
            AskrError: it could not be said.
        """
        with self._connection.talking():
            step()
        return DONE
