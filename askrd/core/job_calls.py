"""How a call becomes a job: who may ask, what a queue takes, and the answer once it is kept."""

from __future__ import annotations

from msgspec import structs

from askrd.core import job_rows, job_runs, records
from askrd.core.course import NO_OPTIONS
from askrd.core.eligibility import rule_against
from askrd.core.jobs import OVERHEAD_BYTES, Job, Queue, row_of
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import CallOptions, Json, dump
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    CommandAmbiguous,
    Forbidden,
    LimitExceeded,
    NoInstance,
    StorageUnavailable,
)
from askrd.wire.frames import FLAG_SEALED, Coding, Frame, Kind
from askrd.wire.limits import JOBS_BYTES_MAX, JOBS_MAX
from askrd.wire.names import parse_address


def meant(workspace: Workspace, name: bytes) -> Queue | None:
    """Returns the queue that a call's address means; None when it means none.

    Raises:
        BadRequest: it chooses among the instances of one.
        CommandAmbiguous: it is a bare name, and nobody is there to say which queue is meant.
    """
    queues = workspace.jobs.queues
    if not queues:
        return None
    queue = queues.get(name)
    if queue is not None:
        return queue if queue.is_known else None
    try:
        address = parse_address(name.decode())
    except (BadRequest, UnicodeDecodeError):
        return None  # whoever decides about ordinary commands says why
    if address.service is None:
        return _by_command(workspace, address.command)
    queue = queues.get(f"{address.service}.{address.command}".encode())
    if queue is not None and queue.is_known:
        raise BadRequest(
            f"'{queue.name}' is a queue: whoever is free gets the job. Ask for it by that name"
        )
    return None


def _by_command(workspace: Workspace, command: str) -> Queue | None:
    """Returns the only queue with that command, unless somebody offers it without a queue."""
    found = [q for q in workspace.jobs.queues.values() if q.command == command and q.is_known]
    services = workspace.destinations.services.values()
    offering = {service.name for service in services if command in service.command_names()}
    if offering:
        found = [queue for queue in found if offering == {queue.service}]
    if len(found) > 1:
        choices = sorted(queue.name for queue in found)
        raise CommandAmbiguous(
            f"several queues are called '{command}'. Say which: {', '.join(choices)}",
            details={"choices": choices},
        )
    return found[0] if found else None


def call(
    board: Switchboard, session: Session, frame: Frame, options: CallOptions, queue: Queue
) -> None:
    """Has a command become a job, and answers with its id once it is kept.

    Raises:
        AskrError: it cannot; nothing was kept.
    """
    _check_options(queue, options)
    workspace = session.in_open_workspace
    instances = _instances(board, session, queue)
    board.gate.check_room()
    same = workspace.jobs.same(queue, options.idempotency_key)
    if same:
        told = _Told(session, frame, queue, same)
        if all(id_ in workspace.jobs.items for id_ in same):
            told.done(board)  # it is kept, whatever becomes of what waits for the store
        else:
            records.in_turn(board, told, session, frame)
        return
    size = len(frame.payload) + len(frame.head)
    _make_room(board, workspace, len(instances), size)
    jobs = [_job(board, session, frame, options, queue, instance) for instance in instances]
    for job in jobs:
        workspace.jobs.expect(job)
    for job in jobs[:-1]:
        _keep(board, workspace, job, _Added(workspace, job), session=None, frame=frame)
    told = _Told(session, frame, queue, [job.id for job in jobs])
    last = _Added(workspace, jobs[-1], told)
    _keep(board, workspace, jobs[-1], last, session=session, frame=frame)


def _check_options(queue: Queue, options: CallOptions) -> None:
    wants = structs.replace(options, reply="", key="", idempotency_key="", wait_ms=0)
    if options.reply not in {"", "value"} or wants != NO_OPTIONS:
        raise BadRequest(
            f"'{queue.name}' is a queue: it answers with the id of a job, and takes no stream, no "
            "survey and no choice of instances. Leave those options out"
        )


def _instances(board: Switchboard, session: Session, queue: Queue) -> list[str]:
    """Returns for whom there is to be a job: one for any instance, or one for each that is there.

    Raises:
        Forbidden: a rule keeps the caller from it.
        NoInstance: nobody is there.
    """
    destinations = session.in_open_workspace.destinations
    try:
        route = destinations.route_for(queue.name.encode(), board.now_us)
    except AskrError as error:
        if queue.definition.mode == "broadcast":
            raise NoInstance(
                f"'{queue.name}' gives a job to every instance, and none is there; nothing was kept",
                details={"service": queue.service},
            ) from error
        _check_rules(session, queue)
        return [""]
    allowed = route.allowed(session, NO_OPTIONS)
    if queue.definition.mode != "broadcast":
        return [""]
    return [member.session.suffix for member in allowed]


