"""Accepting where TLS may be spoken: the first byte is looked at before there is a transport.

It is left in the kernel (MSG_PEEK), so whoever takes the connection reads it again: TLS, or the
sniffer. A transport that had read it could not be turned into one of TLS.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable

from askrd.doors.certificates import Certificates
from askrd.doors.http.intake import begins_request
from askrd.host.logs import Log
from askrd.wire.bodies import ErrorBody, dump
from askrd.wire.errors import ErrorCode

TLS_BYTE = 0x16
"""First byte of a TLS handshake; begins nothing else that is spoken here."""
SILENT_MAX = 512
"""Connections that have not said their first byte; for a further one the oldest has to go."""
REST_S = 0.5
"""How long nothing is accepted when descriptors have run out."""
_BURST = 64
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_TLS_ONLY = (
    "only TLS is spoken here: connect with wss://, askrs:// or https://. The connection is closed"
)
_SILENT = "it said nothing in time"
_CROWDED = f"it said nothing yet, and {SILENT_MAX} others say nothing, too"

_log = Log("askrd.doors")


class Acceptor:
    """Accepts the connections of one listening socket."""

    def __init__(
        self,
        listening: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        certificates: Certificates,
        *,
        is_tls_only: bool,
        handshake_s: float,
    ) -> None:
        """Begins to accept.

        Args:
            listening: bound and listening; closed by `close`.
            make_protocol: who speaks on a new connection.
            certificates: what TLS is greeted with.
            is_tls_only: whether anything else is refused.
            handshake_s: time until the first byte, and again for the TLS handshake.
        """
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._make_protocol = make_protocol
        self._certificates = certificates
        self._is_tls_only = is_tls_only
        self._handshake_s = handshake_s
        self._silent: dict[socket.socket, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._rest: asyncio.TimerHandle | None = None
        self._is_accepting = self._is_closed = False
        listening.settimeout(0)
        self._go_on()

    def close(self) -> None:
        """Accepts nothing more; connections that have said something stay."""
        if self._is_closed:
            return
        self._is_closed = True
        self._pause()
        if self._rest is not None:
            self._rest.cancel()
        for connection in list(self._silent):
            self._forget(connection)
            connection.close()
        self._listening.close()

    def _go_on(self) -> None:
        self._rest = None
        if not (self._is_accepting or self._is_closed):
            self._is_accepting = True
            self._loop.add_reader(self._listening.fileno(), self._accept)

    def _pause(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            self._loop.remove_reader(self._listening.fileno())

    def _accept(self) -> None:
        for _ in range(_BURST):
            try:
                connection, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as exc:
                if exc.errno not in _EXHAUSTED:
                    raise
                _log.warning("nothing accepted for a moment", reason=exc.strerror or str(exc))
                self._pause()
                self._rest = self._loop.call_later(REST_S, self._go_on)
                return
            if len(self._silent) >= SILENT_MAX:
                self._give_up(next(iter(self._silent)), _CROWDED)
            connection.settimeout(0)
            timer = self._loop.call_later(self._handshake_s, self._give_up, connection, _SILENT)
            self._silent[connection] = timer
            self._loop.add_reader(connection.fileno(), self._look, connection)

    def _forget(self, connection: socket.socket) -> None:
        """Takes a connection out of those that have said nothing."""
        self._silent.pop(connection).cancel()
        self._loop.remove_reader(connection.fileno())

    def _give_up(self, connection: socket.socket, reason: str) -> None:
        self._forget(connection)
        _log.warning("connection refused", address=_name_of(connection), reason=reason)
        connection.close()

    def _look(self, connection: socket.socket) -> None:
        try:
            first = connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        self._forget(connection)
        if not first:
            connection.close()
        elif first[0] == TLS_BYTE:
            self._enter(connection, self._certificates.context)
        elif self._is_tls_only:
            self._refuse(connection)
        else:
            self._enter(connection, None)

    def _refuse(self, connection: socket.socket) -> None:
        _log.warning("connection refused", address=_name_of(connection), reason="it is not TLS")
        try:
            first = connection.recv(65_536)  # what is unread would turn the refusal into a reset
            connection.send(_refusal_of(first))
        except OSError:
            pass  # it is gone already
        connection.close()

    def _enter(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        task = self._loop.create_task(self._connect(connection, context))
        self._tasks.add(task)  # the acceptor owns it until the connection stands
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        name = _name_of(connection)
        patience_s = self._handshake_s if context is not None else None
        try:
            await self._loop.connect_accepted_socket(
                self._make_protocol, connection, ssl=context, ssl_handshake_timeout=patience_s
            )
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError) as exc:
            reason = getattr(exc, "reason", "") or str(exc) or "it went away"
            _log.warning("connection refused", address=name, reason=f"TLS: {reason}")
            connection.close()


def _refusal_of(first: bytes) -> bytes:
    """Returns why a connection is refused, in the tongue that it began with."""
    if begins_request(first):
        from askrd.doors.http.answer import refusal
        from askrd.doors.http.turn import whole

        return whole(refusal(400, "bad_request", _TLS_ONLY), None)
    body = ErrorBody(code=ErrorCode.BAD_REQUEST, message=_TLS_ONLY, at="daemon")
    return b'{"k":"error",' + dump(body)[1:] + b"\n"


def _name_of(connection: socket.socket) -> str:
    try:
        peer = connection.getpeername()
    except OSError:
        return "unknown"
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "unix"
