"""Commands coming in: each becomes one task, and each gets exactly one answer.

Whatever a handler raises ends up in `Answering._ended`, where it becomes the answer.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from askrd.sdk.context import CURRENT, Caller, Context, unix_ms
from askrd.sdk.middleware import Middleware, Passage, PassageKind, pass_through
from askrd.sdk.offers import Offers
from askrd.sdk.service import Command
from askrd.sdk.shape import said, value_of
from askrd.sdk.values import headers_of, sender_of
from askrd.sdk.work import Ending, Work
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
from askrd.wire.frames import FLAG_SEALED, Coding, Frame

LOG = logging.getLogger("askrd.sdk")

_CODE = re.compile(r"[a-z0-9_]{1,64}")
_SLOT_S = 0.05
"""Deadlines are looked at this often; the daemon keeps them more exactly."""
_GRACE_S = 0.25
"""How much later than the daemon this side ends a command; the daemon's word goes first."""


@dataclass(slots=True, eq=False)
class Call:
    """One command that is being answered.

    Attributes:
        frame: what arrived.
        name: `service.command`.
        context: what its handler may know.
        stop: cancels its task.
        stopped_because: why its task was cancelled: `caller`, `deadline` and the like, or empty.
        refusal: the error this file raised itself, which may cross as it is.
    """

    frame: Frame
    name: str
    context: Context
    stop: Ending = field(default=bool)
    stopped_because: str = ""
    refusal: AskrError | None = None


