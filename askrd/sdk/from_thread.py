"""What an agent asks and tells, for plain functions: they run in threads and cannot await."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar, Unpack

from askrd.sdk.sources import source_of
from askrd.sdk.streams import Stream
from askrd.sdk.values import Emitted, Entry, Outcome, Row
from askrd.sdk.waiting import wait_in_thread
from askrd.sdk.wishes import (
    CallWishes,
    CollectWishes,
    SendWishes,
    StreamWishes,
    SurveyWishes,
    TellWishes,
)
from askrd.sdk.writing import DeleteWishes, MergeWishes, SetWishes

if TYPE_CHECKING:
    from askrd.sdk.asking import Asking

Result = TypeVar("Result")


_END: Any = object()


class Home(NamedTuple):
    """Where an agent lives: its loop, and the thread that runs it."""

    loop: asyncio.AbstractEventLoop
    thread: int


class StreamFromThread:
    """The items of one command, for a thread; see `Stream`."""

    __slots__ = ("_stream", "_wait")

    def __init__(
        self, stream: Stream, wait: Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]
    ) -> None:
        self._stream = stream
        self._wait = wait

    def __iter__(self) -> Self:
        return self

    def __enter__(self) -> Self:
        self._wait(self._stream.begin)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __next__(self) -> Any:
        """Returns the next item.

        Raises:
            AskrError: the command failed; the items before came all.
            StopIteration: it has ended.
        """
        item = self._wait(self._next)
        if item is _END:
            raise StopIteration
        return item

    def close(self) -> None:
        """Ends it; when the outcome is not there yet the command is cancelled."""
        self._wait(self._stream.aclose)

    @property
    def value(self) -> Any:
        """What the command said at its end: any JSON value or bytes; None before that."""
        return self._stream.value

    @property
    def outcome(self) -> Outcome | None:
        """The same with who answered and how long it took; None before the end."""
        return self._stream.outcome

    async def _next(self) -> Any:
        return await anext(self._stream, _END)


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

    def send(self, target: str, payload: Any = None, **how: Unpack[SendWishes]) -> Any:
        """Sends a command and returns its value."""
        _read_beside(how)
        return self._wait("send", lambda: self._asking.send(target, payload, **how))

    def call(self, target: str, payload: Any = None, **how: Unpack[CallWishes]) -> Outcome:
        """Sends a command and returns its value with who gave it and how long it took."""
        _read_beside(how)
        return self._wait("call", lambda: self._asking.call(target, payload, **how))

    def tell(self, target: str, payload: Any = None, **how: Unpack[TellWishes]) -> Outcome:
        """Sends a command of which nothing is wanted back, and returns who took it."""
        return self._wait("tell", lambda: self._asking.tell(target, payload, **how))

    def survey(self, target: str, payload: Any = None, **how: Unpack[SurveyWishes]) -> list[Row]:
        """Asks every instance that the address fits, and returns their rows."""

        async def rows() -> list[Row]:
            return await self._asking.survey(target, payload, **how)

        return self._wait("survey", rows)

    def stream(
        self, target: str, payload: Any = None, **how: Unpack[StreamWishes]
    ) -> "StreamFromThread":
        """Returns an iterator of the items of a command; leaving it early cancels the command."""
        _read_beside(how)
        stream = self._asking.stream(target, payload, **how)
        return StreamFromThread(stream, partial(self._wait, "stream"))

    def emit(
        self,
        event: str,
        payload: Any = None,
        *,
        confirm: bool = False,
        retain: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Emitted | None:
        """Tells everyone who listens."""
        return self._wait(
            "emit",
            lambda: self._asking.emit(
                event, payload, confirm=confirm, retain=retain, headers=headers
            ),
        )

    def collect(self, event: str, payload: Any = None, **how: Unpack[CollectWishes]) -> list[Row]:
        """Tells everyone who listens, and returns what they answer."""
        return self._wait("collect", lambda: self._asking.collect(event, payload, **how))

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
        """Returns the entry at ``key`` of the workspace's state, as `State.get` does."""
        return self._wait("get", lambda: self._asking.workspace_state.get(key, as_=as_))

    def set(self, key: str, value: Any, **how: Unpack[SetWishes]) -> Entry:
        """Writes an entry of the workspace's state, as `State.set` does."""
        return self._wait("set", lambda: self._asking.workspace_state.set(key, value, **how))

    def patch(self, key: str, patch: Any, **how: Unpack[MergeWishes]) -> Entry:
        """Merges a patch into a state entry, as `State.patch` does."""
        return self._wait("patch", lambda: self._asking.workspace_state.patch(key, patch, **how))

    def incr(self, key: str, by: int = 1, **how: Unpack[MergeWishes]) -> Entry:
        """Counts a state entry up, as `State.incr` does."""
        return self._wait("incr", lambda: self._asking.workspace_state.incr(key, by, **how))

    def delete(self, key: str, **how: Unpack[DeleteWishes]) -> int:
        """Deletes a state entry, as `State.delete` does."""
        return self._wait("delete", lambda: self._asking.workspace_state.delete(key, **how))

    def _wait(self, verb: str, ask: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Has the loop carry something out and waits for it; it ends as what is awaited does."""
        home = self._home()
        if threading.get_ident() == home.thread:
            raise RuntimeError(
                f".sync.{verb}() would wait for its own thread for ever: it is for plain "
                f"functions; here, `await` .{verb}() itself"
            )
        return wait_in_thread(home.loop, ask)


def _read_beside(how: SendWishes | CallWishes | StreamWishes) -> None:
    """Has a plain iterable that is uploaded read in a thread of its own: it may block."""
    upload = how.get("upload")
    if upload is not None:
        how["upload"] = source_of(upload, may_block=True)
