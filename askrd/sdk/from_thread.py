"""What an agent asks and tells, for plain functions: they run in threads and cannot await."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from askrd.sdk.errors import lost
from askrd.sdk.values import Emitted, Entry, Outcome

if TYPE_CHECKING:
    from askrd.sdk.asking import Asking

Result = TypeVar("Result")

LOOK_S = 1.0
"""How often a thread that waits looks whether the loop is still there to answer it."""
_WAITING: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


def threads_waiting(loop: asyncio.AbstractEventLoop) -> int:
    """Returns how many threads wait for something that happens in ``loop``."""
    return _WAITING.get(loop, 0)


class Home(NamedTuple):
    """Where an agent lives: its loop, and the thread that runs it."""

    loop: asyncio.AbstractEventLoop
    thread: int


class FromThread:
    """The blocking side of an agent: ``agent.sync.send(...)`` in a plain ``def`` handler.

    It goes through the agent's own connection. What is sent while a command is answered inherits
    its remaining time, its correlation id and its depth, as ``await agent.send(...)`` does.
    Arguments and errors are those of the methods of the same name that are awaited. Any thread
    may use it, but not the thread of the agent's loop.
    """

    __slots__ = ("_asking", "_home")

    def __init__(self, asking: "Asking", home: Callable[[], Home]) -> None:
        self._asking = asking
        self._home = home

    def send(
        self,
        target: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        as_: Any = None,
    ) -> Any:
        """Sends a command and returns its value."""
        return self._wait(
            "send",
            lambda: self._asking.send(target, payload, timeout=timeout, headers=headers, as_=as_),
        )

    def call(
        self,
        target: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        as_: Any = None,
    ) -> Outcome:
        """Sends a command and returns its value with who gave it and how long it took."""
        return self._wait(
            "call",
            lambda: self._asking.call(target, payload, timeout=timeout, headers=headers, as_=as_),
        )

    def emit(self, event: str, payload: Any = None, *, confirm: bool = False) -> Emitted | None:
        """Tells everyone who listens."""
        return self._wait("emit", lambda: self._asking.emit(event, payload, confirm=confirm))

    def services(self) -> list[dict[str, Any]]:
        """Returns a row per instance of every service in the workspace."""
        return self._wait("services", self._asking.services)

    def peers(self) -> list[dict[str, Any]]:
        """Returns a row per peer in the workspace."""
        return self._wait("peers", self._asking.peers)

    def wait_for(self, service: str, timeout: float = 10.0) -> dict[str, Any]:
        """Waits until somebody provides ``service``, and returns its row of `services`."""
        return self._wait("wait_for", lambda: self._asking.wait_for(service, timeout))

    def get(self, key: str, *, as_: Any = None) -> Entry:
        """Returns the state entry at ``key``, as `State.get` does."""
        return self._wait("get", lambda: self._asking.state.get(key, as_=as_))

    def set(self, key: str, value: Any, *, if_rev: int | None = None) -> Entry:
        """Writes a state entry, as `State.set` does."""
        return self._wait("set", lambda: self._asking.state.set(key, value, if_rev=if_rev))

    def _wait(self, verb: str, ask: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Has the loop carry something out and waits for it; it ends as what is awaited does."""
        home = self._home()
        if threading.get_ident() == home.thread:
            raise RuntimeError(
                f".sync.{verb}() would wait for its own thread for ever: it is for plain "
                f"functions; here, `await` .{verb}() itself"
            )
        gone = lost("the agent has stopped")
        asked = _counted(home.loop, ask)
        try:
            future: Future[Result] = asyncio.run_coroutine_threadsafe(asked, home.loop)
        except RuntimeError as exc:  # the loop is closed
            asked.close()
            raise gone from exc
        while not wait([future], LOOK_S).done:
            if home.loop.is_closed():
                raise gone
        if future.cancelled():
            raise gone
        return future.result()


async def _counted(
    loop: asyncio.AbstractEventLoop, ask: Callable[[], Coroutine[Any, Any, Result]]
) -> Result:
    _WAITING[loop] = _WAITING.get(loop, 0) + 1
    try:
        return await ask()
    finally:
        _WAITING[loop] -= 1
