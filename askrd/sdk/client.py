"""The asynchronous client: what a program that asks and listens is written with."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self, Unpack

from askrd.sdk.answers import COLLECT_TIMEOUT_S, emitted_in
from askrd.sdk.callbacks import Callbacks
from askrd.sdk.collecting import Collecting
from askrd.sdk.commanding import Commanding
from askrd.sdk.composition import head_bytes
from askrd.sdk.confirming import Confirming
from askrd.sdk.connection import CONNECT_TIMEOUT_S, READY_TIMEOUT_S, WRITE_BYTES, Connection
from askrd.sdk.conversation import ANSWER_TIMEOUT_S, Conversation
from askrd.sdk.errors import refuse_unbuilt
from askrd.sdk.hearing import ListenWishes, hearing
from askrd.sdk.jobs import Jobs
from askrd.sdk.logs import Logs
from askrd.sdk.readers import EventReader, log_gap, log_trouble
from askrd.sdk.shape import said
from askrd.sdk.spares import check_connections
from askrd.sdk.state import State
from askrd.sdk.transport import Dial, dial as dial_socket
from askrd.sdk.values import Emitted, Event, Gap, Row
from askrd.sdk.where import find
from askrd.wire.bodies import Welcome
from askrd.wire.errors import ConnectionLost, DeadlineExceeded
from askrd.wire.frames import Frame
from askrd.wire.names import check_word


class Client(Commanding):
    """A program connected to the daemon as a terminal.

    It comes back by itself after a lost connection and goes on where it was. When it cannot, it
    listens again to what it listened to and fails what was under way with `ConnectionLost`.

    Attributes:
        state: the connected state.
        jobs: what queues hold.
        logs: events that are kept.
        on_gap: called with a `Gap` where events were lost and nobody asked for gaps; by default
            the log says so.
        on_connected: called with the daemon's `Welcome`, every time a connection begins.
        on_disconnected: called with the `ConnectionLost`, every time one breaks.
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
        connections: int = 1,
        compress: bool | None = None,
        connect_timeout: float = CONNECT_TIMEOUT_S,
        answer_timeout: float = ANSWER_TIMEOUT_S,
        dial: Dial = dial_socket,
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
            connections: how many to keep, 1 to 4; when one dies another goes on.
            compress: whether to ask for compression; None for `ASKR_COMPRESS`, else where the daemon
                is not on this machine.
            connect_timeout: seconds that one attempt may take.
            answer_timeout: seconds that the daemon may take to answer what it answers itself.
            dial: how to reach the daemon; tests bring their own.

        Raises:
            BadRequest: the URL, the workspace or the name is wrong.
            TypeError: ``key_file`` was given.
            ValueError: ``connections`` is not 1 to 4.
        """
        refuse_unbuilt("Client", key_file=key_file)
        look = partial(find, url, workspace, compress=compress)
        where = look()
        self._conversation = Conversation(
            name=check_word(name or "client", "peer"), kind=kind, workspace=where.workspace
        )
        self._conversation.answer_timeout_s = answer_timeout
        self._connection = Connection(
            self._conversation,
            look,
            dial=dial,
            reconnect=reconnect,
            connect_timeout_s=connect_timeout,
            spares=check_connections(connections),
        )
        self._connection.on_connected = self._connected
        self._connection.on_disconnected = self._disconnected
        self._conversation.on_trouble = log_trouble
        self._conversation.events.way = Confirming(self._connection)
        self._callbacks = Callbacks(self._conversation)
        self.state = State(self._connection)
        self.jobs = Jobs(self)
        self.logs = Logs(self)
        self.on_gap: Callable[[Gap], None] = log_gap
        self.on_connected: Callable[[Welcome], None] | None = None
        self.on_disconnected: Callable[[ConnectionLost], None] | None = None

    @property
    def url(self) -> str:
        """Where it is connected, or was last; empty before that."""
        address = self._connection.address
        return address.url if address else ""

    @property
    def welcome(self) -> Welcome | None:
        """What the daemon said about itself and this peer; None before the first connection."""
        return self._conversation.welcome

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop it lives in."""
        return self._connection.loop

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._conversation.is_open

    # --- life -------------------------------------------------------------------------------

    async def connect(self) -> Welcome:
        """Connects, and returns what the daemon says about itself and this peer.

        Raises:
            CannotConnect: nobody answers.
            AskrError: the daemon refused; the code says why.
        """
        return await self._connection.open()

    async def close(self) -> None:
        """Says goodbye and closes; what is under way fails with `ConnectionLost`."""
        try:
            await self._callbacks.close()
        finally:
            await self._connection.close()
            self._callbacks.forget()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # --- events -----------------------------------------------------------------------------

    async def emit(
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
        connection = self._connection
        if not connection.is_usable:
            await connection.ready()
        if not confirm and not retain:
            self._conversation.emit(event, data, coding, head=head)
            if self._conversation.exchange.waiting_bytes > WRITE_BYTES:
                await connection.settle()
            return None
        loop = connection.loop
        answer: asyncio.Future[Frame] = loop.create_future()
        self._conversation.emit(
            event,
            data,
            coding,
            promise=answer,
            head=head,
            retain=retain,
            guard_at=loop.time() + self._conversation.answer_timeout_s,
        )
        return emitted_in(await answer)

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
        """
        return Collecting(
            self._connection, event, payload, timeout=timeout, headers=headers, as_=as_
        )

    async def collect(
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
        async with self.collecting(
            event, payload, timeout=timeout, headers=headers, as_=as_
        ) as rows:
            return [row async for row in rows]

    def listen(
        self,
        *patterns: str,
        count: int | None = None,
        timeout: float | None = None,
        idle: float | None = None,
        gaps: bool = False,
        **how: Unpack[ListenWishes],
    ) -> EventReader:
        """Returns an asynchronous iterator of events.

        ``async with client.listen(...) as events`` listens from there on; a bare ``async for``
        from its first step on. Either way it stops when the iterator goes.

        Args:
            *patterns: names of events; `*` stands for a segment or part of one, `**` for the
                rest. With ``log`` at most one, which filters it.
            count: end after so many.
            timeout: end after so many seconds; `DeadlineExceeded` when ``count`` did not come.
            idle: end when nothing came for so many seconds.
            gaps: also yield a `Gap` where events were lost, instead of telling `on_gap`.
            **how: ``since``: seconds to look back, first come events that the daemon remembers.
                ``retained=False``: without the last event of each name.
                ``group``: each event goes to one of those that listen under this name;
                ``policy`` (as of a service) says which, ``weight`` is its share.
                ``when_full``: while it does not read the daemon may `drop_oldest`,
                `disconnect`, or `conflate` to the newest event of each name.
                ``log``: events of a log, from ``start`` on: `first`, `new` or a number; or as
                far back as ``since`` says. ``consumer``: the log remembers the place under this
                name, and members share its events. ``ack``: `auto` acknowledges an event when
                the next one is asked for, `manual` leaves it to `Event.ack`, False counts an
                event as handled when it is sent. ``unacked``: how many may wait here for that.

        Raises:
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
        callback: Callable[[Event[Any]], Any],
        **how: Unpack[ListenWishes],
    ) -> Callable[[], None]:
        """Calls ``callback`` with each event that fits ``pattern``, until the client closes.

        Before `connect` it takes note, and nothing of what comes first is missed.

        Args:
            pattern: as for `listen`.
            callback: a function or coroutine function; it gets events in order, one at a time.
                What it returns answers who collects. A log's event is acknowledged when it
                returns, and told again when it raises.
            **how: as for `listen`.

        Returns:
            a function that ends it.

        Raises:
            BadRequest: it is no pattern, or an argument makes no sense.
        """
        return self._callbacks.add(pattern, callback, self._tell_gap, hearing(**how))

    # --- who is there -----------------------------------------------------------------------

    async def services(self) -> list[dict[str, Any]]:
        """Returns a row per instance: service, instance, version, state, commands and more."""
        return await self.send("$askr.services", as_=list[dict[str, Any]])  # type: ignore[no-any-return]

    async def peers(self) -> list[dict[str, Any]]:
        """Returns a row per connected peer: id, kind, name, via, address, services, since."""
        return await self.send("$askr.peers", as_=list[dict[str, Any]])  # type: ignore[no-any-return]

    async def describe(self, target: str) -> dict[str, Any]:
        """Returns what is known about a service, a command or an event.

        Raises:
            AskrError: nothing is known; the code says of what.
        """
        described: dict[str, Any] = await self.send("$askr.describe", {"target": target})
        return described

    async def ping(self) -> dict[str, Any]:
        """Returns the daemon's id, version, protocol, build and time."""
        answer: dict[str, Any] = await self.send("$askr.ping", timeout=READY_TIMEOUT_S)
        return answer

    async def stats(self) -> dict[str, Any]:
        """Returns the daemon's counters."""
        counters: dict[str, Any] = await self.send("$askr.stats", timeout=READY_TIMEOUT_S)
        return counters

    async def wait_for(self, service: str, timeout: float = 10.0) -> dict[str, Any]:
        """Waits until somebody provides ``service``, and returns its row of `services`.

        Raises:
            DeadlineExceeded: nobody did within ``timeout`` seconds.
        """
        check_word(service, "service")
        async with self.listen("$askr.service.*", timeout=timeout, gaps=True) as news:
            while True:
                for row in await self.services():
                    if row.get("service") == service and row.get("state") == "active":
                        return row
                if await anext(news, None) is None:
                    raise DeadlineExceeded(
                        f"no instance of '{service}' came within {timeout:g} s", at="client"
                    )

    # --- hooks ------------------------------------------------------------------------------

    def _connected(self, welcome: Welcome) -> None:
        self._callbacks.start(self._connection.loop)  # what follows the welcome is for them
        if self.on_connected is not None:  # what it raises is its own trouble
            self._connection.loop.call_soon(self.on_connected, welcome)

    def _tell_gap(self, gap: Gap) -> None:
        self.on_gap(gap)

    def _disconnected(self, error: ConnectionLost) -> None:
        if self.on_disconnected is not None:
            self._connection.loop.call_soon(self.on_disconnected, error)
