"""Further connections of one session, which stand by: when the active one dies, one of them goes on.

Nothing is said on a spare but ping and pong. To go on, the peer says how much it has received, the
daemon answers how much it has, and both send the rest of what the dead connection swallowed.
"""

import asyncio
import logging
from collections.abc import Callable

from askrd.sdk import composition
from askrd.sdk.conversation import Conversation
from askrd.sdk.errors import CannotConnect
from askrd.sdk.framing import framing_for
from askrd.sdk.link import Link
from askrd.sdk.reconnect import Chance, delays
from askrd.sdk.resumption import size_of
from askrd.sdk.transport import Dial
from askrd.wire.addresses import DaemonAddress
from askrd.wire.bodies import Welcome, load
from askrd.wire.errors import AskrError, ConnectionLost
from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import LINKS_MAX

LOG = logging.getLogger("askrd.sdk")
SWITCH_TIMEOUT_S = 2.0
"""How long the daemon may take to go on over a spare."""
SILENT_AFTER_S = 25.0
"""Silence of a spare after which it is dead; the daemon pings every 10 s."""


class Spares:
    """Keeps so many spare connections, and hands one over when it is needed.

    Attributes:
        on_switched: called with a link, what the daemon received, and the frames behind that with
            their size, when the daemon goes on over the link.
        on_failed: called with a reason when a link that was to go on is lost.
        on_called: called when the daemon says that it has lost the active connection.
    """

    def __init__(
        self, conversation: Conversation, dial: Dial, count: int, chance: Chance, timeout_s: float
    ) -> None:
        """Keeps none yet.

        Args:
            conversation: whose session it is.
            dial: makes a transport.
            count: how many to keep.
            chance: where the jitter of attempts comes from.
            timeout_s: how long one attempt may take.
        """
        self.on_switched: Callable[[Link, int, list[Frame], int], None]
        self.on_failed: Callable[[str], None]
        self.on_called: Callable[[], None]
        self._conversation = conversation
        self._dial = dial
        self._count = count
        self._chance = chance
        self._timeout_s = timeout_s
        self._links: list[Link] = []
        self._chosen: Link | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._address: DaemonAddress | None = None
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Counts those that stand by; the one that is about to go on is none of them."""
        return len(self._links) - (self._chosen is not None)

    @property
    def is_any(self) -> bool:
        """Whether there is one to go on over."""
        return bool(self._links)

    # --- keeping them -----------------------------------------------------------------------

    def keep(self, address: DaemonAddress | None) -> None:
        """Sees to it that there will be enough of them; ``address`` is where the session is."""
        self._address = address
        if self._is_wanted and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._open_all())

    @property
    def _is_wanted(self) -> bool:
        conversation = self._conversation
        is_resumable = conversation.is_open and conversation.resumption.window_s > 0
        is_meant = is_resumable and self._address is not None
        return is_meant and len(self._links) < self._count

    async def _open_all(self) -> None:
        for delay_s in delays(self._chance):
            try:
                while self._is_wanted and self._address is not None:
                    await self._open(self._address)
            except AskrError as exc:
                LOG.debug("no further connection yet: %s", exc)
            if not self._is_wanted:
                return
            await asyncio.sleep(delay_s)

    async def _open(self, address: DaemonAddress) -> None:
        loop = asyncio.get_running_loop()
        link = Link(self, framing_for(address), loop)
        try:
            async with asyncio.timeout(self._timeout_s):
                link.transport = await self._dial(address, link)
                link.begin()
                link.write([self._conversation.resumption.hello_of_link()])
                await link.welcomed
            self._links.append(link)
        except TimeoutError:
            raise CannotConnect(address.url, f"no answer within {self._timeout_s:g} s") from None
        finally:
            if link not in self._links:  # It may be cancelled although it was welcome already.
                link.abandon()

    def tick(self, now: float) -> None:
        """Looks at the clock: a spare that is silent for long is dead."""
        for link in list(self._links):
            if now - link.heard_at > SILENT_AFTER_S:
                link.drop("nothing is heard on it")

    async def close(self) -> None:
        """Closes them, and opens none until `keep` is called again; cancelling it aborts them."""
        self._address = None
        task, self._task = self._task, None
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
            for link in list(self._links):
                link.write([composition.plain_frame(Kind.BYE, 0, b"", b"", 0)])
                await link.close()
        finally:
            for link in list(self._links):
                link.drop("the connection was closed on this side")

    # --- going on over one ------------------------------------------------------------------

    def switch(self) -> None:
        """Asks the daemon to go on over the oldest of them."""
        link = self._chosen = self._links[0]
        received = self._conversation.resumption.received
        link.write([composition.plain_frame(Kind.RESUME, received, b"", b"", 0)])
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(SWITCH_TIMEOUT_S, link.drop, "the daemon did not go on")

    def _switched(self, link: Link, received: int, rest: list[Frame]) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._chosen = None
        self._links.remove(link)
        self.on_switched(link, received, rest, sum(map(size_of, rest)))

    # --- as a holder ------------------------------------------------------------------------

    def heard(self, link: Link, frames: list[Frame], size: int) -> None:
        """Takes what comes on a spare."""
        for at, frame in enumerate(frames):
            if frame.kind == Kind.PING:
                link.write([composition.plain_frame(Kind.PONG, frame.id, b"", b"", 0)])
            elif frame.kind == Kind.WELCOME:
                self._welcomed(link, load(Welcome, frame.payload, "welcome"))
            elif frame.kind == Kind.RESUME:
                self.on_called()
            elif frame.kind == Kind.RESUMED and link is self._chosen:
                self._switched(link, frame.id, frames[at + 1 :])
                return

    @staticmethod
    def _welcomed(link: Link, welcome: Welcome) -> None:
        if not welcome.resumed:
            raise ConnectionLost("the daemon began a new session")
        if not link.welcomed.done():
            link.welcomed.set_result(welcome)

    def link_lost(self, link: Link, reason: str) -> None:
        """Takes note that a spare is gone."""
        if not link.welcomed.done():
            link.welcomed.set_exception(ConnectionLost(reason))
        if link not in self._links:
            return
        self._links.remove(link)
        if link is self._chosen:
            self._chosen = None
            if self._patience is not None:
                self._patience.cancel()
            self.on_failed(reason)
        else:
            self.keep(self._address)

    def pressure(self) -> None:
        """Nothing is written on a spare that could be too much."""

    def flush(self) -> None:
        """Nothing waits to be written on a spare."""


def check_connections(connections: int) -> int:
    """Returns how many spares go with so many connections.

    Raises:
        ValueError: it is not 1 to 4.
    """
    if not 1 <= connections <= LINKS_MAX:
        raise ValueError(f"connections={connections}: a session has 1 to {LINKS_MAX} connections")
    return connections - 1
