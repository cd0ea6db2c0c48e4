"""Listening: addresses become sockets, and every connection on them a sniffer."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from askrd.core.session import Session
from askrd.core.statistics import Totals
from askrd.doors.door import Door, Relay
from askrd.doors.http.surroundings import Surroundings
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

if TYPE_CHECKING:
    from askrd.doors.acceptor import Acceptor
    from askrd.doors.certificates import Certificates

_log = Log("askrd.doors")

Connect = Callable[[str, str], Session]
Enter = Callable[[Session, Door], None]


class Listener:
    """Accepts connections on any number of sockets for one relay."""

    def __init__(
        self,
        relay: Relay,
        connect: Connect,
        enter: Enter,
        events: EventTexts,
        limits: Limits,
        around: Surroundings,
        certificates: Certificates | None = None,
    ) -> None:
        """Accepts nothing yet.

        Args:
            relay: what the doors tell.
            connect: makes sessions.
            enter: learns their doors.
            events: texts of events that doors share.
            limits: bounds.
            around: what HTTP shows of the daemon.
            certificates: what TLS is greeted with; None = it is not spoken.
        """
        self._certificates = certificates
        self._acceptors: list[Acceptor] = []
        self._around = around
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
            if self._certificates is not None:
                sockets = await _bound(loop, address)
                for one in sockets:
                    self._accept(one, self._certificates, is_tls_only=address.is_tls_only)
                return address.at_port(sockets[0].getsockname()[1])
            server = await loop.create_server(
                self._sniffer, address.host, address.port, backlog=BACKLOG
            )
        except OSError as exc:
            raise _cannot(address, exc) from exc
        self._servers.append(server)
        return address.at_port(server.sockets[0].getsockname()[1])

    async def listen_unix(self, bound: socket.socket) -> None:
        """Listens on a bound unix socket."""
        if self._certificates is not None:
            bound.listen(BACKLOG)
            self._accept(bound, self._certificates, is_tls_only=False)
            return
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(self._sniffer, sock=bound, backlog=BACKLOG)
        self._servers.append(server)

    async def listen_udp(self, address: ListenAddress, totals: Totals) -> ListenAddress:
        """Takes events in datagrams; returns the address with the port that was chosen.

        Raises:
            CannotListen: the port is taken or not to be had.
        """
        from askrd.doors.datagrams import DatagramDoor, Datagrams

        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                Datagrams, local_addr=(address.host, address.port)
            )
        except OSError as exc:
            raise _cannot(address, exc) from exc
        address = address.at_port(transport.get_extra_info("sockname")[1])
        session = self._connect("udp", f"{address.host}:{address.port}")
        protocol.door = DatagramDoor(self._relay, session, transport, totals)
        self._enter(session, protocol.door)
        protocol.door.open()
        return address

    def stop_accepting(self) -> None:
        """Closes the listening sockets; connections stay."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()

    def _accept(
        self, listening: socket.socket, certificates: Certificates, *, is_tls_only: bool
    ) -> None:
        from askrd.doors.acceptor import Acceptor

        handshake_s = self._limits.handshake_timeout_ms / 1000
        self._acceptors.append(
            Acceptor(
                listening,
                self._sniffer,
                certificates,
                is_tls_only=is_tls_only,
                handshake_s=handshake_s,
            )
        )

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
        return Sniffer(
            self._relay, self._open, self._enter, self._events, self._limits, self._around
        )

    def _open(self, transport: asyncio.Transport) -> Session | None:
        connection: socket.socket = transport.get_extra_info("socket")
        if connection.family == socket.AF_UNIX:
            _tune(connection, is_local=True)
            return self._connect("unix", _peer_process(connection))
        peer = transport.get_extra_info("peername")
        if peer is None:
            return None  # It was reset before anybody looked at it.
        host, port = peer[:2]
        is_local = ip_address(host.partition("%")[0]).is_loopback
        _tune(connection, is_local=is_local)
        if not is_local and self._per_host[host] >= self._limits.sessions_per_address_max:
            _log.warning("connection refused", address=host, limit="sessions_per_address_max")
            return None
        via = "tcp" if transport.get_extra_info("ssl_object") is None else "tls"
        session = self._connect(via, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        if not is_local:
            self._per_host[host] += 1
            self._host_of[session] = host
        return session


async def _bound(loop: asyncio.AbstractEventLoop, address: ListenAddress) -> list[socket.socket]:
    """Returns listening sockets for everything a host name stands for, all on one port.

    Raises:
        OSError: the port is taken, or the host is none of this machine.
    """
    found = await loop.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    port = address.port
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, place in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            sockets.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind((place[0], port, *place[2:]))
            one.listen(BACKLOG)
            port = one.getsockname()[1]
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


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
