"""The answering side of a conversation: services it provides, commands it was asked."""

from collections.abc import Callable

from askrd.sdk import composition
from askrd.sdk.exchange import Exchange
from askrd.sdk.requests import NEVER, Promise
from askrd.wire import bodies
from askrd.wire.codec import encode
from askrd.wire.errors import AskrError, BadRequest, CommandUnknown, LimitExceeded
from askrd.wire.frames import FLAG_MORE, FLAG_UP, Coding, Frame, Kind
from askrd.wire.limits import REGISTRY_BYTES_MAX

_REPLY = int(Kind.REPLY)
_plain_frame = composition.plain_frame


class Offers:
    """What this peer provides, and the commands it has not answered.

    A command is named by its `call` frame. An answer to a command of an earlier connection is
    dropped, because the daemon has failed that command already.

    Attributes:
        on_call: called with each `call` frame; answer it by `reply` or `fail`, now or later.
            One without an id is told: nothing is to be answered.
        on_cancel: called with a `call` frame and the reason (`caller`, `deadline`, `caller_lost`,
            `connection_lost`) when its outcome is of no use any more. The daemon still counts the
            command as running until it is answered.
        on_flow: called with a `call` frame and an `item`, `end`, `reset` or `credit` that belongs
            to it.
    """

    __slots__ = ("_asked", "_exchange", "_services", "on_call", "on_cancel", "on_flow")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._services: dict[str, int] = {}
        self._asked: dict[int, Frame] = {}
        self.on_call: Callable[[Frame], None] = self._refuse
        self.on_cancel: Callable[[Frame, str], None] = lambda _frame, _reason: None
        self.on_flow: Callable[[Frame, Frame], None] = lambda _call, _frame: None

    @property
    def asked(self) -> int:
        """How many commands are not answered."""
        return len(self._asked)

    def provide(
        self,
        provision: bodies.Provision,
        *,
        promise: Promise | None = None,
        guard_at: float = NEVER,
    ) -> None:
        """Provides a service on this connection and all that follow, or replaces what it offers.

        Before there is a connection it only takes note; the promise gets the `provided` frame.

        Raises:
            LimitExceeded: the registration is larger than the daemon takes.
        """
        body = bodies.dump(provision)
        if len(body) > REGISTRY_BYTES_MAX:
            raise LimitExceeded(
                f"the registration of '{provision.service}' has {len(body)} bytes, the limit is "
                f"{REGISTRY_BYTES_MAX}; shorten docs and schemas or split the service",
                details={"limit": "registry_bytes_max", "bytes": len(body)},
                at="client",
            )
        id_ = self._services.get(provision.service)
        if id_ is None:
            self._services[provision.service] = self._exchange.stand(
                lambda id_: composition.json_bytes_frame(Kind.PROVIDE, id_, body),
                promise,
                guard_at,
            )
            return
        self._exchange.stand_as(id_, composition.json_bytes_frame(Kind.PROVIDE, id_, body))
        if self._exchange.connected:
            self._exchange.ask(
                lambda id_: composition.json_bytes_frame(Kind.UPDATE, id_, body), promise, guard_at
            )

    def withdraw(
        self, service: str, *, promise: Promise | None = None, guard_at: float = NEVER
    ) -> None:
        """Ends a service; what is in flight may finish. The promise gets the `ok` frame.

        Raises:
            BadRequest: it is not provided here.
        """
        id_ = self._services.pop(service, None)
        if id_ is None:
            raise BadRequest(f"'{service}' is not provided by this peer")
        self._exchange.fall(id_)
        if self._exchange.connected:
            body = bodies.Withdraw(service=service)
            self._exchange.ask(
                lambda id_: composition.json_frame(Kind.WITHDRAW, id_, body), promise, guard_at
            )

    def reply(self, call: Frame, payload: bytes, coding: int) -> bool:
        """Answers a command.

        Returns:
            whether the answer counts: False when it was answered already, or its connection is
            gone.

        Raises:
            PayloadTooLarge: the daemon would not relay it; the command is still unanswered.
        """
        exchange, id_ = self._exchange, call.id
        exchange.check(payload)
        if self._asked.get(id_) is not call:
            return False
        del self._asked[id_]
        exchange.write(_plain_frame(_REPLY, id_, b"", payload, coding))
        return True

    def fail(self, call: Frame, error: AskrError) -> bool:
        """Answers a command by an error; the result as for `reply`."""
        if not self._settle(call):
            return False
        self._exchange.write(composition.fail_frame(call.id, error))
        return True

    def progress(self, call: Frame, payload: bytes, coding: int) -> bool:
        """Tells the caller how far a command is; False when it was answered already.

        Raises:
            PayloadTooLarge: the daemon would not relay it; nothing was sent.
        """
        self._exchange.check(payload)
        if self._asked.get(call.id) is not call:
            return False
        self._exchange.write(composition.plain_frame(Kind.PROGRESS, call.id, b"", payload, coding))
        return True

    def accept(self, call: Frame) -> bool:
        """Tells the caller that a command is accepted, which is all it waits for.

        The work goes on, and the daemon still expects `reply` or `fail` at its end.
        """
        if self._asked.get(call.id) is not call:
            return False
        self._exchange.write(composition.flow_frame(_REPLY, call.id, flags=FLAG_MORE))
        return True

    def item(self, call: Frame, payload: bytes, coding: int, *, more: bool = False) -> bool:
        """Sends an item of a command's stream; False when it was answered already.

        Args:
            call: the command.
            payload: encoded item; see that the caller has given credit for it.
            coding: what its bytes are.
            more: whether it is no item, but a piece of the payload of the reply that follows.

        Raises:
            PayloadTooLarge: the daemon would not relay it; nothing was sent.
        """
        self._exchange.check(payload)
        if self._asked.get(call.id) is not call:
            return False
        flags = FLAG_MORE if more else 0
        self._exchange.write(
            composition.flow_frame(Kind.ITEM, call.id, payload, coding, flags=flags)
        )
        return True

    def grant(self, call: Frame, credit: bodies.Credit) -> bool:
        """Lets the caller send more of its upload; False when the command was answered."""
        if self._asked.get(call.id) is not call:
            return False
        body = bodies.dump(credit)
        self._exchange.write(
            composition.flow_frame(Kind.CREDIT, call.id, body, Coding.JSON, flags=FLAG_UP)
        )
        return True

    def check(self, payload: bytes) -> None:
        """Returns when the daemon would relay a payload of this size.

        Raises:
            PayloadTooLarge: it would not; nothing was sent.
        """
        self._exchange.check(payload)

    def say(self, answer: Frame) -> bool:
        """Sends a `reply`, `fail` or `progress` frame that is made already, by its id.

        For who sees to it that an id names the command of this connection; the result as for
        `reply`.

        Raises:
            PayloadTooLarge: the daemon would not relay it; nothing was sent.
        """
        self._exchange.check(answer.payload)
        if answer.id not in self._asked:
            return False
        if answer.kind != Kind.PROGRESS:
            del self._asked[answer.id]
        self._exchange.write(encode(answer))
        return True

    def connection_lost(self) -> None:
        """Cancels every unanswered command: its caller has its outcome already."""
        asked, self._asked = self._asked, {}
        for frame in asked.values():
            self.on_cancel(frame, "connection_lost")

    def end(self) -> None:
        """Forgets every service."""
        self._services.clear()

    def take_call(self, frame: Frame) -> None:
        """Takes a `call` frame."""
        if frame.id:
            self._asked[frame.id] = frame
        self.on_call(frame)

    def take_flow(self, frame: Frame) -> None:
        """Takes an `item`, `end` or `reset` of an upload, or `credit` for a stream.

        What belongs to a command that was answered is late and ignored.
        """
        call = self._asked.get(frame.id)
        if call is not None:
            self.on_flow(call, frame)

    def take_cancel(self, frame: Frame) -> None:
        """Takes a `cancel` frame; one for a command that was answered is late and ignored."""
        call = self._asked.get(frame.id)
        if call is None:
            return
        try:
            reason = bodies.load(bodies.Bye, frame.payload or b"{}", "cancel").reason
        except BadRequest:
            reason = ""
        self.on_cancel(call, reason or "caller")

    def _settle(self, call: Frame) -> bool:
        if self._asked.get(call.id) is not call:
            return False
        del self._asked[call.id]
        return True

    def _refuse(self, call: Frame) -> None:
        self.fail(call, CommandUnknown("this peer answers no commands"))
