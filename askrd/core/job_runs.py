"""How a job is carried out: given to an instance in its turn, tried again, and ended.

To its instance a job is a command like every other. Its caller there is a session of the daemon's
own that nobody is connected to: what comes of the command is taken in here and sent to nobody.
"""

from __future__ import annotations

from functools import partial

from askrd.core import ejection, events, job_rows, records
from askrd.core.course import Course
from askrd.core.dispatch import dispatch
from askrd.core.eligibility import busy
from askrd.core.jobs import (
    CANCELLED,
    DEAD,
    DONE,
    ENDED,
    FAILED,
    QUEUED,
    RUNNING,
    Job,
    Queue,
)
from askrd.core.letters import letter
from askrd.core.routes import Route
from askrd.core.services import Instance
from askrd.core.session import Entry, Session
from askrd.core.switchboard import Switchboard, body_of
from askrd.core.workspace import Workspace
from askrd.wire.bodies import ErrorBody, Json
from askrd.wire.errors import (
    AskrError,
    Busy,
    DeadlineExceeded,
    ErrorCode,
    InstanceLost,
)
from askrd.wire.frames import FLAG_HEAD, FLAG_SEALED, Frame, Kind
from askrd.wire.limits import (
    JOB_BACKOFF_MS_MAX,
    JOBS_BYTES_MAX,
    JOBS_MAX,
)

SUFFIX = "$jobs"
"""The instance id under which `$askr.why` knows what jobs became of."""
JOB_ENDED = "$askr.job.ended"
"""Event that tells of every job that has ended."""
_AGAIN = frozenset(
    {
        ErrorCode.HANDLER_ERROR,
        ErrorCode.INTERNAL,
        ErrorCode.DEADLINE_EXCEEDED,
        ErrorCode.CANCELLED,
        ErrorCode.INSTANCE_LOST,
    }
)
"""Failures that say nothing against the job itself: it is tried again."""
_LATER_US = 50_000


# ── whose turn it is ──────────────────────────────────────────────────────────────────────────


def serve_service(board: Switchboard, workspace: Workspace, service: str) -> None:
    """Starts jobs of all queues of a service that somebody can take."""
    if workspace.jobs.queues:
        for queue in workspace.jobs.of_service(service):
            serve(board, workspace, queue)


def serve(board: Switchboard, workspace: Workspace, queue: Queue) -> None:
    """Starts jobs of ``queue``, in order, as long as somebody can take one."""
    if board.is_draining or not queue.counts[QUEUED]:
        return
    try:
        route = workspace.destinations.route_for(queue.name.encode(), board.now_us)
    except AskrError:
        return  # nobody is there
    while (found := _next(queue, route)) is not None:
        if _is_crowded(board, workspace, queue):
            return
        _start(board, workspace, route, *found)


def _is_crowded(board: Switchboard, workspace: Workspace, queue: Queue) -> bool:
    """Says whether the store is too far behind to keep what comes of attempts; they begin later."""
    try:
        board.gate.check_room()
    except Busy:
        key = "queue later", workspace.name, queue.name
        board.alarms.arm(key, board.now_us + _LATER_US, lambda b: serve(b, workspace, queue))
        return True
    return False


def _next(queue: Queue, route: Route) -> tuple[Job, Instance] | None:
    job, is_serial = queue.first(), not queue.definition.concurrency
    if job is not None and not (is_serial and queue.runs) and (able := _able(route)):
        return job, route.pick(able, (job.key or job.caller).encode())
    if queue.is_split:
        for member in _able(route):
            job = queue.first(member.session.suffix)
            if job is not None and not (is_serial and member.running.get(route.command)):
                return job, member
    return None


def _able(route: Route) -> list[Instance]:
    command = route.command
    return [m for m in route.members if m.commands[command].queue and busy(m, command) is None]


def _start(
    board: Switchboard, workspace: Workspace, route: Route, job: Job, member: Instance
) -> None:
    queue, caller = job.queue, caller_of(board, workspace)
    queue.take(job)
    queue.runs += 1
    workspace.jobs.move(job, RUNNING)
    job.attempts += 1
    job.started_ms = board.now_ms
    job.by = member.stamp.decode()
    course = Course("value")
    course.job = job
    deadline_us = board.now_us + route.timeout_ms * 1000
    entry = (caller, job.id, member, 0, route, board.now_us, deadline_us, course)
    asked = Frame(
        kind=Kind.CALL,
        payload=job.payload,
        coding=job.coding,
        flags=job.flags | (FLAG_HEAD if job.head else 0),
        hops=job.hops,
        head=job.head,
    )
    _arm(board, workspace, job, deadline_us)
    dispatch(board, entry, *letter(asked, {"job": str(job.id), "attempt": job.attempts}))


