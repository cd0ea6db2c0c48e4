"""Commands that are more than one question and one answer.

Those are told without an answer, accepted and then left alone, answered by a stream, fed by an
upload, serial, or have a payload or a result too large for one frame.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import wraps
from typing import Any, Protocol

from askrd.sdk.calls import Call, Route
from askrd.sdk.offers import Offers
from askrd.sdk.outflow import (
    Collection,
    Encode,
    Nowhere,
    Outflow,
    Sink,
    pour,
    pour_in_thread,
)
from askrd.sdk.requests import error_of
from askrd.sdk.serial import Lane, Lanes, lane_of
from askrd.sdk.shape import said
from askrd.sdk.signature import Function
from askrd.sdk.terms import ReplyMode
from askrd.sdk.turns import Turns
from askrd.sdk.upload import Upload
from askrd.sdk.work import NotBegun, Work
from askrd.wire.bodies import CallOptions, Credit, load
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    DeadlineExceeded,
    PayloadTooLarge,
    SchemaInvalid,
)
from askrd.wire.frames import FLAG_SILENT, Coding, Frame, Kind
from askrd.wire.limits import STREAM_IDLE_MS

LOG = logging.getLogger("askrd.sdk")

_NOTHING_ASKED = CallOptions()
_ACK = ReplyMode.ACK
_RANKS = tuple(ReplyMode)
"""From the least to the most a caller may get."""

Carry = Callable[[bytes, int], Awaitable[Any]]


class Desk(Protocol):
    """What `Answering` does for these commands too."""

    clock: Callable[[], float]

    def watch(self, call: Call, /) -> None:
        """Has a command looked at when its deadline has passed."""
        ...

    def wrap(self, call: Call, data: bytes, coding: int, inner: Carry) -> Awaitable[Any]:
        """Runs ``inner`` inside the middleware."""
        ...

    def bind(self, call: Call, data: bytes, coding: int) -> dict[str, Any]:
        """Returns a handler's arguments."""
        ...

    def settle(self, call: Call, data: bytes, coding: int) -> None:
        """Answers a command."""
        ...

    def stop(self, call: Call, task: asyncio.Task[Any] | None) -> None:
        """Answers a command whose handler returned nothing."""
        ...


