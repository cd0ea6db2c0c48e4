"""Functions that a client calls with events: `client.on(pattern, callback)`."""

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

from askrd.sdk.conversation import Conversation
from askrd.sdk.hearing import PLAIN, Hearing
from askrd.sdk.listening import Listener
from askrd.sdk.subscriptions import Subscription
from askrd.sdk.values import Event, Gap
from askrd.sdk.work import Work
from askrd.wire.errors import AskrError, ConnectionLost

LOG = logging.getLogger("askrd.sdk")
CLOSE_TIMEOUT_S = 1.0
"""How long callbacks that run may still take when the client closes."""


class Callbacks:
    """The callbacks of one client; each gets its events in order, one at a time."""

    __slots__ = ("_conversation", "_listeners", "_work")

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._listeners: dict[Listener, int] = {}
        self._work: Work | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Lets events through from now on; starting twice does nothing."""
        if self._work is None:
            self._work = Work("client", loop)
            for listener in self._listeners:
                listener.start(self._work)

    async def close(self) -> None:
        """Waits for the callbacks that run, at most a second, and cancels the rest."""
        for listener, id_ in self._listeners.items():
            listener.stop()
            if not listener.hearing.log:  # what a consumer still handles is acknowledged
                self._conversation.unsubscribe(id_)
        work, self._work = self._work, None
        if work is not None:
            await work.finish(CLOSE_TIMEOUT_S)
            work.close()

    def forget(self) -> None:
        """Lets the callbacks go; the connection that told them is closed."""
        self._listeners.clear()
        self._work = None

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

        told.__qualname__ = getattr(callback, "__qualname__", "a callback")
        listener = Listener(pattern, told, (), wanted)

        def deliver(item: Event[Any] | Gap) -> None:
            if isinstance(item, Gap):
                asyncio.get_running_loop().call_soon(on_gap, item)  # its errors are its own
            else:
                listener.take(item)

        def fail(error: AskrError) -> None:
            listener.stop()
            if not isinstance(error, ConnectionLost):
                LOG.error("%s listens no more: %s", listener.name, error)

        subscription = Subscription(deliver, fail)
        id_ = self._conversation.subscribe(pattern, subscription, wanted)
        self._listeners[listener] = id_
        if self._work is not None:
            listener.start(self._work)

        def stop() -> None:
            listener.stop()
            self._listeners.pop(listener, None)
            self._conversation.unsubscribe(id_)

        return stop
