"""A whole daemon in memory: the real router, joined to peers without a socket or a process.

It does what the relay and a door do: it feeds the router what a peer wrote, hands out what the
router left in outboxes, carries out effects, and lets the router see time pass.
"""

import asyncio
import random
import string
from collections.abc import Callable

from askrd.core.effects import Close, Dial, HangUp, Note, Persist, Rebind, Record, Say
from askrd.core.instants import NEVER_US
from askrd.core.router import Router
from askrd.core.session import Session
from askrd.core.switchboard import Daemon
from askrd.version import VERSION
from askrd.wire.limits import DEFAULT_LIMITS, Limits
from askrd.wire.names import WORKSPACE_DEFAULT

_BASE62 = string.ascii_letters + string.digits
_START_UNIX_US = 1_700_000_000 * 1_000_000
"""The wall clock of every memory daemon begins here, so that tests repeat exactly."""
_NOTES_MAX = 1_000

Receive = Callable[[bytes], None]
Closed = Callable[[int, str], None]


class MemoryConnection:
    """One peer's end of a connection that is no socket.

    Attributes:
        session: the daemon's side.
        is_open: whether the daemon still reads it.
    """

    __slots__ = ("_closed", "_daemon", "_receive", "is_open", "session")

    def __init__(
        self, daemon: "MemoryDaemon", session: Session, receive: Receive, closed: Closed
    ) -> None:
        self._daemon = daemon
        self._receive = receive
        self._closed = closed
        self.session = session
        self.is_open = True

    def write(self, data: bytes) -> None:
        """Sends whole or partial frames; the daemon reads them in the loop's next turn."""
        if self.is_open:
            self._daemon.loop.call_soon(self._daemon.feed, self, data)

    def close(self) -> None:
        """Ends the connection when the daemon has read what was written."""
        self._daemon.loop.call_soon(self.lose, "closed")

    def lose(self, cause: str = "connection lost") -> None:
        """Ends the connection as a dead process or a pulled cable would."""
        if self.is_open:
            self._daemon.end(self, 1006, cause)

    def deliver(self, data: bytes) -> None:
        """Hands what the daemon wrote to the peer."""
        if data:
            self._receive(data)

    def over(self, close_code: int, reason: str) -> None:
        """Tells the peer that nothing more comes."""
        self.is_open = False
        self._closed(close_code, reason)


