"""One socket to the daemon with its framing, for threads: connected blocking, used non-blocking."""

import socket
import time
from contextlib import AbstractContextManager

from askrd.sdk.conversation import Conversation
from askrd.sdk.errors import CannotConnect, reason_of
from askrd.sdk.framing import Framing, framing_for
from askrd.wire.addresses import DaemonAddress
from askrd.wire.bodies import Welcome
from askrd.wire.errors import BadRequest

READ_BYTES = 256 * 1024


class SocketLink:
    """A socket and what travels on it.

    Attributes:
        address: where it leads.
        framing: how frames travel on it.
        unsent: bytes the kernel did not take yet.
    """

    __slots__ = ("_again", "_socket", "address", "framing", "unsent")

    def __init__(self, address: DaemonAddress, timeout_s: float) -> None:
        """Connects, within ``timeout_s`` seconds.

        Raises:
            CannotConnect: nobody is there, or the certificate is no good.
            BadRequest: this version does not speak what the address asks for.
        """
        self.address = address
        self.framing: Framing = framing_for(address)
        self.unsent = bytearray()
        self._again: tuple[type[OSError], ...] = (BlockingIOError,)
        try:
            self._socket = self._connected(timeout_s)
        except (OSError, UnicodeError) as exc:
            raise CannotConnect(address.url, reason_of(exc)) from exc

    @property
    def peer_host(self) -> str:
        """The IP address at the other end; empty for a unix socket, and when it broke."""
        try:
            name = self._socket.getpeername()
        except OSError:
            return ""
        return str(name[0]) if isinstance(name, tuple) else ""

    def fileno(self) -> int:
        """Returns the descriptor to wait for."""
        return self._socket.fileno()

    def greet(
        self, conversation: Conversation, lock: AbstractContextManager[object], timeout_s: float
    ) -> Welcome:
        """Opens the conversation on this socket and waits for its WELCOME.

        Args:
            conversation: touched while ``lock`` is held, which it is not while waiting.
            lock: the conversation's.
            timeout_s: how long that may take, in seconds.

        Raises:
            CannotConnect: the other side is no askrd, or is silent for ``timeout_s`` seconds.
            AskrError: the daemon refused; the code says why.
        """
        until = time.monotonic() + timeout_s
        with lock:
            conversation.opened(time.monotonic())
            first = conversation.exchange.take()
        try:
            self._socket.sendall(self.framing.opening())
            self._socket.sendall(self.framing.send(first))
            while not conversation.is_open:
                self._socket.settimeout(max(0.001, until - time.monotonic()))
                data = self._socket.recv(READ_BYTES)
                with lock:
                    self._hear(conversation, data)
                self._socket.sendall(self.framing.answer())
            self._socket.settimeout(0)
        except OSError as exc:
            reason = f"no answer within {timeout_s:g} s" if isinstance(exc, TimeoutError) else ""
            raise CannotConnect(self.address.url, reason or reason_of(exc)) from exc
        assert conversation.welcome is not None
        return conversation.welcome

    def hear(self, conversation: Conversation, data: bytes, now: float) -> None:
        """Hands what arrived to the conversation.

        Raises:
            AskrError: the bytes cannot be understood.
        """
        before = self.framing.taken_bytes
        frames = self.framing.receive(data)
        conversation.receive(frames, now, self.framing.taken_bytes - before)

    def _hear(self, conversation: Conversation, data: bytes) -> None:
        try:
            self.hear(conversation, data, time.monotonic())
        except BadRequest as exc:
            reason = f"what answers there is no askrd: {exc}"
            raise CannotConnect(self.address.url, reason) from exc
        if conversation.refusal is not None:
            raise conversation.refusal
        if not data:
            reason = conversation.farewell or "it closed the connection before greeting"
            raise CannotConnect(self.address.url, reason)

    def send(self, data: bytes) -> bool:
        """Writes what the kernel takes and keeps the rest; says whether nothing is left.

        A broken connection takes everything; reading tells of it.
        """
        if self.unsent:
            self.unsent += data
            data = bytes(self.unsent)
        if not data:
            return True
        try:
            sent = self._socket.send(data)
        except self._again:
            sent = 0
        except OSError:
            sent = len(data)
        self.unsent = bytearray(data[sent:]) if sent < len(data) else bytearray()
        return not self.unsent

    def receive(self) -> bytes | None:
        """Returns what has arrived: None when nothing has, empty at the end of the connection."""
        try:
            return self._socket.recv(READ_BYTES)
        except self._again:
            return None
        except OSError:
            return b""

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def _connected(self, timeout_s: float) -> socket.socket:
        address = self.address
        if address.scheme == "unix":
            plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            plain.settimeout(timeout_s)
            try:
                plain.connect(address.path)
            except OSError:
                plain.close()
                raise
            return plain
        plain = socket.create_connection((address.host, address.port), timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not address.is_tls:
            return plain
        import ssl

        self._again = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError)
        try:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=address.host)
        except OSError:
            plain.close()
            raise
