"""Connections that the daemon opens itself: attached services, dialled again whenever they are gone."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from ipaddress import ip_address

from askrd.core.attachments import VIA
from askrd.core.effects import Attachment, Dial, HangUp
from askrd.core.session import Session
from askrd.doors.door import CLOSE_WITHIN_S, Door, Relay, as_transport
from askrd.doors.node_askr_link import NodeAskrLink
from askrd.host.logs import Log
from askrd.wire.addresses import ListenAddress

CONNECT_WITHIN_S = 5.0
"""How long one attempt may take."""
DELAY_MIN_S = 0.1
DELAY_MAX_S = 10.0
"""Waits between attempts are drawn between the first and a bound that doubles up to the second."""
STEADY_S = 10.0
"""A connection that lasted so long lets the waits begin anew."""

_log = Log("askrd.doors")

Connect = Callable[[str, str], Session]
Enter = Callable[[Session, Door], None]
Reached = Callable[[Attachment, str], None]
"""Told why a service could not be connected to; of one that was, that is empty."""


class Dialler:
    """Keeps a connection to every attached service, once it has begun."""

    def __init__(self, relay: Relay, connect: Connect, enter: Enter, reached: Reached) -> None:
        """Dials nobody yet.

        Args:
            relay: what the doors talk to.
            connect: makes sessions.
            enter: learns their doors.
            reached: told that a service was connected to, or why it could not be.
        """
        self._relay = relay
        self._reached = reached
        self._connect = connect
        self._enter = enter
        self._own: list[ListenAddress] = []
        self._early: list[Dial | HangUp] | None = []
        self._keepers: dict[Attachment, tuple[_Keeper, asyncio.Task[None]]] = {}

    def begin(self, own: list[ListenAddress]) -> None:
        """Dials whoever is to be dialled from now on.

        Args:
            own: where the daemon itself listens; it does not speak to itself.
        """
        self._own = own
        early, self._early = self._early or [], None
        for wish in early:
            self.take(wish)

    def take(self, wish: Dial | HangUp) -> None:
        """Dials a service from now on, or no more; before `begin` it is remembered for then."""
        attachment = wish.attachment
        if self._early is not None:
            self._early.append(wish)
        elif isinstance(wish, Dial):
            keeper = _Keeper(
                self._relay, self._connect, self._enter, self._reached, attachment, self._own
            )
            task = asyncio.get_running_loop().create_task(keeper.keep())
            self._keepers[attachment] = keeper, task
        elif attachment in self._keepers:
            self._keepers.pop(attachment)[1].cancel()

    def rest(self) -> None:
        """Leaves the connections that are there, and dials nobody again."""
        for keeper, _ in self._keepers.values():
            keeper.is_resting = True

    async def close(self) -> None:
        """Hangs up everywhere and dials nobody any more."""
        tasks = [task for _, task in self._keepers.values()]
        self._keepers.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Keeper:
    """Keeps one service connected.

    Attributes:
        is_resting: whether it dials no more once the connection is gone.
    """

    def __init__(
        self,
        relay: Relay,
        connect: Connect,
        enter: Enter,
        reached: Reached,
        attachment: Attachment,
        own: list[ListenAddress],
    ) -> None:
        self._relay = relay
        self._connect = connect
        self._enter = enter
        self._reached = reached
        self._attachment = attachment
        self._own = own
        self._chance = random.Random()  # noqa: S311  # jitter is no secret
        self._instance = ""
        self._link: NodeAskrLink | None = None
        self._is_away = False
        self.is_resting = False

    async def keep(self) -> None:
        """Connects, waits for the end of the connection, and connects again; until it rests or is cancelled."""
        loop = asyncio.get_running_loop()
        ceiling_s = DELAY_MIN_S
        try:
            while not self.is_resting:
                began_s = loop.time()
                await self._dial()
                if self._link is not None:
                    await asyncio.shield(self._link.gone)
                    self._link = None
                if loop.time() - began_s >= STEADY_S:
                    ceiling_s = DELAY_MIN_S
                ceiling_s = min(DELAY_MAX_S, ceiling_s * 2)
                await asyncio.sleep(self._chance.uniform(DELAY_MIN_S, ceiling_s))
        finally:
            if self._link is not None:  # A node that does not read may not hold on to it.
                self._link.transport.close()
                loop.call_later(CLOSE_WITHIN_S, self._link.transport.abort)

    async def _dial(self) -> None:
        """Connects to the service, unless it does not answer."""
        one = self._attachment
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await loop.create_connection(self._greeter, one.host, one.port)
        except OSError as exc:
            self._miss(_reason(exc))
        except UnicodeError:
            self._miss(f"{one.host} is no name that a host can have")

    def _miss(self, reason: str) -> None:
        """Takes in why the service is not connected to; the log is told once."""
        one = self._attachment
        if not self._is_away:
            _log.warning(
                "attached service away", service=one.service, address=one.address, reason=reason
            )
        self._is_away = True
        self._reached(one, reason)

    def _greeter(self) -> _Greeter:
        return _Greeter(self._enter_link)

    def _enter_link(self, transport: asyncio.Transport) -> None:
        one = self._attachment
        if transport.get_extra_info("peername") is None:
            self._miss("it closed the connection at once")
            transport.abort()
            return
        if _is_own(transport, self._own):
            _log.warning("attached to itself", service=one.service, address=one.address)
            why_not = "it is this daemon itself, whose commands would go in a circle"
            self._reached(one, why_not)
            transport.abort()
            return
        self._reached(one, "")
        session = self._connect(VIA, one.address)
        link = self._link = NodeAskrLink(
            self._relay, session, transport, one, instance=self._instance
        )
        self._enter(session, link)
        transport.set_protocol(link)
        link.greet()
        self._instance = session.suffix
        self._is_away = False


def _reason(exc: OSError) -> str:
    """Returns why nobody was reached, in a few words."""
    if exc.errno is not None and exc.errno > 0:
        return os.strerror(exc.errno).lower()
    return exc.strerror or str(exc) or f"no answer within {CONNECT_WITHIN_S:.0f} s"


def _is_own(transport: asyncio.Transport, own: list[ListenAddress]) -> bool:
    """Says whether the other end is a port on which this daemon listens."""
    host, port = transport.get_extra_info("peername")[:2]
    is_here = transport.get_extra_info("sockname")[0] == host
    names = {host, "localhost"} if ip_address(host).is_loopback else {host}
    if is_here:
        names |= {"0.0.0.0", "::"}  # noqa: S104  # compared, not bound
    return any((one.kind, one.port) == ("tcp", port) and one.host in names for one in own)


class _Greeter(asyncio.Protocol):
    """The first moment of a connection the daemon opened."""

    def __init__(self, enter: Callable[[asyncio.Transport], None]) -> None:
        self._enter = enter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hands the connection to its door."""
        self._enter(as_transport(transport))
