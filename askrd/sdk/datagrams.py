"""A socket that sends events in datagrams: nothing is answered, what gets lost is lost."""

import socket

from askrd.sdk.errors import CannotConnect, reason_of
from askrd.wire.addresses import ListenAddress
from askrd.wire.channels import datagram_bytes_max


class Datagrams:
    """One way to a daemon that takes events in datagrams. It never waits.

    Attributes:
        url: where it leads.
        bytes_max: longest frame it takes.
    """

    __slots__ = ("_socket", "bytes_max", "url")

    def __init__(self, address: ListenAddress, *, may_look_up: bool = True) -> None:
        """Opens the socket; nothing is sent.

        Args:
            address: where it leads.
            may_look_up: whether the host may be a name that is looked up, which takes time.

        Raises:
            CannotConnect: there is no way to that address.
        """
        self.url = address.url
        self.bytes_max = datagram_bytes_max(is_local=address.is_local)
        try:
            is_numeric = not (may_look_up or address.is_local)
            flags = socket.AI_NUMERICHOST if is_numeric else 0
            found = socket.getaddrinfo(
                address.host, address.port, type=socket.SOCK_DGRAM, flags=flags
            )
            family, kind, protocol, _, place = found[0]
            made = socket.socket(family, kind, protocol)
            try:
                made.settimeout(0)
                made.connect(place)
            except OSError:
                made.close()
                raise
        except (OSError, UnicodeError) as exc:
            raise CannotConnect(self.url, reason_of(exc)) from exc
        self._socket = made

    def fileno(self) -> int:
        """Returns the descriptor to wait for."""
        return self._socket.fileno()

    def send(self, frame: bytes) -> bool:
        """Sends one frame; says whether the system took it.

        Raises:
            CannotConnect: the system knows that nobody takes datagrams there.
        """
        try:
            self._socket.send(frame)
        except BlockingIOError:
            return False
        except OSError as exc:
            raise CannotConnect(self.url, reason_of(exc)) from exc
        return True

    def look(self) -> None:
        """Returns unless the system has heard by now that nobody takes what was sent.

        Raises:
            CannotConnect: it has.
        """
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise CannotConnect(self.url, reason_of(OSError(number, "")))

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()
