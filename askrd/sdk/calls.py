"""One command that is being answered: cheap to make, told in full when its handler asks."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from askrd.sdk.context import Caller, Context
from askrd.sdk.outflow import Outflow
from askrd.sdk.payloads import headers_of, sender_of
from askrd.sdk.service import Command
from askrd.sdk.terms import ReplyMode
from askrd.sdk.upload import Upload
from askrd.wire.errors import AskrError
from askrd.wire.frames import Frame


class Side(Protocol):
    """Who answers."""

    clock: Callable[[], float]

    def progress(self, frame: Frame, payload: Any, /) -> None:
        """Tells the caller how far a command is."""
        ...

    def keep(self, call: "Call", work: Awaitable[Any], /) -> asyncio.Future[Any]:
        """Starts work that outlives a cancelled command."""
        ...


@dataclass(slots=True)
class Route:
    """Where the commands of one address lead.

    Attributes:
        address: `service.command`.
        service: the part in front of the dot.
        command: what carries it out.
        is_plain: whether that is one question and one answer.
        may_wait: whether a handler has waited for something, so that the next may wait too.
    """

    address: str
    service: str
    command: Command
    may_wait: bool
    is_plain: bool = True


class Call(Context):
    """A command on its way through its handler.

    What a `Context` has is filled in when somebody looks at it: most handlers never do.

    Attributes:
        frame: what arrived.
        route: where it leads.
        task: what cancels its handler while that waits; None before and after.
        stopped_because: why it was cancelled: `caller`, `deadline` and the like, or empty.
        refusal: the error this side raised itself, which may cross as it is.
        mode: what the caller gets.
        is_free: whether it runs on its own: the caller has all it gets, and cancels it no more.
        is_flowing: whether something was streamed, so that only silence ends it.
        is_gathered: whether what comes up is the rest of its payload.
        upload: what the caller sends meanwhile, if anything.
        outflow: what the caller has given credit to, if anything.
        thread: done when the plain function that carries it out has ended; None before it began.
    """

    task: asyncio.Task[None] | None = None
    stopped_because = ""
    refusal: AskrError | None = None
    mode = ReplyMode.VALUE
    is_free = False
    is_flowing = False
    is_gathered = False
    upload: Upload[Any] | None = None
    outflow: Outflow | None = None
    thread: Future[None] | None = None
    job: str | None = None
    attempt = 0
    _trace = ""
    _nested = None

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

    @property
    def is_cancelled(self) -> bool:
        """Whether the command was cancelled."""
        return bool(self.stopped_because)

    def __getattr__(self, name: str) -> Any:
        """Fills in what was not told yet."""
        if name not in _UNTOLD:
            raise AttributeError(name)
        frame, route = self.frame, self.route
        side = self._side
        self.service = route.service
        self.command = route.command.name
        self.caller = Caller(*sender_of(frame.stamp))
        self.id = max(0, frame.id)
        self.headers = headers_of(frame)
        self.hops = frame.hops
        self.received_ms = int(self._arrived[1] * 1000)
        self.clock = side.clock
        self.tell = lambda payload: side.progress(frame, payload)
        self.keep = lambda work: side.keep(self, work)
        self._correlation = ""
        return getattr(self, name)


_UNTOLD = frozenset(
    {
        "service", "command", "caller", "id", "headers", "hops", "received_ms", "clock", "tell",
        "keep", "_correlation",
    }
)  # fmt: skip
