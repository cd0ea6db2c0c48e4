"""A random world from one seed: who lives in it, what happens to them, and how it ends."""

from __future__ import annotations

from typing import Any

from askrd.core.session import Phase
from askrd.wire.frames import Frame, Kind
from tests.simulation.bounds import small_bounds
from tests.simulation.checks import check_nothing_left, check_tables
from tests.simulation.clients import Client, Reader, Spoiler
from tests.simulation.listeners import Auditor
from tests.simulation.minders import Minder, check_minded, remove_logs
from tests.simulation.peers import Peer
from tests.simulation.sharers import Sharer
from tests.simulation.vandals import Vandal
from tests.simulation.workers import Overrunner, Worker
from tests.simulation.world import World

SECOND = 1_000_000
BUSY_US = 4 * SECOND
CALM_US = 14 * SECOND
"""Longer than any deadline and than a silent session may live."""
FORGET_US = 660 * SECOND
"""Longer than services that left are remembered."""
KINDS: tuple[type[Peer], ...] = (
    Worker, Worker, Worker, Worker, Overrunner, Client, Client, Spoiler, Reader, Reader, Vandal,
    Sharer, Sharer, Sharer, Minder, Minder,
)  # fmt: skip


class Scenario:
    """One world from beginning to end."""

    def __init__(self, seed: int, **fields: Any) -> None:
        self.world = World(seed, store_fails=(0, 0.1)[seed % 2], **fields)
        self.names = ("askr", "other")[: 1 + (seed % 4 > 0)]
        self.auditors: list[Peer] = []
        self.is_draining = False

    def play(self) -> World:
        """Lets the world live, calm down and end; every check is made on the way."""
        with small_bounds(is_cut=self.world.is_cut):
            self._open()
            self._live()
            self._calm_down()
            self._end()
        return self.world

    def _open(self) -> None:
        world = self.world
        for name in self.names:
            auditor = Auditor(world, name, f"auditor-{name}")
            auditor.start()
            self.auditors.append(auditor)
        world.run(SECOND // 2)
        assert all(auditor.welcome for auditor in self.auditors)
        for name in self.names:
            self._arrive(Worker, name)
        for _ in range(world.chance.randint(5, 8)):
            self._arrive()

    def _arrive(self, kind: type[Peer] | None = None, workspace: str = "") -> None:
        chance = self.world.chance
        kind = kind or chance.choice(KINDS)
        name = f"{kind.__name__.lower()}{len(self.world.peers)}"
        is_resumable = kind is not Vandal and chance.random() < 0.4
        workspace = workspace or chance.choice(self.names)
        peer = kind(self.world, workspace, name, resumable=is_resumable)
        self.world.later(chance.randint(0, SECOND), peer.start)

    def _live(self) -> None:
        world = self.world
        chance = world.chance
        until_us = world.now_us + BUSY_US
        while world.now_us < until_us:
            world.run(chance.randint(20_000, 500_000))
            self._fate(chance.choice([p for p in world.peers if p not in self.auditors]))

    def _fate(self, peer: Peer) -> None:
        """Lets something happen to a peer, now and then to the daemon."""
        luck = self.world.chance.random()
        if luck < 0.01 and not self.is_draining:
            self.is_draining = True
            self.world.router.drain(20_000, self.world.now_us)
            self.world._after()
        elif peer.is_resumable and peer.welcome and not peer.is_away and luck < 0.4:
            self._travel(peer)
        elif luck < 0.53:
            self._suffer(peer, luck)

    def _travel(self, peer: Peer) -> None:
        """Has a peer lose its connection and come back, perhaps too late."""
        chance, connection = self.world.chance, peer.connection
        if chance.random() < 0.7:
            connection.lose()
        elif chance.random() < 0.5:
            connection.cut_off()
        if peer.session.phase is Phase.OPEN:
            peer.go_away(chance.choice((0, 30_000, 300_000, 1_000_000, 2_000_000)))

    def _suffer(self, peer: Peer, luck: float) -> None:
        chance, connection = self.world.chance, peer.connection
        if luck < 0.12:
            connection.lose()
            self._arrive()
        elif luck < 0.2 and isinstance(peer, Worker):
            connection.lose()
            self._arrive(Worker, peer.workspace)
        elif luck < 0.24:
            connection.cut_off()
        elif luck < 0.38:
            connection.stall(chance.randint(100_000, 3 * SECOND))
        elif luck < 0.44:
            self._return(peer)
        elif luck < 0.48:
            peer.say(Frame(kind=Kind.BYE))
            connection.was_lost = True
        else:
            connection.half_close()

    def _return(self, peer: Peer) -> None:
        """Has a peer come back under its old identity while the old session may still be there."""
        if peer.welcome is None or isinstance(peer, Vandal) or peer.is_away:
            return
        peer.connection.was_lost = True
        resume = peer.welcome.resume if self.world.chance.random() < 0.8 else "wrong"
        again = type(peer)(
            self.world, peer.workspace, peer.name, instance=peer.welcome.instance, resume=resume
        )
        self.world.later(self.world.chance.randint(0, 100_000), again.start)

    def _calm_down(self) -> None:
        world = self.world
        world.is_busy = False
        for peer in world.peers:
            if isinstance(peer, Client):
                peer.is_busy = False
        world.run(CALM_US)
        whole = [peer for peer in world.peers if peer.is_whole]
        gate = world.router.board.gate  # Who waits for the store hears of it even now.
        world.run_until(lambda: not gate and all(peer.connection.is_quiet for peer in whole))
        check_tables(world.router)
        world.book.check()
        check_minded(world)
        for peer in whole:
            peer.check()

    def _end(self) -> None:
        world = self.world
        world.store_fails = 0.0
        for peer in world.peers:
            if peer not in self.auditors:
                peer.leave()
        for auditor in self.auditors:
            assert isinstance(auditor, Auditor)
            assert auditor.is_whole, "the auditor was lost"
            auditor.ask(Kind.PROVIDE, "", {"service": "agent"})
            for _ in range(9):
                auditor.wipe()
                world.run(SECOND)
            assert not auditor.view
        for auditor in self.auditors:
            remove_logs(world, auditor)
        world.run(SECOND)
        for auditor in self.auditors:
            auditor.leave()
        for _ in range(3):
            world.run(FORGET_US)
            world.router.tick(world.now_us)
        check_nothing_left(world.router)
