"""Commands coming in: each is carried out, and each gets exactly one answer.

Whatever a handler raises ends up in `Answering._stopped`, where it becomes the answer.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from time import time
from typing import Any

import msgspec

from askrd.sdk.calls import Call, Route
from askrd.sdk.context import CURRENT
from askrd.sdk.deadlines import Deadlines
from askrd.sdk.middleware import Middleware, Passage, PassageKind, pass_through
from askrd.sdk.modes import Carry, Modes
from askrd.sdk.offers import Offers
from askrd.sdk.service import Command
from askrd.sdk.shape import said, value_of
from askrd.sdk.terms import ReplyMode
from askrd.sdk.turns import Turns
from askrd.sdk.work import NotBegun, Work
from askrd.wire.bodies import dump
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    CommandCancelled,
    CommandError,
    CommandUnknown,
    DeadlineExceeded,
    Draining,
    HandlerError,
    PayloadTooLarge,
    SchemaInvalid,
    UnsealFailed,
)
from askrd.wire.frames import FLAG_OPTIONS, FLAG_SEALED, FLAG_SILENT, Frame
from askrd.wire.limits import GATHERED_BYTES_MAX

LOG = logging.getLogger("askrd.sdk")

_CODE = re.compile(r"[a-z0-9_]{1,64}")
_UNUSUAL = FLAG_SEALED | FLAG_OPTIONS | FLAG_SILENT
"""Flags of a `call` that is more than one question, or cannot be read."""


class Answering:
    """What an agent does with the commands it is asked.

    Attributes:
        calls: the commands that run, by id; those without one, or of an earlier connection, by a
            number below 0.
        modes: what is done with commands that are not plain.
        is_draining: whether new commands are refused.
        clock: the monotonic clock of the loop.
        watch: has a command looked at when its deadline has passed.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        work: Work,
        find: Callable[[str], Command | None],
        skins: Sequence[Middleware],
        offers: Offers,
    ) -> None:
        """Starts with nothing to answer.

        Args:
            loop: where handlers run.
            work: owns the tasks and threads.
            find: the command of an address `service.command`, or None.
            skins: middleware, outermost first; may still grow.
            offers: takes the answers.
        """
        self.calls: dict[int, Call] = {}
        self.is_draining = False
        self._loop = loop
        self.clock = loop.time
        self._arrived = (0.0, 0.0)
        self._thread = threading.get_ident()
        self._work = work
        self._find = find
        self._skins = skins
        self._offers = offers
        self._routes: dict[bytes, Route] = {}
        self._deadlines = Deadlines(loop, self.calls, lambda call: self._cancel(call, "deadline"))
        self.watch = self._deadlines.watch
        self._last_number = 0
        self._turns = Turns(
            work, begin=self._begin, suspend=self.watch, end=self._finish, stop=self.stop
        )
        self.modes = Modes(self, work, offers, loop)

    def take(self, frame: Frame) -> None:
        """Takes in a `call`; its answer follows, whatever happens."""
        route = self._routes.get(frame.name) or self._route(frame.name)
        if route is None or self.is_draining or not route.is_plain or frame.flags & _UNUSUAL:
            self._take_unusual(frame, route)
            return
        turns = self._turns
        if turns.next is None:
            self._arrived = (self.clock(), time())
        call = Call(frame, route, self, self._arrived)
        self.calls[frame.id] = call
        turns.add(call)

    def _take_unusual(self, frame: Frame, route: Route | None) -> None:
        if route is None or self.is_draining or frame.flags & FLAG_SEALED:
            self._fail(frame, self._refusal(frame, route))
            return
        if not frame.id:
            frame = msgspec.structs.replace(frame, id=self._number())
        self._arrived = (self.clock(), time())
        self._turns.next = None
        call = Call(frame, self.modes.route_of(route), self, self._arrived)
        try:
            self.modes.prepare(call)
        except BadRequest as exc:
            self._fail(frame, exc)
            return
        self.calls[frame.id] = call
        self.modes.begin(call)

    def take_flow(self, frame: Frame, item: Frame) -> None:
        """Takes in what belongs to a running command: a part of its upload, or credit."""
        call = self.calls.get(frame.id)
        if call is not None and call.frame is frame:
            self.modes.take_flow(call, item)

    def _number(self) -> int:
        """Returns what a command is kept under whose id means nothing, or not any more."""
        self._last_number -= 1
        return self._last_number

    def _route(self, address: bytes) -> Route | None:
        """Finds out where an address leads; a command stays where it is once it is registered."""
        name = address.decode("utf-8", "replace")
        command = self._find(name)
        if command is None:
            return None
        in_thread = not command.signature.is_async
        route = self._routes[address] = Route(
            name, name.partition(".")[0], command, in_thread, command.is_plain
        )
        return route

    def cancel(self, frame: Frame, reason: str) -> None:
        """Takes in that the outcome of a `call` is of no use: its handler is cancelled.

        What the caller was told is accepted goes on.

        Args:
            frame: the `call`; nothing happens when it has ended.
            reason: `caller`, `deadline` and the like. After `connection_lost` nobody takes the
                answer any more.
        """
        call = self.calls.get(frame.id)
        if call is None or call.frame is not frame:
            return
        if not call.is_free:
            self._cancel(call, reason)
        elif reason == "connection_lost":
            self._detach(call)

    def _cancel(self, call: Call, reason: str) -> None:
        call.stopped_because = call.stopped_because or reason
        if reason == "connection_lost":
            self._forget(call)
        if call.task is not None:
            call.task.cancel()
        call.cancel_nested()

    def cancel_all(self, reason: str) -> None:
        """Cancels every handler that runs."""
        for call in list(self.calls.values()):
            self._cancel(call, reason)

    def _detach(self, call: Call) -> None:
        """Keeps a command that goes on although the connection it came by is lost."""
        self._forget(call)
        call.is_answered = False
        call.frame = msgspec.structs.replace(call.frame, id=self._number())
        self.calls[call.frame.id] = call
        self.watch(call)

    def _forget(self, call: Call) -> None:
        call.is_answered = True
        del self.calls[call.frame.id]
        if call.task is not None:
            self._deadlines.forget(call)

    def _refusal(self, frame: Frame, route: Route | None) -> AskrError:
        name = frame.name.decode("utf-8", "replace")
        if self.is_draining:
            return Draining(f"{name} was not run: this instance is shutting down")
        if route is None:
            return CommandUnknown(f"this instance does not offer {name}")
        return UnsealFailed(f"{name} was not run: this version cannot open sealed payloads")

    def _begin(self, call: Call) -> Any:
        """Returns what carries out a command, to be awaited."""
        frame = call.frame
        if not self._skins:
            return self._run(call, frame.payload, frame.coding)

        async def run(data: bytes, coding: int) -> Any:
            return await self._run(call, data, coding)

        return self.wrap(call, frame.payload, frame.coding, run)

    async def wrap(self, call: Call, data: bytes, coding: int, inner: Carry) -> Any:
        """Runs ``inner`` with a payload inside the middleware, which may replace it."""
        if not self._skins:
            return await inner(data, coding)
        try:
            before = value_of(data, coding)
        except SchemaInvalid as exc:
            call.refusal = exc
            raise

        async def innermost(passage: Passage) -> Any:
            if passage.payload is before:
                return await inner(data, coding)
            return await inner(*said(passage.payload))

        passage = Passage(
            kind=PassageKind.COMMAND,
            name=call.route.address,
            payload=before,
            headers=dict(call.headers),
            context=call,
        )
        return await pass_through(self._skins, passage, innermost)

    def _run(self, call: Call, data: bytes, coding: int) -> Any:
        """Calls the handler; what comes back is to be awaited."""
        command = call.route.command
        try:
            arguments = command.signature.bind(data, coding, call)
        except SchemaInvalid as exc:
            call.refusal = exc
            raise
        if command.signature.is_async:
            return command.function(**arguments)
        return self._work.call(command.function, **arguments)

    def bind(self, call: Call, data: bytes, coding: int) -> dict[str, Any]:
        """Returns the arguments of a handler.

        Raises:
            SchemaInvalid: the payload does not fit; it is the command's answer.
        """
        try:
            return call.route.command.signature.bind(data, coding, call)
        except SchemaInvalid as exc:
            call.refusal = exc
            raise

    def _finish(self, call: Call, result: Any) -> None:
        """Answers a command with what its handler returned."""
        if self.calls.get(call.frame.id) is not call:
            return
        try:
            data, coding = call.route.command.signature.encode(result)
        except SchemaInvalid as exc:
            call.refusal = exc
            raise
        self._forget(call)
        try:
            self._offers.reply(call.frame, data, coding)
        except PayloadTooLarge as exc:
            self._cut(call, data, coding, exc)

    def settle(self, call: Call, data: bytes, coding: int) -> None:
        """Answers a command, unless it has its answer."""
        if self.calls.get(call.frame.id) is not call:
            return
        self._forget(call)
        try:
            self._offers.reply(call.frame, data, coding)
        except PayloadTooLarge as exc:
            self._cut(call, data, coding, exc)

    def _cut(self, call: Call, data: bytes, coding: int, exc: PayloadTooLarge) -> None:
        """Answers a command in pieces, as its result is too large for one frame."""
        if call.mode is ReplyMode.STREAM or len(data) > GATHERED_BYTES_MAX:
            self._refuse_reply(call, exc)
            return
        self.calls[call.frame.id] = call
        call.is_answered = False
        self.modes.send_pieces(call, data, coding)

    def stop(self, call: Call, task: asyncio.Task[None] | None) -> None:
        """Answers a command whose handler returned nothing, or was not run at all."""
        if self.calls.get(call.frame.id) is not call:
            return
        self._forget(call)
        if task is None or task.cancelled():
            self._fail(call.frame, self._cancelled(call))
        elif (exc := task.exception()) is not None:
            self._fail(call.frame, self._failed(call, exc))

    def _refuse_reply(self, call: Call, exc: PayloadTooLarge) -> None:
        LOG.error("the result of %s cannot be sent: %s", call.route.address, exc)
        told = (
            f"the result of {call.route.address} is too large to be relayed; the command was run. "
            "Let it yield smaller items as a stream"
        )
        self._fail(call.frame, PayloadTooLarge(told, details=exc.details, at="response"))

    @staticmethod
    def _cancelled(call: Call) -> AskrError:
        match call.stopped_because:
            case "deadline":
                return DeadlineExceeded(
                    f"the deadline of {call.route.address} passed", at="handler"
                )
            case "":
                LOG.error("%s gave up: it awaited something that was cancelled", call.route.address)
                return _handler_error(call.route.address)
            case reason:
                return CommandCancelled(
                    f"{call.route.address} was cancelled ({reason})", at="handler"
                )

    @staticmethod
    def _failed(call: Call, exc: BaseException) -> AskrError:
        if isinstance(exc, NotBegun):
            return exc
        if exc is call.refusal and isinstance(exc, AskrError):
            if exc.at == "response":
                LOG.error("%s gave a result that does not fit: %s", call.route.address, exc)
            return exc
        if isinstance(exc, CommandError) and _can_cross(exc):
            return exc
        LOG.error("%s failed: %s", call.route.address, exc, exc_info=exc)
        return _handler_error(call.route.address)

    def _fail(self, frame: Frame, error: AskrError) -> None:
        error.at = "handler" if isinstance(error, CommandError) else error.at or "handler"
        if frame.id <= 0:
            name = frame.name.decode("utf-8", "replace")
            LOG.error("%s failed, and nobody waits for it: %s", name, error)
            return
        self._offers.fail(frame, error)

    def progress(self, frame: Frame, payload: Any) -> None:
        """Tells the caller of a `call` how far it is; any thread may call it."""
        data, coding = said(payload, "the progress")
        if threading.get_ident() == self._thread:
            self._progress(frame, data, coding)
        else:
            self._loop.call_soon_threadsafe(self._progress, frame, data, coding)

    def _progress(self, frame: Frame, data: bytes, coding: int) -> None:
        call = self.calls.get(frame.id)
        if call is None or call.is_free:
            return
        if self._offers.progress(frame, data, coding) and call.is_flowing:
            self.modes.flowed(call)

    def keep(self, call: Call, work: Awaitable[Any]) -> asyncio.Future[Any]:
        """Starts a part of a handler that finishes although its command is cancelled."""
        variables = copy_context()
        variables.run(CURRENT.set, call.sheltered())

        def done(task: asyncio.Task[Any]) -> None:
            if call.stopped_because and not task.cancelled() and (exc := task.exception()):
                name = call.route.address
                LOG.error("what %s had shielded failed: %s", name, exc, exc_info=exc)

        return self._work.keep(work, done, variables=variables)


def _handler_error(name: str) -> HandlerError:
    return HandlerError(f"{name} failed unexpectedly; its own log says more", at="handler")


def _can_cross(error: CommandError) -> bool:
    try:
        dump(error.details)
    except (TypeError, ValueError, OverflowError, RecursionError) as exc:
        LOG.warning("CommandError(%r): its details are not JSON: %s", error.code, exc)
        return False
    if not _CODE.fullmatch(error.code):
        LOG.error("CommandError(%r): a code is 1 to 64 of a-z 0-9 _", error.code)
        return False
    return True
