"""Listening: addresses become sockets, and every connection on them a sniffer."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address

from askrd.core.session import Session
from askrd.doors.door import Door, Relay
from askrd.doors.sniffer import Sniffer
from askrd.doors.transcript import EventTexts
from askrd.host.logs import Log
from askrd.host.port_holder import holder_of_port
from askrd.host.whereabouts import CannotListen
from askrd.wire.addresses import ListenAddress
from askrd.wire.limits import MIB, Limits

BACKLOG = 1_024
UNIX_BUFFER_BYTES = 4 * MIB
"""Kernel buffers of unix sockets, as far as the system allows."""
NOTSENT_BYTES = 64 * 1024

_log = Log("askrd.doors")

Connect = Callable[[str, str], Session]
Enter = Callable[[Session, Door], None]


class Listener:
    """Accepts connections on any number of sockets for one relay."""

    def __init__(
        self, relay: Relay, connect: Connect, enter: Enter, events: EventTexts, limits: Limits
    ) -> None:
        """Accepts nothing yet; ``connect`` makes sessions, ``enter`` learns their doors."""
        self._relay = relay
        self._connect = connect
        self._enter = enter
        self._events = events
        self._limits = limits
        self._servers: list[asyncio.Server] = []
        self._per_host: Counter[str] = Counter()
        self._host_of: dict[Session, str] = {}

    async def listen_tcp(self, address: ListenAddress) -> ListenAddress:
        """Listens on a TCP port; returns the address with the port that was chosen.

        Raises:
            CannotListen: the port is taken or not to be had; the message names the holder.
        """
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                self._sniffer, address.host, address.port, backlog=BACKLOG
            )
        except OSError as exc:
            raise _cannot(address, exc) from exc
        self._servers.append(server)
        return address.at_port(server.sockets[0].getsockname()[1])

    async def listen_unix(self, bound: socket.socket) -> None:
        """Listens on a bound unix socket."""
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(self._sniffer, sock=bound, backlog=BACKLOG)
        self._servers.append(server)

    def stop_accepting(self) -> None:
        """Closes the listening sockets; connections stay."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    def forget(self, session: Session) -> None:
        """Takes in that the connection of a session is gone."""
        host = self._host_of.pop(session, None)
        if host is not None:
            self._per_host[host] -= 1
            if not self._per_host[host]:
                del self._per_host[host]

    def rebound(self, link: Session, session: Session) -> None:
        """Takes in that two sessions changed their connections."""
        hosts = self._host_of
        theirs, mine = hosts.pop(session, None), hosts.pop(link, None)
        if mine is not None:
            hosts[session] = mine
        if theirs is not None:
            hosts[link] = theirs

    def _sniffer(self) -> Sniffer:
        return Sniffer(self._relay, self._open, self._enter, self._events, self._limits)

    def _open(self, transport: asyncio.Transport) -> Session | None:
        connection: socket.socket = transport.get_extra_info("socket")
        if connection.family == socket.AF_UNIX:
            _tune(connection, is_local=True)
            return self._connect("unix", _peer_process(connection))
        host, port = transport.get_extra_info("peername")[:2]
        is_local = ip_address(host.partition("%")[0]).is_loopback
        _tune(connection, is_local=is_local)
        if not is_local and self._per_host[host] >= self._limits.sessions_per_address_max:
            _log.warning("connection refused", address=host, limit="sessions_per_address_max")
            return None
        session = self._connect("tcp", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        if not is_local:
            self._per_host[host] += 1
            self._host_of[session] = host
        return session


def _tune(connection: socket.socket, *, is_local: bool) -> None:
    """Sizes kernel buffers: large for unix sockets, small on slow links.

    TCP on loopback is left alone: fixing a size would end the kernel's own tuning below it.
    """
    if connection.family == socket.AF_UNIX:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNIX_BUFFER_BYTES)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNIX_BUFFER_BYTES)
    elif not is_local and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_BYTES)


def _peer_process(connection: socket.socket) -> str:
    """Says which process is at the other end of a unix socket, as ``pid 42``."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, _, _ = struct.unpack("3i", packed)
    return f"pid {pid}"


def _cannot(address: ListenAddress, exc: OSError) -> CannotListen:
    holder = holder_of_port(address.host, address.port)
    if holder is not None:
        return CannotListen(
            f"cannot listen on {address.url}: the port is in use by {holder}; nothing was "
            "started. Stop that process, or choose another port: askrd serve --listen "
            f"{address.at_port(0).url}",
            details={"address": address.url, "holder": holder.facts},
        )
    return CannotListen(
        f"cannot listen on {address.url}: {exc.strerror or exc}; nothing was started",
        details={"address": address.url, "holder": None},
    )
