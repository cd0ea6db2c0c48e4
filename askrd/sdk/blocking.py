"""Keeps a conversation connected for threads: a plain socket and one reading thread, no event loop.

Everything the conversation holds is touched under one lock. Threads that ask write their frames
themselves when the socket takes them; the reading thread writes the rest, reads, keeps the clock,
and comes back after a lost connection.
"""

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from askrd.sdk.aside import close_aside, open_aside
from askrd.sdk.conversation import Conversation
from askrd.sdk.errors import CannotConnect, lost, why_of
from askrd.sdk.reconnect import FINAL, delays
from askrd.sdk.socket_link import SocketLink
from askrd.sdk.where import Where
from askrd.wire.addresses import DaemonAddress
from askrd.wire.bodies import Welcome
from askrd.wire.errors import AskrError, ConnectionLost
from askrd.wire.frames import Frame

CLOSE_TIMEOUT_S = 1.0
TICK_S = 0.5
READY_TIMEOUT_S = 10.0
"""How long a request without a deadline of its own waits for the connection to come back."""
UNSENT_BYTES_MAX = 1024 * 1024
"""Bytes that wait for a daemon that does not read beyond which askers have to wait."""


class Answer:
    """A promise that a thread waits for."""

    __slots__ = ("_error", "_frame", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._frame: Frame | None = None
        self._error: BaseException | None = None

    def done(self) -> bool:
        """Says whether it was kept or broken."""
        return self._frame is not None or self._error is not None

    def set_result(self, frame: Frame, /) -> None:
        """Takes the answer and wakes the thread."""
        self._frame = frame
        self._lock.release()

    def set_exception(self, error: BaseException, /) -> None:
        """Takes the failure and wakes the thread."""
        self._error = error
        self._lock.release()

    def wait(self) -> Frame:
        """Returns the answer; the conversation sees to it that there is one in the end.

        Raises:
            AskrError: the request failed.
        """
        self._lock.acquire()
        if self._error is not None:
            raise self._error
        assert self._frame is not None
        return self._frame


class BlockingConnection:
    """One peer's way to its daemon, shared by any number of threads.

    Attributes:
        conversation: what is said on it; touch it inside `talking` only.
        changed: notified whenever something arrived or the connection came or went.
        address: where it is connected, or was last; None before the first time.
        on_connected: called with the `Welcome` of every connection. Like the next one it runs in
            the reading thread, or in `open`, and must not ask the daemon anything.
        on_disconnected: called with the reason whenever a connection ends, except by `close`.
    """

    def __init__(
        self,
        conversation: Conversation,
        find: Callable[[], Where],
        *,
        reconnect: bool,
        connect_timeout_s: float,
    ) -> None:
        """Prepares; nothing is dialled before `open`."""
        self.conversation = conversation
        conversation.exchange.may_wait = reconnect
        self.changed = threading.Condition(threading.Lock())
        self.address: DaemonAddress | None = None
        self.on_connected: Callable[[Welcome], None] | None = None
        self.on_disconnected: Callable[[ConnectionLost], None] | None = None
        self._find = find
        self._reconnect = conversation.exchange.returns = reconnect
        self._connect_timeout_s = connect_timeout_s
        self._link: SocketLink | None = None
        self._thread: threading.Thread | None = None
        self._ended: AskrError | None = None
        self._stopping = threading.Event()
        self._bell: socket.socket | None = None
        self._leftovers: deque[Callable[[], None]] = deque()

    # --- life -------------------------------------------------------------------------------

    def open(self) -> Welcome:
        """Connects, and returns what the daemon says about itself.

        While it is coming back by itself, this waits until it has.

        Raises:
            CannotConnect: nobody answers at any of the places.
            ConnectionLost: it does not come back in time, or was closed.
            AskrError: the daemon refused; the code says why.
        """
        if self._thread is not None:
            with self.talking() as conversation:
                assert conversation.welcome is not None
                return conversation.welcome
        if self._stopping.is_set():
            error = lost("the client was closed; make a new one", delivered="no")
            raise error
        welcome = self._attempt()
        ear, self._bell = socket.socketpair()
        ear.settimeout(0)
        self._bell.settimeout(0)
        self._thread = threading.Thread(
            target=self._run, args=(ear,), name="askr-client", daemon=True
        )
        self._thread.start()
        return welcome

    def close(self) -> None:
        """Says goodbye and closes; what still waits fails with `ConnectionLost`."""
        self._stopping.set()
        if self._thread is None:
            self._end(lost("the client was closed"))
        elif self._thread is not threading.current_thread():
            self._ring()
            self._thread.join(CLOSE_TIMEOUT_S * 2)

    @property
    def is_usable(self) -> bool:
        """Whether something can be written now."""
        link = self._link
        return link is not None and len(link.unsent) < UNSENT_BYTES_MAX

    # --- talking ----------------------------------------------------------------------------

    @contextmanager
    def talking(self, timeout_s: float | None = None) -> Iterator[Conversation]:
        """Gives the conversation to one thread, and writes what it said.

        Args:
            timeout_s: how long to wait for a connection, in seconds; None = 10.

        Raises:
            ConnectionLost: there is none by then, or never again; nothing was sent.
        """
        with self.changed:
            if not self.is_usable:
                self._await_usable(READY_TIMEOUT_S if timeout_s is None else timeout_s)
            yield self.conversation
            self._flush()

    @contextmanager
    def quietly(self) -> Iterator[Conversation]:
        """Gives the conversation to one thread, connected or not."""
        with self.changed:
            yield self.conversation
            self._flush()

    def later(self, what: Callable[[], None]) -> None:
        """Has the reading thread do something under the lock; safe from a finalizer."""
        self._leftovers.append(what)
        self._ring()

    def _await_usable(self, timeout_s: float) -> None:
        if self._ended is None and self._thread is None:
            error = lost("not connected: connect first", delivered="no")
            raise error
        self.changed.wait_for(lambda: self.is_usable or self._ended is not None, timeout_s)
        if not self.is_usable:
            why = why_of(self._ended) if self._ended else self.conversation.exchange.why
            error = lost(why or "the daemon does not read what it is sent", delivered="no")
            raise error

    def _flush(self) -> None:
        link = self._link
        frames = self.conversation.exchange.take() if link is not None else []
        if link is not None and frames and not link.send(link.framing.send(frames)):
            self._ring()

    def _ring(self) -> None:
        with suppress(OSError):  # a full bell rings already, a closed one has nobody to wake
            if self._bell is not None:
                self._bell.send(b"!")

    # --- the reading thread -----------------------------------------------------------------

    def _run(self, ear: socket.socket) -> None:
        error: AskrError = lost("the client's own thread failed; its traceback was printed")
        try:
            error = self._live(ear)
        finally:
            self._end(error)
            ear.close()

    def _live(self, ear: socket.socket) -> AskrError:
        """Serves one connection after another, and returns why no more follows."""
        while not self._stopping.is_set():
            with selectors.DefaultSelector() as selector:
                selector.register(ear, selectors.EVENT_READ)
                reason = self._serve(selector, ear)
            ended = None if self._stopping.is_set() else self._comes_back(reason)
            if ended is not None:
                return ended
        return lost("the client was closed")

    def _serve(self, selector: selectors.BaseSelector, ear: socket.socket) -> str:
        """Serves one connection until it ends, and says why it did."""
        link = self._link
        assert link is not None
        selector.register(link, selectors.EVENT_READ)
        now = time.monotonic()
        tick_at = now + TICK_S
        while not self._stopping.is_set():
            with self.changed:
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.unsent else 0)
            selector.modify(link, wanted)
            ready = selector.select(max(0.0, tick_at - now))
            now = time.monotonic()
            with self.changed:
                self._clear(ear)
                reason = self._turn(link, ready, now)
                if reason is None and now >= tick_at:
                    tick_at = now + TICK_S
                    silence = self.conversation.tick(now)
                    reason = silence.message if silence else None
                self._flush()
                self.changed.notify_all()
            if reason is not None:
                return self.conversation.farewell or reason
        self._farewell(link, selector)
        return "the client was closed"

    def _turn(
        self, link: SocketLink, ready: list[tuple[selectors.SelectorKey, int]], now: float
    ) -> str | None:
        """Reads and writes once; returns why the connection has ended, if it has."""
        link.send(b"")
        if not any(key.fileobj is link and mask & selectors.EVENT_READ for key, mask in ready):
            return None
        data = link.receive()
        while data:
            try:
                link.hear(self.conversation, data, now)
            except AskrError as exc:
                return f"the other side does not speak askr/1: {exc.message}"
            link.send(link.framing.answer())
            data = link.receive() if link.address.is_tls else None
        return None if data is None else "the daemon closed the connection"

    def _clear(self, ear: socket.socket) -> None:
        with suppress(BlockingIOError):
            ear.recv(4096)
        while self._leftovers:
            self._leftovers.popleft()()

    def _farewell(self, link: SocketLink, selector: selectors.BaseSelector) -> None:
        """Writes what is left and goodbye, at most a second long."""
        until = time.monotonic() + CLOSE_TIMEOUT_S
        with self.changed:
            self.conversation.bye()
            self._flush()
            link.send(link.framing.close())
        while link.unsent and time.monotonic() < until:
            selector.modify(link, selectors.EVENT_WRITE)
            selector.select(max(0.0, until - time.monotonic()))
            with self.changed:
                link.send(b"")

    def _comes_back(self, reason: str) -> AskrError | None:
        """Connects again; returns the error when that is not to be."""
        link = self._drop(reason, may_return=self._reconnect)
        error = lost(reason)
        if self.on_disconnected is not None:
            self.on_disconnected(error)
        if not self._reconnect or not link.framing.may_return:
            return error
        import random

        for delay_s in delays(random.Random()):  # noqa: S311  # jitter is no secret
            if self._is_stopped_within(delay_s):
                return lost("the client was closed")
            try:
                self._attempt()
                return None
            except AskrError as exc:
                if exc.code in FINAL:
                    return exc
        return error

    def _is_stopped_within(self, delay_s: float) -> bool:
        """Waits, and keeps the clock of what waits for a connection; True when it is the end."""
        until = time.monotonic() + delay_s
        while (left_s := until - time.monotonic()) > 0:
            if self._stopping.wait(min(left_s, TICK_S)):
                return True
            with self.changed:
                self.conversation.tick(time.monotonic())
                self.changed.notify_all()
        return False

    # --- one connection ---------------------------------------------------------------------

    def _attempt(self) -> Welcome:
        where = self._find()
        reasons = []
        for address in where.addresses:
            try:
                return self._attempt_at(address)
            except CannotConnect as exc:
                reasons.append(exc.reason)
        raise CannotConnect(where.url, "; ".join(dict.fromkeys(reasons)))

    def _attempt_at(self, address: DaemonAddress) -> Welcome:
        link = SocketLink(address, self._connect_timeout_s)
        try:
            welcome = link.greet(self.conversation, self.changed, self._connect_timeout_s)
            with self.changed:
                self._link = link
                self.address = address
                open_aside(self.conversation.events, welcome.channels, address, link.peer_host)
                self._flush()
                self.changed.notify_all()
        finally:
            if self._link is not link:
                link.close()
                with self.changed:
                    self.conversation.lost("the daemon could not be reached")
        if self.on_connected is not None:
            self.on_connected(welcome)
        return welcome

    def _drop(self, reason: str, *, may_return: bool) -> SocketLink:
        with self.changed:
            link, self._link = self._link, None
            assert link is not None
            link.close()
            self.conversation.lost(reason, may_return=may_return and link.framing.may_return)
            self.changed.notify_all()
        return link

    def _end(self, error: AskrError) -> None:
        if self._link is not None:
            self._drop(why_of(error), may_return=False)
        with self.changed:
            self._ended = error
            self.conversation.end(error)
            close_aside(self.conversation.events)
            self.changed.notify_all()
        self._stopping.set()
        if self._bell is not None:
            self._bell.close()
