"""A peer's side of the talk with the daemon, without sockets, clocks or an event loop.

Frames and the time go in; bytes to write, answers to promises and calls of the hooks come out.
The asynchronous and the blocking client and the agent are skins around one of these.

What stands (services, subscriptions, watches) may be said before there is a connection and is
said again, in one batch behind HELLO, on every connection that follows.
"""

from collections.abc import Callable
from typing import Any

from askrd.sdk import composition
from askrd.sdk.exchange import Exchange
from askrd.sdk.keys import Keys
from askrd.sdk.offers import Offers
from askrd.sdk.requests import NEVER, Promise, Request, error_of
from askrd.sdk.subscriptions import Subscription, Subscriptions
from askrd.sdk.values import Gap
from askrd.version import VERSION
from askrd.wire import bodies
from askrd.wire.codec import encode
from askrd.wire.errors import AskrError, BadRequest, ConnectionLost, ErrorCode
from askrd.wire.frames import Frame, Kind
from askrd.wire.handshake import VERSIONS

ANSWER_TIMEOUT_S = 10.0
"""How long the daemon may take to answer what it answers by itself."""
GRACE_S = 5.0
"""How much later than its deadline a command is given up on this side."""
PING_AFTER_S = 10.0
"""Silence after which this side asks whether the daemon is still there."""
GONE_AFTER_S = 10.0
"""Silence after that question which means that it is not."""

_EMIT = int(Kind.EMIT)
_address_bytes = composition.address_bytes
_call_frame = composition.call_frame
_plain_frame = composition.plain_frame
_subject_bytes = composition.subject_bytes


def _nothing(*_: Any) -> None:
    """Stands where no hook was set."""


