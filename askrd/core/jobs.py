"""Jobs and their queues: who is next, what is remembered, and how a job is written down."""

from __future__ import annotations

from collections import OrderedDict
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

import msgspec

from askrd.wire.bodies import Body, CommandSpec, ErrorBody, Provision, dump
from askrd.wire.limits import JOB_ATTEMPTS, JOB_BACKOFF_MS, JOB_BACKOFF_MS_MAX, JOB_KEEP_MS

if TYPE_CHECKING:
    from askrd.core.session import Session

QUEUED, RUNNING, DONE, FAILED, DEAD, CANCELLED = STATES = (
    "queued",
    "running",
    "done",
    "failed",
    "dead",
    "cancelled",
)
"""What a job can be. A job begins queued; one that is done, failed, dead or cancelled has ended."""
ENDED = frozenset({DONE, FAILED, DEAD, CANCELLED})
_STALE_MAX = 64
OVERHEAD_BYTES = 512
"""What a job takes beside its argument and its result, about."""


class Definition(Body):
    """What a command that is a queue declares, as far as it counts while no instance is there."""

    attempts: int = JOB_ATTEMPTS
    backoff_ms: int = JOB_BACKOFF_MS
    keep_ms: int = JOB_KEEP_MS
    mode: str = "balanced"
    concurrency: int = 0
    internal: bool = False
    allow_from: list[str] = msgspec.field(default_factory=list)
    service_allow_from: list[str] = msgspec.field(default_factory=list)

    def pause_ms(self, attempts: int) -> int:
        """Returns how long a job waits after so many failed attempts: each time twice as long."""
        longest = max(self.backoff_ms, JOB_BACKOFF_MS_MAX)
        return min(self.backoff_ms << min(attempts - 1, 30), longest)


def definition_of(provision: Provision, spec: CommandSpec) -> Definition:
    """Returns what is remembered of a command that is a queue."""
    return Definition(
        attempts=spec.attempts,
        backoff_ms=spec.backoff_ms,
        keep_ms=spec.keep_ms,
        mode=spec.mode,
        concurrency=spec.concurrency,
        internal=spec.internal,
        allow_from=spec.allow_from,
        service_allow_from=provision.allow_from,
    )


class Job:
    """One command that waits in a queue, is carried out, or has been.

    Attributes:
        id: counts up in its workspace. place: orders the queue; a job that is retried gets a new one.
        queue: where it waits. instance: the only one that may get it; empty = any.
        caller: stamp of who asked. key: what the policy `hash` goes by; once: its idempotency key.
        payload, coding, flags, hops, head: what was asked.
        state: see `STATES`. attempts: those that failed, and the one that runs.
        created_ms, started_ms, ended_ms: Unix milliseconds; 0 = not yet. since_ms: when it began to wait
            for its first attempt, or for the first after a restart.
        due_ms: not tried again before; 0 = it can be.
        by: stamp of the instance that had it last.
        error: why it failed last. result, result_coding, result_flags: what it came to.
        progress: payload, coding and flags of the last news of this attempt; None = there is none.
        size: bytes it counts for.
    """

    __slots__ = (
        "attempts", "by", "caller", "coding", "created_ms", "due_ms", "ended_ms", "error", "flags", "head",
        "hops", "id", "instance", "key", "once", "payload", "place", "progress", "queue", "result", "result_coding",
        "result_flags", "since_ms", "size", "started_ms", "state",
    )  # fmt: skip

    def __init__(self, id_: int, queue: Queue, caller: str, created_ms: int) -> None:
        self.id = self.place = id_
        self.queue = queue
        self.caller = caller
        self.created_ms = self.since_ms = created_ms
        self.started_ms = self.ended_ms = self.due_ms = 0
        self.instance = self.key = self.once = self.by = ""
        self.payload = self.head = self.result = b""
        self.coding = self.flags = self.hops = self.result_coding = self.result_flags = 0
        self.state = QUEUED
        self.attempts = 0
        self.error: ErrorBody | None = None
        self.progress: tuple[bytes, int, int] | None = None
        self.size = 0

    @property
    def row_key(self) -> str:
        """The key of its row: rows in the order of keys are jobs in the order of ids."""
        return f"{self.id:016d}"

    @property
    def is_ready(self) -> bool:
        """Whether it waits for nothing but its turn."""
        return self.state == QUEUED and not self.due_ms

    def measure(self) -> int:
        """Returns the bytes it counts for."""
        news = len(self.progress[0]) if self.progress is not None else 0
        return OVERHEAD_BYTES + len(self.payload) + len(self.head) + len(self.result) + news


