"""Holds what a consumer may rely on, against a plain model: whatever members do and the daemon suffers,
every event that was logged is acknowledged or a dead letter at last, none comes after its
acknowledgement was answered, and first deliveries are in order."""

from __future__ import annotations

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from askrd.wire.frames import Frame, Kind
from tests.unit.askrd.core.desk import SECOND, Desk, Mate, body
from tests.unit.askrd.core.logbook import (
    DEAD,
    Store,
    ack,
    consume,
    create,
    emit,
    log_of,
    nak,
    pair,
    restarted,
)

LIMITS = {"ack_wait_ms": 5_000, "deliveries_max": 3}
CHOICE = st.integers(0, 1_000)


class Consuming(RuleBasedStateMachine):
    """Members come, go and acknowledge; the model knows what each event's fate may be."""

    def __init__(self) -> None:
        super().__init__()
        self.logged: set[int] = set()
        self.seen: set[int] = set()
        self.answered: set[int] = set()
        self.acked: set[int] = set()
        self.dead: set[int] = set()
        self.unsure: set[int] = set()
        desk = Desk()
        self._begin(desk, Store(desk))
        create(self.emitter, **LIMITS)

    def _begin(self, desk: Desk, store: Store) -> None:
        self.desk, self.store = desk, store
        self.members: list[Mate] = []
        self.paused: list[Mate] = []
        self.held: dict[Mate, list[int]] = {}
        self.emitter = desk.join("emitter", is_held=False)
        self.emitter.sub(1, DEAD)

    def _join(self, held_max: int = 1_000) -> Mate:
        mate = self.desk.join("member", is_held=False)
        self.members.append(mate)
        self.held[mate] = []
        consume(mate, unacked_max=held_max)
        return mate

    # ── what happens ──────────────────────────────────────────────────────────────────────────

    @rule(count=st.integers(1, 4))
    def emits(self, count: int) -> None:
        for _ in range(count):
            emit(self.emitter, 0)
            self.logged.add(self._last())

    @precondition(lambda self: len(self.members) < 3)
    @rule(held_max=st.sampled_from([1, 2, 1_000]))
    def joins(self, held_max: int) -> None:
        self._join(held_max)

    @precondition(lambda self: self.members)
    @rule(which=CHOICE, how=st.sampled_from(["unsub", "bye", "lost"]))
    def leaves(self, which: int, how: str) -> None:
        mate = self.members.pop(which % len(self.members))
        if mate in self.paused:
            mate.resume()
            self.paused.remove(mate)
            self._look(mate)
        if how == "unsub":
            mate.say(Frame(kind=Kind.UNSUB, id=1))
        elif how == "bye":
            mate.say(Frame(kind=Kind.BYE))
        mate.lose()

    @precondition(lambda self: any(self.held.values()))
    @rule(which=CHOICE, event=CHOICE, id_=st.sampled_from([0, 9]))
    def acks(self, which: int, event: int, id_: int) -> None:
        holders = [mate for mate in self.members if self.held[mate]]
        if holders:
            mate = holders[which % len(holders)]
            seq = self.held[mate].pop(event % len(self.held[mate]))
            self._ack(mate, seq, id_)

    def _ack(self, mate: Mate, seq: int, id_: int) -> None:
        ack(mate, seq, id_=id_)
        (self.answered if id_ else self.acked).add(seq)

    @precondition(lambda self: any(self.held.values()))
    @rule(which=CHOICE, event=CHOICE, delay_ms=st.sampled_from([0, 1_000, 9_000]))
    def naks(self, which: int, event: int, delay_ms: int) -> None:
        holders = [mate for mate in self.members if self.held[mate]]
        if holders:
            mate = holders[which % len(holders)]
            nak(mate, self.held[mate].pop(event % len(self.held[mate])), delay_ms=delay_ms)

    @precondition(lambda self: len(self.members) > len(self.paused))
    @rule(which=CHOICE)
    def pauses(self, which: int) -> None:
        able = [mate for mate in self.members if mate not in self.paused]
        mate = able[which % len(able)]
        self._look(mate)
        mate.pause()
        self.paused.append(mate)

    @precondition(lambda self: self.paused)
    @rule(which=CHOICE)
    def resumes(self, which: int) -> None:
        self.paused.pop(which % len(self.paused)).resume()

    @rule(seconds=st.sampled_from([1, 3, 6]))
    def waits(self, seconds: int) -> None:
        self.desk.after(seconds * SECOND)

    @rule(count=st.integers(1, 3))
    def disk_is_full(self, count: int) -> None:
        self.desk.is_stored = False
        for _ in range(count):
            emit(self.emitter, 0)
        self.store.refuse()
        self.desk.is_stored = True

    def _last(self) -> int:
        """Returns the number of the newest event; those of refused ones are not given again."""
        return log_of(self.desk).last

    @rule(count=st.integers(0, 3), cut=CHOICE, acks=st.booleans())
    def crashes(self, count: int, cut: int, acks: bool) -> None:
        """The daemon is killed with some of what it wrote last on the disk."""
        safe = len(self.store.records)
        self.desk.is_stored = False
        for _ in range(count):
            emit(self.emitter, 0)
        for mate in self.members:
            if acks and self.held[mate]:
                ack(mate, self.held[mate][0], id_=9)
                self.acked.add(self.held[mate][0])
        self.desk.settle()
        rows = self.store.rows_after(safe + cut % (len(self.store.records) - safe + 1))
        kept = {int(key, 16) for shelf, key in rows if shelf == "log/orders"}
        assert self.logged <= kept
        self.logged = kept
        self.unsure |= (self.acked | self.dead) - self.answered
        desk = restarted(rows, self.desk.now_us)
        self._begin(desk, Store(desk, rows))

    # ── what must hold ────────────────────────────────────────────────────────────────────────

    @invariant()
    def what_comes_may_come(self) -> None:
        new = [seq for mate in self.members for seq in self._look(mate)]
        assert min(new, default=10**9) > max(self.seen, default=0)
        self.seen.update(new)
        # Last, because an event may come and be given up while time passes.
        for frame in self.emitter.heard():
            if frame.name == DEAD.encode():
                self.dead.add(body(frame)["seq"])

    def _look(self, mate: Mate) -> list[int]:
        """Takes in what a member got, and returns what nobody got before."""
        new = []
        for frame in mate.heard():
            if frame.kind != Kind.EVENT:
                continue
            seq, delivery = pair(frame)
            assert seq in self.logged
            assert seq not in self.answered, f"{seq} came after its ack was answered"
            assert seq not in (self.acked | self.dead) - self.unsure
            assert 1 <= delivery <= LIMITS["deliveries_max"]
            self.held[mate].append(seq)
            if seq not in self.seen and seq not in new:
                assert not new or seq > new[-1]
                new.append(seq)
        return new

    def teardown(self) -> None:
        """At last a member acknowledges all it gets, until nothing is left."""
        for mate in (*self.paused, *self.members):
            self._look(mate)
            mate.lose()
        self.members.clear()
        self.paused.clear()
        worker = self._join()
        for _ in range(40):
            self.what_comes_may_come()
            for seq in self.held[worker]:
                self._ack(worker, seq, 9)
            self.held[worker].clear()
            self.desk.after(3 * SECOND)
        self.what_comes_may_come()
        (row,) = self.emitter.ask("$askr.logs.consumers", {"name": "orders"})
        assert (row["waiting"], row["unacked"]) == (0, 0)
        assert self.logged <= self.answered | self.acked | self.dead


Consuming.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestConsuming = Consuming.TestCase
