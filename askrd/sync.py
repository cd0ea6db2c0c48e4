"""The blocking client: the names of `askrd.Client` without an event loop, for scripts and threads.

It works inside a running event loop too (a notebook), because it has none. Importing it loads
neither asyncio nor, unless it is spoken, WebSocket.
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self, Unpack

from askrd.sdk.answers import COLLECT_TIMEOUT_S, emitted_in
from askrd.sdk.blocking import READY_TIMEOUT_S, Answer, BlockingConnection
from askrd.sdk.blocking_collecting import Collecting
from askrd.sdk.blocking_commanding import Commanding
from askrd.sdk.blocking_confirming import Confirming
from askrd.sdk.blocking_jobs import Jobs
from askrd.sdk.blocking_logs import Logs
from askrd.sdk.blocking_readers import EventReader
from askrd.sdk.blocking_state import State
from askrd.sdk.composition import head_bytes
from askrd.sdk.conversation import ANSWER_TIMEOUT_S, Conversation
from askrd.sdk.errors import refuse_unbuilt
from askrd.sdk.hearing import ListenWishes, hearing
from askrd.sdk.shape import said
from askrd.sdk.values import Emitted, Event, Gap, Row
from askrd.sdk.where import find
from askrd.wire.bodies import Welcome
from askrd.wire.errors import ConnectionLost, DeadlineExceeded
from askrd.wire.frames import Frame
from askrd.wire.names import check_pattern, check_word

CONNECT_TIMEOUT_S = 5.0


def log(what: object) -> None:
    """Says in the log what nobody asked to be told: a loss of events, a complaint of the daemon."""
    import logging

    logging.getLogger("askrd.sdk").warning("%s", what)


class Client(Commanding):
    """A program connected to the daemon as a terminal; any thread may use it at any time.

    It comes back by itself after a lost connection and goes on where it was. When it cannot, it
    listens again to what it listened to and fails what was under way with `ConnectionLost`.

    Attributes:
        state: the connected state.
        jobs: what queues hold, see `askrd.sdk.blocking_jobs.Jobs`.
        logs: events that are kept, see `askrd.sdk.blocking_logs.Logs`.
        on_gap: called with a `Gap` where events were lost and nobody asked for gaps; by default
            the log says so.
    """

    def __init__(  # noqa: PLR0913  # one is there to be refused
        self,
        url: str | None = None,
        *,
        workspace: str | None = None,
        key_file: None = None,
        name: str | None = None,
        kind: str = "terminal",
        reconnect: bool = True,
        connect_timeout: float = CONNECT_TIMEOUT_S,
        answer_timeout: float = ANSWER_TIMEOUT_S,
        connections: int = 1,
        compress: bool | None = None,
        on_connected: Callable[[Welcome], None] | None = None,
        on_disconnected: Callable[[ConnectionLost], None] | None = None,
    ) -> None:
        """Prepares; nothing is dialled before `connect`.

        Args:
            url: where the daemon is; None looks at `ASKR_URL`, `.askr.toml`, the local socket
                and port 8800, and takes the best way there is.
            workspace: None for the daemon's own.
            key_file: not built yet; giving it is refused. The daemon asks for no key.
            name: the name other peers see, a word.
            kind: `terminal` or `service`.
            reconnect: whether to come back by itself.
            connect_timeout: seconds that one attempt may take.
            answer_timeout: seconds that the daemon may take to answer what it answers itself.
            connections: only 1; `askrd.Client` keeps several.
            compress: whether to ask for compression; None for `ASKR_COMPRESS`, else where the daemon
                is not on this machine.
            on_connected: called with the daemon's `Welcome`, every time a connection begins. It
                and the next one run in the client's own thread and must not ask the daemon.
            on_disconnected: called with the `ConnectionLost`, every time one breaks.

        Raises:
            BadRequest: the URL, the workspace or the name is wrong.
            TypeError: ``key_file`` was given, or several ``connections``.
        """
        refuse_unbuilt("Client", key_file=key_file)
        if connections != 1:
            raise TypeError(
                f"connections={connections}: the blocking client has one connection; "
                "askrd.Client and Askr keep several"
            )
        look = partial(find, url, workspace, compress=compress)
        where = look()
        conversation = Conversation(
            name=check_word(name or "client", "peer"), kind=kind, workspace=where.workspace
        )
        conversation.on_trouble = log
        conversation.answer_timeout_s = answer_timeout
        self._connection = BlockingConnection(
            conversation,
            look,
            reconnect=reconnect,
            connect_timeout_s=connect_timeout,
        )
        self._connection.on_connected = on_connected
        self._connection.on_disconnected = on_disconnected
        conversation.events.way = Confirming(self._connection)
        self.state = State(self._connection)
        self.jobs = Jobs(self)
        self.logs = Logs(self)
        self.on_gap: Callable[[Gap], None] = log

    @property
    def url(self) -> str:
        """Where it is connected, or was last; empty before that."""
        address = self._connection.address
        return address.url if address else ""

    @property
    def welcome(self) -> Welcome | None:
        """What the daemon said about itself and this peer; None before the first connection."""
        return self._connection.conversation.welcome

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection.conversation.is_open

    # --- life -------------------------------------------------------------------------------

    def connect(self) -> Welcome:
        """Connects, and returns what the daemon says about itself and this peer.

        Raises:
            CannotConnect: nobody answers.
            AskrError: the daemon refused; the code says why.
        """
        return self._connection.open()

    def close(self) -> None:
        """Says goodbye and closes; what is under way in other threads fails."""
        self._connection.close()

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- events -----------------------------------------------------------------------------

    def emit(
        self,
        event: str,
        payload: Any = None,
        *,
        confirm: bool = False,
        retain: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Emitted | None:
        """Tells everyone who listens.

        Args:
            event: its name, without wildcards.
            payload: any JSON value, bytes, or None.
            confirm: wait for the daemon to say how many it was put before.
            retain: keep it as the last event of its name, which new listeners get first; without
                a payload none is kept any more. It returns when that is safe.
            headers: strings by name, carried to the listeners.

        Returns:
            the confirmation, or None when none was asked for.

        Raises:
            LimitExceeded: no more can be kept; nobody was told.
            AskrError: it could not be sent; the code says why.
        """
        data, coding = said(payload)
        head = head_bytes(headers)
        if not confirm and not retain:
            with self._connection.talking() as conversation:
                conversation.emit(event, data, coding, head=head)
            return None
        answer = Answer()
        with self._connection.talking() as conversation:
            guard_at = time.monotonic() + conversation.answer_timeout_s
            conversation.emit(
                event, data, coding, promise=answer, head=head, retain=retain, guard_at=guard_at
            )
        frame: Frame = answer.wait()
        return emitted_in(frame)

    def collecting(
        self,
        event: str,
        payload: Any = None,
        *,
        timeout: float = COLLECT_TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
        as_: Any = None,
    ) -> Collecting:
        """Tells everyone who listens, and returns an iterator of their answers as they come.

        Args:
            event: its name, without wildcards.
            payload: any JSON value, bytes, or None.
            timeout: seconds that listeners may take, at most 60.
            headers: strings by name, carried to the listeners.
            as_: a type to decode and check each answer as.

        Raises:
            BadRequest: the timeout is none.
            AskrError: it could not be told; the code says why.
        """
        return Collecting(
            self._connection, event, payload, timeout=timeout, headers=headers, as_=as_
        )

    def collect(
        self,
        event: str,
        payload: Any = None,
        *,
        timeout: float = COLLECT_TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
        as_: Any = None,
    ) -> list[Row]:
        """Tells everyone who listens, and returns what they answered; as for `collecting`.

        Raises:
            AskrError: it could not be told; the code says why.
        """
        with self.collecting(event, payload, timeout=timeout, headers=headers, as_=as_) as rows:
            return list(rows)

    def listen(
        self,
        *patterns: str,
        count: int | None = None,
        timeout: float | None = None,
        idle: float | None = None,
        gaps: bool = False,
        **how: Unpack[ListenWishes],
    ) -> EventReader:
        """Returns an iterator of events; it listens from now on, until it goes or is closed.

        Args:
            *patterns: names of events; `*` stands for a segment or part of one, `**` for the
                rest. With ``log`` at most one, which filters it.
            count: end after so many.
            timeout: end after so many seconds; `DeadlineExceeded` when ``count`` did not come.
            idle: end when nothing came for so many seconds.
            gaps: also yield a `Gap` where events were lost, instead of telling `on_gap`.
            **how: as for `askrd.Client.listen`: ``since``, ``retained``, ``group``, ``policy``,
                ``weight``, ``when_full``, ``log``, ``consumer``, ``ack``, ``start``, ``unacked``.

        Raises:
            AskrError: the daemon refused, or is not there.
            BadRequest: an argument makes no sense, or not beside another.
            TypeError: there is no pattern.
        """
        return EventReader(
            self._connection,
            patterns,
            hearing(**how),
            count=count,
            timeout=timeout,
            idle=idle,
            gaps=gaps,
            on_gap=self._tell_gap,
        )

    def on(
        self,
        pattern: str,
        callback: Callable[[Event[Any]], object],
        **how: Unpack[ListenWishes],
    ) -> Callable[[], None]:
        """Calls ``callback`` with each event that fits ``pattern``, in a thread of its own.

        Args:
            pattern: as for `listen`.
            callback: gets events in order, one at a time. What it returns answers who collects,
                and a log's event is acknowledged then. When it raises, it gets no more, and a
                log tells the event again.
            **how: as for `listen`.

        Returns:
            a function that ends it.

        Raises:
            AskrError: the daemon refused, or is not there.
        """
        events = self.listen(check_pattern(pattern), **how)

        def follow() -> None:
            try:
                with events:
                    for event in events:
                        if isinstance(event, Event):
                            events.settle(callback(event))
            except ConnectionLost:
                return

        threading.Thread(target=follow, name=f"askr-on-{pattern}", daemon=True).start()
        return events.close

    # --- who is there -----------------------------------------------------------------------

    def services(self) -> list[dict[str, Any]]:
        """Returns a row per instance: service, instance, version, state, commands and more."""
        rows: list[dict[str, Any]] = self.send("$askr.services")
        return rows

    def peers(self) -> list[dict[str, Any]]:
        """Returns a row per connected peer: id, kind, name, via, address, services, since."""
        rows: list[dict[str, Any]] = self.send("$askr.peers")
        return rows

    def describe(self, target: str) -> dict[str, Any]:
        """Returns what is known about a service, a command or an event.

        Raises:
            AskrError: nothing is known; the code says of what.
        """
        described: dict[str, Any] = self.send("$askr.describe", {"target": target})
        return described

    def ping(self) -> dict[str, Any]:
        """Returns the daemon's id, version, protocol, build and time."""
        answer: dict[str, Any] = self.send("$askr.ping", timeout=READY_TIMEOUT_S)
        return answer

    def stats(self) -> dict[str, Any]:
        """Returns the daemon's counters."""
        counters: dict[str, Any] = self.send("$askr.stats", timeout=READY_TIMEOUT_S)
        return counters

    def wait_for(self, service: str, timeout: float = 10.0) -> dict[str, Any]:
        """Waits until somebody provides ``service``, and returns its row of `services`.

        Raises:
            DeadlineExceeded: nobody did within ``timeout`` seconds.
        """
        check_word(service, "service")
        with self.listen("$askr.service.*", timeout=timeout, gaps=True) as news:
            while True:
                for row in self.services():
                    if row.get("service") == service and row.get("state") == "active":
                        return row
                if next(news, None) is None:
                    raise DeadlineExceeded(
                        f"no instance of '{service}' came within {timeout:g} s", at="client"
                    )

    def _tell_gap(self, gap: Gap) -> None:
        self.on_gap(gap)