def _check_rules(session: Session, queue: Queue) -> None:
    """Returns when the caller may ask, as far as is known while no instance is there."""
    said = queue.definition
    lists = (said.allow_from, said.service_allow_from)
    rule = rule_against(session, queue.service, queue.command, lists, is_internal=said.internal)
    if rule:
        details = {"service": queue.service}
        raise Forbidden(f"{queue.name} was not sent: {rule}", details=details)


def _make_room(board: Switchboard, workspace: Workspace, count: int, size: int) -> None:
    """Forgets what ended first, as far as needed, so that more jobs fit.

    Raises:
        LimitExceeded: too many wait, or are dead.
    """
    jobs = workspace.jobs
    bytes_max = JOBS_BYTES_MAX - count * (size + OVERHEAD_BYTES)
    if bytes_max >= 0:  # else nothing that goes would help
        job_rows.forget_oldest(board, workspace, JOBS_MAX - count, bytes_max)
    if jobs.count + count > JOBS_MAX:
        raise LimitExceeded(
            f"{JOBS_MAX} jobs are kept; nothing was kept. Purge dead ones: $askr.jobs.purge",
            details={"limit": "jobs_max"},
        )
    if jobs.bytes > bytes_max:
        raise LimitExceeded(
            f"jobs carry {JOBS_BYTES_MAX} bytes; nothing was kept. Purge dead ones: "
            "$askr.jobs.purge",
            details={"limit": "jobs_bytes_max"},
        )


def _job(
    board: Switchboard,
    session: Session,
    frame: Frame,
    options: CallOptions,
    queue: Queue,
    instance: str,
) -> Job:
    number = job_rows.next_number(board, session.in_open_workspace)
    job = Job(number, queue, session.origin.decode(), board.now_ms)
    job.instance = instance
    job.key, job.once = options.key, options.idempotency_key
    job.payload, job.head = bytes(frame.payload), bytes(frame.head)
    job.coding, job.flags, job.hops = frame.coding, frame.flags & FLAG_SEALED, frame.hops
    return job


def _keep(
    board: Switchboard,
    workspace: Workspace,
    job: Job,
    deed: _Added,
    *,
    session: Session | None,
    frame: Frame,
) -> None:
    records.keep(
        board,
        workspace,
        job_rows.SHELF,
        job.row_key,
        row_of(job),
        deed=deed,
        session=session,
        frame=frame,
    )


class _Told:
    """The answer to a call that became jobs, or whose idempotency key has some."""

    __slots__ = ("_frame", "_ids", "_queue", "_session")

    def __init__(self, session: Session, frame: Frame, queue: Queue, ids: list[int]) -> None:
        self._session = session
        self._frame = frame
        self._queue = queue
        self._ids = ids

    def done(self, board: Switchboard) -> None:
        """Tells the caller."""
        if self._session not in board.sessions:
            return
        ids = [str(id_) for id_ in self._ids]
        is_broadcast = self._queue.definition.mode == "broadcast"
        value: Json = {"jobs": ids} if is_broadcast else {"job": ids[0]}
        reply = Frame(
            kind=Kind.REPLY,
            id=self._frame.id,
            payload=dump(value),
            coding=Coding.JSON,
            stamp=board.daemon.stamp,
        )
        board.totals.replies += 1
        board.send(self._session, reply)

    def undone(self, board: Switchboard, reason: str) -> None:
        """Tells the caller that nothing came of it."""
        if self._session in board.sessions:
            error = StorageUnavailable(f"the store cannot write ({reason}); no job was kept")
            board.fail(self._session, self._frame.id, error)


class _Added:
    """A job that is kept: it waits for its turn from now on."""

    __slots__ = ("_job", "_told", "_workspace")

    def __init__(self, workspace: Workspace, job: Job, told: _Told | None = None) -> None:
        self._workspace = workspace
        self._job = job
        self._told = told

    def done(self, board: Switchboard) -> None:
        """Has it wait, and start when it can."""
        job = self._job
        self._workspace.jobs.add(job)
        job_runs.await_turn(board, self._workspace, job)
        if self._told is not None:
            self._told.done(board)
        job_runs.serve(board, self._workspace, job.queue)

    def undone(self, board: Switchboard, reason: str) -> None:
        """Forgets it."""
        self._job.queue.expected -= 1
        self._workspace.jobs.drop(self._job)
        if self._told is not None:
            self._told.undone(board, reason)
