"""Who serves commands: in every reply mode, with streams both ways, more or less well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from askrd.core.session import Phase
from askrd.wire.bodies import Credit, dump, load
from askrd.wire.frames import FLAG_MORE, FLAG_SILENT, FLAG_UP, Coding, Frame, Kind
from tests.simulation.asking import Asked
from tests.simulation.callers import credit_frame
from tests.simulation.clients import Client
from tests.simulation.flows import Intake, Outflow
from tests.simulation.offers import PIECED, SPECS, VERSIONS, agreed, declared
from tests.simulation.peers import said

if TYPE_CHECKING:
    from tests.simulation.world import World

POLICIES = ("least", "random", "hash", "first", "weighted")


@dataclass(eq=False)
class Job:
    """One command as its instance knows it.

    Attributes:
        down: what it streams back, or the pieces of its value; None = one frame says all.
        is_accepted: its caller has its answer. is_over: it was answered or cancelled.
        upload_end: how the upload ended; None so far.
    """

    rid: int
    token: str
    mode: str
    by: str
    down: Outflow | None = None
    up: Intake = field(default_factory=Intake)
    is_accepted: bool = False
    is_over: bool = False
    upload_end: int | None = None


class Worker(Client):
    """Provides one or two services and answers what it is asked, more or less well."""

    def __init__(self, world: World, workspace: str, name: str, **hello: Any) -> None:
        super().__init__(world, workspace, name, **hello)
        self.requests = 1_000_000  # apart from the ids of what it is asked: an error names either
        self.provided: set[str] = set()
        self.jobs: dict[int, Job] = {}
        self.finished: set[int] = set()
        self.last_rid = 0
        self.last_of: dict[tuple[str, str], int] = {}
        self.is_bad = world.chance.random() < 0.15

    # ── what it offers ────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        for service in self.world.chance.choice((("agent",), ("store",), ("agent", "store"))):
            self.provide(service)
        super().begin()

    def provide(self, service: str, kind: Kind = Kind.PROVIDE) -> None:
        """Offers some commands of a service."""
        chance = self.world.chance
        names = list(SPECS)
        if chance.random() < 0.3:
            names = chance.sample(names, chance.randint(5, len(names)))
        specs = [
            {"name": name, "timeout_ms": chance.choice((0, 700))} | SPECS[name] for name in names
        ]
        body: dict[str, Any] = {
            "service": service,
            "commands": specs,
            "tags": {"zone": chance.choice("ab")},
            "version": chance.choice(VERSIONS),
            "weight": chance.randint(1, 3),
        }
        if chance.random() < 0.25:
            body["policy"] = chance.choice(POLICIES)
        if chance.random() < 0.15:
            body["concurrency"] = chance.randint(1, 3)
        if chance.random() < 0.03:
            body["allow_from"] = ["agent", "role:boss"]
        if chance.random() < 0.05:
            body["connect_to"] = [chance.choice(("agent", "store"))]
        self.ask(kind, "", body)
        self.provided.add(service)

    def act(self) -> None:
        chance = self.world.chance
        luck = chance.random()
        if luck < 0.05:
            self.ask(Kind.WITHDRAW, "", {"service": chance.choice(("agent", "store"))})
        elif luck < 0.1:
            self.provide(chance.choice(("agent", "store")), Kind.UPDATE)
        elif luck < 0.2:
            self.provide(chance.choice(("agent", "store")))
        elif luck < 0.5:
            super().act()

    # ── what it is asked ──────────────────────────────────────────────────────────────────

    def on_call(self, frame: Frame) -> None:
        service, _, command = frame.name.decode().partition(".")
        assert service in self.provided
        assert command in SPECS
        assert frame.ttl_ms > 0, "a command comes with the time that is left"
        body = said(frame)
        if body is None or body["t"] == "forged":
            self._answer_forged(frame)
            return
        asked = self._check_call(frame)
        book = self.world.book
        self._check_order(frame.name.decode(), asked)
        mode = self._check_mode(frame, command, asked)
        by = f"{service}@{self.session.suffix}"
        book.delivered.setdefault(asked.token, []).append(f"{by} {self.connection.index}")
        if mode == "none":
            assert frame.id == 0, "nothing can be answered to what was told"
            assert frame.flags & FLAG_SILENT, "the instance does not know that it was told"
            return
        assert frame.id > self.last_rid, "ids of one instance increase"
        is_next = frame.id == self.last_rid + 1
        assert is_next or self.returns, "ids of one instance increase one by one"
        self.last_rid = frame.id
        job = Job(frame.id, asked.token, mode, by)
        self.jobs[frame.id] = job
        chance = self.world.chance
        if mode == "stream" or (mode == "value" and command in PIECED and chance.random() < 0.3):
            job.down = Outflow(chance.randint(0, 9))
        self._serve(job, asked)

    def _answer_forged(self, frame: Frame) -> None:
        """Answers a vandal's command at once."""
        if frame.id:
            self.last_rid = frame.id
            self.finished.add(frame.id)
            self.say(Frame(kind=Kind.REPLY, id=frame.id))

    def _check_call(self, frame: Frame) -> Asked:
        """Holds that a command is what its caller asked, and in its name."""
        book = self.world.book
        asked = book.asked[said(frame)["t"]]
        suffix, ttl_ms = book.askers[asked.token]
        if asked.run is None:
            assert frame.stamp.decode().endswith(f"@{suffix}"), "somebody else is said to ask"
            assert not ttl_ms or frame.ttl_ms <= ttl_ms, "time grew on the way"
        return asked

    def _check_mode(self, frame: Frame, command: str, asked: Asked) -> str:
        """Holds that the instance is told the mode and the upload, and nothing else."""
        options = load(dict, frame.options, "options") if frame.options else {}
        assert options.keys() <= {"reply", "upload"}, f"the instance is told {options}"
        mode = options.get("reply", declared(command))
        if frame.flags & FLAG_SILENT:
            mode = "none"
        wanted = asked.options.get("reply", "")
        assert mode == agreed(command, wanted, is_silent=asked.is_silent), "another mode"
        assert options.get("upload", "") == asked.options.get("upload", "")
        return str(mode)

    def _check_order(self, name: str, asked: Asked) -> None:
        """Holds the order of one asker's commands, but for those that named who may take them."""
        asker, _, number = asked.token.partition(".")
        if asked.token not in self.world.book.selected and len(asked.chosen) == 1:
            last = self.last_of.get((asker, name), 0)
            assert int(number) > last, f"commands of {asker} were turned around"
            self.last_of[asker, name] = int(number)

    def on_cancel(self, frame: Frame) -> None:
        is_known = 0 < frame.id <= self.last_rid
        assert is_known or self.returns, "cancel names a command that came before"
        job = self.jobs.get(frame.id)
        if job is None:
            return  # a vandal's
        if not job.is_over and self.world.chance.random() < 0.8:
            self._say(Kind.REPLY, job)
        job.is_over = True
        self.finished.add(frame.id)

    # ── what it answers ───────────────────────────────────────────────────────────────────

    def _serve(self, job: Job, asked: Asked) -> None:
        chance = self.world.chance
        delay_us = chance.choice((0, 5_000, 100_000, 1_500_000))
        luck = chance.random()
        if job.mode == "ack" and luck < 0.7:
            self.world.later(delay_us, lambda: self._accept(job))
            return
        if luck < 0.1 and job.mode != "ack":
            return
        if luck < 0.3:
            self._say(Kind.PROGRESS, job)
        if asked.options.get("upload") and chance.random() < 0.9:
            return
        if luck < 0.9:
            self.world.later(delay_us, lambda: self.go_on(job))
        if luck > 0.8:
            self.world.later(delay_us * 2, lambda: self.go_on(job))

    def _accept(self, job: Job) -> None:
        if job.is_over:
            return
        for _ in range(self.world.chance.choice((1, 1, 1, 2))):
            self.say(Frame(kind=Kind.REPLY, id=job.rid, flags=FLAG_MORE))
        job.is_accepted = True
        self.finished.add(job.rid)
        delay_us = self.world.chance.choice((0, 50_000, 800_000))
        self.world.later(delay_us, lambda: self._end_accepted(job))

    def _end_accepted(self, job: Job) -> None:
        if job.is_over or not self.is_there:
            return
        job.is_over = True
        if self.world.chance.random() < 0.4:
            self._fail_later(job)
        else:
            self._say(Kind.REPLY, job)

    def _fail_later(self, job: Job) -> None:
        book, session, returns = self.world.book, self.session, self.returns
        book.refused_later.add((job.token, job.by))

        def arrived() -> None:
            if session.phase is Phase.OPEN and not session.is_finishing and returns == self.returns:
                book.refused_surely.add((job.token, job.by))

        self._fail(job, "of_its_own", arrived)

    def go_on(self, job: Job) -> None:
        """Sends what it streams, as far as the caller takes it, and then the answer."""
        if job.is_over or job.is_accepted or not self.is_there:
            return
        out, chance = job.down, self.world.chance
        while out is not None and self.may_send(job, out):
            self._send_item(job, out)
            if chance.random() < 0.3:
                self.world.later(chance.choice((1_000, 80_000)), lambda: self.go_on(job))
                return
        if out is None or out.sent >= out.total:
            if job.mode == "stream" and chance.random() < 0.3:
                self.say(Frame(kind=Kind.END, id=job.rid))
            self._answer(job)

    def may_send(self, job: Job, out: Outflow) -> bool:
        """Says whether the next item may go."""
        return out.may_send

    def _send_item(self, job: Job, out: Outflow) -> None:
        size = self.world.chance.choice((0, 30, 200, 700))
        body = {"w": self.workspace, "t": job.token, "i": out.sent, "pad": "x" * size}
        payload = dump(body)
        flags = 0 if job.mode == "stream" else FLAG_MORE
        self.say(
            Frame(kind=Kind.ITEM, id=job.rid, payload=payload, coding=Coding.JSON, flags=flags)
        )
        out.spend(len(payload))

    def _answer(self, job: Job) -> None:
        luck = self.world.chance.random()
        rid = job.rid
        if self.is_bad and luck < 0.8:
            self._fail(job, "handler_error")
        elif luck < 0.1:
            self._fail(job, "of_its_own")
        elif luck < 0.13:
            self.say(Frame(kind=Kind.REPLY, id=rid, payload=b"x" * 2_500, coding=Coding.BYTES))
        elif luck < 0.15:
            self.say(Frame(kind=Kind.REPLY, id=rid, payload=b"x" * 90_000, coding=Coding.BYTES))
        elif luck < 0.18:
            self.say(Frame(kind=Kind.REPLY, id=rid, name=b"odd"))
            return
        elif luck < 0.2:
            self.say(Frame(kind=Kind.FAIL, id=rid, payload=b"{", coding=Coding.BYTES))
            return
        else:
            self._say(Kind.REPLY, job)
        job.is_over = True
        self.finished.add(rid)

    def _fail(self, job: Job, code: str, arrived: Callable[[], None] | None = None) -> None:
        details = {"t": job.token}
        fail = dump({"code": code, "message": "no", "at": "handler", "details": details})
        self.say(Frame(kind=Kind.FAIL, id=job.rid, payload=fail, coding=Coding.JSON), arrived)

    def _say(self, kind: Kind, job: Job) -> None:
        body: dict[str, Any] = {"w": self.workspace, "t": job.token, "by": job.by}
        if kind == Kind.REPLY and job.down is not None:
            body["n"] = job.down.sent
        self.say(Frame(kind=kind, id=job.rid, payload=dump(body), coding=Coding.JSON))

    # ── streams ───────────────────────────────────────────────────────────────────────────

    def on_item(self, frame: Frame) -> None:
        if not frame.flags & FLAG_UP:
            super().on_item(frame)
            return
        job = self.jobs.get(frame.id)
        if job is None:
            return  # a vandal's
        assert job.upload_end is None, "an item after the end of the upload"
        body = said(frame)
        assert body["t"] == job.token, "an item of another command"
        job.up.take(body["i"], len(frame.payload))
        self.world.book.outcomes["uploaded"] += 1
        if not job.is_over and self.world.chance.random() < 0.9:
            delay_us = self.world.chance.choice((0, 20_000, 400_000))
            self.world.later(delay_us, lambda: self._take_more(job))

    def _take_more(self, job: Job) -> None:
        if not job.is_over and self.is_there:
            self.say(credit_frame(job.rid, job.up.grant(), flags=FLAG_UP))

    def on_credit(self, frame: Frame) -> None:
        if frame.flags & FLAG_UP:
            super().on_credit(frame)
            return
        job = self.jobs.get(frame.id)
        if job is not None and job.down is not None:
            job.down.grant(load(Credit, frame.payload, "credit"))
            self.go_on(job)

    def on_end(self, frame: Frame) -> None:
        if frame.flags & FLAG_UP:
            self._upload_ended(frame)

    def on_reset(self, frame: Frame) -> None:
        if frame.flags & FLAG_UP:
            self._upload_ended(frame)

    def _upload_ended(self, frame: Frame) -> None:
        job = self.jobs.get(frame.id)
        if job is None:
            return  # a vandal's
        assert job.upload_end is None, "an upload ends once"
        job.upload_end = frame.kind
        said_ = self.world.book.uploads[job.token]
        assert said_ == (frame.kind, job.up.taken), f"uploaded {said_}, not {job.up.taken}"
        self.world.book.outcomes["upload whole"] += 1
        self.world.later(self.world.chance.choice((0, 50_000)), lambda: self.go_on(job))

    def returned(self) -> None:
        """Is back: what it was executing was given up when it went away."""
        for job in self.jobs.values():
            job.is_over = True
        self.finished |= set(range(1, self.session.last_id + 1))
        super().returned()

    def check(self) -> None:
        super().check()
        left = set(range(1, self.last_rid + 1)) - self.finished
        assert not left, f"{self.name} was asked {left} and neither answered nor was cancelled"


class Overrunner(Worker):
    """A worker that now and then streams more than its caller takes."""

    def may_send(self, job: Job, out: Outflow) -> bool:
        if super().may_send(job, out):
            return True
        if out.sent >= out.total or self.world.chance.random() < 0.5:
            return False
        self.world.book.spoiled.add(job.token)
        return True
