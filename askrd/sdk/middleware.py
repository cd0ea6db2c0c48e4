"""Functions wrapped around every command, event and send of an agent, like the skins of an onion.

The middleware that was registered first is the outermost one.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from askrd.sdk.context import Context
from askrd.wire.errors import BadRequest


class PassageKind(StrEnum):
    """What is on its way."""

    COMMAND = "command"
    EVENT = "event"
    SEND = "send"


@dataclass(slots=True, kw_only=True)
class Passage:
    """One command coming in, one event coming in, or one command going out.

    Attributes:
        kind: which of the three.
        name: the command's address or the event's name.
        payload: the value, before it is checked on the way in and before it is encoded on the way
            out; a middleware may replace it before it calls on.
        headers: the command's headers; those of a send may be added to. Empty for events.
        context: the command being answered, also for what is sent meanwhile; else None.
    """

    kind: PassageKind
    name: str
    payload: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    context: Context | None = None


CallNext = Callable[[], Awaitable[Any]]
Middleware = Callable[[Passage, CallNext], Awaitable[Any]]
"""Called with the passage and what comes next; what it returns is the outcome."""


def check_middleware(function: Middleware) -> Middleware:
    """Returns ``function`` when it can be a middleware.

    Raises:
        BadRequest: it is not a coroutine function of two parameters.
    """
    name = getattr(function, "__name__", "a middleware")
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  # an object with an async __call__
    )
    if not is_async:
        raise BadRequest(f"{name}: a middleware is `async def {name}(passage, call_next)`")
    try:
        inspect.signature(function).bind(None, None)
    except TypeError as exc:
        raise BadRequest(f"{name}: a middleware takes a passage and call_next: {exc}") from exc
    return function


async def pass_through(
    skins: Sequence[Middleware], passage: Passage, inner: Callable[[Passage], Awaitable[Any]]
) -> Any:
    """Runs ``inner`` inside all ``skins`` and returns the outermost one's outcome.

    Cancelling it cancels whatever skin or core is running.
    """
    if not skins:
        return await inner(passage)
    skin, *rest = skins

    async def call_next() -> Any:
        return await pass_through(rest, passage, inner)

    return await skin(passage, call_next)
