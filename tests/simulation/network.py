"""The network of a simulated world: bytes take time, arrive in pieces, pile up, and get lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from askrd.core.session import Session

if TYPE_CHECKING:
    from tests.simulation.peers import Peer
    from tests.simulation.world import World

ROOM_BYTES = 700
"""What a connection takes on its way to a peer before the daemon has to wait."""
READ_BYTES_MAX = 600
"""What one read hands over at most."""


class Connection:
    """One connection between a peer and the daemon, in both directions.

    Attributes:
        session: the daemon's side. peer: the other side.
        is_open: whether bytes can still arrive. is_full: whether the daemon has to wait.
        is_cut_off: bytes vanish in both directions and nobody is told.
        is_stalled: the peer does not read for now.
        was_lost: it ended with bytes still on their way.
        is_half_closed: the peer sends nothing more. is_abandoned: it listens no more, either.
    """

    def __init__(self, world: World, session: Session, peer: Peer, *, is_wide: bool) -> None:
        self.world = world
        self.session = session
        self.peer = peer
        self.index = len(world.connections)
        self.is_open = True
        self.is_full = False
        self.is_cut_off = False
        self.is_stalled = False
        self.was_lost = False
        self.is_half_closed = False
        self.is_abandoned = False
        self._is_wide = is_wide
        self._up = bytearray()
        self._down = bytearray()
        self._is_up_due = False
        self._is_down_due = False
        self._sent = 0
        self._arrived = 0
        self._marks: deque[tuple[int, Callable[[], None]]] = deque()

    # ── from the peer to the daemon ───────────────────────────────────────────────────────

    def send(self, data: bytes, arrived: Callable[[], None] | None = None) -> None:
        """Puts bytes on their way; ``arrived`` is called when the daemon has read them all."""
        if not self.is_open:
            return
        self._up += data
        self._sent += len(data)
        if arrived is not None:
            self._marks.append((self._sent, arrived))
        self._hurry_up()

    def _hurry_up(self) -> None:
        if self._up and not self._is_up_due:
            self._is_up_due = True
            self.world.later(self._delay_us(), self._arrive)

    def _arrive(self) -> None:
        self._is_up_due = False
        if not self.is_open or self.is_cut_off or self.is_half_closed:
            return
        size = len(self._up)
        if self.world.chance.random() < 0.4:
            size = self.world.chance.randint(1, size)
        data = bytes(self._up[:size])
        del self._up[:size]
        self._arrived += size
        self.world.feed(self, data)
        while self._marks and self._marks[0][0] <= self._arrived:
            self._marks.popleft()[1]()
        self._hurry_up()

    def _delay_us(self) -> int:
        return self.world.chance.randint(100, 2_000 if self._is_wide else 60_000)

    # ── from the daemon to the peer ───────────────────────────────────────────────────────

    def write(self, data: bytes) -> None:
        """Takes bytes from the daemon; when that is too much, the daemon is paused."""
        if not self.is_open:
            return
        self._down += data
        if len(self._down) > ROOM_BYTES and not self.is_full and not self._is_wide:
            self.is_full = True
            self.world.router.pause(self.session)
        self._hurry_down()

    def _hurry_down(self) -> None:
        if self._down and not self._is_down_due:
            self._is_down_due = True
            self.world.later(self._delay_us(), self._read)

    def _read(self) -> None:
        self._is_down_due = False
        if not self.is_open or self.is_cut_off or self.is_stalled:
            return
        most = len(self._down) if self._is_wide else READ_BYTES_MAX
        size = self.world.chance.randint(1, most)
        data = bytes(self._down[:size])
        del self._down[:size]
        if not self.is_abandoned:
            self.peer.receive(data)
        if self.is_full and len(self._down) < ROOM_BYTES // 2:
            self.is_full = False
            self.world.resumed(self)
        self._hurry_down()

    # ── what happens to it ────────────────────────────────────────────────────────────────

    def stall(self, for_us: int) -> None:
        """Has the peer read nothing for a while."""
        self.is_stalled = True
        self.world.later(for_us, self.go_on)

    def go_on(self) -> None:
        """Has the peer read again."""
        self.is_stalled = False
        self._hurry_down()

    def cut_off(self) -> None:
        """Swallows everything from now on without a word, as a pulled cable does."""
        self.is_cut_off = True
        self.was_lost = True

    def half_close(self) -> None:
        """Ends what the peer sends; the daemon hears of it."""
        self.was_lost = self.is_half_closed = True
        self.world.half_closed(self)

    def lose(self) -> None:
        """Ends at once with everything that is on its way; the daemon hears of it."""
        if self.is_open:
            self.was_lost = True
            self.end("connection lost")

    def end_soon(self) -> None:
        """Ends once what the daemon wrote last has had time to arrive."""
        self.was_lost = True
        self.world.later(self._delay_us() * 4, lambda: self.end("closed by the daemon"))

    def end(self, cause: str) -> None:
        """Ends now; idempotent."""
        if self.is_open:
            self.is_open = False
            self.world.lost(self, cause)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is on its way in either direction."""
        return not self._up and not self._down
