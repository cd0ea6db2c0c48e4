"""What a peer has asked and not yet heard about, and how it ends when nobody answers."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from askrd.sdk.errors import lost
from askrd.wire.bodies import ErrorBody, load
from askrd.wire.errors import AskrError, BadRequest, ErrorCode, error_from
from askrd.wire.frames import Frame

NEVER = float("inf")
"""A guard time that does not come."""


class Promise(Protocol):
    """What waits for an answer: a future of asyncio, or anything with these three methods."""

    def done(self) -> bool:
        """Says whether nobody waits any more."""
        ...

    def set_result(self, frame: Frame, /) -> object:
        """Takes the answer."""
        ...

    def set_exception(self, error: AskrError, /) -> object:
        """Takes the failure."""
        ...


class Request(msgspec.Struct):
    """One unanswered request.

    Attributes:
        promise: who waits; None = nobody.
        guard_at: when to give up although the connection lives, on the conversation's clock.
        standing: whether it is repeated on the next connection instead of failing.
        on_progress: called with each `progress` frame; None = nobody looks.
    """

    promise: Promise | None
    guard_at: float = NEVER
    standing: bool = False
    on_progress: Callable[[Frame], None] | None = None


class Requests:
    """The unanswered requests of one conversation, by id."""

    __slots__ = ("_by_id", "_last_id")

    def __init__(self) -> None:
        """Starts with none; ids begin at 1 and are never used twice."""
        self._by_id: dict[int, Request] = {}
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._by_id

    def new_id(self) -> int:
        """Returns an id that no request had."""
        self._last_id += 1
        return self._last_id

    def add(self, id_: int, request: Request) -> None:
        """Remembers ``request`` until its answer comes."""
        self._by_id[id_] = request

    def open(self, request: Request) -> int:
        """Remembers ``request`` under a new id, which is returned."""
        self._last_id = id_ = self._last_id + 1
        self._by_id[id_] = request
        return id_

    def forget(self, id_: int) -> bool:
        """Drops a request nobody waits for any more; says whether it was unanswered."""
        return self._by_id.pop(id_, None) is not None

    def answer(self, frame: Frame) -> bool:
        """Hands an answer to who waits; False when nobody asked, or gave up."""
        request = self._by_id.pop(frame.id, None)
        if request is None:
            return False
        promise = request.promise
        if promise is not None and not promise.done():
            promise.set_result(frame)
        return True

    def progress(self, frame: Frame) -> None:
        """Hands a `progress` frame to who looks; others are dropped."""
        request = self._by_id.get(frame.id)
        if request is not None and request.on_progress is not None:
            request.on_progress(frame)

    def fail(self, id_: int, error: AskrError) -> bool:
        """Hands a failure to who waits; False when nobody does."""
        request = self._by_id.pop(id_, None)
        if request is None or request.promise is None:
            return False
        if not request.promise.done():
            request.promise.set_exception(error)
        return True

    def connection_lost(self, why: str, unsent: set[int]) -> None:
        """Fails what the next connection does not repeat.

        Args:
            why: what happened, in words.
            unsent: ids of requests that never left this process.
        """
        for id_, request in list(self._by_id.items()):
            if not request.standing:
                self.fail(id_, lost(why, delivered="no" if id_ in unsent else "unknown"))

    def end(self, error: AskrError) -> None:
        """Fails everything that is left."""
        for id_ in list(self._by_id):
            self.fail(id_, error)

    def guard(self, now: float) -> None:
        """Fails requests whose time is over although the daemon did not say so."""
        late = [id_ for id_, request in self._by_id.items() if request.guard_at <= now]
        for id_ in late:
            self.fail(id_, lost("the daemon did not answer in time"))


def error_of(frame: Frame) -> AskrError:
    """Returns what a `fail` or `error` frame says, as the exception for its code."""
    try:
        body = load(ErrorBody, frame.payload, "an error of the daemon")
    except BadRequest as exc:
        body = ErrorBody(code=ErrorCode.INTERNAL, message=exc.message)
    sender = frame.stamp.decode("utf-8", "replace")
    at = body.at or ("handler" if sender and not sender.startswith("$") else "daemon")
    return error_from(
        body.code,
        body.message,
        details=body.details,
        retryable=body.retryable,
        at=at,
        instance=sender or None,
    )