def caller_of(board: Switchboard, workspace: Workspace) -> Session:
    """Returns the session in whose name jobs are given to instances."""
    jobs = workspace.jobs
    if jobs.caller is None:
        jobs.caller = Session(
            suffix=SUFFIX,
            secret="",
            via="",
            address="",
            limits=board.limits,
            on_full=lambda _: None,
            now_us=board.now_us,
        )
        jobs.caller.workspace = workspace
        jobs.caller.origin = f"$askr@{SUFFIX}".encode()
    return jobs.caller


# ── outcomes ──────────────────────────────────────────────────────────────────────────────────


def answered(board: Switchboard, entry: Entry, frame: Frame) -> None:
    """Takes in what the instance said of a job; the entry leaves `asking`."""
    caller, job = _parts(entry)
    workspace = caller.in_open_workspace
    del caller.asking[job.id]
    if frame.kind != Kind.REPLY:
        _failed(board, workspace, job, job_rows.failure_in(frame))
        return
    result = bytes(frame.payload), frame.coding, frame.flags & FLAG_SEALED
    try:
        job_rows.check_result(board, *result)
    except AskrError as error:
        _failed(board, workspace, job, body_of(error))
        return
    job.result, job.result_coding, job.result_flags = result
    job.payload = job.head = b""
    _end(board, workspace, job, DONE, None)


def failed(board: Switchboard, entry: Entry, error: AskrError) -> None:
    """Takes in that the daemon gave an attempt up; the entry has left `asking`."""
    caller, job = _parts(entry)
    is_unseen = error.details.get("delivered") == "no"
    if isinstance(error, InstanceLost) and (is_unseen or board.is_draining):
        job.attempts -= 1  # nobody has seen it, or the daemon's own end cuts it short
    _failed(board, caller.in_open_workspace, job, body_of(error))


def _parts(entry: Entry) -> tuple[Session, Job]:
    caller, course = entry[0], entry[7]
    assert caller is not None
    assert course is not None
    assert course.job is not None
    return caller, course.job


def _failed(board: Switchboard, workspace: Workspace, job: Job, said: ErrorBody) -> None:
    definition = job.queue.definition
    is_lost = said.code == ErrorCode.INSTANCE_LOST and said.at == "daemon"
    if not (said.retryable or said.code in _AGAIN):
        _end(board, workspace, job, FAILED, said)
    elif job.attempts >= definition.attempts:
        _end(board, workspace, job, DEAD, said)
    else:
        pause_ms = 0 if is_lost else definition.pause_ms(job.attempts)
        job.error = said
        job.due_ms = board.now_ms + pause_ms if pause_ms else 0
        workspace.jobs.move(job, QUEUED)
        await_turn(board, workspace, job)
        job_rows.keep(board, workspace, job)


def _end(
    board: Switchboard, workspace: Workspace, job: Job, state: str, error: ErrorBody | None
) -> None:
    """Ends a job, tells so, and keeps what came of it for a while."""
    jobs = workspace.jobs
    job.error, job.ended_ms, job.due_ms = error, board.now_ms, 0
    jobs.move(job, state)
    jobs.weigh(job)
    job_rows.disarm(board, workspace, job)
    news = job_rows.news_of(job)
    if job.queue.definition.keep_ms or state == DEAD:
        job_rows.keep(board, workspace, job)
        await_removal(board, workspace, job)
    else:
        job_rows.remove(board, workspace, job)
    job_rows.forget_oldest(board, workspace, JOBS_MAX, JOBS_BYTES_MAX, spared=1)
    names = [JOB_ENDED, f"$askr.dead.{job.queue.name}"] if state == DEAD else [JOB_ENDED]
    records.in_turn(board, _Told(workspace, names, news))


class _Told:
    """Tells that a job has ended, once that is kept; or else once it is to be saved again."""

    __slots__ = ("_names", "_news", "_workspace")

    def __init__(self, workspace: Workspace, names: list[str], news: dict[str, Json]) -> None:
        self._workspace, self._names, self._news = workspace, names, news

    def done(self, board: Switchboard) -> None:
        """Tells it: the row is kept."""
        for name in self._names:
            events.publish(board, self._workspace, name, self._news)

    def undone(self, board: Switchboard, reason: str) -> None:
        """Tells it nevertheless: it is true, and its row is saved with the next one."""
        self.done(board)


# ── times ─────────────────────────────────────────────────────────────────────────────────────


def await_turn(board: Switchboard, workspace: Workspace, job: Job) -> None:
    """Sets the alarm of a job that is queued: the end of its pause, or of its wait for one instance."""
    if job.due_ms:
        _arm(board, workspace, job, _us(board, job.due_ms))
    elif job.instance:
        _arm(board, workspace, job, _us(board, _patience_ms(job)))
    else:
        job_rows.disarm(board, workspace, job)


def await_removal(board: Switchboard, workspace: Workspace, job: Job) -> None:
    """Sets the alarm of a job that ended: what is dead stays until somebody looks at it."""
    if job.state != DEAD:
        _arm(board, workspace, job, _us(board, _removal_ms(job)))


