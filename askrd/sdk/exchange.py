"""What all parts of a conversation share: the frames to write, and the requests that wait.

A standing request (a service, a subscription, a watch) is written in every session, under the id
it has from the beginning. While a lost connection may still be resumed everything is held: what is
written then follows when the session goes on.
"""

from collections.abc import Callable
from typing import NoReturn

from askrd.sdk import composition
from askrd.sdk.errors import lost
from askrd.sdk.requests import NEVER, Promise, Request, Requests
from askrd.wire.errors import AskrError, ConnectionLost, PayloadTooLarge
from askrd.wire.frames import Kind
from askrd.wire.tail import Tail

_HOPS_AT = 22
"""Where the depth of nested commands stands in a frame."""
BURST_FRAMES = 32
"""Frames that are worth a write of their own: enough to share its price, few enough to begin."""
_REQUESTS = frozenset(
    {
        Kind.CALL,
        Kind.EMIT,
        Kind.GET,
        Kind.PUT,
        Kind.DEL,
        Kind.SUB,
        Kind.WATCH,
        Kind.PROVIDE,
        Kind.UPDATE,
        Kind.WITHDRAW,
        Kind.ACK,
        Kind.NAK,
    }
)
"""Kinds whose id is one of this peer's requests."""


def _nobody() -> None:
    """Stands where nobody wants to know."""


