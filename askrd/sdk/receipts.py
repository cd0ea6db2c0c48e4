"""What an event wants back: an acknowledgement for a log's consumer, an answer for who collects."""

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol

from askrd.sdk.requests import NEVER, Promise
from askrd.sdk.shape import said
from askrd.wire.bodies import EventOptions
from askrd.wire.errors import AskrError, BadRequest, PayloadTooLarge, SchemaInvalid
from askrd.wire.frames import Coding
from askrd.wire.limits import TTL_MS_MAX

NAK_FIRST_S = 1.0
"""How long a log waits before it tells an event again whose handler failed the first time."""
NAK_MOST_S = 60.0

Ask = Callable[[Promise, float], object]


NO_OPTIONS = EventOptions()


class Return(Protocol):
    """Where receipts are sent: the event side of a conversation."""

    def ack(self, sub: int, seq: int, promise: Promise | None, guard_at: float, /) -> object:
        """Acknowledges an event of a log."""
        ...

    def nak(
        self, sub: int, seq: int, delay_ms: int, promise: Promise | None, guard_at: float, /
    ) -> object:
        """Has an event of a log told again."""
        ...

    def answer(self, id_: int, payload: bytes, coding: int, /) -> object:
        """Answers who collects."""
        ...


class Way(Protocol):
    """How a program hears that something was done: awaited in a loop, waited for in a thread."""

    def ask(self, step: Ask, /) -> Awaitable[None]:
        """Carries out a step whose promise the daemon keeps."""
        ...

    def tell(self, step: Callable[[], object], /) -> Awaitable[None]:
        """Carries out a step that nobody confirms."""
        ...


class Asking:
    """One session in which answers are wanted: the numbers they go by mean nothing in the next.

    Attributes:
        is_over: whether another session has begun.
    """

    __slots__ = ("is_over",)

    def __init__(self) -> None:
        self.is_over = False


class Done:
    """Something that is done already, for those who await it all the same."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


DONE = Done()


class NoWay:
    """The way of a conversation that belongs to no client."""

    def ask(self, step: Ask, /) -> Awaitable[None]:
        """Refuses.

        Raises:
            BadRequest: always.
        """
        raise BadRequest("this event was told by no client; nothing can be said to it")

    def tell(self, step: Callable[[], object], /) -> Awaitable[None]:
        """Refuses as `ask` does."""
        return self.ask(lambda _promise, _at: step())


class Receipt:
    """What one delivered event wants back, and whether it got it.

    Attributes:
        options: of the event.
        wants_ack: whether the log waits for it to be acknowledged.
        is_auto: whether that happens by itself.
        due: how many listeners of this session may still answer.
        is_settled: whether it was acknowledged, or is to be told again.
        is_answered: whether an answer was sent.
    """

    __slots__ = (
        "_asking",
        "_held",
        "_home",
        "due",
        "is_answered",
        "is_auto",
        "is_settled",
        "options",
        "wants_ack",
        "way",
    )

    def __init__(
        self,
        options: EventOptions,
        home: Return,
        way: Way,
        *,
        wants_ack: bool = False,
        is_auto: bool = False,
        due: int = 1,
        held: set[int] | None = None,
        asking: Asking | None = None,
    ) -> None:
        """Begins to wait.

        Args:
            options: of the event.
            home: where it is sent.
            way: how the program hears of that.
            wants_ack: whether the log waits for it to be acknowledged.
            is_auto: whether that happens by itself.
            due: how many listeners of this session may answer.
            held: numbers of the events of the log that are not settled here; this one leaves it.
            asking: the session it came in; None = there is only one.
        """
        self.options = options
        self.is_auto = is_auto
        self.due = due
        self.wants_ack = wants_ack
        self.is_settled = not wants_ack
        self.is_answered = not options.answer
        self.way = way
        self._home = home
        self._held = held
        self._asking = asking or Asking()

    # --- by the program ---------------------------------------------------------------------

    def ack(self) -> Awaitable[None]:
        """Acknowledges; see `Event.ack`."""
        self._settle("ack")
        options = self.options
        return self.way.ask(
            lambda promise, at: self._home.ack(options.sub, options.log_seq, promise, at)
        )

    def nak(self, delay: float) -> Awaitable[None]:
        """Has it told again; see `Event.nak`."""
        if isinstance(delay, bool) or not 0 <= delay * 1000 <= TTL_MS_MAX:
            raise BadRequest(f"delay={delay!r}: seconds from 0 to 49 days")
        self._settle("nak")
        options, delay_ms = self.options, round(delay * 1000)
        return self.way.ask(
            lambda promise, at: self._home.nak(options.sub, options.log_seq, delay_ms, promise, at)
        )

    def answer(self, value: Any) -> Awaitable[None]:
        """Answers; see `Event.answer`."""
        if not self.options.answer:
            raise BadRequest("nobody collects answers to this event; answer() has no use")
        if self.is_answered:
            raise BadRequest(
                "this event has its answer; a listener answers once, before it takes the next one"
            )
        data, coding = said(value, "the answer")

        def step() -> None:
            self._send(data, coding)
            self.is_answered = True

        return self.way.tell(step)

    def _settle(self, verb: str) -> None:
        if not self.wants_ack:
            raise BadRequest(
                f"{verb}() is for events of a log's consumer; listen with log= and consumer="
            )
        if self.is_settled:
            raise BadRequest("this event was acknowledged, or refused, already")
        self._leave()

    # --- by who listens for the program -----------------------------------------------------

    def handled(self, value: Any = None) -> None:
        """Takes note that a listener is done with it, and has ``value`` to say.

        Raises:
            AskrError: it could not be said.
        """
        if self.is_auto and not self.is_settled:
            self._leave()
            self._home.ack(self.options.sub, self.options.log_seq, None, NEVER)
        self._say(value)

    def failed(self) -> None:
        """Takes note that a listener could not handle it: the log tells it again, later and later.

        Raises:
            AskrError: it could not be said.
        """
        if self.is_auto and not self.is_settled:
            self._leave()
            again_s = min(NAK_FIRST_S * 2 ** min(self.options.delivery - 1, 10), NAK_MOST_S)
            options = self.options
            self._home.nak(options.sub, options.log_seq, round(again_s * 1000), None, NEVER)
        self._say(None)

    def _leave(self) -> None:
        self.is_settled = True
        if self._held is not None:
            self._held.discard(self.options.log_seq)

    def _say(self, value: Any) -> None:
        self.due -= 1
        if self.is_answered or (value is None and self.due > 0):
            return
        self.is_answered = True
        data, coding = b"", int(Coding.NONE)
        try:
            if value is not None:
                data, coding = said(value, "the answer")
            self._send(data, coding)
        except (PayloadTooLarge, SchemaInvalid):
            self._send(b"", Coding.NONE)  # who collects need not wait for it
            raise

    def _send(self, data: bytes, coding: int) -> None:
        """Sends the answer; who collected in an earlier session waits no more."""
        if not self._asking.is_over:
            self._home.answer(self.options.answer, data, coding)


def settle(receipt: Receipt, value: Any = None, *, failed: bool = False) -> None:
    """Says for a listener that an event was handled, or could not be; what fails is logged.

    Args:
        receipt: of the event.
        value: what the listener answers; None = it has nothing to say.
        failed: whether it could not be handled.
    """
    try:
        if failed:
            receipt.failed()
        else:
            receipt.handled(value)
    except AskrError as exc:
        import logging

        logging.getLogger("askrd.sdk").warning("nothing could be said to an event: %s", exc)
