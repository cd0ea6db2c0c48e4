"""What all parts of a conversation share: the frames to write, and the requests that wait.

A standing request (a service, a subscription, a watch) is written on every connection, under
the id it has from the beginning.
"""

from collections.abc import Callable
from typing import NoReturn

from askrd.sdk import composition
from askrd.sdk.errors import lost
from askrd.sdk.requests import NEVER, Promise, Request, Requests
from askrd.wire.errors import AskrError, PayloadTooLarge

BURST_FRAMES = 32
"""Frames that are worth a write of their own: enough to share its price, few enough to begin."""


def _nobody() -> None:
    """Stands where nobody wants to know."""


class Exchange:
    """The writing side of a conversation.

    Attributes:
        requests: what was asked and is not answered.
        connected: whether there is a connection to write to.
        why: why there is none.
        waiting_bytes: bytes written that nobody has taken.
        payload_bytes_max: the daemon's limit; 0 = not known yet.
        on_output: called when there is something to take and there was nothing before.
        on_burst: called when `BURST_FRAMES` frames have gathered; whoever takes them now lets the
            daemon begin while the rest is made.
    """

    __slots__ = (
        "_out",
        "_standing",
        "connected",
        "on_burst",
        "on_output",
        "payload_bytes_max",
        "requests",
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
        self._out: list[bytes] = []
        self._standing: dict[int, bytes] = {}

    def open(self, greeting: bytes) -> None:
        """Begins a connection: the greeting and everything that stands go out in one batch."""
        self.connected = True
        self.write(greeting)
        standing = self._standing.values()
        self._out += standing
        self.waiting_bytes += sum(map(len, standing))

    def close(self, why: str) -> None:
        """Ends a connection; what does not stand fails, ``why`` is for its message."""
        unsent = {composition.id_of(frame) for frame in self.take()}
        self.connected = False
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

    def refuse(self) -> NoReturn:
        """Says that there is no connection.

        Raises:
            ConnectionLost: always.
        """
        error = lost(f"not connected: {self.why or 'connect first'}", delivered="no")
        raise error

    def take(self) -> list[bytes]:
        """Returns the frames to write and forgets them."""
        frames, self._out = self._out, []
        self.waiting_bytes = 0
        return frames

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
        self, compose: Callable[[int], bytes], promise: Promise | None, guard_at: float = NEVER
    ) -> int:
        """Writes a request under a new id and remembers who waits for its answer.

        Args:
            compose: makes the frame for the id it is given.
            promise: who waits; None = nobody.
            guard_at: when to give up even if the daemon stays silent.

        Raises:
            ConnectionLost: there is no connection; nothing was sent.
        """
        id_ = self.requests.new_id()
        frame = compose(id_)
        self.write(frame)
        self.requests.add(id_, Request(promise, guard_at))
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
        """Ends a standing request: it is not written again."""
        self._standing.pop(id_, None)
        self.requests.forget(id_)
