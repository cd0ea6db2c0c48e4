"""The seam below the asynchronous skins: how bytes get to a daemon and back.

`dial` is the real one, over sockets. A daemon in memory has its own with the same shape.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol

from askrd.sdk.errors import CannotConnect, reason_of
from askrd.wire.addresses import DaemonAddress

WRITE_BUFFER_BYTES = 1024 * 1024
"""Bytes written and not yet taken by the kernel beyond which writers are asked to pause."""


class Receiver(Protocol):
    """What a transport tells; it calls nothing after `connection_lost`."""

    def data_received(self, data: bytes) -> None:
        """Takes bytes from the daemon."""
        ...

    def connection_lost(self, reason: str) -> None:
        """Learns that nothing more comes, and why, in words."""
        ...

    def pause_writing(self) -> None:
        """Learns that the daemon does not read fast enough."""
        ...

    def resume_writing(self) -> None:
        """Learns that it does again."""
        ...


class Transport(Protocol):
    """The way to the daemon."""

    def write(self, data: bytes) -> None:
        """Sends bytes, now or later, in order."""
        ...

    def close(self) -> None:
        """Ends the connection when everything written is sent."""
        ...

    def abort(self) -> None:
        """Ends the connection now."""
        ...


Dial = Callable[[DaemonAddress, Receiver], Awaitable[Transport]]
"""Connects; raises `CannotConnect` when nobody is there."""


async def dial(address: DaemonAddress, receiver: Receiver) -> Transport:
    """Connects over a socket.

    Cancelling it leaves nothing open.

    Raises:
        CannotConnect: nobody is there, or the certificate is no good.
    """
    loop = asyncio.get_running_loop()
    try:
        if address.scheme == "unix":
            transport, _ = await loop.create_unix_connection(
                lambda: _Stream(receiver), address.path
            )
        else:
            transport, _ = await loop.create_connection(
                lambda: _Stream(receiver),
                address.host,
                address.port,
                ssl=ssl.create_default_context() if address.is_tls else None,
            )
    except (OSError, UnicodeError) as exc:
        raise CannotConnect(address.url, reason_of(exc)) from exc
    transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
    return transport


def host_of(transport: object) -> str:
    """Returns the IP address at the other end of a transport; empty when it has none."""
    get_extra_info = getattr(transport, "get_extra_info", None)
    name = None if get_extra_info is None else get_extra_info("peername")
    return str(name[0]) if isinstance(name, tuple) else ""


class _Stream(asyncio.Protocol):
    """Passes on what the event loop tells."""

    def __init__(self, receiver: Receiver) -> None:
        self.data_received = receiver.data_received  # type: ignore[method-assign]  # one call less
        self.pause_writing = receiver.pause_writing  # type: ignore[method-assign]
        self.resume_writing = receiver.resume_writing  # type: ignore[method-assign]
        self._lost = receiver.connection_lost

    def connection_lost(self, exc: Exception | None) -> None:
        """Says why in words."""
        if isinstance(exc, OSError):
            self._lost(f"the connection to the daemon broke ({reason_of(exc)})")
        else:
            self._lost("the daemon closed the connection")
