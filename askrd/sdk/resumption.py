"""One session over several connections: what HELLO says, what WELCOME means, what a loss leaves."""

import msgspec

from askrd.sdk import composition
from askrd.sdk.exchange import Exchange
from askrd.wire.bodies import Hello, Welcome
from askrd.wire.errors import ConnectionLost
from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import CONFIRM_BYTES, HEADER_BYTES

KEPT_S = 10.0
"""How long a command without a deadline of its own waits for a new session."""


def size_of(frame: Frame) -> int:
    """Returns how many bytes a frame had on the wire."""
    fixed = HEADER_BYTES + len(frame.stamp) + len(frame.name) + len(frame.payload)
    return fixed + sum(2 + len(section) for section in (frame.head, frame.options) if section)


class Resumption:
    """What lets a session outlive its connection.

    Attributes:
        window_s: how long the daemon waits for this peer; 0 = it does not, the session ends with
            its connection.
        received: bytes of whole counted frames that came in this session.
        is_asked: whether the connection that begins is to go on with the session.
    """

    __slots__ = (
        "_before",
        "_confirmed",
        "_exchange",
        "_hello",
        "_lost_at",
        "is_asked",
        "received",
        "window_s",
    )

    def __init__(self, exchange: Exchange, hello: Hello) -> None:
        """Starts without a session; ``hello`` is what every HELLO says."""
        self.window_s = 0.0
        self.received = 0
        self.is_asked = False
        self._exchange = exchange
        self._hello = hello
        self._before = 0
        self._confirmed = 0
        self._lost_at: float | None = None

    # --- a connection begins ----------------------------------------------------------------

    def greet(self) -> None:
        """Says HELLO: alone when the session is to go on, else with everything that stands."""
        self.is_asked = self._exchange.is_held
        self._before = self.received
        self._hello.received = self.received if self.is_asked else -1
        hello = composition.json_frame(Kind.HELLO, 0, self._hello)
        if self.is_asked:
            self._exchange.say_aside(hello)
        else:
            self._exchange.open(hello)

    def hello_of_link(self) -> bytes:
        """Returns the HELLO of a further connection of this session."""
        hello = msgspec.structs.replace(self._hello, received=-1, link=True)
        return composition.json_frame(Kind.HELLO, 0, hello)

    def welcomed(self, welcome: Welcome, frame: Frame, now: float) -> bool:
        """Takes in a WELCOME; says whether the session goes on.

        Raises:
            ConnectionLost: the daemon misses more of it than this side keeps.
        """
        goes_on = self.is_asked and welcome.resumed
        if goes_on:
            self._go_on(welcome.received)
            self._confirmed = self._before
        else:
            if self.is_asked:
                self._exchange.close("the daemon has begun a new session")
                self._exchange.begin()
            self._exchange.go_on_asking(now)
            self.received -= self._before
            self._confirmed = 0
            self._hello.instance = welcome.instance
            self._hello.resume = welcome.resume
        self.received -= size_of(frame)
        self.window_s = welcome.window_ms / 1000
        self.is_asked = False
        self._is_back()
        return goes_on

    def _go_on(self, received: int) -> None:
        try:
            self._exchange.resume(received)
        except ConnectionLost:
            self.end()
            self._exchange.close("the daemon missed more than this side keeps")
            raise

    def switched(self, received: int) -> None:
        """Goes on over a further connection; the daemon has ``received`` bytes of what was sent.

        Raises:
            ConnectionLost: it misses more than this side keeps.
        """
        self._go_on(received)
        self._is_back()

    def _is_back(self) -> None:
        self._lost_at = None
        self._exchange.why = ""

    # --- while it lasts ---------------------------------------------------------------------

    def count(self, size: int) -> None:
        """Takes note that so many bytes came; those that do not count are taken off one by one."""
        self.received += size

    def confirm_many(self) -> None:
        """Tells the daemon how much has arrived when that is much; not among frames that came."""
        if self.received - self._confirmed >= CONFIRM_BYTES:
            self.confirm()

    def confirm(self) -> None:
        """Tells the daemon how much has arrived, unless it knows."""
        if self.window_s and self.received > self._confirmed:
            self._confirmed = self.received
            frame = composition.plain_frame(Kind.RESUME, self.received, b"", b"", 0)
            self._exchange.say_aside(frame)

    def confirmed(self, frame: Frame) -> None:
        """Takes in how much of what was sent has arrived."""
        self.received -= size_of(frame)
        self._exchange.sent.confirm(frame.id)

    # --- when it is lost --------------------------------------------------------------------

    def lost(self, why: str, *, may_return: bool) -> None:
        """Has everything wait for the session to go on, or ends it.

        Args:
            why: what happened, in words.
            may_return: whether there can be another connection.
        """
        self.is_asked = False
        if may_return and self.window_s:
            self._exchange.suspend(why)
        else:
            self.end()
            self._exchange.close(why)

    def wait(self, now: float) -> None:
        """Looks at the clock while there is no connection: the session, and commands, give up."""
        exchange = self._exchange
        if self._lost_at is None:
            self._lost_at = now
        away_s = now - self._lost_at
        if exchange.is_held and not self.is_asked and away_s >= self.window_s:
            self.end()
            exchange.close(exchange.why)
        if not exchange.connected:
            exchange.requests.give_up(now, exchange.why, is_late=away_s >= KEPT_S)

    def end(self) -> None:
        """Takes note that the session will not go on."""
        self.window_s = 0.0
        self.is_asked = False
