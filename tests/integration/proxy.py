"""A network that fails on request: forwards TCP between clients and a daemon, and breaks it."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

READ_BYTES = 64 * 1024
CONNECT_TIMEOUT_S = 10.0
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which a close becomes a reset."""

Result = TypeVar("Result")


class Proxy:
    """One address in front of a daemon's; a context manager with a thread of its own.

    Everything may be called from any thread and has happened when it returns.

    Attributes:
        url: where clients connect; scheme and path are those of the target.
    """

    def __init__(self, target: str) -> None:
        """Prepares.

        Args:
            target: `ws://HOST:PORT/`, `tcp://HOST:PORT` or `unix:PATH`; in front of a unix socket
                stands a TCP port.
        """
        self.url = ""
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._pairs: list[_Pair] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._delay_s = 0.0
        self._is_refusing = False
        self._flows = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(CONNECT_TIMEOUT_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(CONNECT_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CONNECT_TIMEOUT_S)
        self._loop.close()

    # --- what it does to connections --------------------------------------------------------

    @property
    def connections(self) -> int:
        """How many connections are open, half-open ones included."""
        return len(self._pairs)

    @property
    def forwarded(self) -> int:
        """How many bytes went through, both ways, over connections that are open."""
        return sum(pair.bytes for pair in self._pairs)

    def cut(self, index: int | None = None) -> None:
        """Resets every connection, or the one of that age (0 = the oldest), on both sides."""
        self._do(lambda: [pair.reset() for pair in self._chosen(index)])

    def swallow(self, index: int | None = None) -> None:
        """Has every connection, or one, carry nothing any more without telling either side."""

        def begin() -> None:
            for pair in self._chosen(index):
                pair.is_swallowed = True

        self._do(begin)

    def delay(self, seconds: float) -> None:
        """Has every piece take so much longer from now on."""
        self._do(lambda: setattr(self, "_delay_s", seconds))

    def stall(self) -> None:
        """Has nothing move until `heal`; what is on its way waits."""
        self._do(self._flows.clear)

    def refuse(self) -> None:
        """Resets new connections at once until `heal`."""
        self._do(lambda: setattr(self, "_is_refusing", True))

    def heal(self) -> None:
        """Ends delays, stalls and refusals; swallowed connections stay as they are."""

        def end() -> None:
            self._delay_s = 0.0
            self._is_refusing = False
            self._flows.set()

        self._do(end)

    # --- in its thread ----------------------------------------------------------------------

    def _do(self, action: Callable[[], Any]) -> None:
        async def act() -> None:
            action()

        asyncio.run_coroutine_threadsafe(act(), self._loop).result(CONNECT_TIMEOUT_S)

    def _chosen(self, index: int | None) -> "list[_Pair]":
        return list(self._pairs) if index is None else [self._pairs[index]]

    async def _listen(self) -> None:
        self._flows.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        parts = urlsplit(self._target)
        scheme = "tcp" if parts.scheme == "unix" else parts.scheme
        path = "" if parts.scheme == "unix" else parts.path
        self.url = f"{scheme}://{host}:{port}{path}"

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._carry(reader, writer)
        except asyncio.CancelledError:
            return  # the proxy closes; asyncio complains of a connection whose task is cancelled
        finally:
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_refusing:
            _reset(writer)
            return
        try:
            there, back = await self._dial()
        except OSError:
            _reset(writer)
            return
        pair = _Pair(writer, back)
        self._pairs.append(pair)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(pair, reader, back))
                pumps.create_task(self._pump(pair, there, writer))
        finally:
            self._pairs.remove(pair)
            pair.reset()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self._target)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if parts.scheme == "unix":
                return await asyncio.open_unix_connection(self._target.removeprefix("unix:"))
            return await asyncio.open_connection(parts.hostname, parts.port)

    async def _pump(
        self, pair: "_Pair", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(READ_BYTES):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._flows.wait()
                if not pair.is_swallowed:
                    pair.bytes += len(data)
                    writer.write(data)
                    await writer.drain()
        if pair.is_swallowed:
            await asyncio.Event().wait()  # The other side is told nothing until the proxy closes.
        writer.close()


class _Pair:
    """Both halves of one connection."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.is_swallowed = False
        self.bytes = 0
        self._halves = (client, server)

    def reset(self) -> None:
        for half in self._halves:
            _reset(half)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends one half at once, without waiting for what was written."""
    plug = writer.get_extra_info("socket")
    if plug is not None and plug.family != socket.AF_UNIX and plug.fileno() >= 0:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
