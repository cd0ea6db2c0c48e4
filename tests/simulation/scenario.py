"""A random world from one seed: who lives in it, what happens to them, and how it ends."""

from __future__ import annotations

from askrd.wire.frames import Frame, Kind
from tests.simulation.checks import check_nothing_left, check_tables
from tests.simulation.clients import Client, Reader, Worker
from tests.simulation.peers import Auditor, Peer
from tests.simulation.vandals import Vandal
from tests.simulation.world import World, small_bounds

SECOND = 1_000_000
BUSY_US = 4 * SECOND
CALM_US = 14 * SECOND
"""Longer than any deadline and than a silent session may live."""
FORGET_US = 660 * SECOND
"""Longer than services that left are remembered."""
KINDS: tuple[type[Peer], ...] = (Worker, Worker, Worker, Client, Client, Reader, Reader, Vandal)


class Scenario:
    """One world from beginning to end."""

    def __init__(self, seed: int, *, is_fast: bool = True, cuts: int | None = None) -> None:
        self.world = World(seed, is_fast=is_fast, cuts=cuts, store_fails=(0, 0.1)[seed % 2])
        self.names = ("askr", "other")[: 1 + (seed % 4 > 0)]
        self.auditors: list[Peer] = []
        self.is_draining = False

    def play(self) -> World:
        """Lets the world live, calm down and end; every check is made on the way."""
        with small_bounds():
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
        for _ in range(world.chance.randint(4, 9)):
            self._arrive()

    def _arrive(self) -> None:
        chance = self.world.chance
        kind = chance.choice(KINDS)
        name = f"{kind.__name__.lower()}{len(self.world.peers)}"
        peer = kind(self.world, chance.choice(self.names), name)
        self.world.later(chance.randint(0, SECOND), peer.start)

    def _live(self) -> None:
        world = self.world
        chance = world.chance
        until_us = world.now_us + BUSY_US
        while world.now_us < until_us:
            world.run(chance.randint(20_000, 500_000))
            self._fate(chance.choice([p for p in world.peers if p not in self.auditors]))

    def _fate(self, peer: Peer) -> None:
        chance = self.world.chance
        luck = chance.random()
        connection = peer.connection
        if luck < 0.1:
            connection.lose()
            self._arrive()
        elif luck < 0.15:
            connection.cut_off()
        elif luck < 0.3:
            connection.stall(chance.randint(100_000, 3 * SECOND))
        elif luck < 0.36:
            self._return(peer)
        elif luck < 0.4:
            peer.say(Frame(kind=Kind.BYE))
            connection.was_lost = True
        elif luck < 0.44:
            self.world.router.half_close(connection.session, self.world.now_us)
            self.world._after()
            connection.was_lost = True
        elif luck < 0.45 and not self.is_draining:
            self.is_draining = True
            self.world.router.drain(20_000, self.world.now_us)
            self.world._after()

    def _return(self, peer: Peer) -> None:
        """Has a peer come back under its old identity while the old session may still be there."""
        if peer.welcome is None or isinstance(peer, Vandal):
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
        world.run_until(lambda: all(peer.connection.is_quiet for peer in whole))
        check_tables(world.router)
        world.book.check()
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
            auditor.leave()
        for _ in range(3):
            world.run(FORGET_US)
            world.router.tick(world.now_us)
        check_nothing_left(world.router)
