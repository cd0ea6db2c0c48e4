"""Notices what a plain function asked an agent to do and never awaited.

A plain function runs in a thread. There ``agent.emit("X")`` only makes a coroutine that nobody
awaits: nothing would be sent and nothing said. So it counts as an error of that function.
"""

from collections.abc import Coroutine, Generator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")

DROPPED: ContextVar[list[str] | None] = ContextVar("askr_dropped", default=None)
"""In the thread of a plain function: what it asked for and dropped. None anywhere else."""


class Errand(Coroutine[Any, Any, Result]):
    """A coroutine made in a thread; whoever drops it before it has begun is noted."""

    __slots__ = ("_coroutine", "_dropped", "_is_begun", "_what")

    def __init__(
        self, what: str, coroutine: Coroutine[Any, Any, Result], dropped: list[str]
    ) -> None:
        self._what = what
        self._coroutine = coroutine
        self._dropped = dropped
        self._is_begun = False

    def send(self, value: Any) -> Any:
        """Goes on to the next point where it waits."""
        self._is_begun = True
        return self._coroutine.send(value)

    def throw(
        self,
        kind: Any,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
    ) -> Any:
        """Goes on with an error."""
        self._is_begun = True
        error = kind if isinstance(kind, BaseException) else value or kind
        return self._coroutine.throw(error)  # type: ignore[arg-type]  # one of the three

    def close(self) -> None:
        """Ends it; one that has not begun counts as ended on purpose."""
        self._is_begun = True
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Result]:
        self._is_begun = True
        return self._coroutine.__await__()

    def __del__(self) -> None:
        if not self._is_begun:
            self._coroutine.close()
            self._dropped.append(self._what)


def errand(
    verb: str, subject: str, coroutine: Coroutine[Any, Any, Result]
) -> Coroutine[Any, Any, Result]:
    """Returns the coroutine; in the thread of a plain function, one whose loss is noted."""
    dropped = DROPPED.get()
    if dropped is None:
        return coroutine
    return Errand(f"{verb}({subject!r})", coroutine, dropped)


def refuse_dropped(function: str, dropped: list[str]) -> None:
    """Returns when a plain function dropped nothing.

    Raises:
        RuntimeError: it did; what it asked for was not sent.
    """
    if dropped:
        asked = ", ".join(f".{one}" for one in dropped)
        raise RuntimeError(
            f"{function} called {asked} without `await`, so nothing was sent; "
            "write `async def` and await it, or use .sync, as in agent.sync.emit(...)"
        )
