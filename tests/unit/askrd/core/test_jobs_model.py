"""Holds jobs against what they promise, with workers that fail and leave, a store that takes its
time or refuses, and crashes at every record."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from askrd.core.effects import Record
from askrd.core.jobs import ENDED
from askrd.wire.frames import Kind
from tests.unit.askrd.core.desk import MS, SECOND, Desk, Mate, body, json

FEW = st.integers(0, 2)
OUTCOMES = st.sampled_from(["reply", "reply", "handler_error", "of_its_own"])


class Jobs(RuleBasedStateMachine):
    """One caller, up to three workers, one auditor, and a daemon that may be killed.

    Attributes:
        kept: the rows that the store has. given: those it was given and has not written.
        accepted, cancelled, retried: ids of which the caller was told so. started: ids that some worker has got.
        ended: how often the end of each job was told in this life of the daemon and since it was retried.
        late: ends that were not told yet when their job was retried. has_refused: whether the store has.
        open: per worker, its unanswered calls and their jobs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], bytes] = {}
        self.accepted: set[int] = set()
        self.cancelled: set[int] = set()
        self.started: set[int] = set()
        self.ended: dict[int, int] = {}
        self.late: dict[int, int] = {}
        self.has_refused = False
        self.retried: set[int] = set()
        self.asks: dict[int, str] = {}
        self.next_id = 1
        self.concurrency = 0
        self.desk = Desk(is_stored=False)
        self._enter()

    @initialize(concurrency=st.sampled_from([0, 1, 2]))
    def declare(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self.join()

    def _enter(self) -> None:
        """Has everybody connect to the daemon that runs now."""
        self.given: list[Record] = []
        self.open: dict[Mate, dict[int, int]] = {}
        self.me = self.desk.join("me", is_held=False)
        self.auditor = self.desk.join("auditor", is_held=False)
        self.auditor.sub(1, "$askr.job.ended")
        self.auditor.heard()

    def _look(self) -> None:
        """Takes in what everybody has heard."""
        self.given += [each for each in self.desk.effects if isinstance(each, Record)]
        self.desk.effects.clear()
        for worker, calls in self.open.items():
            for frame in worker.heard():
                if frame.kind == Kind.CALL:
                    calls[frame.id] = self._started(frame.options)
        for frame in self.auditor.heard():
            if frame.kind == Kind.EVENT:
                job = int(body(frame)["id"])
                if self.late.get(job):
                    self.late[job] -= 1
                    continue
                self.ended[job] = self.ended.get(job, 0) + 1
                self.retried.discard(job)
        self._hear_answers()

    def _hear_answers(self) -> None:
        for frame in self.me.heard():
            if frame.kind == Kind.REPLY and frame.id in self.asks:
                what, value = self.asks[frame.id], body(frame)
                if what == "ask":
                    assert int(value["job"]) not in self.accepted, "an id is given once"
                    self.accepted.add(int(value["job"]))
                elif what == "cancel":
                    self.cancelled.add(int(value["id"]))
                elif not self.ended.get(int(value["id"])):
                    self.retried.add(int(value["id"]))

    def _started(self, options: bytes) -> int:
        told = msgspec.json.decode(options)
        job = int(told["job"])
        assert told["attempt"] <= 3
        assert not self.ended.get(job), "what has ended does not run"
        if job not in self.started:
            behind = {j for j in self.accepted if j < job and not self._is_over(j)}
            assert behind <= self.started, "nobody overtakes whoever has not begun"
        self.started.add(job)
        return job

    def _is_over(self, job: int) -> bool:
        item = self.desk.router.board.workspaces["askr"].jobs.items.get(job)
        return item is None or item.state in ENDED

    def _say(self, address: str, argument: Any, what: str) -> None:
        self.asks[self.next_id] = what
        self.me.say(json(Kind.CALL, argument, id=self.next_id, name=address.encode()))
        self.next_id += 1
        self._look()

    # ── what happens ──────────────────────────────────────────────────────────────────────

    @rule()
    def ask(self) -> None:
        self._say("agent.fetch", None, "ask")

    @rule()
    def join(self) -> None:
        if len(self.open) >= 3:
            return
        worker = self.desk.join("agent", is_held=False)
        self.open[worker] = {}
        spec = {"name": "fetch", "queue": True, "attempts": 3, "backoff_ms": 300}
        spec |= {"concurrency": self.concurrency, "keep_ms": 2**31}
        worker.say(json(Kind.PROVIDE, {"service": "agent", "commands": [spec]}, id=1))
        self._look()

    @rule(which=FEW)
    def lose(self, which: int) -> None:
        for worker in list(self.open)[which : which + 1]:
            del self.open[worker]
            worker.lose()
            self._look()

    @rule(which=FEW, nth=FEW, outcome=OUTCOMES)
    def answer(self, which: int, nth: int, outcome: str) -> None:
        for worker in list(self.open)[which : which + 1]:
            for rid in list(self.open[worker])[nth : nth + 1]:
                del self.open[worker][rid]
                if outcome == "reply":
                    worker.reply(rid)
                else:
                    worker.fail(rid, outcome)
                self._look()

    @rule(nth=st.integers(0, 5))
    def cancel(self, nth: int) -> None:
        for job in sorted(self.accepted)[nth : nth + 1]:
            self._say("$askr.jobs.cancel", job, "cancel")

    @rule(nth=st.integers(0, 5))
    def retry(self, nth: int) -> None:
        for job in sorted(self.accepted)[nth : nth + 1]:
            item = self.desk.router.board.workspaces["askr"].jobs.items[job]
            if item.state in ENDED and item.state != "done":
                if not self.ended.pop(job, None):
                    self.late[job] = self.late.get(job, 0) + 1
                self.cancelled.discard(job)
                # A retried one stands at the end of the row: nobody owes it to begin early.
                self.started.add(job)
            self._say("$askr.jobs.retry", job, "retry")

    @rule(time_ms=st.sampled_from([1, 200, 400, 31_000]))
    def wait(self, time_ms: int) -> None:
        self.desk.after(time_ms * MS)
        self._look()

    @rule(count=st.integers(1, 5))
    def store(self, count: int) -> None:
        written, self.given = self.given[:count], self.given[count:]
        for each in written:
            self._write(each)
            self.desk.commit(each.ticket)
        self._look()

    def _write(self, record: Record) -> None:
        place = record.shelf, record.key
        if record.value is None:
            self.kept.pop(place, None)
        else:
            self.kept[place] = record.value

    @rule()
    def refuse(self) -> None:
        self.given.clear()
        self.has_refused = True
        self.desk.router.rejected("no room", self.desk.now_us)
        self.desk.settle()
        self._look()

    @rule(more=st.integers(0, 3))
    def crash(self, more: int) -> None:
        """Kills the daemon; the store may have written more than it had time to say."""
        for each in self.given[:more]:
            self._write(each)
        now_us = self.desk.now_us
        self.desk = Desk(is_stored=False)
        self.desk.now_us = now_us
        records = [(shelf, key, value) for (shelf, key), value in sorted(self.kept.items())]
        self.desk.router.restore("askr", [], 0, now_us, records)
        self.desk.settle()
        items = self.desk.router.board.workspaces["askr"].jobs.items
        assert self.accepted <= items.keys(), "what was answered is there"
        if not self.has_refused:
            over = {job for job in self.ended if items[job].state in ENDED}
            assert self.ended.keys() == over, "whose end was told does not run again"
        self.late.clear()
        for job in self.cancelled:
            assert items[job].state == "cancelled", "what was said to be cancelled is so"
        for job in self.retried:
            assert items[job].state == "queued", "what was said to go again does so"
        self.ended = {job: 1 for job in items if items[job].state in ENDED}
        self._enter()
        self._look()

    # ── what holds ────────────────────────────────────────────────────────────────────────

    @invariant()
    def nobody_has_more_than_it_may(self) -> None:
        running = [len(calls) for calls in self.open.values()]
        if self.concurrency:
            assert all(count <= self.concurrency for count in running)
        else:
            assert sum(running) <= 1

    @invariant()
    def every_end_is_told_once(self) -> None:
        board = self.desk.router.board
        for id_, job in board.workspaces["askr"].jobs.items.items():
            told, is_over = self.ended.get(id_, 0), job.state in ENDED
            assert told <= is_over
            if board.gate.committed == board.gate.ticket and not len(board.gate):
                assert told == is_over

    def teardown(self) -> None:
        """Has everything go well from now on: then everything ends."""
        for worker in list(self.open):
            del self.open[worker]
            worker.lose()
        self._look()
        self.join()
        for _ in range(self.next_id + 40):
            self.store(len(self.given))
            for worker, calls in self.open.items():
                for rid in list(calls):
                    del calls[rid]
                    worker.reply(rid)
            self.desk.after(SECOND)
            self._look()
        jobs = self.desk.router.board.workspaces["askr"].jobs
        assert all(job.state in ENDED for job in jobs.items.values())
        assert self.accepted <= jobs.items.keys()
        assert jobs.count == len(jobs.items)
        assert jobs.bytes == sum(job.size for job in jobs.items.values())
        self.desk.assert_nothing_is_left()


TestJobs = Jobs.TestCase
TestJobs.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
