"""A peer's side of the talk with the daemon, without sockets, clocks or an event loop.

Frames and the time go in; bytes to write, answers to promises and calls of the hooks come out.
The asynchronous and the blocking client and the agent are skins around one of these.

What stands (services, subscriptions, watches) may be said before there is a connection and is
said again, in one batch behind HELLO, on every connection that follows.
"""

from collections.abc import Callable
from typing import Any

from askrd.sdk import composition
from askrd.sdk.commands import Commands
from askrd.sdk.errors import why_of
from askrd.sdk.events import Events
from askrd.sdk.exchange import Exchange
from askrd.sdk.keys import Keys
from askrd.sdk.offers import Offers
from askrd.sdk.requests import error_of
from askrd.sdk.resumption import Resumption
from askrd.version import VERSION
from askrd.wire import bodies
from askrd.wire.errors import AskrError, BadRequest, ConnectionLost, ErrorCode
from askrd.wire.frames import FLAG_MORE, FLAG_UP, Frame, Kind
from askrd.wire.handshake import VERSIONS

ANSWER_TIMEOUT_S = 10.0
"""How long the daemon may take to answer what it answers by itself."""
PING_AFTER_S = 10.0
"""Silence after which this side asks whether the daemon is still there."""
GONE_AFTER_S = 10.0
"""Silence after that question which means that it is not."""


def _nothing(*_: Any) -> None:
    """Stands where no hook was set."""


