"""Keeps a conversation connected: dials, greets, writes once per tick, notices silence, returns.

The client and the agent each own one; it owns its only task and ends it in `close`.
"""

import asyncio
import logging
import random
from collections.abc import Callable

from askrd.sdk.aside import close_aside, open_aside
from askrd.sdk.conversation import Conversation
from askrd.sdk.errors import CannotConnect, lost, why_of
from askrd.sdk.framing import framing_for
from askrd.sdk.link import Link
from askrd.sdk.reconnect import FINAL, Chance, delays
from askrd.sdk.spares import Spares
from askrd.sdk.transport import Dial, dial as dial_socket, host_of
from askrd.sdk.where import Where
from askrd.wire.addresses import DaemonAddress
from askrd.wire.bodies import Welcome
from askrd.wire.errors import AskrError, ConnectionLost
from askrd.wire.frames import Frame

LOG = logging.getLogger("askrd.sdk")
CONNECT_TIMEOUT_S = 5.0
"""How long one attempt may take, from dialling to WELCOME."""
CLOSE_TIMEOUT_S = 1.0
TICK_S = 0.5
READY_TIMEOUT_S = 10.0
"""How long a request without a deadline of its own waits for the connection to come back."""
WRITE_BYTES = 256 * 1024
"""Output gathered in one turn of the loop beyond which it is written at once."""


