"""The asking side of a conversation: commands it has sent, and what comes before their outcomes."""

from collections.abc import Callable
from functools import partial

from askrd.sdk import composition
from askrd.sdk.exchange import Exchange
from askrd.sdk.gathering import Gathering
from askrd.sdk.requests import NEVER, Promise, Request
from askrd.sdk.sources import Blamed
from askrd.wire.bodies import Credit, load
from askrd.wire.errors import AskrError, CommandError, ErrorCode
from askrd.wire.frames import FLAG_UP, Coding, Frame, Kind

_address_bytes = composition.address_bytes
_call_frame = composition.call_frame


class Commands:
    """What this peer has asked others to do."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        exchange.requests.on_more = self.take

    def call(
        self,
        target: str,
        payload: bytes,
        coding: int,
        promise: Promise,
        *,
        ttl_ms: int = 0,
        head: bytes = b"",
        hops: int = 0,
        guard_at: float = NEVER,
        on_progress: Callable[[Frame], None] | None = None,
    ) -> int:
        """Sends a command to one instance; the promise gets its `reply` frame.

        Args:
            target: an address.
            payload: encoded payload.
            coding: what the payload's bytes are.
            promise: who waits for the outcome.
            ttl_ms: milliseconds it may take; 0 = the service's default.
            head: HEAD section, encoded.
            hops: depth of nested commands.
            guard_at: when to give up even if the daemon stays silent.
            on_progress: called with each `progress` frame.

        Returns:
            the command's id, for `cancel`.

        Raises:
            BadRequest: ``target`` is no address, or one of several instances.
            PayloadTooLarge: the daemon would not relay it.
            ConnectionLost: there is no connection; nothing was sent.
        """
        address = _address_bytes(target)
        exchange = self._exchange
        if len(payload) > exchange.payload_bytes_max:
            exchange.check(payload)
        if not exchange.connected:
            exchange.refuse()
        request = Request(promise, guard_at, False, on_progress)  # noqa: FBT003
        id_ = exchange.requests.open(request)
        frame = _call_frame(id_, address, payload, coding, ttl_ms, head, hops)
        if exchange.is_draining:
            exchange.send(id_, request, frame)
        else:  # what `send` does, without its price: every command comes this way
            request.frame = frame
            exchange.write(frame)
        return id_

    def ask(self, call: Frame, request: Request) -> int:
        """Sends a command that wants more than an answer of one instance.

        Args:
            call: the `call` frame, whatever its id.
            request: who waits for its outcome, and for what comes before.

        Returns:
            the command's id.

        Raises:
            PayloadTooLarge: the daemon would not relay it.
            ConnectionLost: there is no connection; nothing was sent.
        """
        exchange = self._exchange
        exchange.check(call.payload)
        if not exchange.connected:
            exchange.refuse()
        id_ = exchange.requests.open(request)
        frame = _call_frame(
            id_,
            call.name,
            call.payload,
            call.coding,
            call.ttl_ms,
            call.head,
            call.hops,
            call.options,
            call.flags,
        )
        exchange.send(id_, request, frame)
        return id_

    def cancel(self, id_: int) -> None:
        """Cancels a command nobody waits for any more; nothing happens when it has ended."""
        if self._exchange.requests.forget(id_) and self._exchange.connected:
            self._exchange.write(composition.plain_frame(Kind.CANCEL, id_, b"", b"", 0))

    # --- uploads ----------------------------------------------------------------------------

    def is_open(self, id_: int) -> bool:
        """Says whether a command waits for its outcome, and may be sent more."""
        return id_ in self._exchange.requests

    def item(self, id_: int, payload: bytes, coding: int) -> None:
        """Sends an item of a command's upload; nothing happens when the command has ended.

        Raises:
            PayloadTooLarge: the daemon would not relay it; nothing was sent.
        """
        self._exchange.check(payload)
        self._write(Kind.ITEM, id_, payload, coding)

    def finish(self, id_: int) -> None:
        """Says that an upload is complete."""
        self._write(Kind.END, id_, b"", Coding.NONE)

    def break_off(self, id_: int, error: BaseException) -> None:
        """Says that an upload failed on this side; who waits for the command gets ``error``.

        The handler learns of it and may end in its own way; its outcome is dropped.
        """
        request = self._exchange.requests.find(id_)
        if request is None:
            return
        said = error if isinstance(error, AskrError) else _failure(error)
        self._write(Kind.RESET, id_, composition.error_bytes(said), Coding.JSON)
        promise, request.promise, request.meanwhile = request.promise, _Nobody(), None
        if promise is not None and not promise.done():
            promise.set_exception(error)

    def _write(self, kind: Kind, id_: int, payload: bytes, coding: int) -> None:
        if self.is_open(id_) and self._exchange.connected:
            frame = composition.flow_frame(kind, id_, payload, coding, flags=FLAG_UP)
            self._exchange.write(frame)

    # --- what comes before the outcome ------------------------------------------------------

    def grant(self, id_: int, credit: Credit | None) -> None:
        """Says that more items of a command's stream are welcome; None says nothing."""
        if credit is not None and self.is_open(id_) and self._exchange.connected:
            self._exchange.write(composition.json_frame(Kind.CREDIT, id_, credit))

    def take(self, frame: Frame) -> None:
        """Takes an item, a piece of a reply, a row of a survey, or credit for an upload.

        What belongs to no open command is late and dropped.
        """
        request = self._exchange.requests.find(frame.id)
        if request is None:
            return
        if frame.kind == Kind.CREDIT:
            if request.on_credit is not None:
                request.on_credit(load(Credit, frame.payload, "credit"))
            return
        if frame.kind == Kind.ITEM:
            request.guard_at = NEVER  # from the first item on the daemon looks at the idle time
        if request.meanwhile is None:
            request.promise = request.meanwhile = Gathering(request.promise)
        with Blamed(partial(self._give_up, frame.id)):
            self.grant(frame.id, request.meanwhile.take(frame))

    def progress(self, frame: Frame) -> None:
        """Takes a `progress` frame."""
        with Blamed(partial(self._give_up, frame.id)):
            self._exchange.requests.progress(frame)

    def _give_up(self, id_: int, error: BaseException) -> None:
        """Cancels a command because what came cannot be taken; who waits for it gets ``error``."""
        if self.is_open(id_) and self._exchange.connected:
            self._exchange.write(composition.plain_frame(Kind.CANCEL, id_, b"", b"", 0))
        self._exchange.requests.fail(id_, error)


class _Nobody:
    """Waits for nothing any more."""

    def done(self) -> bool:
        """Says that nobody waits."""
        return True

    def set_result(self, frame: Frame, /) -> None:
        """Is never called."""

    def set_exception(self, error: BaseException, /) -> None:
        """Is never called."""


def _failure(error: BaseException) -> AskrError:
    """Returns what the handler is told about an error of the caller's own."""
    return CommandError(
        ErrorCode.CANCELLED,
        f"the upload broke off: {type(error).__name__} in the program that sent it",
        at="client",
    )