class Queue:
    """The jobs of one command, in the order of their places.

    Attributes:
        name: the canonical address. command: its second part.
        definition: what the command declares. is_known: whether it was ever declared or kept.
        runs: attempts that no instance has answered, given up ones included.
        expected: its jobs that the store has not kept yet.
        counts: its jobs by state.
    """

    __slots__ = (
        "_lanes",
        "command",
        "counts",
        "definition",
        "expected",
        "is_known",
        "name",
        "runs",
        "service",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.service, _, self.command = name.partition(".")
        self.definition = Definition()
        self.is_known = False
        self.runs = 0
        self.expected = 0
        self.counts = dict.fromkeys(STATES, 0)
        self._lanes: dict[str, list[tuple[int, int, Job]]] = {}

    def line_up(self, job: Job) -> None:
        """Has a job wait for its turn, in its place."""
        lane = self._lanes.setdefault(job.instance, [])
        heappush(lane, (job.place, job.id, job))
        if len(lane) > 2 * self.counts[QUEUED] + _STALE_MAX:
            lane[:] = [item for item in lane if _is_current(item)]
            heapify(lane)

    def first(self, instance: str = "") -> Job | None:
        """Returns the job whose turn it is: among those for any instance, or for one alone."""
        lane = self._lanes.get(instance)
        while lane:
            if _is_current(lane[0]):
                return lane[0][2]
            heappop(lane)
        if lane is not None:
            del self._lanes[instance]
        return None

    @property
    def is_split(self) -> bool:
        """Whether jobs wait that one instance alone may get."""
        return len(self._lanes) > ("" in self._lanes)

    def take(self, job: Job) -> None:
        """Takes out the job whose turn it is."""
        heappop(self._lanes[job.instance])

    @property
    def total(self) -> int:
        """Counts its jobs, those that ended or are not kept yet included."""
        return sum(self.counts.values()) + self.expected


def _is_current(item: tuple[int, int, Job]) -> bool:
    """Says whether a job still waits in the place where it lined up."""
    place, _, job = item
    return job.is_ready and job.place == place


class Jobs:
    """All jobs of one workspace.

    Attributes:
        queues: by canonical address. items: jobs by id.
        count, bytes: jobs, and what they carry; those included that the store has not kept yet.
        last: the last number given out. reserved: numbers up to it are never given after a restart.
        ended: jobs that may be forgotten, in the order in which they ended.
        caller: the session in whose name jobs are given to instances; None = none was yet.
    """

    __slots__ = (
        "_once",
        "bytes",
        "caller",
        "count",
        "ended",
        "items",
        "last",
        "queues",
        "reserved",
    )

    def __init__(self) -> None:
        self.queues: dict[bytes, Queue] = {}
        self.items: dict[int, Job] = {}
        self.count = 0
        self.bytes = 0
        self.last = 0
        self.reserved = 0
        self.ended: OrderedDict[int, Job] = OrderedDict()
        self.caller: Session | None = None
        self._once: dict[tuple[str, str], list[int]] = {}

    def queue(self, name: str) -> Queue:
        """Returns the queue of that address, made on first use."""
        found = self.queues.get(name.encode())
        if found is None:
            found = self.queues[name.encode()] = Queue(name)
        return found

    def of_service(self, service: str) -> list[Queue]:
        """Returns the queues of a service."""
        return [queue for queue in self.queues.values() if queue.service == service]

    def number(self) -> int:
        """Returns the next number, for an id or a place."""
        self.last += 1
        return self.last

    # ── a job's life ──────────────────────────────────────────────────────────────────────────

    def expect(self, job: Job) -> None:
        """Counts a job that the store is to keep; it is not seen yet."""
        job.size = job.measure()
        job.queue.expected += 1
        self.count += 1
        self.bytes += job.size
        if job.once:
            self._once.setdefault((job.queue.name, job.once), []).append(job.id)

    def drop(self, job: Job) -> None:
        """Forgets a job that was expected only."""
        self.count -= 1
        self.bytes -= job.size
        ids = self._once.get((job.queue.name, job.once), [])
        if job.id in ids:
            ids.remove(job.id)
            if not ids:
                del self._once[job.queue.name, job.once]

    def add(self, job: Job) -> None:
        """Takes in a job that was expected: it is seen, and waits for its turn when it is ready."""
        self.items[job.id] = job
        job.queue.expected -= 1
        job.queue.counts[job.state] += 1
        self._place(job)

    def move(self, job: Job, state: str) -> None:
        """Changes the state of a job."""
        was_queued = job.state == QUEUED
        job.queue.counts[job.state] -= 1
        job.queue.counts[state] += 1
        job.state = state
        if job.progress is not None:
            job.progress = None
            self.weigh(job)
        self.ended.pop(job.id, None)
        self._place(job)
        if was_queued:
            job.queue.first(job.instance)  # which lets go of who waits there no more

    def _place(self, job: Job) -> None:
        if job.is_ready:
            job.queue.line_up(job)
        elif job.state in ENDED and job.state != DEAD:
            self.ended[job.id] = job

    def remove(self, job: Job) -> None:
        """Forgets a job."""
        del self.items[job.id]
        job.queue.counts[job.state] -= 1
        self.ended.pop(job.id, None)
        self.drop(job)
        job.place = 0  # where it lined up, nobody waits any more
        job.queue.first(job.instance)
        job.payload = job.head = job.result = b""  # whoever remembers it needs no more than its id

    def ready(self, job: Job) -> None:
        """Ends the pause of a job that waits to be tried again."""
        job.due_ms = 0
        self._place(job)

    def weigh(self, job: Job) -> None:
        """Counts a job's bytes anew."""
        self.bytes -= job.size
        job.size = job.measure()
        self.bytes += job.size

    def same(self, queue: Queue, once: str) -> list[int]:
        """Returns the ids of the jobs that have an idempotency key."""
        return list(self._once.get((queue.name, once), ())) if once else []


# ── rows ──────────────────────────────────────────────────────────────────────────────────────


class _Row(Body):
    """A job as it is written down, but for its bytes, which follow."""

    target: str
    place: int
    caller: str = ""
    created: int = 0
    started: int = 0
    ended: int = 0
    due: int = 0
    instance: str = ""
    key: str = ""
    once: str = ""
    by: str = ""
    coding: int = 0
    flags: int = 0
    hops: int = 0
    state: str = QUEUED
    attempts: int = 0
    error: ErrorBody | None = None
    result_coding: int = 0
    result_flags: int = 0
    lengths: tuple[int, int, int] = (0, 0, 0)


_ROWS = msgspec.json.Decoder(_Row)


def row_of(job: Job) -> bytes:
    """Writes a job down; one that runs is written as queued."""
    row = _Row(
        target=job.queue.name,
        place=job.place,
        caller=job.caller,
        created=job.created_ms,
        started=job.started_ms,
        ended=job.ended_ms,
        due=job.due_ms,
        instance=job.instance,
        key=job.key,
        once=job.once,
        by=job.by,
        coding=job.coding,
        flags=job.flags,
        hops=job.hops,
        state=QUEUED if job.state == RUNNING else job.state,
        attempts=job.attempts,
        error=job.error,
        result_coding=job.result_coding,
        result_flags=job.result_flags,
        lengths=(len(job.payload), len(job.head), len(job.result)),
    )
    return b"".join((dump(row), b"\n", job.payload, job.head, job.result))


def read_row(jobs: Jobs, key: str, value: bytes) -> Job:
    """Reads a job that was written down.

    Raises:
        ValueError: that is none.
    """
    head, _, rest = value.partition(b"\n")
    row = _ROWS.decode(head)
    payload, headers, _ = row.lengths
    if min(row.lengths) < 0 or sum(row.lengths) != len(rest) or row.state not in STATES:
        raise ValueError("its parts do not fit together")
    if not (key.isdecimal() and key.isascii()) or "." not in row.target:
        raise ValueError("it has no id or no queue")
    job = Job(int(key), jobs.queue(row.target), row.caller, row.created)
    job.place, job.instance, job.key, job.once, job.by = (
        row.place, row.instance, row.key, row.once, row.by,
    )  # fmt: skip
    job.started_ms, job.ended_ms, job.due_ms = row.started, row.ended, row.due
    job.coding, job.flags, job.hops = row.coding, row.flags, row.hops
    job.state = QUEUED if row.state == RUNNING else row.state
    job.attempts, job.error = row.attempts, row.error
    job.result_coding, job.result_flags = row.result_coding, row.result_flags
    job.payload, job.head = rest[:payload], rest[payload : payload + headers]
    job.result = rest[payload + headers :]
    return job