class Conversation:
    """One peer's session with the daemon, over as many connections as it takes.

    Attributes:
        exchange: what is to be written, and what is unanswered.
        offers: the answering side: `provide`, `reply`, `fail`, `progress`, `on_call`, `on_cancel`.
        keys: the state side: `get`, `entries`, `put`, `delete`, `watch`.
        welcome: what the daemon said last about itself and this peer; None before that.
        is_open: whether the daemon has welcomed this connection.
        refusal: the error with which the daemon refused this connection; None = it did not.
        farewell: what the daemon said last before a connection ended, in words.
        answer_timeout_s: how long the daemon may take to answer what it answers itself.
        on_welcome: called with the `Welcome` of each connection.
        on_drain: called with the reason when the daemon asks to go elsewhere.
        on_roster: called with each `roster` frame.
        on_trouble: called with errors that belong to no request somebody waits for.
    """

    def __init__(
        self,
        *,
        name: str = "peer",
        kind: str = "",
        workspace: str = "",
        roster: bool = False,
        ping_after_s: float = PING_AFTER_S,
        gone_after_s: float = GONE_AFTER_S,
    ) -> None:
        """Starts without a connection.

        Args:
            name: the peer's name, a word.
            kind: `service`, `terminal`, or empty to let the daemon judge.
            workspace: empty for the daemon's own.
            roster: whether to ask for `roster` frames.
            ping_after_s: silence in seconds before this side pings.
            gone_after_s: silence in seconds after that ping before the connection is given up.
        """
        self.exchange = Exchange()
        self.offers = Offers(self.exchange)
        self.keys = Keys(self.exchange)
        self.welcome: bodies.Welcome | None = None
        self.is_open = False
        self.answer_timeout_s = ANSWER_TIMEOUT_S
        self.refusal: AskrError | None = None
        self.farewell = ""
        self.on_welcome: Callable[[bodies.Welcome], None] = _nothing
        self.on_drain: Callable[[str], None] = _nothing
        self.on_roster: Callable[[Frame], None] = _nothing
        self.on_trouble: Callable[[AskrError], None] = _nothing
        self._hello = bodies.Hello(
            v=list(VERSIONS),
            name=name,
            kind=kind,
            workspace=workspace,
            roster=roster,
            software=f"askrd {VERSION}",
        )
        self._ping_after_s = ping_after_s
        self._gone_after_s = gone_after_s
        self._heard_at = 0.0
        self._pinged_at: float | None = None
        self._subscriptions = Subscriptions()
        self._takers: dict[int, Callable[[Frame], object]] = {
            Kind.REPLY: self.exchange.requests.answer,
            Kind.SUBBED: self.exchange.requests.answer,
            Kind.EMITTED: self.exchange.requests.answer,
            Kind.PROVIDED: self.exchange.requests.answer,
            Kind.OK: self._take_ok,
            Kind.EVENT: self._subscriptions.deliver,
            Kind.CALL: self.offers.take_call,
            Kind.FAIL: self._take_fail,
            Kind.CANCEL: self.offers.take_cancel,
            Kind.PROGRESS: self.exchange.requests.progress,
            Kind.GAP: self._take_gap,
            Kind.CHANGE: self.keys.take_change,
            Kind.SYNCED: self._take_synced,
            Kind.WELCOME: self._take_welcome,
            Kind.PING: self._take_ping,
            Kind.BYE: self._take_bye,
            Kind.ERROR: self._take_error,
            Kind.DRAIN: self._take_drain,
            Kind.ROSTER: self._take_roster,
        }

    # --- one connection after another -------------------------------------------------------

    def opened(self, now: float) -> None:
        """Begins to talk on a new connection: HELLO and everything that stands, in one batch."""
        self.refusal = None
        self.farewell = ""
        self._heard_at = now
        self._pinged_at = None
        self.keys.opened()
        self.exchange.open(composition.json_frame(Kind.HELLO, 0, self._hello))

    def receive(self, frames: list[Frame], now: float) -> None:
        """Takes what the daemon said at ``now``, in seconds on any monotonic clock."""
        self._heard_at = now
        self._pinged_at = None
        find = self._takers.get
        for frame in frames:
            taker = find(frame.kind)
            if taker is not None:
                taker(frame)

    def tick(self, now: float) -> ConnectionLost | None:
        """Looks at the clock; call it about twice a second.

        Returns:
            an error when the daemon has fallen silent and the connection should be dropped.
        """
        self.exchange.requests.guard(now)
        if not self.is_open:
            return None
        if self._pinged_at is None:
            if now - self._heard_at >= self._ping_after_s:
                self._pinged_at = now
                self.exchange.write(composition.plain_frame(Kind.PING, 0, b"", b"", 0))
        elif now - self._pinged_at >= self._gone_after_s:
            return ConnectionLost(f"the daemon has been silent for {now - self._heard_at:.0f} s")
        return None

    def lost(self, why: str) -> None:
        """Ends the current connection; what is not repeated on the next one fails.

        Args:
            why: what happened, in words, for the messages of errors.
        """
        self.is_open = False
        self.exchange.close(why)
        self.offers.connection_lost()

    def end(self, error: AskrError) -> None:
        """Ends for good: everything that waits or listens gets ``error``."""
        self.lost(error.message)
        self._subscriptions.fail(error)
        self.keys.end(error)
        self.offers.end()
        self.exchange.end(error)

    def bye(self, reason: str = "") -> None:
        """Says goodbye, when there is a connection."""
        if self.exchange.connected:
            body = bodies.Bye(reason=reason)
            self.exchange.write(composition.json_frame(Kind.BYE, 0, body))

    # --- asking -----------------------------------------------------------------------------

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
        """Sends a command; the promise gets its `reply` frame.

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
            BadRequest: ``target`` is no address.
            PayloadTooLarge: the daemon would not relay it.
            ConnectionLost: there is no connection; nothing was sent.
        """
        address = _address_bytes(target)
        exchange = self.exchange
        exchange.check(payload)
        if not exchange.connected:
            exchange.refuse()
        id_ = exchange.requests.open(Request(promise, guard_at, False, on_progress))  # noqa: FBT003
        exchange.write(_call_frame(id_, address, payload, coding, ttl_ms, head, hops))
        return id_

    def cancel(self, id_: int) -> None:
        """Cancels a command nobody waits for any more; nothing happens when it has ended."""
        if self.exchange.requests.forget(id_) and self.exchange.connected:
            self.exchange.write(composition.plain_frame(Kind.CANCEL, id_, b"", b"", 0))

    def forget(self, id_: int) -> None:
        """Drops a request other than a command that nobody waits for any more."""
        self.exchange.requests.forget(id_)
        self.keys.forget(id_)

    def emit(
        self,
        subject: str,
        payload: bytes,
        coding: int,
        *,
        promise: Promise | None = None,
        head: bytes = b"",
        guard_at: float = NEVER,
    ) -> None:
        """Emits an event; with a promise the daemon confirms it by an `emitted` frame.

        Raises:
            BadRequest: no event can be called ``subject``.
            PayloadTooLarge: the daemon would not relay it.
            ConnectionLost: there is no connection; nothing was sent.
        """
        name = _subject_bytes(subject)
        self.exchange.check(payload)

        if promise is None and not head:
            self.exchange.write(_plain_frame(_EMIT, 0, name, payload, coding))
            return

        def compose(id_: int) -> bytes:
            if not head:
                return _plain_frame(_EMIT, id_, name, payload, coding)
            frame = Frame(
                kind=Kind.EMIT, id=id_, name=name, payload=payload, coding=coding, head=head
            )
            return encode(frame)

        if promise is None:
            self.exchange.write(compose(0))
        else:
            self.exchange.ask(compose, promise, guard_at)

    # --- listening --------------------------------------------------------------------------

    def subscribe(
        self,
        pattern: str,
        subscription: Subscription,
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
        name = composition.pattern_bytes(pattern)
        id_ = self.exchange.stand(
            lambda id_: composition.plain_frame(Kind.SUB, id_, name, b"", 0), promise, guard_at
        )
        self._subscriptions.add(id_, pattern, subscription)
        return id_

    def unsubscribe(self, id_: int) -> None:
        """Ends one pattern of a subscription; nothing happens when it has ended."""
        if self._subscriptions.remove(id_) is not None:
            self.exchange.fall(id_)
            if self.exchange.connected:
                self.exchange.write(composition.plain_frame(Kind.UNSUB, id_, b"", b"", 0))

    # --- what the daemon says ---------------------------------------------------------------

    def _take_welcome(self, frame: Frame) -> None:
        welcome = bodies.load(bodies.Welcome, frame.payload, "welcome")
        is_first = self.welcome is None
        self.welcome = welcome
        self.is_open = True
        self.exchange.payload_bytes_max = welcome.limits.get("payload_bytes_max", 0)
        self._hello.instance = welcome.instance
        self._hello.resume = welcome.resume
        self.keys.welcomed(welcome.epoch)
        if not is_first:
            self._subscriptions.tell_gap(Gap(None))
        self.on_welcome(welcome)

    def _take_ok(self, frame: Frame) -> None:
        self.keys.forget(frame.id)
        self.exchange.requests.answer(frame)

    def _take_synced(self, frame: Frame) -> None:
        self.keys.take_synced(frame)
        self.exchange.requests.answer(frame)

    def _take_fail(self, frame: Frame) -> None:
        self._fail(frame.id, error_of(frame))

    def _take_error(self, frame: Frame) -> None:
        """Takes news that end no request, but for a kind of request the daemon does not know."""
        error = error_of(frame)
        if frame.id and error.code == ErrorCode.UNKNOWN_KIND:
            self._fail(frame.id, error)
            return
        if frame.id:
            self.on_trouble(error)
            return
        self.farewell = error.message
        if self.is_open:
            self.on_trouble(error)
        else:
            self.refusal = error

    def _fail(self, id_: int, error: AskrError) -> None:
        self.keys.forget(id_)
        heard = self.exchange.requests.fail(id_, error)
        subscription = self._subscriptions.remove(id_)
        if subscription is not None:
            self.exchange.fall(id_)
            subscription.fail(error)
        elif not self.keys.fail(id_, error) and not heard and error.code != ErrorCode.CANCELLED:
            self.on_trouble(error)

    def _take_gap(self, frame: Frame) -> None:
        gap = bodies.load(bodies.Gap, frame.payload, "gap")
        self._subscriptions.tell_gap(Gap(gap.missed, gap.from_, gap.to, gap.subjects))

    def _take_ping(self, frame: Frame) -> None:
        self.exchange.write(composition.plain_frame(Kind.PONG, frame.id, b"", b"", 0))

    def _take_bye(self, frame: Frame) -> None:
        self.farewell = _reason(frame) or "the daemon said goodbye"

    def _take_drain(self, frame: Frame) -> None:
        self.farewell = _reason(frame) or "the daemon is shutting down"
        self.on_drain(self.farewell)

    def _take_roster(self, frame: Frame) -> None:
        self.on_roster(frame)


def _reason(frame: Frame) -> str:
    try:
        return bodies.load(bodies.Bye, frame.payload or b"{}", "reason").reason
    except BadRequest:
        return ""
