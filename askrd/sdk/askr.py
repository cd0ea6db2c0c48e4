"""The agent: a program that offers commands, emits and hears events, and asks others."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from askrd.sdk.announcing import Announcer
from askrd.sdk.asking import Asking
from askrd.sdk.client import Client
from askrd.sdk.errors import lost, refuse_unbuilt
from askrd.sdk.from_thread import FromThread, Home
from askrd.sdk.hearing import ListenWishes, hearing, patterns_of
from askrd.sdk.life import Hook, Life, Voice
from askrd.sdk.listening import Listener, takes_of
from askrd.sdk.middleware import Middleware, check_middleware
from askrd.sdk.own import Own
from askrd.sdk.service import Service
from askrd.sdk.shape import Shape
from askrd.sdk.signature import Function
from askrd.sdk.spares import check_connections
from askrd.sdk.terms import GivenTerms, ServiceTerms
from askrd.sdk.timers import Timers
from askrd.sdk.transport import Dial, dial as dial_socket
from askrd.wire.errors import AskrError, BadRequest
from askrd.wire.names import pattern_matches

F = TypeVar("F", bound=Function)
M = TypeVar("M", bound=Middleware)
Result = TypeVar("Result")

DRAIN_TIMEOUT_S = 20.0
"""How long commands that run may take to finish once the agent stops."""
CALL_BACK_TIMEOUT_S = 10.0


class Askr(Service, Asking):
    """A service with its connection; `run` makes a program of it.

    Registering commands and listeners works before it runs and while it runs.

    Attributes:
        sync: `send`, `call`, `emit` and the like for plain functions, which run in threads.
        state: the entries of the state that belong to its service, see `Own`; those of the whole
            workspace are `workspace_state`.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str | None = None,
        workspace: str | None = None,
        version: str = "",
        doc: str = "",
        tags: Mapping[str, str] | None = None,
        key_file: None = None,
        connections: int = 1,
        compress: bool | None = None,
        **terms: Unpack[GivenTerms],
    ) -> None:
        """Prepares; nothing is connected before `run`, `serve` or ``async with``.

        Args:
            name: the service's name and the peer's, a word.
            url: where the daemon is; None looks at `ASKR_URL`, `.askr.toml`, the local socket
                and port 8800.
            workspace: None for the daemon's own.
            version: of the service.
            doc: what it is for.
            tags: facts by which instances can be told apart.
            key_file: not built yet; giving it is refused. The daemon asks for no key.
            connections: how many to keep, 1 to 4; when one dies another goes on.
            compress: whether to ask for compression, as for `Client`.
            **terms: of the service: ``policy``, ``concurrency``, ``weight``, ``allow_from`` and
                ``connect_to``, see `ServiceTerms`.

        Raises:
            BadRequest: the name breaks the grammar, or a term is none of those it may be.
            TypeError: an argument was given that is not built yet.
            ValueError: ``connections`` is not 1 to 4.
        """
        refuse_unbuilt("Askr", key_file=key_file)
        check_connections(connections)
        self._how: dict[str, Any] = {"connections": connections, "compress": compress}
        super().__init__(name, version=version, doc=doc, tags=tags, terms=ServiceTerms(**terms))
        self._where = (url, workspace)
        self._services: dict[str, Service] = {name: self}
        self._listeners: list[Listener] = []
        self._skins: list[Middleware] = []
        self._hooks: dict[str, list[Hook]] = {"connected": [], "disconnected": []}
        self._timers = Timers()
        self._life: Life | None = None
        self._patience: asyncio.Timeout | None = None
        self._thread = 0
        self.on_change = self._offer
        self.sync = FromThread(self, self._home)
        self.state = Own(name, lambda: self.workspace_state)

    # --- what it offers and hears -----------------------------------------------------------

    def service(
        self,
        name: str,
        *,
        version: str = "",
        doc: str = "",
        tags: Mapping[str, str] | None = None,
        **terms: Unpack[GivenTerms],
    ) -> Service:
        """Returns another service on the same connection; arguments are those of `Askr`.

        Raises:
            BadRequest: the agent has a service of that name, the name breaks the grammar, or a
                term is none of those it may be.
        """
        if name in self._services:
            raise BadRequest(f"'{self.name}' has a service '{name}' already; use that one")
        made = Service(name, version=version, doc=doc, tags=tags, terms=ServiceTerms(**terms))
        self._services[name] = made
        made.on_change = self._offer
        self._offer(made)
        return made

    def on(self, pattern: str = "", **how: Unpack[ListenWishes]) -> Callable[[F], F]:
        """Registers a function for events: ``@agent.on("FETCHED_*")``.

        The function takes nothing, the payload or the `Event`; a type on the payload or as
        ``Event[int]`` is checked first. It gets one event at a time, in order. What it returns
        answers who collects. A log's event is acknowledged when it returns, and told again, later
        and later, when it raises.

        Args:
            pattern: the event's name; `*` stands for a segment or part of one, `**` for the rest.
                With ``log`` it may be left out. While there is no such log the function waits.
            **how: as for `Client.listen`: ``since``, ``group``, ``log``, ``consumer`` and others.

        Raises:
            BadRequest: it is no pattern, the function takes something else, or a type that does
                not go with what `emits` says; or an argument makes no sense.
        """
        wanted = hearing(**how)
        (name,) = patterns_of((pattern,) if pattern else (), wanted)

        def register(function: F) -> F:
            self._hear(Listener(name, function, self._skins, wanted))
            return function

        return register

    def _hear(self, listener: Listener) -> None:
        self._compare(listener)
        self._listeners.append(listener)
        if self._life is not None:
            self._life.listen(listener)
        if not listener.pattern.startswith("$") and not listener.hearing.log:
            self.hears(listener.pattern, listener.schema, listener.doc)

    def _compare(self, listener: Listener) -> None:
        """Refuses a listener that could never get an event the agent says it emits."""
        for service in self._services.values():
            for event, shape in service.shapes().items():
                if listener.shape is None or not pattern_matches(listener.pattern, event):
                    continue
                if not shape.may_share(listener.shape):
                    raise BadRequest(
                        f"{listener.name} listens to {listener.pattern} for {listener.schema}, "
                        f"and '{service.name}' says that it emits {event} as {shape.schema}"
                    )

    def middleware(self, function: M) -> M:
        """Registers a middleware; the first one is the outermost. See `askrd.Passage`.

        Raises:
            BadRequest: it is not ``async def (passage, call_next)``.
        """
        check_middleware(function)
        self._skins.append(function)
        return function

    def on_connected(self, function: F) -> F:
        """Calls a function, with the daemon's `Welcome` if it wants it, at every connection."""
        return self._hook("connected", function)

    def on_disconnected(self, function: F) -> F:
        """Calls a function, with the `ConnectionLost` if it wants it, when a connection breaks."""
        return self._hook("disconnected", function)

    def on_peer_joined(self, function: F) -> F:
        """Calls a function, with the peer's row if it wants it, when a peer joins."""
        self._hear(Listener("$askr.peer.joined", function, ()))
        return function

    def on_peer_left(self, function: F) -> F:
        """Calls a function, with the peer's row if it wants it, when a peer leaves."""
        self._hear(Listener("$askr.peer.left", function, ()))
        return function

    def _hook(self, name: str, function: F) -> F:
        takes_of(function, getattr(function, "__qualname__", "a hook"))
        self._hooks[name].append(function)
        return function

    # --- again and again --------------------------------------------------------------------

    def every(self, seconds: float, callback: Callable[[], Any], key: str | None = None) -> str:
        """Calls ``callback`` every so many seconds while the agent runs, never twice at once.

        An error of one call is logged, and the next call comes.

        Args:
            seconds: above 0; the first call comes after that time.
            callback: a function or coroutine function without parameters.
            key: a name for `cancel`; the timer that has it is replaced.

        Returns:
            the key.

        Raises:
            BadRequest: ``seconds`` or ``callback`` is none.
        """
        return self._on_loop(lambda: self._timers.every(seconds, callback, key))

    def cancel(self, key: str) -> bool:
        """Ends the timer of this key; a call that runs goes on. Returns whether there was one."""
        return self._on_loop(lambda: self._timers.cancel(key))

    # --- life -------------------------------------------------------------------------------

    def run(self, *, drain_timeout: float = DRAIN_TIMEOUT_S) -> None:
        """Runs the agent until SIGTERM or SIGINT, then drains; a second signal ends it at once.

        It says on standard error what it offers, and waits for a daemon as long as it takes.

        Args:
            drain_timeout: seconds that commands which run may take to finish.

        Raises:
            RuntimeError: a loop is running here already; use `serve` or ``async with``.
        """
        from askrd.sdk.running import run

        run(self, drain_timeout)

    async def serve(
        self, announcer: Announcer | None = None, *, drain_timeout: float = DRAIN_TIMEOUT_S
    ) -> list[str]:
        """Runs inside a program until `stop`, then drains.

        Cancelling it ends commands that run at once.

        Args:
            announcer: who tells a person what happens; None = nobody.
            drain_timeout: seconds that commands which run may take to finish.

        Returns:
            names of synchronous functions that do not end.

        Raises:
            AskrError: the daemon refuses the agent for good.
        """
        life = self._begin()
        grace_s = 0.0
        try:
            async with asyncio.timeout(None) as self._patience:
                await life.persist(announcer, self._services.values())
                await life.voice.ended
        except TimeoutError:
            if self._patience is None or not self._patience.expired():
                raise
            grace_s = drain_timeout
        finally:
            self._patience = None
            left = await self._finish(grace_s)
        return left

    def stop(self) -> None:
        """Lets `serve` and `run` drain and return; any thread may call it."""
        self._on_loop(self._stop)

    def _stop(self) -> None:
        if self._patience is not None and self._life is not None:
            self._patience.reschedule(self._life.loop.time())

    async def connect(self, *, url: str | None = None, dial: Dial = dial_socket) -> None:
        """Connects, offers its services and returns; see `close`.

        Args:
            url: where the daemon is, in place of what the agent was made with.
            dial: how to reach the daemon; tests bring their own.

        Raises:
            CannotConnect: nobody answers.
            AskrError: the daemon refuses the agent or one of its services.
        """
        life = self._begin(url, dial)
        try:
            await life.begin()
        except BaseException:
            await self._finish(0.0)
            raise

    async def close(self) -> None:
        """Drains and closes; commands that run get 20 s to finish."""
        await self._finish(DRAIN_TIMEOUT_S)

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

    def _begin(self, elsewhere: str | None = None, dial: Dial = dial_socket) -> Life:
        if self._life is not None:
            raise BadRequest(f"'{self.name}' runs already; one agent runs once at a time")
        url, workspace = self._where
        self._thread = threading.get_ident()
        self._life = Life(
            Voice(elsewhere or url, workspace, self.name, dial=dial, **self._how),
            name=self.name,
            services=self._services,
            listeners=self._listeners,
            skins=self._skins,
            timers=self._timers,
            hooks=self._hooks,
            own=self.state,
        )
        return self._life

    async def _finish(self, timeout: float) -> list[str]:
        life = self._life
        if life is None:
            return []
        try:
            return await life.drain(timeout)
        finally:
            self._life = None

    def _offer(self, service: Service) -> None:
        for listener in self._listeners:
            self._compare(listener)
        if self._life is not None:
            self._life.offer(service)

    # --- for the asking side ----------------------------------------------------------------

    @property
    def _client(self) -> Client:
        if self._life is None:
            raise lost(
                f"'{self.name}' does not run: use run(), serve() or async with", delivered="no"
            )
        return self._life.voice

    def _home(self) -> Home:
        return Home(self._client.loop, self._thread)

    @property
    def _around(self) -> Sequence[Middleware]:
        return self._skins

    def _shape_of(self, event: str) -> Shape | None:
        shapes = (service.shape_of(event) for service in self._services.values())
        return next(filter(None, shapes), None)

    def _on_loop(self, step: Callable[[], Result]) -> Result:
        """Runs a step in the loop's thread; synchronous handlers call from other ones."""
        life = self._life
        if life is None or threading.get_ident() == self._thread:
            return step()
        outcome: Future[Result] = Future()

        def carry_out() -> None:
            try:
                outcome.set_result(step())
            except (AskrError, TypeError, ValueError) as exc:
                outcome.set_exception(exc)

        life.loop.call_soon_threadsafe(carry_out)
        return outcome.result(CALL_BACK_TIMEOUT_S)
