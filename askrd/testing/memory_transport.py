"""The transport between the SDK and a daemon in memory; it has the shape of the real one."""

from askrd.sdk.errors import CannotConnect
from askrd.sdk.transport import Receiver
from askrd.testing.memory_daemon import MemoryDaemon
from askrd.wire.addresses import DaemonAddress
from askrd.wire.frames import MAGIC

URL = "unix:/memory"
"""What a peer of a memory daemon is told to connect to: raw frames, no handshake before them."""


class MemoryTransport:
    """One connection to a memory daemon."""

    def __init__(self, daemon: MemoryDaemon, receiver: Receiver) -> None:
        """Connects at once."""
        self._opening = b""
        self._receiver = receiver
        self._connection = daemon.connect(receiver.data_received, self._over)

    def write(self, data: bytes) -> None:
        """Sends bytes; the magic of a raw connection is taken off."""
        if self._opening != MAGIC:
            self._opening += data
            data, self._opening = self._opening[len(MAGIC) :], self._opening[: len(MAGIC)]
        if data:
            self._connection.write(data)

    def close(self) -> None:
        """Ends the connection behind everything that was written."""
        self._connection.close()

    def abort(self) -> None:
        """Ends the connection now."""
        self._connection.lose("aborted")

    def _over(self, close_code: int, reason: str) -> None:
        self._receiver.connection_lost(f"the daemon closed the connection: {reason} ({close_code})")


class MemoryDoor:
    """Where peers of one memory daemon come in; a `Dial` of the SDK.

    Attributes:
        daemon: who is behind it.
        is_open: while it is not, nobody can connect, as if no daemon were there.
    """

    def __init__(self, daemon: MemoryDaemon) -> None:
        self.daemon = daemon
        self.is_open = True

    async def __call__(self, address: DaemonAddress, receiver: Receiver) -> MemoryTransport:
        """Connects ``receiver``.

        Raises:
            CannotConnect: the door is shut.
        """
        if not self.is_open:
            raise CannotConnect(address.url, "the test has shut the door")
        return MemoryTransport(self.daemon, receiver)