class Modes:
    """What an agent does with commands that are not plain.

    Attributes:
        idle_s: silence in seconds after which a stream that has begun is given up.
    """

    def __init__(
        self, desk: Desk, work: Work, offers: Offers, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Starts with no commands.

        Args:
            desk: keeps the commands and answers them.
            work: owns the tasks and threads.
            offers: takes what is sent before the answer.
            loop: where handlers run.
        """
        self.idle_s = STREAM_IDLE_MS / 1000
        self._desk = desk
        self._work = work
        self._offers = offers
        self._loop = loop
        self._lanes = Lanes()
        self._routes: dict[str, Route] = {}
        self._turns = Turns(
            work, begin=self._run, suspend=desk.watch, end=self._finish, stop=desk.stop
        )

    # --- taking in --------------------------------------------------------------------------

    def route_of(self, route: Route) -> Route:
        """Returns the route of commands to the same place that get a task of their own each."""
        found = self._routes.get(route.address)
        if found is None:
            found = self._routes[route.address] = replace(route, may_wait=True)
        return found

    def prepare(self, call: Call) -> None:
        """Finds out what a command's caller wants, and makes ready for what it sends.

        Raises:
            BadRequest: it wants what the command does not give.
        """
        frame, command = call.frame, call.route.command
        options = _NOTHING_ASKED
        if frame.options:
            options = load(CallOptions, frame.options, "the options of a call")
            call.job, call.attempt = options.job or None, options.attempt
        call.mode = _mode_of(call.route, frame, options)
        if not frame.ttl_ms and call.mode in {ReplyMode.NONE, ReplyMode.ACK}:
            call.deadline = math.inf
        if options.upload not in {"", "items", "payload"}:
            raise BadRequest(f"upload='{options.upload}' is none this version knows")
        is_told = frame.flags & FLAG_SILENT
        if options.upload and (is_told or (options.upload == "items" and call.mode is _ACK)):
            raise BadRequest(f"{call.route.address}: an upload needs a caller that waits")
        takes_items = bool(command.signature.upload_name)
        if options.upload == "items" and not takes_items:
            raise BadRequest(f"{call.route.address} takes no upload")
        if options.upload or takes_items:
            self._open_upload(call, options.upload)

    def _open_upload(self, call: Call, what: str) -> None:
        def refuse(error: AskrError) -> None:
            call.refusal = error

        call.upload = Upload(
            grant=lambda credit: self._offers.grant(call.frame, credit),
            refuse=refuse,
            shape=None if what == "payload" else call.route.command.signature.piece,
        )
        call.is_gathered = what == "payload"
        if not what:
            call.upload.finish()

    def begin(self, call: Call) -> None:
        """Has a command carried out; those that are serial wait for their turn."""
        self._turns.next = None
        self._turns.add(call)

    def take_flow(self, call: Call, frame: Frame) -> None:
        """Takes in a frame of an upload, or credit for a stream."""
        if frame.kind == Kind.CREDIT:
            self._take_credit(call, frame)
            return
        upload = call.upload
        if upload is None:
            return
        if frame.kind == Kind.ITEM:
            upload.take(frame)
            self.flowed(call)
        elif frame.kind == Kind.END:
            upload.finish()
        else:
            upload.fail(error_of(frame))

    @staticmethod
    def _take_credit(call: Call, frame: Frame) -> None:
        if call.outflow is None:
            return
        try:
            call.outflow.grant(load(Credit, frame.payload, "credit"))
        except BadRequest as exc:
            LOG.debug("%s: its caller gives credit that is none: %s", call.route.address, exc)

    def flowed(self, call: Call) -> None:
        """Takes note that something was streamed: from now on only silence ends the command.

        A payload in pieces is no stream its caller knows of: the deadline stays, when it is later.
        """
        if call.is_free:
            return
        silent_until = self._desk.clock() + self.idle_s
        call.deadline = max(call.deadline, silent_until) if call.is_gathered else silent_until
        if not call.is_flowing:
            call.is_flowing = True
            self._desk.watch(call)

    # --- carrying out -----------------------------------------------------------------------

    async def _run(self, call: Call) -> Any:
        frame = call.frame
        data = frame.payload
        if call.is_gathered:
            assert call.upload is not None
            data = await call.upload.gather(data)
            call.upload = self._no_upload(call)

        async def carry_out(data: bytes, coding: int) -> Any:
            return await self._carry_out(call, data, coding)

        async with self._in_turn(call, data, frame.coding):
            return await self._desk.wrap(call, data, frame.coding, carry_out)

    def _no_upload(self, call: Call) -> Upload[Any] | None:
        """Returns what a handler gets that takes an upload when its caller sent none."""
        if call.route.command.signature.upload_name:
            self._open_upload(call, "")
            return call.upload
        return None

    @asynccontextmanager
    async def _in_turn(self, call: Call, data: bytes, coding: int) -> AsyncIterator[None]:
        route = call.route
        lane = lane_of(route.address, route.command, data, coding)
        if lane is None:
            yield
            return
        await self._lanes.enter(lane)
        try:
            if self._desk.clock() >= call.deadline:
                call.refusal = DeadlineExceeded(
                    f"{route.address} was not run: its deadline passed while it waited for "
                    "those before it",
                    at="handler",
                )
                raise call.refusal
            yield
        finally:
            if call.thread is None:
                self._lanes.leave(lane)
            else:
                call.thread.add_done_callback(lambda _: self._leave_from_thread(lane))

    def _leave_from_thread(self, lane: Lane) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody stands in a row
            self._loop.call_soon_threadsafe(self._lanes.leave, lane)

    async def _carry_out(self, call: Call, data: bytes, coding: int) -> Any:
        """Calls the handler, and sees to what it streams."""
        command, signature = call.route.command, call.route.command.signature
        arguments = self._desk.bind(call, data, coding)
        if signature.upload_name:
            arguments[signature.upload_name] = call.upload
        if call.mode in {ReplyMode.NONE, ReplyMode.ACK}:
            self._set_free(call)
        if not signature.is_stream:
            if signature.is_async:
                return await command.function(**arguments)
            return await self._work.call(_occupying(call, command.function), **arguments)
        sink = self._sink_of(call)
        encode = _encoder(call, self._offers)
        if signature.is_async:
            await pour(command.function(**arguments), sink, encode)
        else:
            poured = self._pouring(command.function, sink, encode)
            await self._work.call(_occupying(call, poured), **arguments)
        return sink.items if isinstance(sink, Collection) else None

    def _pouring(self, function: Function, sink: Sink, encode: Encode) -> Function:
        @wraps(function)
        def poured(**arguments: Any) -> None:
            pour_in_thread(function(**arguments), sink, encode, self._loop)

        return poured

    def _set_free(self, call: Call) -> None:
        """Lets a command run on its own from here on: its caller has all it gets."""
        call.is_free = True
        if call.mode is ReplyMode.ACK:
            self._offers.accept(call.frame)
        timeout_ms = call.route.command.timeout_ms
        call.deadline = self._desk.clock() + timeout_ms / 1000 if timeout_ms else math.inf
        self._desk.watch(call)

    def _sink_of(self, call: Call) -> Sink:
        if call.mode is ReplyMode.STREAM:
            call.outflow = Outflow(self._sender(call))
            return call.outflow
        return Collection() if call.mode is ReplyMode.VALUE else Nowhere()

    def _sender(self, call: Call, *, more: bool = False) -> Callable[[bytes, int], None]:
        def send(data: bytes, coding: int) -> None:
            if self._offers.item(call.frame, data, coding, more=more):
                self.flowed(call)

        return send

    # --- ending -----------------------------------------------------------------------------

    def _finish(self, call: Call, result: Any) -> None:
        """Answers with what the handler, or the outermost middleware, returned."""
        signature = call.route.command.signature
        try:
            if call.mode in {ReplyMode.NONE, ReplyMode.ACK}:
                data, coding = b"", 0
            elif signature.is_stream:
                data, coding = said(result, f"{signature.name}'s result", at="response")
            else:
                data, coding = signature.encode(result)
        except SchemaInvalid as exc:
            call.refusal = exc
            raise
        self._desk.settle(call, data, coding)

    def send_pieces(self, call: Call, data: bytes, coding: int) -> None:
        """Answers a command with a result that is too large for one frame, as credit allows."""
        outflow = call.outflow = Outflow(self._sender(call, more=True))

        async def send() -> None:
            call.task = asyncio.current_task()
            if call.stopped_because:
                raise asyncio.CancelledError
            self._desk.watch(call)
            self._desk.settle(call, await outflow.pieces(data), coding)

        self._work.start(send(), lambda task: self._desk.stop(call, task))


def _mode_of(route: Route, frame: Frame, options: CallOptions) -> ReplyMode:
    """Returns what the caller of a command gets.

    Raises:
        BadRequest: it wants more than the command gives, or something unknown.
    """
    declared = route.command.reply
    if frame.flags & FLAG_SILENT:
        return ReplyMode.NONE
    wanted = options.reply or declared
    if wanted not in _RANKS or _RANKS.index(wanted) > _RANKS.index(declared):
        raise BadRequest(f"{route.address} answers with '{declared}', not with '{wanted}'")
    return ReplyMode.ACK if wanted == ReplyMode.NONE else ReplyMode(wanted)


def _occupying(call: Call, function: Function) -> Function:
    """Returns a plain function that says when it has ended: cancelling does not end a thread."""

    @wraps(function)
    def occupying(**arguments: Any) -> Any:
        thread = call.thread = Future()
        try:
            if call.is_cancelled:
                raise NotBegun(f"{call.route.address} was not run: it was cancelled", at="handler")
            return function(**arguments)
        finally:
            thread.set_result(None)

    return occupying


def _encoder(call: Call, offers: Offers) -> Encode:
    """Returns what makes payloads of a stream's items; what does not fit ends the command."""
    signature = call.route.command.signature

    def encode(item: Any) -> tuple[bytes, Coding]:
        try:
            data, coding = signature.encode(item)
            if call.mode is ReplyMode.STREAM:
                offers.check(data)
        except (SchemaInvalid, PayloadTooLarge) as exc:
            exc.at = "response"
            call.refusal = exc
            raise
        return data, coding

    return encode
