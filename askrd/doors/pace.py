"""One write per message, some time apart: for peers that take each chunk for one message."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from ipaddress import ip_address

from askrd.host import clock
from askrd.wire.limits import (
    NODE_ASKR_EVENTS_BYTES_MAX,
    NODE_ASKR_EVENTS_MAX,
    NODE_ASKR_SPACING_MS,
)

_SPACING_US = NODE_ASKR_SPACING_MS * 1000
ASKS = 6
"""How often the kernel asks a silent peer before it counts as gone."""
_TIMER_MIN_US = 1000
"""Event loops count milliseconds: a shorter delay would be none."""


class Pace:
    """Messages that wait for their turn to be written to one connection.

    Urgent ones go first and are never dropped. Events wait while they are held back; beyond the
    bound the oldest are dropped.

    Attributes:
        dropped: events dropped so far.
    """

    def __init__(
        self, transport: asyncio.Transport, on_written: Callable[[], None] = lambda: None
    ) -> None:
        """Writes nothing yet; from now on the transport keeps no bytes of its own.

        Args:
            transport: the connection.
            on_written: learns that a message that had to wait was written.
        """
        transport.set_write_buffer_limits(high=0)
        self.dropped = 0
        self._transport = transport
        self._on_written = on_written
        self._loop = asyncio.get_running_loop()
        self._urgent: deque[bytes] = deque()
        self._urgent_bytes = 0
        self._events: deque[bytes] = deque()
        self._events_bytes = 0
        self._written_us = clock.monotonic_us() - _SPACING_US
        self._timer: asyncio.TimerHandle | None = None
        self._is_full = False
        self._is_ending = False
        self._holds_events = False

    @property
    def urgent_waiting(self) -> tuple[int, int]:
        """Urgent messages that wait, and their bytes."""
        return len(self._urgent), self._urgent_bytes

    def put(self, message: bytes) -> None:
        """Writes an urgent message as soon as may be."""
        self._urgent.append(message)
        self._urgent_bytes += len(message)
        self.go_on()

    def put_event(self, message: bytes) -> int:
        """Writes an event when nothing urgent waits; returns how many older ones that dropped."""
        self._events.append(message)
        self._events_bytes += len(message)
        before = self.dropped
        while (
            len(self._events) > NODE_ASKR_EVENTS_MAX
            or self._events_bytes > NODE_ASKR_EVENTS_BYTES_MAX
        ):
            self._events_bytes -= len(self._events.popleft())
            self.dropped += 1
        self.go_on()
        return self.dropped - before

    def hold_events(self) -> None:
        """Keeps events where they are for now."""
        self._holds_events = True

    def let_events_go(self) -> None:
        """Writes events again."""
        self._holds_events = False
        self.go_on()

    def pause(self) -> None:
        """Takes in that the transport could not write all of the last message."""
        self._is_full = True

    def resume(self) -> None:
        """Takes in that the last message has been written to its end."""
        self._is_full = False
        self._written_us = clock.monotonic_us()
        self.go_on()

    def end(self) -> None:
        """Closes the connection once nothing urgent is left to write."""
        self._is_ending = True
        self._events.clear()
        self._events_bytes = 0
        self.go_on()

    def stop(self) -> None:
        """Writes nothing any more."""
        self._urgent.clear()
        self._events.clear()
        self._urgent_bytes = self._events_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def go_on(self) -> None:
        """Writes the next message if its time has come, and sees to it that the others follow."""
        if self._timer is not None or self._is_full or self._transport.is_closing():
            return
        lane = self._lane()
        if lane is None:
            if self._is_ending:
                self._transport.close()
            return
        wait_us = self._written_us + _SPACING_US - clock.monotonic_us()
        if wait_us <= 0:
            self._write(lane)
            wait_us = _SPACING_US
            if self._lane() is None and not self._is_ending:
                return
        delay_us = max(wait_us, _TIMER_MIN_US)
        self._timer = self._loop.call_later(delay_us / 1_000_000, self._ring)

    def _lane(self) -> deque[bytes] | None:
        """Returns the queue whose turn it is; None when there is nothing to write now."""
        if self._urgent:
            return self._urgent
        return self._events if self._events and not self._holds_events else None

    def _write(self, lane: deque[bytes]) -> None:
        message = lane.popleft()
        if lane is self._urgent:
            self._urgent_bytes -= len(message)
        else:
            self._events_bytes -= len(message)
        self._transport.write(message)
        self._written_us = clock.monotonic_us()

    def _ring(self) -> None:
        self._timer = None
        self.go_on()
        self._on_written()


def tune(transport: asyncio.Transport, *, gone_after_ms: int = 0) -> bool:
    """Has the kernel send each write at once and look after a silent peer; says if that is local.

    Args:
        transport: the connection.
        gone_after_ms: how long a peer may take to acknowledge what was sent, or to answer when the
            kernel asks whether it is there; 0 = as long as the kernel likes.
    """
    peer = transport.get_extra_info("peername")
    if not isinstance(peer, tuple):
        return True
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if gone_after_ms and hasattr(socket, "TCP_USER_TIMEOUT"):
        asks_s = max(1, gone_after_ms // 1000 // ASKS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, asks_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, asks_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, gone_after_ms)
    host = ip_address(peer[0].partition("%")[0])
    return bool((getattr(host, "ipv4_mapped", None) or host).is_loopback)
