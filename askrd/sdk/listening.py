"""Events coming in: each handler gets the ones it listens to, in order, one at a time."""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, get_args, get_origin

from askrd.sdk.context import CURRENT, Context
from askrd.sdk.hearing import PLAIN, Hearing
from askrd.sdk.middleware import Middleware, Passage, PassageKind, pass_through
from askrd.sdk.receipts import settle
from askrd.sdk.shape import Shape, said
from askrd.sdk.signature import Function, hints_of, is_async
from askrd.sdk.turns import Isolated
from askrd.sdk.values import Event
from askrd.sdk.work import Work, logged
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.names import check_pattern

LOG = logging.getLogger("askrd.sdk")
WAITING_MAX = 10_000
"""Events that wait for one handler; beyond it the oldest are dropped, and the log says so."""

EVENTS_PER_TASK_MAX = 100
"""Events that one task handles before everything else that is ready gets its turn."""


class Listener:
    """One function that listens to a pattern.

    Attributes:
        pattern: what it listens to.
        hearing: how it hears.
        name: the function as messages call it.
        shape: the type of the payloads it takes, or None.
        schema: the same as JSON Schema.
        doc: its docstring.
    """

    __slots__ = (
        "_dropped",
        "_function",
        "_is_async",
        "_is_busy",
        "_skins",
        "_takes",
        "_waiting",
        "_work",
        "doc",
        "hearing",
        "name",
        "pattern",
        "schema",
        "shape",
    )

    def __init__(
        self,
        pattern: str,
        function: Function,
        skins: Sequence[Middleware],
        wanted: Hearing = PLAIN,
    ) -> None:
        """Reads the function's signature.

        Args:
            pattern: subject with optional wildcards.
            function: takes nothing, the payload, or the `Event`; ``Event[int]`` or an annotated
                payload is checked before it is called.
            skins: middleware, outermost first; may still grow.
            wanted: how it hears.

        Raises:
            BadRequest: the pattern breaks the grammar or the function takes something else.
        """
        self.pattern = check_pattern(pattern)
        self.hearing = wanted
        self.name = getattr(function, "__qualname__", "a listener")
        self.doc = inspect.getdoc(function) or ""
        self._takes, hint = takes_of(function, self.name)
        self.shape = None if hint is None else Shape(hint, f"an event for {self.name}")
        self.schema = None if self.shape is None else self.shape.schema
        self._function = function
        self._is_async = is_async(function)
        self._skins = skins
        self._work: Work | None = None
        self._waiting: deque[Event[Any]] = deque()
        self._is_busy = False
        self._dropped = 0

    @property
    def is_listening(self) -> bool:
        """Whether it was started, and not stopped."""
        return self._work is not None

    def start(self, work: Work) -> None:
        """Lets it handle events from now on."""
        self._work = work

    def stop(self) -> None:
        """Drops what waits; an event that is being handled is handled to its end."""
        self._work = None
        if self._waiting and self.hearing.group:
            LOG.warning("%s stops: %d events are dropped", self.name, len(self._waiting))
        self._waiting.clear()

    def take(self, event: Event[Any]) -> None:
        """Takes in an event; it is handled when those before it are."""
        if self._work is None:
            return
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.popleft()
            if not self._dropped:
                LOG.warning(
                    "%s does not keep up with %s: %d events wait, the oldest are dropped",
                    self.name, self.pattern, WAITING_MAX,
                )  # fmt: skip
            self._dropped += 1
        self._waiting.append(event)
        if not self._is_busy:
            self._next()

    def _next(self) -> None:
        if self._work is None or not self._waiting:
            self._is_busy = False
            if self._dropped:
                LOG.warning("%s has caught up; it missed %d events", self.name, self._dropped)
                self._dropped = 0
            return
        self._is_busy = True
        self._work.start(self._work_off(self._waiting.popleft(), self._work), self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        logged(f"{self.name}, which listens to {self.pattern},")(task)
        self._next()

    async def _work_off(self, event: Event[Any], work: Work) -> None:
        """Handles an event and some of those that wait, each with its own context variables."""
        task = asyncio.current_task()
        assert task is not None
        CURRENT.set(None)
        for _ in range(EVENTS_PER_TASK_MAX):
            await Isolated(self._handle(event, work))
            if not self._waiting or task.cancelling():
                return
            event = self._waiting.popleft()
        self._waiting.appendleft(event)

    async def _handle(self, event: Event[Any], work: Work) -> None:
        """Handles an event; what it wants back is what the function returned, or that it failed."""
        receipt = event.receipt
        if receipt is None:
            await self._hand_over(event, work)
            return
        value, is_handled = None, False
        try:
            value, is_handled = await self._hand_over(event, work)
        finally:
            settle(receipt, value, failed=not is_handled)

    async def _hand_over(self, event: Event[Any], work: Work) -> tuple[Any, bool]:
        """Returns what the function made of an event, and whether it got it."""
        try:
            before = event.payload
            args = self._arguments(event)
        except AskrError as exc:
            LOG.warning("%s did not get an event %s: %s", self.name, event.subject, exc)
            return None, False
        if not self._skins:
            return await self._call(work, args), True
        passage = Passage(kind=PassageKind.EVENT, name=event.subject, payload=before)

        async def inner(passage: Passage) -> Any:
            now = args if passage.payload is before else self._arguments(event, passage)
            return await self._call(work, now)

        return await pass_through(self._skins, passage, inner), True

    async def _call(self, work: Work, args: tuple[Any, ...]) -> Any:
        if self._is_async:
            return await self._function(*args)
        return await work.call(self._function, *args)

    def _arguments(self, event: Event[Any], passage: Passage | None = None) -> tuple[Any, ...]:
        """Returns what the function is called with, checked."""
        if passage is not None:
            data, coding = said(passage.payload)
        else:
            data, coding = event.raw, event.coding
        if self.shape is not None:
            payload = self.shape.read(data, coding)
        else:
            payload = event.payload if passage is None else passage.payload
        match self._takes:
            case "nothing":
                return ()
            case "event":
                return (event.with_payload(payload),)
            case _:
                return (payload,)


def takes_of(function: Function, name: str) -> tuple[str, Any]:
    """Returns what a function that is told something takes, and the type of the payload.

    Returns:
        ``nothing``, ``event`` or ``payload``; and the annotation, or None when there is none.

    Raises:
        BadRequest: it takes more than one argument, a `Context`, or is a generator.
    """
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise BadRequest(f"{name} is a generator; a listener is a function")
    hints = hints_of(function, name)
    parameters = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind not in {parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY}
    ]
    if not parameters:
        return "nothing", None
    if len([one for one in parameters if one.default is one.empty]) > 1:
        raise BadRequest(
            f"{name} takes several arguments; a listener takes the event or its payload"
        )
    hint = hints.get(parameters[0].name)
    if hint is Context:
        raise BadRequest(f"{name} takes a Context, which only commands have; take an Event instead")
    if (get_origin(hint) or hint) is Event:
        return "event", next(iter(get_args(hint)), None)
    return "payload", None if hint is Any else hint


async def tell(work: Work, function: Callable[..., Any], fact: Any) -> None:
    """Calls a hook with what happened, or with nothing when it takes nothing."""
    takes, _ = takes_of(function, getattr(function, "__qualname__", "a hook"))
    args = () if takes == "nothing" else (fact,)
    if is_async(function):
        await function(*args)
    else:
        await work.call(function, *args)
