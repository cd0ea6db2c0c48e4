"""What a peer has asked and not yet heard about, and how it ends when nobody answers."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from askrd.sdk.errors import lost, why_of
from askrd.wire.bodies import Credit, ErrorBody, load
from askrd.wire.errors import AskrError, BadRequest, DeadlineExceeded, ErrorCode, error_from
from askrd.wire.frames import FLAG_MORE, Frame
from askrd.wire.limits import TTL_MS_MAX

NEVER = float("inf")
"""A guard time that does not come."""
GRACE_S = 5.0
"""How much later than its deadline a command is given up on this side."""
_TTL_AT = 16
"""Where the remaining time stands in a frame."""


class Promise(Protocol):
    """What waits for an answer: a future of asyncio, or anything with these three methods."""

    def done(self) -> bool:
        """Says whether nobody waits any more."""
        ...

    def set_result(self, frame: Frame, /) -> object:
        """Takes the answer."""
        ...

    def set_exception(self, error: BaseException, /) -> object:
        """Takes the failure: an `AskrError`, or what the source of an upload raised."""
        ...


class Meanwhile(Protocol):
    """What takes the frames that come before a command's outcome."""

    def take(self, frame: Frame, /) -> Credit | None:
        """Takes an item, a piece of the reply, or a row; returns what to grant its sender.

        Raises:
            AskrError: that is too much; the command is to end with this error.
        """
        ...


class Request(msgspec.Struct):
    """One unanswered request.

    Attributes:
        promise: who waits; None = nobody.
        guard_at: when to give up although the connection lives, on the conversation's clock.
        standing: whether it is repeated on the next connection instead of failing.
        on_progress: called with each `progress` frame; None = nobody looks.
        meanwhile: takes what comes before the outcome; None = nothing is expected.
        on_credit: called when the daemon takes more of the upload; None = there is none.
        frame: the command itself; empty for other requests.
        again: whether it may be written again although it may have been carried out.
        waits: whether the daemon does not have it: it is written on the next connection.
        is_reading: whether it changes nothing, so that its outcome does not matter.
    """

    promise: Promise | None
    guard_at: float = NEVER
    standing: bool = False
    on_progress: Callable[[Frame], None] | None = None
    meanwhile: Meanwhile | None = None
    on_credit: Callable[[Credit], None] | None = None
    frame: bytes = b""
    again: bool = False
    waits: bool = False
    is_reading: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether it outlives the session it was asked in; what has begun to flow does not."""
        if self.on_credit is not None:
            return False
        return self.waits or (self.again and self.meanwhile is None)


class Requests:
    """The unanswered requests of one conversation, by id.

    Attributes:
        on_more: called with each `reply` that is not the last one of its request.
    """

    __slots__ = ("_by_id", "_last_id", "on_more")

    def __init__(self) -> None:
        """Starts with none; ids begin at 1 and are never used twice."""
        self.on_more: Callable[[Frame], object] = lambda _frame: None
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

    def find(self, id_: int) -> Request | None:
        """Returns an unanswered request; None when there is none of that id."""
        return self._by_id.get(id_)

    def forget(self, id_: int) -> bool:
        """Drops a request nobody waits for any more; says whether it was unanswered."""
        return self._by_id.pop(id_, None) is not None

    def answer(self, frame: Frame) -> bool:
        """Hands an answer to who waits; False when nobody asked, or gave up."""
        if frame.flags and frame.flags & FLAG_MORE:
            self.on_more(frame)
            return True
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
        if request is None:
            return
        if request.meanwhile is not None:
            request.guard_at = NEVER
        if request.on_progress is not None:
            request.on_progress(frame)

    def fail(self, id_: int, error: BaseException) -> bool:
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
            if request.standing:
                continue
            if id_ in unsent and request.frame:
                request.waits = True
            if not request.is_kept:
                self.fail(id_, lost(why, delivered="no" if id_ in unsent else "unknown"))

    def kept(self, now: float) -> list[bytes]:
        """Returns the commands that a new session begins with; one whose time is over fails."""
        found = []
        for id_, request in list(self._by_id.items()):
            if request.standing or not request.is_kept:
                continue
            if request.guard_at - GRACE_S <= now:
                self._fail_kept(id_, request, "it was not back in time")
                continue
            request.waits = False
            found.append(_with_ttl(request.frame, request.guard_at - GRACE_S - now))
        return found

    def give_up(self, now: float, why: str, *, is_late: bool) -> None:
        """Fails kept commands that waited long enough for a connection.

        Args:
            now: the time.
            why: why there is no connection, in words.
            is_late: whether those without a deadline of their own have waited long enough too.
        """
        for id_, request in list(self._by_id.items()):
            if request.standing or not request.is_kept:
                continue
            if request.guard_at - GRACE_S <= now or (is_late and request.guard_at == NEVER):
                self._fail_kept(id_, request, why)

    def _fail_kept(self, id_: int, request: Request, why: str) -> None:
        self.fail(id_, lost(why, delivered="no" if request.waits else "unknown"))

    def end(self, error: AskrError) -> None:
        """Fails everything that is left."""
        unsent = lost(why_of(error), delivered="no")
        for id_, request in list(self._by_id.items()):
            self.fail(id_, unsent if request.waits else error)

    def guard(self, now: float) -> list[int]:
        """Fails requests whose time is over although the daemon did not say so.

        Returns:
            their ids.
        """
        late = {id_: one for id_, one in self._by_id.items() if one.guard_at <= now}
        for id_, request in late.items():
            why = "the daemon did not answer in time"
            is_reading = request.is_reading
            self.fail(id_, DeadlineExceeded(why, at="client") if is_reading else lost(why))
        return list(late)


def _with_ttl(frame: bytes, left_s: float) -> bytes:
    """Returns a command with the time that is left of its own, if it has one."""
    if left_s == NEVER:
        return frame
    ttl_ms = min(max(1, round(left_s * 1000)), TTL_MS_MAX)
    return frame[:_TTL_AT] + ttl_ms.to_bytes(4, "little") + frame[_TTL_AT + 4 :]


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