class Answering:
    """What an agent does with the commands it is asked.

    Attributes:
        calls: the commands that run, by id.
        is_draining: whether new commands are refused.
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
        self._thread = threading.get_ident()
        self._work = work
        self._find = find
        self._skins = skins
        self._offers = offers
        self._slots: dict[int, set[int]] = {}

    def take(self, frame: Frame) -> None:
        """Takes in a `call`; its answer follows, whatever happens."""
        name = frame.name.decode("utf-8", "replace")
        command = self._find(name)
        if command is None or self.is_draining or frame.flags & FLAG_SEALED:
            self._fail(frame, self._refusal(name, command))
            return
        call = Call(frame, name, self._context(frame, name))
        self.calls[frame.id] = call
        self._watch(call)
        call.stop = self._work.start(
            self._answer(call, command), lambda task: self._ended(call, task)
        )

    def cancel(self, frame: Frame, reason: str) -> None:
        """Takes in that the outcome of a `call` is of no use: its task is cancelled.

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
        call.stop()

    def cancel_all(self, reason: str) -> None:
        """Cancels every handler that runs."""
        for call in list(self.calls.values()):
            self.cancel(call.frame, reason)

    def _forget(self, call: Call) -> None:
        call.context.is_answered = True
        del self.calls[call.frame.id]
        self._slots.get(self._slot_of(call), set()).discard(call.frame.id)

    def _refusal(self, name: str, command: Command | None) -> AskrError:
        if self.is_draining:
            return Draining(f"{name} was not run: this instance is shutting down")
        if command is None:
            return CommandUnknown(f"this instance does not offer {name}")
        return UnsealFailed(f"{name} was not run: this version cannot open sealed payloads")

    def _context(self, frame: Frame, name: str) -> Context:
        service, _, command = name.partition(".")
        return Context(
            service=service,
            command=command,
            caller=Caller(*sender_of(frame.stamp)),
            id=frame.id,
            headers=headers_of(frame),
            hops=frame.hops,
            received_ms=unix_ms(),
            deadline=self._loop.time() + frame.ttl_ms / 1000,
            clock=self._loop.time,
            tell=lambda payload: self._progress(frame, payload),
        )

    async def _answer(self, call: Call, command: Command) -> tuple[bytes, Coding]:
        CURRENT.set(call.context)
        data, coding = call.frame.payload, call.frame.coding
        if self._skins:
            result = await self._wrapped(call, command)
        else:
            result = await self._run(call, command, data, coding)
        encoded: tuple[bytes, Coding] = self._own(call, lambda: command.signature.encode(result))
        return encoded

    async def _wrapped(self, call: Call, command: Command) -> Any:
        frame = call.frame
        before = self._own(call, lambda: value_of(frame.payload, frame.coding))

        async def inner(passage: Passage) -> Any:
            if passage.payload is before:
                return await self._run(call, command, frame.payload, frame.coding)
            return await self._run(call, command, *said(passage.payload))

        passage = Passage(
            kind=PassageKind.COMMAND,
            name=call.name,
            payload=before,
            headers=dict(call.context.headers),
            context=call.context,
        )
        return await pass_through(self._skins, passage, inner)

    async def _run(self, call: Call, command: Command, data: bytes, coding: int) -> Any:
        signature = command.signature
        arguments = self._own(call, lambda: signature.bind(data, coding, call.context))
        if signature.is_async:
            return await command.function(**arguments)
        return await self._work.call(command.function, **arguments)

    @staticmethod
    def _own(call: Call, step: Callable[[], Any]) -> Any:
        """Runs a step of our own, whose refusal crosses as it is."""
        try:
            return step()
        except SchemaInvalid as exc:
            call.refusal = exc
            raise

    def _ended(self, call: Call, task: asyncio.Task[tuple[bytes, Coding]]) -> None:
        if self.calls.get(call.frame.id) is not call:
            return
        self._forget(call)
        if task.cancelled():
            self._fail(call.frame, self._cancelled(call))
        elif (exc := task.exception()) is not None:
            self._fail(call.frame, self._failed(call, exc))
        else:
            self._reply(call, *task.result())

    def _reply(self, call: Call, data: bytes, coding: Coding) -> None:
        try:
            self._offers.reply(call.frame, data, coding)
        except PayloadTooLarge as exc:
            LOG.error("the result of %s cannot be sent: %s", call.name, exc)  # noqa: TRY400
            told = f"the result of {call.name} is too large to be relayed; the command was run"
            self._fail(call.frame, PayloadTooLarge(told, details=exc.details, at="response"))

    @staticmethod
    def _cancelled(call: Call) -> AskrError:
        match call.stopped_because:
            case "deadline":
                return DeadlineExceeded(f"the deadline of {call.name} passed", at="handler")
            case "":
                LOG.error("%s gave up: it awaited something that was cancelled", call.name)
                return _handler_error(call.name)
            case reason:
                return CommandCancelled(f"{call.name} was cancelled ({reason})", at="handler")

    @staticmethod
    def _failed(call: Call, exc: BaseException) -> AskrError:
        if exc is call.refusal and isinstance(exc, AskrError):
            if exc.at == "response":
                LOG.error("%s gave a result that does not fit: %s", call.name, exc)
            return exc
        if isinstance(exc, CommandError) and _can_cross(exc):
            return exc
        LOG.error("%s failed: %s", call.name, exc, exc_info=exc)
        return _handler_error(call.name)

    def _fail(self, frame: Frame, error: AskrError) -> None:
        error.at = "handler" if isinstance(error, CommandError) else error.at or "handler"
        self._offers.fail(frame, error)

    def _progress(self, frame: Frame, payload: Any) -> None:
        data, coding = said(payload, "the progress")
        if threading.get_ident() == self._thread:
            self._offers.progress(frame, data, coding)
        else:
            self._loop.call_soon_threadsafe(self._offers.progress, frame, data, coding)

    def _watch(self, call: Call) -> None:
        """Has the call looked at when its deadline has passed; one timer per slot of time."""
        slot = self._slot_of(call)
        waiting = self._slots.get(slot)
        if waiting is None:
            waiting = self._slots[slot] = set()
            self._loop.call_at(slot * _SLOT_S, self._expire, slot)
        waiting.add(call.frame.id)

    @staticmethod
    def _slot_of(call: Call) -> int:
        return ceil((call.context.deadline + _GRACE_S) / _SLOT_S)

    def _expire(self, slot: int) -> None:
        for id_ in self._slots.pop(slot):
            self.cancel(self.calls[id_].frame, "deadline")


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