class Exchange:
    """The writing side of a conversation.

    Attributes:
        requests: what was asked and is not answered.
        connected: whether there is a session to write to, with a connection or one to come.
        why: why there is none.
        is_held: whether the session is to be resumed: only what belongs to the connection is taken.
        may_wait: whether there may be a next session, for which commands can wait.
        returns: whether another connection follows a lost one.
        is_draining: whether the daemon takes no new commands: they wait for the next session.
        sent: what was taken last and the daemon has not confirmed.
        waiting_bytes: bytes written that nobody has taken.
        payload_bytes_max: the daemon's limit; 0 = not known yet.
        on_output: called when there is something to take and there was nothing before.
        on_burst: called when `BURST_FRAMES` frames have gathered; whoever takes them now lets the
            daemon begin while the rest is made.
    """

    __slots__ = (
        "_aside",
        "_out",
        "_standing",
        "connected",
        "is_draining",
        "is_held",
        "may_wait",
        "on_burst",
        "on_output",
        "payload_bytes_max",
        "requests",
        "returns",
        "sent",
        "waiting_bytes",
        "why",
    )

    def __init__(self) -> None:
        """Starts without a connection and with nothing asked."""
        self.requests = Requests()
        self.connected = False
        self.why = ""
        self.waiting_bytes = 0
        self.payload_bytes_max = 0
        self.on_output: Callable[[], None] = _nobody
        self.on_burst: Callable[[], None] = _nobody
        self.is_held = False
        self.returns = True
        self.is_draining = False
        self.may_wait = True
        self.sent = Tail()
        self._aside: list[bytes] = []
        self._out: list[bytes] = []
        self._standing: dict[int, bytes] = {}

    def open(self, greeting: bytes) -> None:
        """Begins a session: the greeting and everything that stands go out in one batch."""
        self.say_aside(greeting)
        self.begin()

    def begin(self) -> None:
        """Begins a session on a connection that has its greeting."""
        self.connected = True
        self.is_held = self.is_draining = False
        self.sent = Tail()
        self._out = list(self._standing.values())
        self.waiting_bytes = sum(map(len, self._out))
        self.on_output()

    def go_on_asking(self, now: float) -> None:
        """Writes the commands that waited for this session; not before the daemon has welcomed it.

        What is written earlier may be lost, and nobody would know whether it was carried out.
        """
        for frame in self.requests.kept(now):
            self.write(frame)

    def suspend(self, why: str) -> None:
        """Ends a connection whose session may be resumed: everything waits for that."""
        self.is_held = True
        self.why = why
        self._aside.clear()

    def resume(self, received: int) -> None:
        """Goes on with the session; the daemon has ``received`` bytes of what was sent.

        Raises:
            ConnectionLost: what it misses is not kept.
        """
        if not self.sent.holds(received):
            raise lost("the daemon misses more than this side keeps; the session begins anew")
        self.sent.confirm(received)
        self._aside += map(bytes, self.sent.since(received))
        self.is_held = False
        self.on_output()

    def close(self, why: str) -> None:
        """Ends a session; what does not stand fails, ``why`` is for its message.

        Commands that the daemon never had wait for the next session.
        """
        unsent = {composition.id_of(frame) for frame in self._out if frame[4] in _REQUESTS}
        self._out = []
        self._aside.clear()
        self.waiting_bytes = 0
        self.connected = self.is_held = self.is_draining = False
        self.why = why
        self.requests.connection_lost(why, unsent)

    def end(self, error: AskrError) -> None:
        """Ends for good: whatever still waits gets ``error``, nothing is repeated."""
        self._standing.clear()
        self.requests.end(error)

    def write(self, frame: bytes) -> None:
        """Adds a whole frame to what is to be written.

        Raises:
            ConnectionLost: there is no connection.
        """
        if not self.connected:
            self.refuse()
        out = self._out
        out.append(frame)
        self.waiting_bytes += len(frame)
        if len(out) == 1:
            self.on_output()
        elif len(out) == BURST_FRAMES:
            self.on_burst()

    def say_aside(self, frame: bytes) -> None:
        """Adds a frame that belongs to the connection, in front of everything and not counted."""
        self._aside.append(frame)
        self.on_output()

    def send(self, id_: int, request: Request, frame: bytes) -> None:
        """Writes a command, or keeps it for the next session while the daemon is draining.

        Raises:
            ConnectionLost: there is no connection.
        """
        request.frame = frame
        is_nested = frame[_HOPS_AT] > 0  # what a running command needs is still carried out
        if self.is_draining and self.returns and not is_nested and request.on_credit is None:
            request.waits = True
        else:
            self.write(frame)

    def refuse(self) -> NoReturn:
        """Says that there is no connection.

        Raises:
            ConnectionLost: always.
        """
        error = lost(f"not connected: {self.why or 'connect first'}", delivered="no")
        raise error

    def take(self) -> list[bytes]:
        """Returns the frames to write, and keeps only their tail."""
        aside = self._aside
        if aside:
            self._aside = []
        if self.is_held:
            return aside
        frames, self._out = self._out, []
        self.waiting_bytes = 0
        if not frames:
            return aside
        self.sent.add(frames[0] if len(frames) == 1 else b"".join(frames))
        return aside + frames if aside else frames

    def check(self, payload: bytes) -> None:
        """Returns when the daemon would relay a payload of this size.

        Raises:
            PayloadTooLarge: it would not; nothing was sent.
        """
        most = self.payload_bytes_max
        if most and len(payload) > most:
            raise PayloadTooLarge(
                f"the payload has {len(payload)} bytes; the daemon takes {most}; nothing was sent",
                details={"bytes": len(payload), "bytes_max": most},
                at="client",
            )

    def ask(
        self,
        compose: Callable[[int], bytes],
        promise: Promise | None,
        guard_at: float = NEVER,
        *,
        is_reading: bool = False,
    ) -> int:
        """Writes a request under a new id and remembers who waits for its answer.

        Args:
            compose: makes the frame for the id it is given.
            promise: who waits; None = nobody.
            guard_at: when to give up even if the daemon stays silent.
            is_reading: whether it changes nothing.

        Raises:
            ConnectionLost: there is no connection; nothing was sent.
        """
        id_ = self.requests.new_id()
        frame = compose(id_)
        self.write(frame)
        self.requests.add(id_, Request(promise, guard_at, is_reading=is_reading))
        return id_

    def stand(
        self, compose: Callable[[int], bytes], promise: Promise | None, guard_at: float = NEVER
    ) -> int:
        """Writes a request now, if there is a connection, and on every connection that follows."""
        id_ = self.requests.new_id()
        self._standing[id_] = compose(id_)
        self.requests.add(id_, Request(promise, guard_at, standing=True))
        if self.connected:
            self.write(self._standing[id_])
        return id_

    def stand_as(self, id_: int, frame: bytes) -> None:
        """Replaces what is written for a standing request on the connections that follow."""
        self._standing[id_] = frame

    def fall(self, id_: int) -> None:
        """Ends a standing request: it is not written again, and who waits for its answer is told."""
        self._standing.pop(id_, None)
        if id_ in self.requests:
            why = "it was closed on this side before the daemon had confirmed it"
            self.requests.fail(id_, ConnectionLost(why, at="client"))