class Conversation:
    """One peer's session with the daemon, over as many connections as it takes.

    Attributes:
        exchange: what is to be written, and what is unanswered.
        commands: the asking side: `call` and `cancel` (here too), `ask`, and what streams need.
        offers: the answering side: `provide`, `reply`, `fail`, `progress`, `on_call`, `on_cancel`.
        events: the event side: `emit`, `subscribe` and `unsubscribe` (here too), `collect`.
        keys: the state side: `get`, `entries`, `put`, `delete`, `watch`.
        resumption: what lets the session outlive its connection.
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
        self.commands = Commands(self.exchange)
        self.call = self.commands.call
        self.cancel = self.commands.cancel
        self.offers = Offers(self.exchange)
        self.events = Events(self.exchange)
        self.emit = self.events.emit
        self.subscribe = self.events.subscribe
        self.unsubscribe = self.events.unsubscribe
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
        hello = bodies.Hello(
            v=list(VERSIONS),
            name=name,
            kind=kind,
            workspace=workspace,
            roster=roster,
            streams=True,
            resumable=True,
            software=f"askrd {VERSION}",
        )
        self.resumption = Resumption(self.exchange, hello)
        self._ping_after_s = ping_after_s
        self._gone_after_s = gone_after_s
        self._heard_at = 0.0
        self._pinged_at: float | None = None
        self._takers = self._all_takers()

    def _all_takers(self) -> dict[int, Callable[[Frame], object]]:
        """Returns who takes which kind of frame."""
        return {
            Kind.REPLY: self.exchange.requests.answer,
            Kind.SUBBED: self.events.take_subbed,
            Kind.EMITTED: self.events.take_emitted,
            Kind.ANSWER: self.events.take_answer,
            Kind.PROVIDED: self.exchange.requests.answer,
            Kind.OK: self._take_ok,
            Kind.EVENT: self.events.take_event,
            Kind.CALL: self.offers.take_call,
            Kind.FAIL: self._take_fail,
            Kind.CANCEL: self.offers.take_cancel,
            Kind.ITEM: self._take_flow,
            Kind.END: self._take_flow,
            Kind.RESET: self._take_flow,
            Kind.CREDIT: self._take_flow,
            Kind.PROGRESS: self.commands.progress,
            Kind.GAP: self.events.take_gap,
            Kind.CHANGE: self.keys.take_change,
            Kind.SYNCED: self._take_synced,
            Kind.WELCOME: self._take_welcome,
            Kind.PING: self._take_ping,
            Kind.BYE: self._take_bye,
            Kind.ERROR: self._take_error,
            Kind.DRAIN: self._take_drain,
            Kind.ROSTER: self._take_roster,
            Kind.RESUMED: self.resumption.confirmed,
        }

    # --- one connection after another -------------------------------------------------------

    def opened(self, now: float) -> None:
        """Begins to talk on a new connection; see `Resumption.greet`."""
        self.refusal = None
        self.farewell = ""
        self._heard_at = now
        self._pinged_at = None
        self.resumption.greet()

    def switched(self, received: int, now: float) -> None:
        """Goes on over a further connection of the session; see `Resumption.switched`."""
        self._heard_at = now
        self._pinged_at = None
        self.resumption.switched(received)
        self.is_open = True

    def suspend(self, why: str) -> None:
        """Has everything wait: the session is to go on over a further connection."""
        self.is_open = False
        self.resumption.lost(why, may_return=True)

    def receive(self, frames: list[Frame], now: float, size: int = 0) -> None:
        """Takes what the daemon said.

        Args:
            frames: in order.
            now: when, in seconds on any monotonic clock.
            size: how many bytes they had together.
        """
        self._heard_at = now
        self._pinged_at = None
        if size:
            self.resumption.count(size)
        find = self._takers.get
        for frame in frames:
            taker = find(frame.kind)
            if taker is not None:
                taker(frame)
        if size:
            self.resumption.confirm_many()

    def tick(self, now: float) -> ConnectionLost | None:
        """Looks at the clock; call it about twice a second.

        Returns:
            an error when the daemon has fallen silent and the connection should be dropped.
        """
        for id_ in self.exchange.requests.guard(now):
            self.forget(id_)
        if not self.is_open:
            self.resumption.wait(now)
            return None
        self.resumption.confirm()
        if self._pinged_at is None:
            if now - self._heard_at >= self._ping_after_s:
                self._pinged_at = now
                self.exchange.write(composition.plain_frame(Kind.PING, 0, b"", b"", 0))
        elif now - self._pinged_at >= self._gone_after_s:
            return ConnectionLost(f"the daemon has been silent for {now - self._heard_at:.0f} s")
        return None

    def lost(self, why: str, *, may_return: bool = True) -> None:
        """Ends the current connection; see `Resumption.lost`."""
        self.is_open = False
        self.keys.lost()
        self.events.lost()
        self.resumption.lost(why, may_return=may_return)
        self.offers.connection_lost()

    def end(self, error: AskrError) -> None:
        """Ends for good: everything that waits or listens gets ``error``."""
        self.lost(why_of(error), may_return=False)
        self.events.end(error)
        self.keys.end(error)
        self.offers.end()
        self.exchange.end(error)

    def bye(self, reason: str = "") -> None:
        """Says goodbye, when there is a connection."""
        if self.is_open:
            body = bodies.Bye(reason=reason)
            self.exchange.write(composition.json_frame(Kind.BYE, 0, body))

    # --- asking -----------------------------------------------------------------------------

    def forget(self, id_: int) -> None:
        """Drops a request other than a command that nobody waits for any more."""
        self.exchange.requests.forget(id_)
        self.keys.forget(id_)
        self.events.forget(id_)

    # --- what the daemon says ---------------------------------------------------------------

    def _take_welcome(self, frame: Frame) -> None:
        welcome = bodies.load(bodies.Welcome, frame.payload, "welcome")
        is_first = self.welcome is None
        goes_on = self.resumption.welcomed(welcome, frame, self._heard_at)
        self.welcome = welcome
        self.is_open = True
        if not goes_on:
            self.exchange.payload_bytes_max = welcome.limits.get("payload_bytes_max", 0)
            self.keys.opened()
            self.keys.welcomed(welcome.epoch)
            self.events.welcomed(welcome.epoch, is_first=is_first)
        else:
            self.events.resumed()
        self.on_welcome(welcome)

    def _take_ok(self, frame: Frame) -> None:
        self.keys.forget(frame.id)
        self.exchange.requests.answer(frame)

    def _take_synced(self, frame: Frame) -> None:
        self.keys.take_synced(frame)
        self.exchange.requests.answer(frame)

    def _take_flow(self, frame: Frame) -> None:
        """Takes a frame of a stream: of a command asked here, or of one that is answered here."""
        is_up = bool(frame.flags & FLAG_UP)
        if is_up == (frame.kind == Kind.CREDIT):
            self.commands.take(frame)
        else:
            self.offers.take_flow(frame)

    def _take_fail(self, frame: Frame) -> None:
        if frame.flags & FLAG_MORE:
            self.commands.take(frame)
            return
        error = error_of(frame)
        request = self.exchange.requests.find(frame.id)
        is_turned_away = error.code == ErrorCode.DRAINING and error.at == "daemon"
        exchange = self.exchange
        if is_turned_away and exchange.is_draining and exchange.returns and request is not None:
            request.waits = bool(request.frame)
            if request.is_kept:
                return  # the next daemon gets it
        self._fail(frame.id, error)

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
        if self.events.begins_anew(id_, error):
            return
        heard = self.exchange.requests.fail(id_, error)
        if self.events.fail(id_, error):
            return
        if not self.keys.fail(id_, error) and not heard and error.code != ErrorCode.CANCELLED:
            self.on_trouble(error)

    def _take_ping(self, frame: Frame) -> None:
        self.exchange.write(composition.plain_frame(Kind.PONG, frame.id, b"", b"", 0))

    def _take_bye(self, frame: Frame) -> None:
        self.farewell = _reason(frame) or "the daemon said goodbye"
        self.resumption.end()

    def _take_drain(self, frame: Frame) -> None:
        self.farewell = _reason(frame) or "the daemon is shutting down"
        self.exchange.is_draining = self.exchange.may_wait
        self.on_drain(self.farewell)

    def _take_roster(self, frame: Frame) -> None:
        self.on_roster(frame)


def _reason(frame: Frame) -> str:
    try:
        return bodies.load(bodies.Bye, frame.payload or b"{}", "reason").reason
    except BadRequest:
        return ""
