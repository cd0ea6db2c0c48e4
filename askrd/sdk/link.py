"""One transport with its framing, while it lasts; who holds it may change."""

import asyncio
from typing import Protocol

from askrd.sdk.errors import CannotConnect
from askrd.sdk.framing import Framing
from askrd.sdk.transport import Transport
from askrd.wire.bodies import Welcome
from askrd.wire.errors import AskrError, ConnectionLost
from askrd.wire.frames import Frame

CLOSE_TIMEOUT_S = 1.0


class Holder(Protocol):
    """What a link tells."""

    def heard(self, link: "Link", frames: list[Frame], size: int) -> None:
        """Takes frames that had ``size`` bytes together.

        Raises:
            AskrError: they make no sense; the link is dropped.
        """
        ...

    def link_lost(self, link: "Link", reason: str) -> None:
        """Learns that nothing more comes; it may be told twice."""
        ...

    def pressure(self) -> None:
        """Learns that the daemon reads fast enough, or does not."""
        ...

    def flush(self) -> None:
        """Learns that there is room to write."""
        ...


class Link:
    """One connection to the daemon.

    Attributes:
        holder: who is told.
        framing: how frames travel on it.
        transport: how bytes do; None before and after.
        welcomed: what the daemon says about itself, or why it does not.
        is_paused: whether the daemon does not read fast enough.
        heard_at: when something came last, on the loop's clock.
    """

    def __init__(self, holder: Holder, framing: Framing, loop: asyncio.AbstractEventLoop) -> None:
        self.holder = holder
        self.framing = framing
        self.transport: Transport | None = None
        self.welcomed: asyncio.Future[Welcome] = loop.create_future()
        self.is_paused = False
        self.heard_at = loop.time()
        self._loop = loop
        self._closed = asyncio.Event()

    @property
    def is_welcomed(self) -> bool:
        """Whether the daemon has taken this peer."""
        done = self.welcomed.done() and not self.welcomed.cancelled()
        return done and self.welcomed.exception() is None

    def begin(self) -> None:
        """Writes the first bytes."""
        assert self.transport is not None
        self.transport.write(self.framing.opening())

    def write(self, frames: list[bytes]) -> None:
        """Writes whole frames."""
        if self.transport is not None and (data := self.framing.send(frames)):
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Takes bytes from the daemon; what is not understood ends the connection."""
        self.heard_at = self._loop.time()
        before = self.framing.taken_bytes
        try:
            frames = self.framing.receive(data)
            self.holder.heard(self, frames, self.framing.taken_bytes - before)
        except CannotConnect as exc:
            self.drop(exc.reason)
        except ConnectionLost as exc:
            self.drop(exc.message)
        except AskrError as exc:
            self.drop(f"the other side does not speak askr/1: {exc.message}")
        answer = self.framing.answer()
        if answer and self.transport is not None:
            self.transport.write(answer)

    def connection_lost(self, reason: str) -> None:
        """Learns that nothing more comes."""
        self.transport = None
        self._closed.set()
        self.holder.link_lost(self, reason)

    def pause_writing(self) -> None:
        """Learns that the daemon does not read fast enough."""
        self.is_paused = True
        self.holder.pressure()

    def resume_writing(self) -> None:
        """Learns that it does again, and writes what has gathered."""
        self.is_paused = False
        self.holder.pressure()
        self.holder.flush()

    def drop(self, reason: str) -> None:
        """Ends the connection now."""
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.abort()
        self.holder.link_lost(self, reason)

    def abandon(self) -> None:
        """Gives up an attempt that did not succeed."""
        self.welcomed.cancel()
        self.drop("the attempt to connect was given up")

    async def close(self) -> None:
        """Ends the connection when everything is written, at most a second later."""
        transport = self.transport
        if transport is None:
            return
        try:
            last = self.framing.close()
            if last:
                transport.write(last)
            transport.close()
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._closed.wait()
        except TimeoutError:
            transport.abort()
        except asyncio.CancelledError:
            transport.abort()
            raise
        finally:
            self.holder.link_lost(self, "the connection was closed on this side")
