"""The event side of a conversation: emitting, collecting, listening, and what events want back."""

from collections.abc import Callable

import msgspec

from askrd.sdk import composition
from askrd.sdk.aside import Aside
from askrd.sdk.exchange import Exchange
from askrd.sdk.hearing import PLAIN, Hearing
from askrd.sdk.receipts import NoWay, Way
from askrd.sdk.requests import NEVER, Promise
from askrd.sdk.subscriptions import Heard, Subscription, Subscriptions
from askrd.sdk.values import Gap
from askrd.wire import bodies
from askrd.wire.bodies import Ack, EmitOptions, dump
from askrd.wire.codec import encode
from askrd.wire.errors import AskrError, ErrorCode
from askrd.wire.frames import Frame, Kind

_EMIT = int(Kind.EMIT)
_plain_frame = composition.plain_frame
_subject_bytes = composition.subject_bytes


class Events:
    """Events as one conversation tells and hears them.

    Attributes:
        way: how a program hears that what it said to an event was taken.
        aside: the ways beside the connection; None = there are none.
    """

    __slots__ = ("_collecting", "_exchange", "_subscriptions", "aside", "way")

    def __init__(self, exchange: Exchange) -> None:
        self.way: Way = NoWay()
        self.aside: Aside | None = None
        self._exchange = exchange
        self._subscriptions = Subscriptions(self, lambda: self.way)
        self._collecting: dict[int, Callable[[Frame], object]] = {}

    # --- telling ----------------------------------------------------------------------------

    def emit(
        self,
        subject: str,
        payload: bytes,
        coding: int,
        *,
        promise: Promise | None = None,
        head: bytes = b"",
        retain: bool = False,
        guard_at: float = NEVER,
    ) -> None:
        """Emits an event; with a promise the daemon confirms it by an `emitted` frame.

        Without one, and not retained, it may go beside the connection, when the daemon prefers so.

        Raises:
            BadRequest: no event can be called ``subject``.
            PayloadTooLarge: the daemon would not relay it.
            ConnectionLost: there is no connection; nothing was sent.
        """
        name = _subject_bytes(subject)
        self._exchange.check(payload)
        options = dump(EmitOptions(retain=True)) if retain else b""

        def compose(id_: int) -> bytes:
            if not head and not options:
                return _plain_frame(_EMIT, id_, name, payload, coding)
            return encode(
                Frame(
                    kind=Kind.EMIT,
                    id=id_,
                    name=name,
                    payload=payload,
                    coding=coding,
                    head=head,
                    options=options,
                )
            )

        if promise is not None:
            self._exchange.ask(compose, promise, guard_at)
            return
        frame = compose(0)
        if self.aside is None or options or not self._goes_aside(subject, frame):
            self._exchange.write(frame)

    def _goes_aside(self, subject: str, frame: bytes) -> bool:
        """Sends a plain event beside the connection, while that is there, if it is to go so."""
        exchange = self._exchange
        aside = self.aside if exchange.connected and not exchange.is_held else None
        return aside is not None and aside.take(subject, frame)

    def collect(
        self,
        subject: str,
        payload: bytes,
        coding: int,
        promise: Promise,
        on_answer: Callable[[Frame], object],
        *,
        ttl_ms: int = 0,
        head: bytes = b"",
        guard_at: float = NEVER,
    ) -> int:
        """Emits an event that listeners may answer; the promise gets the `emitted` at the end.

        Args:
            subject: the event's name.
            payload: encoded payload.
            coding: what its bytes are.
            promise: who waits.
            on_answer: gets each `answer` frame.
            ttl_ms: how long to wait for answers; 0 = as long as the daemon does.
            head: HEAD section, encoded.
            guard_at: when to give up even if the daemon stays silent.

        Returns:
            the id for `forget`.

        Raises:
            BadRequest: no event can be called ``subject``.
            PayloadTooLarge: the daemon would not relay it.
            ConnectionLost: there is no connection; nothing was sent.
        """
        frame = Frame(
            kind=Kind.EMIT,
            name=_subject_bytes(subject),
            payload=payload,
            coding=coding,
            head=head,
            options=dump(EmitOptions(collect=True)),
            ttl_ms=ttl_ms,
        )
        self._exchange.check(payload)
        id_ = self._exchange.ask(
            lambda id_: encode(msgspec.structs.replace(frame, id=id_)), promise, guard_at
        )
        self._collecting[id_] = on_answer
        return id_

    def forget(self, id_: int) -> None:
        """Lets answers to an event go that nobody waits for any more."""
        self._collecting.pop(id_, None)

    # --- listening --------------------------------------------------------------------------

    def subscribe(
        self,
        pattern: str,
        subscription: Subscription,
        wanted: Hearing = PLAIN,
        *,
        promise: Promise | None = None,
        guard_at: float = NEVER,
    ) -> int:
        """Listens to ``pattern`` until `unsubscribe`; the promise gets the `subbed` frame.

        Returns:
            the id for `unsubscribe`. A subscription may have several patterns, each with its id.

        Raises:
            BadRequest: it is no pattern.
        """
        heard = Heard(pattern, subscription, wanted)
        id_ = self._exchange.stand(heard.frame, promise, guard_at)
        self._subscriptions.add(id_, heard)
        return id_

    def unsubscribe(self, id_: int) -> None:
        """Ends one pattern of a subscription; nothing happens when it has ended."""
        heard = self._subscriptions.remove(id_)
        if heard is not None:
            self._exchange.fall(id_)
            if not heard.is_paused:
                self._say_unsub(id_)

    def pause(self, id_: int) -> None:
        """Has the daemon tell a subscription no more until `go_on`."""
        heard = self._subscriptions.find(id_)
        if heard is not None and not heard.is_paused:
            heard.is_paused = True
            self._exchange.fall(id_)
            self._say_unsub(id_)

    def go_on(self, id_: int) -> None:
        """Has the daemon go on where it was paused."""
        heard = self._subscriptions.find(id_)
        if heard is not None and heard.is_paused:
            heard.is_paused = False
            frame = heard.frame(id_)
            self._exchange.stand_as(id_, frame)
            if self._exchange.connected:
                self._exchange.write(frame)

    def _say_unsub(self, id_: int) -> None:
        if self._exchange.connected:
            self._exchange.write(_plain_frame(Kind.UNSUB, id_, b"", b"", 0))

    # --- what events want back --------------------------------------------------------------

    def ack(self, sub: int, seq: int, promise: Promise | None = None, at: float = NEVER) -> None:
        """Acknowledges an event of a log; the promise gets the `ok` frame.

        Without a promise nothing is said once the subscription has ended.

        Raises:
            ConnectionLost: there is no connection; nothing was sent.
        """
        self._place(Kind.ACK, Ack(sub=sub, seq=seq), promise, at)

    def nak(
        self,
        sub: int,
        seq: int,
        delay_ms: int = 0,
        promise: Promise | None = None,
        at: float = NEVER,
    ) -> None:
        """Has an event of a log told again; the promise gets the `ok` frame.

        Raises:
            ConnectionLost: there is no connection; nothing was sent.
        """
        self._place(Kind.NAK, Ack(sub=sub, seq=seq, delay_ms=delay_ms), promise, at)

    def _place(self, kind: Kind, place: Ack, promise: Promise | None, guard_at: float) -> None:
        if promise is None:
            if self._subscriptions.find(place.sub) is not None:
                self._exchange.write(composition.json_frame(kind, 0, place))
        else:
            self._exchange.ask(
                lambda id_: composition.json_frame(kind, id_, place), promise, guard_at
            )

    def answer(self, id_: int, payload: bytes, coding: int) -> None:
        """Answers an event whose emitter collects; no payload says that there is nothing to say.

        Raises:
            PayloadTooLarge: the daemon would not relay it.
            ConnectionLost: there is no connection; nothing was sent.
        """
        self._exchange.check(payload)
        self._exchange.write(_plain_frame(Kind.ANSWER, id_, b"", payload, coding))

    # --- what the daemon says ---------------------------------------------------------------

    def take_event(self, frame: Frame) -> None:
        """Hands an `event` to everyone who wants it."""
        self._subscriptions.deliver(frame)

    def take_subbed(self, frame: Frame) -> None:
        """Takes in that a subscription has begun."""
        self._subscriptions.confirmed(frame)
        self._exchange.requests.answer(frame)

    def take_answer(self, frame: Frame) -> None:
        """Hands an `answer` to who collects; one that comes too late is dropped."""
        on_answer = self._collecting.get(frame.id)
        if on_answer is not None:
            try:
                on_answer(frame)
            except AskrError as exc:
                self._collecting.pop(frame.id, None)
                self._exchange.requests.fail(frame.id, exc)

    def take_emitted(self, frame: Frame) -> None:
        """Takes in that an event was told, and that no answers follow."""
        self._collecting.pop(frame.id, None)
        self._exchange.requests.answer(frame)

    def take_gap(self, frame: Frame) -> None:
        """Hands a gap to everyone who may have wanted a lost event."""
        gap = bodies.load(bodies.Gap, frame.payload, "gap")
        told = Gap(gap.missed, gap.from_, gap.to, gap.subjects)
        self._subscriptions.tell_gap(told, frame.options)

    def begins_anew(self, id_: int, error: AskrError) -> bool:
        """Has a subscription that cannot go on where it was begin anew, and tells it of the gap.

        Returns:
            whether that was why the daemon refused; who waits for it waits on.
        """
        heard = self._subscriptions.find(id_)
        if heard is None or heard.after is None:
            return False
        is_gone = error.code == ErrorCode.GONE
        frame = self._subscriptions.begin_anew(id_, heard, is_gone=is_gone)
        self._exchange.stand_as(id_, frame)
        self._exchange.write(frame)
        return True

    def fail(self, id_: int, error: AskrError) -> bool:
        """Ends a subscription with an error; False when it is none."""
        heard = self._subscriptions.remove(id_)
        if heard is None:
            self._collecting.pop(id_, None)
            return False
        self._exchange.fall(id_)
        heard.subscription.fail(error)
        return True

    def lost(self) -> None:
        """Takes note that a connection is lost: a new session goes on behind what was heard."""
        self._subscriptions.remember()
        for id_, heard in self._subscriptions.all():
            if not heard.is_paused:
                self._exchange.stand_as(id_, heard.frame(id_))

    def resumed(self) -> None:
        """Takes note that the session goes on."""
        self._subscriptions.resumed()

    def welcomed(self, epoch: str, *, is_first: bool) -> None:
        """Takes note that a session begins; who cannot go on where it was is told of the gap."""
        self._collecting.clear()
        self._subscriptions.begin(epoch, is_first=is_first)

    def end(self, error: AskrError) -> None:
        """Ends every subscription."""
        self._collecting.clear()
        self._subscriptions.fail(error)
