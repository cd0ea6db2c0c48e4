"""Functions that a client calls with events: `client.on(pattern, callback)`."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from askrd.sdk.conversation import Conversation
from askrd.sdk.hearing import PLAIN, Hearing
from askrd.sdk.listening import Listener
from askrd.sdk.subscriptions import Subscription
from askrd.sdk.values import Event, Gap
from askrd.sdk.work import Work

CLOSE_TIMEOUT_S = 1.0
"""How long callbacks that run may still take when the client closes."""


class Callbacks:
    """The callbacks of one client; each gets its events in order, one at a time."""

    __slots__ = ("_conversation", "_listeners", "_work")

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._listeners: list[Listener] = []
        self._work: Work | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Lets events through from now on; starting twice does nothing."""
        if self._work is None:
            self._work = Work("client", loop)
            for listener in self._listeners:
                listener.start(self._work)

    async def close(self) -> None:
        """Waits for the callbacks that run, at most a second, and cancels the rest."""
        for listener in self._listeners:
            listener.stop()
        work, self._work = self._work, None
        if work is not None:
            await work.finish(CLOSE_TIMEOUT_S)
            work.close()

    def add(
        self,
        pattern: str,
        callback: Callable[[Event[Any]], Any],
        on_gap: Callable[[Gap], None],
        wanted: Hearing = PLAIN,
    ) -> Callable[[], None]:
        """Has ``callback`` called with each event that fits ``pattern``.

        Returns:
            a function that ends it.

        Raises:
            BadRequest: it is no pattern.
        """

        async def told(event: Event) -> Any:  # type: ignore[type-arg]  # any payload
            result = callback(event)
            return await result if inspect.isawaitable(result) else result

        listener = Listener(pattern, told, (), wanted)

        def deliver(item: Event[Any] | Gap) -> None:
            if isinstance(item, Gap):
                on_gap(item)
            else:
                listener.take(item)

        subscription = Subscription(deliver, lambda _error: listener.stop())
        id_ = self._conversation.subscribe(pattern, subscription, wanted)
        self._listeners.append(listener)
        if self._work is not None:
            listener.start(self._work)

        def stop() -> None:
            listener.stop()
            if listener in self._listeners:
                self._listeners.remove(listener)
            self._conversation.unsubscribe(id_)

        return stop
