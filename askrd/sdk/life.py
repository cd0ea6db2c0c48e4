"""One life of an agent: connect, offer, answer, and in the end drain."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from askrd.sdk.announcing import Announcer
from askrd.sdk.answering import Answering
from askrd.sdk.client import Client
from askrd.sdk.conversation import ANSWER_TIMEOUT_S, Conversation
from askrd.sdk.errors import CannotConnect, lost
from askrd.sdk.listening import Listener, tell
from askrd.sdk.middleware import Middleware
from askrd.sdk.own import Own
from askrd.sdk.readers import log_gap
from askrd.sdk.reconnect import FINAL, delays
from askrd.sdk.service import Command, Service
from askrd.sdk.subscriptions import Subscription
from askrd.sdk.timers import Timers
from askrd.sdk.values import Event, Gap
from askrd.sdk.work import Work, logged
from askrd.wire.bodies import Welcome
from askrd.wire.errors import AskrError, ConnectionLost, NotFound
from askrd.wire.frames import Frame
from askrd.wire.limits import STREAM_IDLE_MS

LOG = logging.getLogger("askrd.sdk")
WITHDRAW_TIMEOUT_S = 2.0
CANCEL_TIMEOUT_S = 1.0
LOG_AGAIN_S = 5.0
"""How often a listener looks whether the log it is to read is there."""

Hook = Callable[..., Any]


class Voice(Client):
    """The connection of an agent: a client that also answers.

    Attributes:
        conversation: what is said on it.
        ended: fails when the daemon will not take the agent back.
    """

    def __init__(self, url: str | None, workspace: str | None, name: str, **options: Any) -> None:
        super().__init__(url, workspace=workspace, name=name, kind="service", **options)
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended.add_done_callback(_look_at)
        self._connection.on_ended = self._end

    @property
    def conversation(self) -> Conversation:
        """What is said on the connection."""
        return self._conversation

    def promise(self) -> asyncio.Future[Frame]:
        """Returns a future for an answer of the daemon."""
        return asyncio.get_running_loop().create_future()

    def _end(self, error: AskrError) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)


class Life:
    """What an agent is while it runs.

    Attributes:
        voice: its connection.
        work: its tasks and threads.
        loop: where it lives.
    """

    def __init__(
        self,
        voice: Voice,
        *,
        name: str,
        services: dict[str, Service],
        listeners: Sequence[Listener],
        skins: Sequence[Middleware],
        timers: Timers,
        hooks: dict[str, list[Hook]],
        own: Own | None = None,
    ) -> None:
        """Prepares everything that is said on the first connection and repeated on the others."""
        self.loop = asyncio.get_running_loop()
        self.voice = voice
        self.work = Work(name, self.loop)
        self._services = services
        self._listeners: list[Listener] = []
        self._waiting: set[Listener] = set()
        self._ids: dict[Listener, int] = {}
        self._timers = timers
        self._hooks = hooks
        conversation = voice.conversation
        offers = conversation.offers
        self._answering = Answering(
            loop=self.loop, work=self.work, find=self._find, skins=skins, offers=offers
        )
        offers.on_call = self._answering.take
        offers.on_cancel = self._answering.cancel
        offers.on_flow = self._answering.take_flow
        conversation.on_trouble = lambda error: LOG.warning("the daemon says: %s", error)
        voice.on_connected = self._connected
        voice.on_disconnected = self._disconnected
        self._promises = [self._provide(service) for service in services.values()]
        for listener in listeners:
            self.listen(listener)
        self._own = own
        if own is not None:
            own.start(conversation, self.work)

    def _provide(self, service: Service) -> asyncio.Future[Frame]:
        promise = self.voice.promise()
        promise.add_done_callback(_look_at)
        self.voice.conversation.offers.provide(service.provision(), promise=promise)
        return promise

    async def offered(self) -> None:
        """Returns when the daemon has taken every service; from then on timers tick.

        Raises:
            AskrError: it refuses one of them.
        """
        await asyncio.gather(*self._promises)
        self._timers.start(self.loop, self.work)

    async def begin(self) -> None:
        """Connects and waits until everything is offered, at most 10 s.

        Raises:
            CannotConnect: nobody answers.
            AskrError: the daemon refuses the agent or one of its services.
        """
        await self.voice.connect()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self.offered()
        except TimeoutError as exc:
            raise lost("the daemon did not say whether it takes the services") from exc

    async def persist(self, announcer: Announcer | None, services: Iterable[Service]) -> None:
        """Connects, however long it takes; later connections come by themselves.

        Args:
            announcer: who tells a person what happens; None = nobody.
            services: what is offered.

        Raises:
            AskrError: the daemon refuses the agent for good.
        """
        if announcer is not None:
            announcer.offer(services)
            announcer.follow(self.voice)
        for delay_s in delays(random.Random()):  # noqa: S311  # jitter is no secret
            try:
                await self.voice.connect()
                break
            except CannotConnect as exc:
                if announcer is not None:
                    announcer.say(f"cannot reach askrd at {exc.url} ({exc.reason}); trying again")
            except AskrError as exc:
                if exc.code in FINAL:
                    raise
                if announcer is not None:
                    announcer.say(f"askrd does not take it now: {exc.message}; trying again")
            await asyncio.sleep(delay_s)
        await self.offered()

    def offer(self, service: Service) -> None:
        """Tells the daemon that a service is new or offers something else."""
        promise = self._provide(service)
        promise.add_done_callback(partial(_refused, service.name))

    def listen(self, listener: Listener) -> None:
        """Lets a listener hear from now on."""
        self._listeners.append(listener)
        listener.start(self.work)

        def deliver(item: Event[Any] | Gap) -> None:
            if isinstance(item, Gap):
                log_gap(item)
            else:
                listener.take(item)

        def fail(error: AskrError) -> None:
            if isinstance(error, NotFound) and listener.hearing.log:
                level = logging.DEBUG if listener in self._waiting else logging.WARNING
                LOG.log(level, "%s waits for its log: %s", listener.name, error)
                self._waiting.add(listener)
                self.loop.call_later(LOG_AGAIN_S, subscribe)
                return
            is_refused = not isinstance(error, ConnectionLost)
            level = logging.ERROR if is_refused else logging.DEBUG
            LOG.log(level, "%s listens no more: %s", listener.name, error)

        def subscribe() -> None:
            if listener.is_listening:
                self._ids[listener] = self.voice.conversation.subscribe(
                    listener.pattern, Subscription(deliver, fail), listener.hearing
                )

        subscribe()

    async def drain(self, timeout: float) -> list[str]:
        """Ends it: nothing new, then at most ``timeout`` seconds for what runs, then goodbye.

        Returns:
            names of synchronous functions that still run; no one can end a thread.
        """
        self._timers.stop()
        self._stop_listening()
        if self._own is not None:
            self._own.stop()
        try:
            await self._withdraw()
            self._answering.is_draining = True
            if not await self.work.wait(timeout):
                LOG.warning("not everything ended in time; it is cancelled")
        finally:
            await self._close()
        return self.work.busy

    def _stop_listening(self) -> None:
        """Takes no more events; a group gives its to other members from now on.

        What a log's consumer still handles is acknowledged: it ends with the connection.
        """
        for listener in self._listeners:
            listener.stop()
            if not listener.hearing.log:
                self.voice.conversation.unsubscribe(self._ids[listener])

    async def _close(self) -> None:
        """Ends what still runs, and the connection; cancelling it leaves nothing open."""
        self._answering.is_draining = True
        self._answering.cancel_all("draining")
        try:
            await self.work.finish(CANCEL_TIMEOUT_S)
        finally:
            await self.voice.close()
            self.work.close()
            self.voice.ended.cancel()

    async def _withdraw(self) -> None:
        if not self.voice.is_connected or not self._services:
            return
        promises = []
        for name in self._services:
            promises.append(self.voice.promise())
            self.voice.conversation.offers.withdraw(name, promise=promises[-1])
        _, late = await asyncio.wait(promises, timeout=WITHDRAW_TIMEOUT_S)
        for promise in promises:
            if promise in late:
                promise.cancel()
            elif (exc := promise.exception()) is not None:
                LOG.debug("withdrawing failed: %s", exc)

    def _find(self, address: str) -> Command | None:
        name, _, command = address.partition(".")
        service = self._services.get(name)
        return service.commands.get(command) if service else None

    def _connected(self, welcome: Welcome) -> None:
        idle_ms = welcome.limits.get("stream_idle_ms", STREAM_IDLE_MS)
        self._answering.modes.idle_s = idle_ms / 1000
        self._tell(self._hooks["connected"], welcome)

    def _disconnected(self, error: ConnectionLost) -> None:
        self._tell(self._hooks["disconnected"], error)

    def _tell(self, hooks: Iterable[Hook], fact: object) -> None:
        for hook in hooks:
            name = getattr(hook, "__qualname__", "a hook")
            self.work.start(tell(self.work, hook, fact), logged(name))


def _refused(service: str, promise: asyncio.Future[Frame]) -> None:
    if promise.cancelled() or (exc := promise.exception()) is None:
        return
    if not isinstance(exc, ConnectionLost):  # the next session begins with what is offered now
        LOG.error("the daemon does not take what '%s' offers now: %s", service, exc)


def _look_at(promise: asyncio.Future[Any]) -> None:
    """Takes note of an error nobody may wait for, so that asyncio does not complain."""
    if not promise.cancelled():
        promise.exception()
