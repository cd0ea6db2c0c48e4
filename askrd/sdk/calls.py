"""One command that is being answered: cheap to make, told in full when its handler asks."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from askrd.sdk.context import Caller, Context
from askrd.sdk.service import Command
from askrd.sdk.values import headers_of, sender_of
from askrd.wire.errors import AskrError
from askrd.wire.frames import Frame


class Side(Protocol):
    """Who answers."""

    clock: Callable[[], float]

    def progress(self, frame: Frame, payload: Any, /) -> None:
        """Tells the caller how far a command is."""
        ...


@dataclass(slots=True)
class Route:
    """Where the commands of one address lead.

    Attributes:
        address: `service.command`.
        service: the part in front of the dot.
        command: what carries it out.
        may_wait: whether a handler has waited for something, so that the next may wait too.
    """

    address: str
    service: str
    command: Command
    may_wait: bool


class Call(Context):
    """A command on its way through its handler.

    What a `Context` has is filled in when somebody looks at it: most handlers never do.

    Attributes:
        frame: what arrived.
        route: where it leads.
        task: what cancels its handler while that waits; None before and after.
        stopped_because: why it was cancelled: `caller`, `deadline` and the like, or empty.
        refusal: the error this side raised itself, which may cross as it is.
    """

    task: asyncio.Task[None] | None = None
    stopped_because = ""
    refusal: AskrError | None = None

    def __init__(
        self,
        frame: Frame,
        route: Route,
        side: Side,
        arrived: tuple[float, float],
    ) -> None:
        """Takes note of what is needed to answer.

        Args:
            frame: what arrived.
            route: where it leads.
            side: who answers.
            arrived: when, in seconds: by the side's clock, and since 1970.
        """
        self.frame = frame
        self.route = route
        self.deadline = arrived[0] + frame.ttl_ms / 1000
        self.is_answered = False
        self._side = side
        self._arrived = arrived

    def __getattr__(self, name: str) -> Any:
        """Fills in what was not told yet."""
        if name not in _UNTOLD:
            raise AttributeError(name)
        frame, route = self.frame, self.route
        side = self._side
        self.service = route.service
        self.command = route.command.name
        self.caller = Caller(*sender_of(frame.stamp))
        self.id = frame.id
        self.headers = headers_of(frame)
        self.hops = frame.hops
        self.received_ms = int(self._arrived[1] * 1000)
        self.clock = side.clock
        self.tell = lambda payload: side.progress(frame, payload)
        self._correlation = ""
        return getattr(self, name)


_UNTOLD = frozenset(
    {
        "service", "command", "caller", "id", "headers", "hops", "received_ms", "clock", "tell",
        "_correlation",
    }
)  # fmt: skip