class Connection:
    """One peer's way to its daemon, over as many connections as it takes.

    Attributes:
        conversation: what is said on it; ask and listen there.
        address: where it is connected, or was last; None before the first time.
        on_connected: called with the `Welcome` of every connection, the first one included.
        on_disconnected: called with the reason whenever a welcomed connection ends, except by
            `close`.
        on_ended: called with the reason when it will not come back, except by `close`.
        is_usable: whether something can be written now.
        new_answer: makes a future; only once it was opened.
    """

    def __init__(
        self,
        conversation: Conversation,
        find: Callable[[], Where],
        *,
        dial: Dial = dial_socket,
        reconnect: bool = True,
        chance: Chance | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        spares: int = 0,
    ) -> None:
        """Prepares; nothing is dialled before `open`.

        Args:
            conversation: its hook `on_welcome` and its output belong to the connection from now on.
            find: says where to connect, before every attempt.
            dial: makes the transport.
            reconnect: whether to come back by itself after the first success.
            chance: where the jitter of attempts comes from.
            connect_timeout_s: how long one attempt may take, in seconds.
            spares: how many further connections to keep.
        """
        self.conversation = conversation
        self.address: DaemonAddress | None = None
        self.on_connected: Callable[[Welcome], None] = lambda _: None
        self.on_disconnected: Callable[[ConnectionLost], None] = lambda _: None
        self.on_ended: Callable[[AskrError], None] = lambda _: None
        self.is_usable = False
        self.new_answer: Callable[[], asyncio.Future[Frame]] = _no_loop
        self._find = find
        self._dial = dial
        self._reconnect = conversation.exchange.returns = reconnect
        self._chance = chance or random.Random()  # noqa: S311  # jitter is no secret
        self._connect_timeout_s = connect_timeout_s
        self._link: Link | None = None
        self._broken: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._ended: AskrError | None = None
        self._was_open = False
        self._scheduled = False
        self._usable = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._spares = Spares(conversation, dial, spares, self._chance, connect_timeout_s)
        self._spares.on_switched = self._switched
        self._spares.on_failed = self._switch_or_lose
        self._spares.on_called = self._called
        conversation.on_welcome = self._welcomed
        conversation.exchange.may_wait = reconnect
        conversation.exchange.on_output = self._schedule
        conversation.exchange.on_burst = self.flush

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop it lives on.

        Raises:
            ConnectionLost: it was never opened.
        """
        if self._loop is None:
            raise lost("not connected: connect first", delivered="no")
        return self._loop

    # --- life -------------------------------------------------------------------------------

    async def open(self) -> Welcome:
        """Connects, and returns what the daemon says about itself.

        While it is coming back by itself, this waits until it has. After `close` it begins anew.
        Cancelling it leaves nothing open.

        Raises:
            CannotConnect: nobody answers at any of the places.
            ConnectionLost: it does not come back in time.
            AskrError: the daemon refused; the code says why.
        """
        if self._was_open and self._ended is None:
            await self.ready()
            assert self.conversation.welcome is not None
            return self.conversation.welcome
        self._loop = asyncio.get_running_loop()
        self.new_answer = self._loop.create_future
        self._ended = None
        self._was_open = False
        try:
            return await self._attempt()
        except asyncio.CancelledError:
            if self._link is not None:  # The daemon took this peer at that very moment.
                await self.close()
            raise

    async def ready(self, timeout_s: float | None = None) -> None:
        """Waits until something can be written.

        Args:
            timeout_s: at most so many seconds; None = 10.

        Raises:
            ConnectionLost: that takes too long, or the connection has ended for good; nothing was
                sent.
        """
        if self._ended is None and not self._was_open:
            error = lost("not connected: connect first", delivered="no")
            raise error
        try:
            async with asyncio.timeout(READY_TIMEOUT_S if timeout_s is None else timeout_s):
                while not self.is_usable and self._ended is None:
                    await self._usable.wait()
        except TimeoutError:
            why = self.conversation.exchange.why or "the daemon does not read what it is sent"
            error = lost(why, delivered="no")
            raise error from None
        if self._ended is not None:
            error = lost(why_of(self._ended), delivered="no")
            raise error

    async def close(self, reason: str = "") -> None:
        """Says goodbye and closes; what still waits fails with `ConnectionLost`.

        Cancelling it leaves the connection aborted. Closing twice does nothing.
        """
        if self._ended is None:
            self._ended = lost("the connection was closed on this side")
        task, self._task = self._task, None
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait([task], timeout=CLOSE_TIMEOUT_S)
            await self._spares.close()
            if self._link is not None:
                self.conversation.bye(reason)
                self._scheduled = True
                self.flush(by_force=True)
                await self._link.close()
        finally:
            if self._link is not None:
                self._link.drop(why_of(self._ended))
            self._end(self._ended)

    # --- writing ----------------------------------------------------------------------------

    def flush(self, *, by_force: bool = False) -> None:
        """Writes what the conversation has to say, unless the daemon does not read."""
        self._scheduled = False
        link = self._link
        if link is not None and (by_force or not link.is_paused):
            frames = self.conversation.exchange.take()
            if frames:
                link.write(frames)

    async def settle(self) -> None:
        """Writes and gives way; for who emits, when more than `WRITE_BYTES` have gathered.

        Raises:
            ConnectionLost: the daemon has not read for 10 s.
        """
        self.flush()
        await asyncio.sleep(0)
        if not self.is_usable:
            await self.ready()

    def _schedule(self) -> None:
        if not self._scheduled and self._loop is not None:
            self._scheduled = True
            self._loop.call_soon(self.flush)

    def pressure(self) -> None:
        """Takes note that the transport can, or cannot, take more."""
        link = self._link
        self.is_usable = self.conversation.is_open and link is not None and not link.is_paused
        if self.is_usable or self._ended is not None:
            self._usable.set()
        else:
            self._usable.clear()

    # --- one connection after another -------------------------------------------------------

    async def _attempt(self) -> Welcome:
        where = self._find()
        reasons = []
        for address in where.addresses:
            try:
                return await self._attempt_at(address)
            except CannotConnect as exc:
                reasons.append(exc.reason)
        raise CannotConnect(where.url, "; ".join(dict.fromkeys(reasons)))

    async def _attempt_at(self, address: DaemonAddress) -> Welcome:
        link = Link(self, framing_for(address), self.loop)
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                link.transport = await self._dial(address, link)
                if self._ended is not None:
                    raise lost(why_of(self._ended))
                self._link = link
                self.address = address
                link.begin()
                self.conversation.opened(self.loop.time())
                return await link.welcomed
        except TimeoutError:
            if link.is_welcomed:  # The daemon took this peer at that very moment.
                return link.welcomed.result()
            reason = f"no answer within {self._connect_timeout_s:g} s"
            raise CannotConnect(address.url, reason) from None
        except ConnectionLost as exc:
            raise CannotConnect(address.url, why_of(exc)) from exc
        finally:
            if not link.is_welcomed:
                link.abandon()

    def _welcomed(self, welcome: Welcome) -> None:
        link = self._link
        if link is None:
            return
        self._was_open = True
        self.pressure()
        self._tick()
        if not link.welcomed.done():
            link.welcomed.set_result(welcome)
        self._keep_spares()
        if self.address is not None:
            events, host = self.conversation.events, host_of(link.transport)
            open_aside(events, welcome.channels, self.address, host)
        self.on_connected(welcome)

    def heard(self, link: Link, frames: list[Frame], size: int) -> None:
        """Takes what comes on the connection; what an earlier one still says is dropped."""
        if self._link is link:
            self.conversation.receive(frames, self.loop.time(), size)

    def link_lost(self, link: Link, reason: str) -> None:
        """Takes note that a connection has ended."""
        if self._link is not link:
            return
        self._link = None
        may_switch = self._ended is None and link.is_welcomed
        if may_switch and self._spares.is_any and self.conversation.resumption.window_s:
            self.conversation.suspend(reason)
            self.pressure()
            self._broken = link
            self._spares.switch()
        else:
            self._lost(link, reason)

    def _lost(self, link: Link, reason: str) -> None:
        conversation = self.conversation
        why = conversation.farewell or reason
        refusal = conversation.refusal
        may_return = link.framing.may_return or not link.is_welcomed
        may_return = may_return and self._reconnect and self._ended is None
        conversation.lost(why, may_return=may_return)
        self.pressure()
        if not link.is_welcomed:
            if not link.welcomed.done():
                link.welcomed.set_exception(refusal or ConnectionLost(why))
            return
        if self._ended is not None:
            return
        error = lost(why)
        self.on_disconnected(error)
        if self._reconnect and link.framing.may_return:
            self._tick()
            self._task = self.loop.create_task(self._return())
        else:
            self._end(error)

    def _switched(self, link: Link, received: int, rest: list[Frame], size: int) -> None:
        """Goes on over a spare."""
        link.holder = self
        self._link, self._broken = link, None
        now = self.loop.time()
        self.conversation.switched(received, now)
        self.pressure()
        self.conversation.receive(rest, now, size)
        self._keep_spares()

    def _keep_spares(self) -> None:
        if self._ended is None:
            self._spares.keep(self.address)

    def _switch_or_lose(self, reason: str) -> None:
        """Goes on over the next spare; without one the connection is lost."""
        if self._spares.is_any:
            self._spares.switch()
        elif self._broken is not None:
            broken, self._broken = self._broken, None
            self._lost(broken, reason)

    def _called(self) -> None:
        """Takes in that the daemon has lost the active connection."""
        if self._link is not None:
            self._link.drop("the daemon has lost the connection")

    async def _return(self) -> None:
        for delay_s in delays(self._chance):
            await asyncio.sleep(delay_s)
            try:
                await self._attempt()
                return
            except AskrError as exc:
                if exc.code in FINAL:
                    LOG.warning("the daemon does not take this peer back: %s", exc)
                    self._end(exc)
                    return
                LOG.debug("not back yet: %s", exc)

    def _end(self, error: AskrError) -> None:
        was_closed = self._ended is not None
        self._ended = error
        if self._ticker is not None:
            self._ticker.cancel()
        self.conversation.end(error)
        close_aside(self.conversation.events)
        self.pressure()
        if not was_closed:
            self.on_ended(error)

    def _tick(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        self._ticker = None
        link = self._link
        self._spares.tick(self.loop.time())
        silence = self.conversation.tick(self.loop.time())
        if silence is not None and link is not None:
            link.drop(silence.message)
        self._tick_later()

    def _tick_later(self) -> None:
        if self._ticker is None and self._ended is None:
            self._ticker = self.loop.call_later(TICK_S, self._tick)


def _no_loop() -> asyncio.Future[Frame]:
    raise lost("not connected: connect first", delivered="no")