class MemoryDaemon:
    """The real router on the running loop, in place of a process.

    Attributes:
        loop: whose time it lives in.
        router: the real one; tests may look, not touch.
        notes: what the daemon would have logged, newest last.
    """

    def __init__(
        self,
        *,
        workspace: str = WORKSPACE_DEFAULT,
        limits: Limits = DEFAULT_LIMITS,
        seed: int = 0,
    ) -> None:
        """Starts a daemon; call it inside a running loop.

        Args:
            workspace: where peers go that name none.
            limits: bounds; docs/PROTOCOL.md §12.
            seed: from which all its ids are made.
        """
        self.loop = asyncio.get_running_loop()
        self.notes: list[Note] = []
        self._random = random.Random(seed)  # noqa: S311  # ids of a test, to be repeated exactly
        self._connections: dict[Session, MemoryConnection] = {}
        self._timer: asyncio.TimerHandle | None = None
        daemon = Daemon(
            id=self._word(12), epoch=self._word(12), version=VERSION, build="memory",
            workspace=workspace,
        )  # fmt: skip
        now_us = self._now_us()
        self.router = Router(
            daemon, limits=limits, now_us=now_us, wall_offset_us=_START_UNIX_US - now_us
        )

    def connect(self, receive: Receive, closed: Closed) -> MemoryConnection:
        """Takes in a new peer, which speaks binary frames without the magic in front.

        Args:
            receive: called with bytes from the daemon.
            closed: called once with a close code and a reason when nothing more comes.
        """
        session = self.router.connect(
            suffix=self._word(6), secret=self._word(22), via="memory", address="memory",
            now_us=self._now_us(),
        )  # fmt: skip
        connection = MemoryConnection(self, session, receive, closed)
        self._connections[session] = connection
        self._carry_out()
        return connection

    @property
    def connections(self) -> list[MemoryConnection]:
        """The connections that are open."""
        return list(self._connections.values())

    def feed(self, connection: MemoryConnection, data: bytes) -> None:
        """Reads what a peer wrote."""
        if connection.is_open:
            self.router.feed(connection.session, data, self._now_us())
            self._carry_out()

    def end(self, connection: MemoryConnection, close_code: int, reason: str) -> None:
        """Ends a connection, and what hangs on it unless its peer may come back."""
        if self._connections.pop(connection.session, None) is None:
            return
        self.router.lose(connection.session, reason, self._now_us())
        connection.is_open = False
        self.loop.call_soon(connection.over, close_code, reason)
        self._carry_out()

    def stop(self, reason: str = "the test is over") -> None:
        """Closes every connection, as a daemon that goes away does."""
        self.router.close_all(reason)
        self._carry_out()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _carry_out(self) -> None:
        """Does what the router decided: effects first into outboxes, then writes, then closes."""
        router = self.router
        closing: list[Close] = []
        while router.effects:
            effects = list(router.effects)
            router.effects.clear()
            for effect in effects:
                match effect:
                    case Close():
                        closing.append(effect)
                    case Persist() | Record():
                        router.committed(effect.ticket, self._now_us())
                    case Note():
                        self.notes = [*self.notes[-_NOTES_MAX:], effect]
                    case Rebind():
                        self._rebind(effect)
                    case Say():
                        self._write(effect.session, effect.frame)
                    case Dial() | HangUp():
                        pass  # Without sockets, what is attached stays away.
        self._flush()
        for close in closing:
            self._close(close)
        self._arm()

    def _close(self, close: Close) -> None:
        connection = self._connections.get(close.session)
        if connection is not None:
            self.end(connection, close.close_code, close.reason)
        else:
            self.router.leave(close.session, close.reason, self._now_us())

    def _rebind(self, effect: Rebind) -> None:
        """Has a connection carry another session, and cuts the one that session had."""
        connections, link, session = self._connections, effect.link, effect.session
        connection, before = connections.pop(link, None), connections.pop(session, None)
        if before is not None:
            before.session = link
            connections[link] = before
            self.loop.call_soon(before.lose, "its session goes on elsewhere")
        if connection is None:
            return
        connection.session = session
        connections[session] = connection
        self._write(session, b"".join(effect.first))
        while session.outbox.is_paused:
            self._write_counted(session)
        self.router.resume(session, self._now_us())

    def _write(self, session: Session, data: bytes) -> None:
        connection = self._connections.get(session)
        if connection is not None and data:
            self.loop.call_soon(connection.deliver, data)

    def _write_counted(self, session: Session) -> None:
        """Writes what waits for a session, and keeps it where its peer may come back."""
        data = b"".join(session.outbox.take())
        if data and session.resumption is not None:
            session.resumption.tail.add(data)
        self._write(session, data)

    def _flush(self) -> None:
        router = self.router
        dirty = list(router.dirty)
        router.dirty.clear()
        router.board.queued_bytes = 0
        for session in dirty:
            if not session.outbox.is_paused:
                self._write_counted(session)

    def _arm(self) -> None:
        due_us = self.router.next_due_us
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if due_us < NEVER_US and self.router.board.sessions:
            delay = max(0, due_us - self._now_us()) / 1_000_000
            self._timer = self.loop.call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.router.tick(self._now_us())
        self._carry_out()

    def _now_us(self) -> int:
        return round(self.loop.time() * 1_000_000)

    def _word(self, length: int) -> str:
        return "".join(self._random.choices(_BASE62, k=length))
