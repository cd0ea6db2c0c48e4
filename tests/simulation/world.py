"""A world on a table: the real router, peers, a network and a store, driven by one seed.

Nothing here waits: time is a number, and everything that will happen lies on one agenda. The
same seed gives the same bytes, whatever machine it runs on.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from hashlib import blake2b
from heapq import heappop, heappush

from askrd.core import why
from askrd.core.effects import Close, Durable, Effect, Note, Persist, Rebind, Record, Say
from askrd.core.instants import NEVER_US
from askrd.core.router import Router
from askrd.core.session import Phase, Session
from askrd.core.state import Entry
from askrd.core.switchboard import Daemon
from askrd.wire.limits import Limits
from tests.simulation.bounds import SMALL
from tests.simulation.checks import Book, check_tables
from tests.simulation.dispatches import Ledger
from tests.simulation.minders import check_logs
from tests.simulation.network import Connection
from tests.simulation.peers import Peer
from tests.simulation.wishes import PLAIN, RICH

START_US = 7_000_000_000
WALL_OFFSET_US = 1_700_000_000_000_000
LOOKS_EVERY = 24
"""Events after which the tables are looked through."""


class World:
    """One simulated afternoon.

    Attributes:
        chance: the only source of chance.
        router: the real one.
        book: what the peers saw, for the checks at the end.
        connections: all there ever were.
        is_busy: whether peers still begin new things.
        inputs: how often bytes were handed to the router.
        ledger: judges what the router gives to instances.
        is_cut: whether the world must not depend on how bytes were cut.
    """

    def __init__(
        self,
        seed: int,
        *,
        is_fast: bool = True,
        cuts: int | None = None,
        limits: Limits = SMALL,
        store_fails: float = 0.0,
        is_curious: bool = False,
    ) -> None:
        """Starts empty.

        Args:
            seed: from which everything follows.
            is_fast: whether the router uses its fast path.
            cuts: seed for cutting what arrives in one moment once more; 0 = not at all, in a
                world that is to be compared with one that is cut.
            limits: bounds of the router.
            store_fails: share of the store's writes that fail.
            is_curious: whether the router is asked, between inputs, who would get commands.
        """
        self.seed = seed
        self.chance = random.Random(seed)
        self.now_us = START_US
        self.book = Book()
        self.connections: list[Connection] = []
        self._carriers: dict[Session, Connection] = {}
        self.peers: list[Peer] = []
        self.notes: list[Note] = []
        self.is_busy = True
        self.is_cut = cuts is not None
        self._cuts = random.Random(cuts) if cuts else None
        self.store_fails = store_fails
        self._wonder = random.Random(seed) if is_curious else None
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._scheduled = 0
        self._looked = 0
        self._is_flush_due = False
        self._alarm_us = NEVER_US
        self._store_free_us = START_US
        self._store_epoch = 0
        self._stored: dict[tuple[str, str], Entry] = {}
        self._rows: dict[tuple[str, str, str], bytes] = {}
        self._digest = blake2b()
        daemon = Daemon(id="d", epoch="e", version="0", build="simulated", workspace="askr")
        self.router = Router(
            daemon,
            limits=limits,
            fast=is_fast,
            now_us=START_US,
            wall_offset_us=WALL_OFFSET_US,
        )
        self.inputs = 0
        self.ledger = self.router.board.recent = Ledger(self)

    @property
    def wall_us(self) -> int:
        """Unix microseconds, as the router has them."""
        return self.now_us + WALL_OFFSET_US

    # ── time ──────────────────────────────────────────────────────────────────────────────

    def later(self, delay_us: int, action: Callable[[], None]) -> None:
        """Puts something on the agenda."""
        self._scheduled += 1
        heappush(self._agenda, (self.now_us + delay_us, self._scheduled, action))

    def run(self, for_us: int) -> None:
        """Lets what is due within ``for_us`` happen, in order."""
        until_us = self.now_us + for_us
        while self._agenda and self._agenda[0][0] <= until_us:
            self.now_us, _, action = heappop(self._agenda)
            action()
            self._looked += 1
            if self._looked % LOOKS_EVERY == 0:
                check_tables(self.router)
                check_logs(self.router.board)
        self.now_us = until_us

    def run_until(self, is_so: Callable[[], bool]) -> None:
        """Lets a little more happen, until it is so."""
        for _ in range(1_000):
            if is_so():
                return
            self.run(5_000)
        raise AssertionError("it never came to that")

    def _tick(self, at_us: int) -> None:
        if at_us == self._alarm_us:
            self._alarm_us = NEVER_US
            self.router.tick(self.now_us)
            self._after()

    # ── what a relay does ─────────────────────────────────────────────────────────────────

    def connect(self, peer: Peer, *, is_wide: bool = False, is_held: bool = True) -> Connection:
        """Connects a peer."""
        number = len(self.connections)
        session = self.router.connect(
            suffix=f"i{number:05}",
            secret=f"secret{number}",
            via="test",
            address="nowhere",
            now_us=self.now_us,
            is_held_to_pings=is_held,
        )
        connection = Connection(self, session, peer, is_wide=is_wide)
        self.connections.append(connection)
        self._carriers[session] = connection
        self._after()
        return connection

    def feed(self, connection: Connection, data: bytes) -> None:
        """Hands bytes to the router, cut once more when the world says so."""
        self.inputs += 1
        if self._wonder is not None:
            self._ask_why(self._wonder)
        at = 0
        while self._cuts is not None and len(data) - at > 1 and self._cuts.random() < 0.7:
            size = self._cuts.randint(1, len(data) - at)
            self.router.feed(connection.session, data[at : at + size], self.now_us)
            at += size
        self.router.feed(connection.session, data[at:], self.now_us)
        self._after()

    def _ask_why(self, chance: random.Random) -> None:
        """Has the router decide who would get some commands of somebody."""
        board = self.router.board
        there = [session for session in board.sessions if session.phase is Phase.OPEN]
        for _ in range(3 if there else 0):
            why.dry_run(board, chance.choice(there), chance.choice((*PLAIN, *RICH)), {})

    def lost(self, connection: Connection, cause: str) -> None:
        """Tells the router that a connection is gone."""
        self.router.lose(connection.session, cause, self.now_us)
        self._after()

    def half_closed(self, connection: Connection) -> None:
        """Tells the router that a peer sends nothing more."""
        self.router.half_close(connection.session, self.now_us)
        self._after()

    def resumed(self, connection: Connection) -> None:
        """Writes what waited until the connection is full again or nothing waits."""
        box = connection.session.outbox
        while box.is_paused:
            pieces = box.take()
            if pieces:
                self._write(connection, pieces)
                if connection.is_full:
                    return
        self.router.resume(connection.session, self.now_us)
        self._after()

    def _after(self) -> None:
        router = self.router
        if router.effects:
            self._carry_out()
        if router.dirty and not self._is_flush_due:
            self._is_flush_due = True
            self.later(0, self._flush)
        due_us = router.next_due_us
        if due_us < self._alarm_us:
            self._alarm_us = due_us
            late_us = self.chance.randint(0, 20_000)
            self.later(max(0, due_us - self.now_us) + late_us, lambda: self._tick(due_us))

    def _carry_out(self) -> None:
        changes: list[Durable] = []
        while self.router.effects:
            effects = self.router.effects.copy()
            self.router.effects.clear()
            for effect in effects:
                self._do(effect, changes)
        if changes:
            self._store(changes)

    def _do(self, effect: Effect, changes: list[Durable]) -> None:
        match effect:
            case Persist() | Record():
                changes.append(effect)
            case Close():
                self._close(effect)
            case Rebind():
                self._rebind(effect)
            case Say():
                self._say(effect)
            case Note():
                self.notes.append(effect)

    def _close(self, effect: Close) -> None:
        connection = self._carriers[effect.session]
        if not connection.is_open:
            self.router.leave(effect.session, effect.reason, self.now_us)
            return
        pieces = effect.session.outbox.take()
        self._digest.update(f"close {connection.index} {effect.close_code}".encode())
        if pieces:
            self._put(connection, pieces)
        self.book.closed[connection.index] = effect.close_code
        connection.end_soon()

    def _rebind(self, effect: Rebind) -> None:
        """Has a connection carry another session, and cuts the one that session had."""
        connection, before = self._carriers[effect.link], self._carriers[effect.session]
        if before.is_open:
            before.session = effect.link
            before.is_open = False
        self._carriers[effect.session] = connection
        connection.session = effect.session
        self._put(connection, list(effect.first))
        if not connection.is_full:
            self.resumed(connection)

    def _say(self, effect: Say) -> None:
        connection = self._carriers[effect.session]
        if connection.is_open:
            self._put(connection, [effect.frame])

    def known_instances(self, workspace: str) -> list[str]:
        """Returns the instance ids of peers that were welcome in a workspace."""
        there = [peer for peer in self.peers if peer.workspace == workspace]
        return [peer.welcome.instance for peer in there if peer.welcome is not None]

    def _flush(self) -> None:
        self._is_flush_due = False
        dirty = self.router.dirty.copy()
        self.router.dirty.clear()
        self.router.board.queued_bytes = 0
        self.router.board.queued_bytes = 0
        for session in dirty:
            if not session.outbox.is_paused and (pieces := session.outbox.take()):
                self._write(self._carriers[session], pieces)

    def _write(self, connection: Connection, pieces: list[bytes]) -> None:
        """Writes what a session is told, and keeps it where its peer may come back."""
        resumption = connection.session.resumption
        if resumption is not None:
            resumption.tail.add(b"".join(pieces))
        self._put(connection, pieces)

    def _put(self, connection: Connection, pieces: list[bytes]) -> None:
        data = b"".join(pieces)
        self._digest.update(f"{self.now_us} {connection.index} {len(data)} ".encode())
        self._digest.update(data)
        connection.write(data)

    def check_store(self) -> None:
        """Holds that what everybody sees is what the store has."""
        seen = {
            (workspace.name, key): entry
            for workspace in self.router.board.workspaces.values()
            for key, entry in workspace.state.entries.items()
            if not entry.owner
        }
        retained_now = {
            (workspace.name, "retained", event.subject.decode()): event.whole
            for workspace in self.router.board.workspaces.values()
            for event in workspace.retained.matching("**")
        }
        if self.router.board.gate.is_settled:
            assert seen == self._stored, "what is seen is not what is kept"
            kept = {row: value for row, value in self._rows.items() if row[1] == "retained"}
            assert retained_now == kept, "what is retained is not what is kept"
            logged = {
                (workspace.name, f"log/{log.name}", f"{entry.seq:016x}"): entry.frame
                for workspace in self.router.board.workspaces.values()
                for log in workspace.logs
                for entry in log._entries[log._head :]
            }
            assert logged.items() <= self._rows.items(), "an event of a log is not kept"

    def _keep(self, change: Durable) -> None:
        if isinstance(change, Record):
            self._rows.pop((change.workspace, change.shelf, change.key), None)
            if change.value is not None:
                self._rows[change.workspace, change.shelf, change.key] = change.value
            return
        self._stored.pop((change.workspace, change.key), None)
        if change.entry is not None:
            self._stored[change.workspace, change.key] = change.entry

    def _store(self, changes: list[Durable]) -> None:
        """Commits in order, some time later; now and then nothing that waits can be written."""
        start_us = max(self.now_us, self._store_free_us)
        self._store_free_us = start_us + self.chance.randint(0, 30_000)
        fails = self.chance.random() < self.store_fails
        epoch = self._store_epoch

        def done() -> None:
            if epoch != self._store_epoch:
                return
            if fails:
                self._store_epoch += 1
                self.router.rejected("disk full", self.now_us)
            else:
                for change in changes:
                    self._keep(change)
                self.router.committed(changes[-1].ticket, self.now_us)
            self.check_store()
            self._after()

        self.later(self._store_free_us - self.now_us, done)

    @property
    def digest(self) -> str:
        """What the daemon wrote, to whom and when, in one word."""
        return self._digest.hexdigest()
