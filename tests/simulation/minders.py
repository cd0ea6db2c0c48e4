"""Who reads a log as a consumer, and what must have become of every event in it at last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from askrd.core import log_commands
from askrd.core.log_readers import Reader
from askrd.core.logs import Log
from askrd.core.switchboard import Switchboard
from askrd.wire.bodies import EventOptions, dump, load
from askrd.wire.frames import FLAG_KEPT, Coding, Frame, Kind
from tests.simulation.peers import Peer

if TYPE_CHECKING:
    from tests.simulation.world import World

LOG = "book"
DEFINITION: dict[str, Any] = {
    "name": LOG,
    "patterns": ["news.**", "door.*"],
    "ack_wait_ms": 1_000,
    "deliveries_max": 3,
}
CONSUMERS = ("billing", "audit")


class Minder(Peer):
    """Reads the log of its workspace with others, and acknowledges most of what it gets."""

    def __init__(self, world: World, workspace: str, name: str, **hello: Any) -> None:
        super().__init__(world, workspace, name, **hello)
        self.subs: dict[int, str] = {}
        self.replays: dict[int, int] = {}

    def begin(self) -> None:
        self.ask(Kind.CALL, "$askr.logs.create", DEFINITION)
        self.world.later(self.world.chance.randint(100_000, 600_000), self._read)

    def _read(self) -> None:
        if not self.is_there or not self.world.is_busy:
            return
        chance = self.world.chance
        consumer = chance.choice(CONSUMERS)
        wants = {"log": LOG, "consumer": consumer, "unacked_max": chance.choice((1, 3, 1_000))}
        self.subs[self.ask(Kind.SUB, "**", options=dump(wants))] = consumer
        if chance.random() < 0.3:
            self.replays[self.ask(Kind.SUB, "**", options=dump({"log": LOG}))] = 0
        if chance.random() < 0.3:
            self.world.later(chance.randint(100_000, 2_000_000), self._unsub)
        elif chance.random() < 0.3:
            self.world.later(chance.randint(100_000, 2_000_000), self._read)

    def _unsub(self) -> None:
        if self.is_there and self.subs:
            self.say(Frame(kind=Kind.UNSUB, id=self.subs.popitem()[0]))

    def on_event(self, frame: Frame) -> None:
        told = load(EventOptions, frame.options, "options")
        if told.sub in self.replays:
            before = self.replays[told.sub]
            assert told.log_seq > before, "an event of a log came twice, or too late"
            self.replays[told.sub] = told.log_seq
            return
        assert told.delivery <= DEFINITION["deliveries_max"]
        assert told.delivery == 1 or frame.flags & FLAG_KEPT
        consumer = self.subs.get(told.sub)
        luck = self.world.chance.random()
        if consumer is None or luck < 0.05:
            return  # it ended meanwhile, or this one is slow
        body: dict[str, Any] = {"sub": told.sub, "seq": told.log_seq}
        if luck < 0.15:
            self._answer(Kind.NAK, body | {"delay_ms": int(luck * 1_000)})
        else:
            self.world.book.minded.add((self.workspace, consumer, told.log_seq))
            self._answer(Kind.ACK, body)

    def _answer(self, kind: Kind, body: dict[str, Any]) -> None:
        self.world.book.outcomes[kind.name] += 1
        if self.world.chance.random() < 0.4:
            self.ask(kind, "", body)
        else:
            self.say(Frame(kind=kind, payload=dump(body), coding=Coding.JSON))


def check_logs(board: Switchboard) -> None:
    """Holds what is true of logs and consumers after every input."""
    for workspace in board.workspaces.values():
        members = {
            hearing
            for session in workspace.sessions.values()
            for hearing in session.hearings.values()
            if isinstance(hearing, Reader)
        }
        known = {reader for log in workspace.logs for reader in log.readers}
        for log in workspace.logs:
            assert log.safe <= log.last
            for consumer in log.consumers.values():
                known |= consumer.members.keys()
                held = [each.reader for each in consumer.unacked.values() if each.reader]
                assert all(held.count(one) == n for one, n in consumer.members.items())
                assert set(held) <= consumer.members.keys(), "somebody who left has an event"
                assert all(seq <= consumer.position for seq in consumer.unacked)
        assert members == known, "a log has other readers than those who subscribed"


def check_minded(world: World) -> None:
    """Holds, at the end, that every event was acknowledged by somebody or told as dead."""
    for workspace in world.router.board.workspaces.values():
        for log in workspace.logs:
            _check_log(world, log)


def _check_log(world: World, log: Log) -> None:
    assert log.gone == 0, "nothing is too much for this log"
    for consumer in log.consumers.values():
        seqs = [entry.seq for entry in log._entries if entry.seq <= consumer.position]
        lost = [
            seq
            for seq in seqs
            if seq not in consumer.unacked
            and (log.workspace, consumer.name, seq) not in world.book.minded
        ]
        assert len(lost) <= consumer.dead, f"{lost} were taken as acknowledged by nobody"
        world.book.outcomes["dead letter"] += consumer.dead
        able = [m for m in consumer.members if isinstance(m, Reader) and m.is_able]
        if able and not world.router.board.is_draining:
            assert consumer.position >= log.safe, "events wait for nobody"
            assert not consumer.unacked, "events are neither acknowledged nor dead"
            world.book.outcomes["log read to its end"] += 1


def remove_logs(world: World, peer: Peer) -> None:
    """Removes the log of a peer's workspace, which nobody reads any more."""
    if peer.session.in_open_workspace.logs.get(LOG) is not None:
        log_commands.remove(world.router.board, peer.session, {"name": LOG})
        world._after()