def await_definition(board: Switchboard, workspace: Workspace, job: Job) -> None:
    """Sets the alarm of a job that comes back, when its queue's definition is to come yet.

    It rings once everything is back, and is set anew then.
    """
    if job.due_ms:
        await_turn(board, workspace, job)
    elif job.instance or (job.state in ENDED and job.state != DEAD):
        _arm(board, workspace, job, board.now_us)


def _removal_ms(job: Job) -> int:
    return job.ended_ms + job.queue.definition.keep_ms


def _patience_ms(job: Job) -> int:
    """Until when a job waits for the only instance that may get it."""
    patience_ms = max(job.queue.definition.keep_ms, JOB_BACKOFF_MS_MAX)
    return max(job.since_ms, job.started_ms) + patience_ms


def _us(board: Switchboard, unix_ms: int) -> int:
    return unix_ms * 1000 - board.wall_offset_us


def _arm(board: Switchboard, workspace: Workspace, job: Job, at_us: int) -> None:
    ring = partial(_ring, name=workspace.name, id_=job.id)
    board.alarms.arm((job_rows.SHELF, workspace.name, job.id), at_us, ring)


def _ring(board: Switchboard, name: str, id_: int) -> None:
    """Does what is due for a job: its deadline, the end of its pause, or its removal."""
    workspace = board.workspaces.get(name)
    job = workspace.jobs.items.get(id_) if workspace is not None else None
    if workspace is None or job is None:
        return
    if job.state == RUNNING:
        _expire(board, workspace, job)
    elif job.state in ENDED:
        if _removal_ms(job) > board.now_ms:
            await_removal(board, workspace, job)
        else:
            job_rows.remove(board, workspace, job)
    elif job.due_ms:
        workspace.jobs.ready(job)
        await_turn(board, workspace, job)
    else:
        _give_up(board, workspace, job)
    serve(board, workspace, job.queue)


def _expire(board: Switchboard, workspace: Workspace, job: Job) -> None:
    entry = _stop(board, workspace, job, "deadline")
    member, allowed_ms = entry[2], (entry[6] - entry[5]) // 1000
    assert member is not None
    told = f"no outcome of '{job.queue.name}' within {allowed_ms} ms; the handler is told to stop"
    error = DeadlineExceeded(told, details={"delivered": "unknown"})
    entry[4].statistics.errors += 1
    _failed(board, workspace, job, body_of(error))
    if ejection.is_telling(entry):
        ejection.note_failure(board, member)


def _give_up(board: Switchboard, workspace: Workspace, job: Job) -> None:
    """Ends a job for an instance that did not come back."""
    service = workspace.destinations.services.get(job.queue.service)
    if service is not None and job.instance in service.instances:
        job.since_ms = board.now_ms  # it is there, and has not got to it
    if _patience_ms(job) > board.now_ms:
        await_turn(board, workspace, job)
        return
    told = f"{job.queue.service}@{job.instance}, whose job this was, did not come back"
    error = InstanceLost(told, details={"instance": f"{job.queue.service}@{job.instance}"})
    _end(board, workspace, job, DEAD, body_of(error))


# ── stopping, keeping, forgetting ─────────────────────────────────────────────────────────────


def _stop(board: Switchboard, workspace: Workspace, job: Job, reason: str) -> Entry:
    """Has the instance of a job stop; it stays with it, without caller, until it answers."""
    entry = caller_of(board, workspace).asking.pop(job.id)
    member, rid = entry[2], entry[3]
    assert member is not None
    member.session.asked[rid] = (None, 0, *entry[2:])
    board.tell(member.session, Kind.CANCEL, rid, {"reason": reason})
    return entry


def cancel(board: Switchboard, workspace: Workspace, job: Job) -> None:
    """Ends a job that waits or runs; the instance that has it is told to stop."""
    if job.state == RUNNING:
        _stop(board, workspace, job, "caller")
    said = ErrorBody(code=ErrorCode.CANCELLED, message="the job was cancelled", at="daemon")
    _end(board, workspace, job, CANCELLED, said)
    serve(board, workspace, job.queue)


def purge(board: Switchboard, workspace: Workspace, found: list[Job]) -> None:
    """Forgets jobs that have ended or wait; of those that wait their end is told."""
    said = ErrorBody(code=ErrorCode.CANCELLED, message="the job was purged", at="daemon")
    for job in found:
        if job.state == QUEUED:
            _end(board, workspace, job, CANCELLED, said)
        if job.id in workspace.jobs.items:
            job_rows.remove(board, workspace, job)


def retry(board: Switchboard, workspace: Workspace, job: Job) -> None:
    """Has a job that came to nothing begin anew, behind all that wait."""
    job.attempts = job.ended_ms = job.started_ms = 0
    job.since_ms = board.now_ms
    job.error = None
    job.place = job_rows.next_number(board, workspace)
    workspace.jobs.move(job, QUEUED)
    await_turn(board, workspace, job)
    job_rows.keep(board, workspace, job)
    serve(board, workspace, job.queue)
