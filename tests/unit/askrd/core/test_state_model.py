"""Holds the rules of connected state against a model, with a store that answers when it likes."""

from __future__ import annotations

from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from askrd.core.effects import Persist
from askrd.wire.bodies import dump
from askrd.wire.frames import Coding, Frame, Kind
from tests.unit.askrd.core.desk import MS, WALL_US, Desk, Mate, body, options
from tests.unit.askrd.core.state_model import Model, Wish

KEYS = st.sampled_from(["a", "a/b", "c"])
VALUES = st.sampled_from(["1", "2", '{"x":1}', '{"x":1,"y":2}', '"s"'])
PATCHES = st.sampled_from(['{"x":null}', '{"y":2}', '{"x":1}', "7", "{}"])
STEPS = st.sampled_from(["0", "1", "-3"])
PEERS = st.integers(0, 2)
TTLS = st.sampled_from([None, None, 0, 70, 300])
OFTEN_NOT = st.sampled_from([False, False, True])


class Comparison(RuleBasedStateMachine):
    """Three peers write and read, one watches, and the store takes its time or refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(is_stored=False)
        self.model = Model()
        self.mates = [self._join() for _ in range(3)]
        self.auditor = self.desk.join("auditor", is_held=False)
        self.auditor.say(Frame(kind=Kind.WATCH, id=1))
        self.auditor.heard()
        self.view: dict[str, str] = {}
        self.told: list[tuple[int, str, str, str | None]] = []
        self.said: dict[tuple[str, int], Any] = {}
        self.stored: dict[str, str] = {}
        self.given: list[Persist] = []
        self.next_id = 1

    def _join(self) -> Mate:
        mate = self.desk.join(is_held=False)
        self.model.present.add(mate.session.suffix)
        return mate

    @property
    def now_ms(self) -> int:
        return self.desk.router.board.now_ms

    def _collect(self) -> None:
        """Takes what the router has said and given to the store."""
        self.given += [each for each in self.desk.effects if isinstance(each, Persist)]
        self.desk.effects.clear()
        for mate in self.mates:
            for frame in mate.heard():
                self.said[mate.session.suffix, frame.id] = outcome_of(frame)
        for frame in self.auditor.heard():
            if frame.kind == Kind.CHANGE:
                key, told = frame.name.decode(), options(frame)
                value = frame.payload.decode() if told.op == "set" else None
                self.told.append((frame.id, key, told.cause, value))
                self.view.pop(key, None)
                if value is not None:
                    self.view[key] = value

    def _ask(self, peer: int, key: str, op: str, payload: str, **said: Any) -> None:
        mate = self.mates[peer]
        self.next_id += 1
        wish = Wish(mate.session.suffix, self.next_id, key, op, payload, **said)
        mate.say(frame_of(wish))
        self.model.ask(wish, self.desk.now_us, self.now_ms)
        self._collect()

    @rule(peer=PEERS, key=KEYS, value=VALUES, ttl=TTLS, ephemeral=OFTEN_NOT, fast=OFTEN_NOT)
    def set(
        self, peer: int, key: str, value: str, ttl: int | None, ephemeral: bool, fast: bool
    ) -> None:
        self._ask(peer, key, "", value, ttl_ms=ttl, is_ephemeral=ephemeral, is_fast=fast)

    @rule(peer=PEERS, key=KEYS, value=VALUES, off=st.integers(0, 1), fast=OFTEN_NOT)
    def set_if(self, peer: int, key: str, value: str, off: int, fast: bool) -> None:
        there = self.model.head.get(key)
        rev = (there.rev if there is not None else 0) + off
        self._ask(peer, key, "", value, if_rev=rev, is_fast=fast)

    @rule(peer=PEERS, key=KEYS, patch=PATCHES, ttl=TTLS, ephemeral=OFTEN_NOT, fast=OFTEN_NOT)
    def patch(
        self, peer: int, key: str, patch: str, ttl: int | None, ephemeral: bool, fast: bool
    ) -> None:
        self._ask(peer, key, "patch", patch, ttl_ms=ttl, is_ephemeral=ephemeral, is_fast=fast)

    @rule(peer=PEERS, key=KEYS, step=STEPS, ttl=TTLS, fast=OFTEN_NOT)
    def count(self, peer: int, key: str, step: str, ttl: int | None, fast: bool) -> None:
        self._ask(peer, key, "incr", step, ttl_ms=ttl, is_fast=fast)

    @rule(peer=PEERS, key=KEYS, ttl=TTLS, fast=OFTEN_NOT)
    def touch(self, peer: int, key: str, ttl: int | None, fast: bool) -> None:
        self._ask(peer, key, "touch", "", ttl_ms=ttl, is_fast=fast)

    @rule(peer=PEERS, key=KEYS, fast=OFTEN_NOT)
    def delete(self, peer: int, key: str, fast: bool) -> None:
        self._ask(peer, key, "del", "", is_fast=fast)

    @rule(peer=PEERS, key=KEYS)
    def read(self, peer: int, key: str) -> None:
        self._ask(peer, key, "get", "")

    @rule(part=st.floats(0, 1))
    def store_some(self, part: float) -> None:
        """Has the store keep some of what it was given, in order."""
        if not self.given:
            return
        count = max(1, round(len(self.given) * part))
        kept, self.given = self.given[:count], self.given[count:]
        for each in kept:
            self.stored.pop(each.key, None)
            if each.entry is not None:
                self.stored[each.key] = each.entry.value.decode()
        self.desk.commit(kept[-1].ticket)
        self.model.commit(kept[-1].ticket)
        self._collect()

    @rule()
    def refuse(self) -> None:
        """Has the store refuse everything that waits."""
        if not self.given:
            return
        self.given.clear()
        self.desk.router.rejected("disk full", self.desk.now_us)
        self.desk.settle()
        self.model.reject(self.desk.now_us, self.now_ms)
        self._collect()

    @rule(time_ms=st.sampled_from([1, 40, 110, 400]))
    def wait(self, time_ms: int) -> None:
        until_us = self.desk.now_us + time_ms * MS
        self.desk.after(time_ms * MS)
        self.model.pass_until(until_us, WALL_US)
        self.desk.router.board.now_us = until_us
        self._collect()

    @rule(peer=PEERS)
    def leave(self, peer: int) -> None:
        mate = self.mates[peer]
        self._collect()
        mate.lose()
        self.model.leave(mate.session.suffix, self.desk.now_us, self.now_ms)
        self.mates[peer] = self._join()
        self._collect()

    @rule(back=st.integers(0, 6))
    def watch_since(self, back: int) -> None:
        rev = max(0, self.model.rev - back)
        mate = self.desk.join("late", is_held=False)
        mate.say(Frame(kind=Kind.WATCH, id=1, options=b'{"since":%d}' % rev))
        *missed, synced = mate.heard()
        assert body(synced) == {"rev": self.model.rev}
        assert [frame.id for frame in missed] == [
            each[0] for each in self.model.log if each[0] > rev
        ]
        mate.lose()

    @invariant()
    def everybody_sees_what_the_model_says(self) -> None:
        state = self.desk.router.board.workspace("askr").state
        seen = {
            key: (entry.value.decode(), entry.rev, entry.owner, entry.expires_ms)
            for key, entry in state.entries.items()
        }
        assert seen == {
            key: (item.value, item.rev, item.owner, item.expires_ms)
            for key, item in self.model.seen.items()
        }
        assert (state.rev, state.head_rev) == (self.model.rev, self.model.head_rev)
        assert self.view == {key: item.value for key, item in self.model.seen.items()}
        assert self.told == self.model.log
        assert self.said == self.model.said
        revs = [each[0] for each in self.told]
        assert revs == sorted(set(revs)), "revisions come in order, each once"

    @invariant()
    def bytes_and_count_are_those_of_the_head(self) -> None:
        state, head = self.desk.router.board.workspace("askr").state, self.model.head
        assert state.count == len(head)
        assert state.bytes == sum(len(key) + len(item.value) for key, item in head.items())
        owned = {key for keys in state.owned.values() for key in keys}
        assert owned == {key for key, item in head.items() if item.owner}

    @invariant()
    def the_store_has_what_was_promised(self) -> None:
        if self.desk.router.board.gate.is_settled:
            ordinary = {key: item for key, item in self.model.seen.items() if not item.owner}
            assert self.stored == {key: item.value for key, item in ordinary.items()}


def frame_of(wish: Wish) -> Frame:
    """Returns what a peer sends for a wish."""
    name = wish.key.encode()
    if wish.op == "get":
        return Frame(kind=Kind.GET, id=wish.id, name=name)
    members = {"if_rev": wish.if_rev, "fast": wish.is_fast or None}
    if wish.op == "del":
        kind = Kind.DEL
    else:
        kind = Kind.PUT
        members |= {
            "op": wish.op or None, "ttl_ms": wish.ttl_ms, "ephemeral": wish.is_ephemeral or None,
        }  # fmt: skip
    said = {name: value for name, value in members.items() if value is not None}
    coding = Coding.JSON if wish.value else Coding.NONE
    return Frame(
        kind=kind, id=wish.id, name=name, payload=wish.value.encode(), coding=coding,
        options=dump(said) if said else b"",
    )  # fmt: skip


def outcome_of(frame: Frame) -> Any:
    """Returns an answer as the model says it."""
    if frame.kind == Kind.FAIL:
        return body(frame)["code"]
    assert frame.kind == Kind.OK
    told = options(frame)
    return told.rev, told.changed, frame.payload.decode() if frame.payload else None


TestComparison = Comparison.TestCase
TestComparison.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
