"""Commands coming in: each is carried out, and each gets exactly one answer.

Whatever a handler raises ends up in `Answering._stopped`, where it becomes the answer.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Sequence
from math import ceil
from time import time
from typing import Any

from askrd.sdk.calls import Call, Route
from askrd.sdk.middleware import Middleware, Passage, PassageKind, pass_through
from askrd.sdk.offers import Offers
from askrd.sdk.service import Command
from askrd.sdk.shape import said, value_of
from askrd.sdk.turns import Turns
from askrd.sdk.work import Work
from askrd.wire.bodies import dump
from askrd.wire.errors import (
    AskrError,
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
from askrd.wire.frames import FLAG_SEALED, Frame

LOG = logging.getLogger("askrd.sdk")

_CODE = re.compile(r"[a-z0-9_]{1,64}")
_SLOT_S = 0.05
"""Deadlines are looked at this often; the daemon keeps them more exactly."""
_GRACE_S = 0.25
"""How much later than the daemon this side ends a command; the daemon's word goes first."""


class Answering:
    """What an agent does with the commands it is asked.

    Attributes:
        calls: the commands that run, by id.
        is_draining: whether new commands are refused.
        clock: the monotonic clock of the loop.
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
        self._slots: dict[int, set[int]] = {}
        self._turns = Turns(
            work, begin=self._begin, suspend=self._watch, end=self._finish, stop=self._stopped
        )

    def take(self, frame: Frame) -> None:
        """Takes in a `call`; its answer follows, whatever happens."""
        route = self._routes.get(frame.name) or self._route(frame.name)
        if route is None or self.is_draining or frame.flags & FLAG_SEALED:
            self._fail(frame, self._refusal(frame, route))
            return
        turns = self._turns
        if turns.next is None:
            self._arrived = (self.clock(), time())
        call = Call(frame, route, self, self._arrived)
        self.calls[frame.id] = call
        turns.add(call)

    def _route(self, address: bytes) -> Route | None:
        """Finds out where an address leads; a command stays where it is once it is registered."""
        name = address.decode("utf-8", "replace")
        command = self._find(name)
        if command is None:
            return None
        is_plain = not command.signature.is_async
        route = self._routes[address] = Route(name, name.partition(".")[0], command, is_plain)
        return route

    def cancel(self, frame: Frame, reason: str) -> None:
        """Takes in that the outcome of a `call` is of no use: its handler is cancelled.

        Args:
            frame: the `call`; nothing happens when it has ended.
            reason: `caller`, `deadline` and the like. After `connection_lost` nobody takes the
                answer any more.
        """
        call = self.calls.get(frame.id)
        if call is None or call.frame is not frame:
            return
        call.stopped_because = call.stopped_because or reason
        if reason == "connection_lost":
            self._forget(call)
        if call.task is not None:
            call.task.cancel()

    def cancel_all(self, reason: str) -> None:
        """Cancels every handler that runs."""
        for call in list(self.calls.values()):
            self.cancel(call.frame, reason)

    def _forget(self, call: Call) -> None:
        call.is_answered = True
        del self.calls[call.frame.id]
        if call.task is not None:
            self._slots.get(_slot_of(call), set()).discard(call.frame.id)

    def _refusal(self, frame: Frame, route: Route | None) -> AskrError:
        name = frame.name.decode("utf-8", "replace")
        if self.is_draining:
            return Draining(f"{name} was not run: this instance is shutting down")
        if route is None:
            return CommandUnknown(f"this instance does not offer {name}")
        return UnsealFailed(f"{name} was not run: this version cannot open sealed payloads")

    def _begin(self, call: Call) -> Any:
        """Returns what carries out a command, to be awaited."""
        if self._skins:
            return self._wrapped(call)
        return self._run(call, call.frame.payload, call.frame.coding)

    async def _wrapped(self, call: Call) -> Any:
        frame = call.frame
        try:
            before = value_of(frame.payload, frame.coding)
        except SchemaInvalid as exc:
            call.refusal = exc
            raise

        async def inner(passage: Passage) -> Any:
            if passage.payload is before:
                return await self._run(call, frame.payload, frame.coding)
            return await self._run(call, *said(passage.payload))

        passage = Passage(
            kind=PassageKind.COMMAND,
            name=call.route.address,
            payload=before,
            headers=dict(call.headers),
            context=call,
        )
        return await pass_through(self._skins, passage, inner)

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
            self._refuse_reply(call, exc)

    def _stopped(self, call: Call, task: asyncio.Task[None] | None) -> None:
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
        told = f"the result of {call.route.address} is too large to be relayed; the command was run"
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
        self._offers.fail(frame, error)

    def progress(self, frame: Frame, payload: Any) -> None:
        """Tells the caller of a `call` how far it is; any thread may call it."""
        data, coding = said(payload, "the progress")
        if threading.get_ident() == self._thread:
            self._offers.progress(frame, data, coding)
        else:
            self._loop.call_soon_threadsafe(self._offers.progress, frame, data, coding)

    def _watch(self, call: Call) -> None:
        """Has a command that waits looked at when its deadline has passed; one timer per slot."""
        slot = _slot_of(call)
        waiting = self._slots.get(slot)
        if waiting is None:
            waiting = self._slots[slot] = set()
            self._loop.call_at(slot * _SLOT_S, self._expire, slot)
        waiting.add(call.frame.id)

    def _expire(self, slot: int) -> None:
        for id_ in self._slots.pop(slot):
            self.cancel(self.calls[id_].frame, "deadline")


def _slot_of(call: Call) -> int:
    return ceil((call.deadline + _GRACE_S) / _SLOT_S)


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
