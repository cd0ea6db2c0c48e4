"""What people and programs may ask of jobs and queues: the values of `$askr.jobs.*`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from askrd.core import job_queues, job_rows, job_runs
from askrd.core.jobs import (
    CANCELLED,
    DEAD,
    DONE,
    ENDED,
    FAILED,
    QUEUED,
    RUNNING,
    STATES,
    Job,
    Queue,
)
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import CommandSpec, Json
from askrd.wire.errors import BadRequest, Conflict, Forbidden, NotFound
from askrd.wire.limits import JOB_SHOWN_BYTES_MAX, JOBS_LISTED, JOBS_LISTED_MAX
from askrd.wire.names import nearest, shown

_DIGITS = 16
_PURGED_MAX = 5_000
"""Jobs that one purge forgets; it says whether there are more."""


def listed(_board: Switchboard, session: Session, argument: Json) -> Json:
    """Lists jobs, the newest first."""
    asked = _asked(argument, {"target", "state", "limit", "before"})
    limit = asked.get("limit", JOBS_LISTED)
    if not isinstance(limit, int) or not 1 <= limit <= JOBS_LISTED_MAX:
        raise BadRequest(f"limit is 1 to {JOBS_LISTED_MAX}")
    before = _number(asked["before"]) if "before" in asked else None
    found = (job for job in _chosen(session, asked) if before is None or job.id < before)
    return [_row(job) for job in islice(found, limit)]


def show(_board: Switchboard, session: Session, argument: Json) -> Json:
    """Shows one job with what it was asked and what came of it."""
    job = _job(session, argument)
    told = _row(job)
    if job.state == DONE:
        told |= job_rows.shown(job.result, job.result_coding, job.result_flags)
    elif len(job.payload) <= JOB_SHOWN_BYTES_MAX:
        told |= job_rows.shown(job.payload, job.coding, job.flags, "request")
    if job.progress is not None:
        told |= job_rows.shown(*job.progress, "progress")
    return told


def retry(board: Switchboard, session: Session, argument: Json) -> Json:
    """Has a job that failed, is dead or was cancelled begin anew."""
    job = _job(session, argument)
    if job.state not in {FAILED, DEAD, CANCELLED}:
        raise Conflict(
            f"job {job.id} is {job.state}; what failed, is dead or cancelled can go again"
        )
    job_runs.retry(board, session.in_open_workspace, job)
    return _row(job)


def cancel(board: Switchboard, session: Session, argument: Json) -> Json:
    """Ends a job that waits or runs."""
    job = _job(session, argument)
    if job.state in ENDED:
        raise Conflict(f"job {job.id} has ended already: it is {job.state}")
    job_runs.cancel(board, session.in_open_workspace, job)
    return _row(job)


def purge(board: Switchboard, session: Session, argument: Json) -> Json:
    """Forgets jobs that ended, or that wait, as far as asked."""
    asked = _asked(argument, {"target", "state"})
    if asked.get("state") == RUNNING:
        raise BadRequest("a job that runs is not purged; cancel it first: $askr.jobs.cancel")
    workspace = session.in_open_workspace
    found = [
        job
        for job in _chosen(session, asked)
        if job.state in ENDED or (job.state == QUEUED == asked.get("state"))
    ]
    job_runs.purge(board, workspace, found[:_PURGED_MAX])
    return {"purged": min(len(found), _PURGED_MAX), "more": len(found) > _PURGED_MAX}


def queues(_board: Switchboard, session: Session, _argument: Json) -> Json:
    """Lists the queues that are known, with how many jobs are in which state."""
    workspace = session.in_open_workspace
    found = sorted(workspace.jobs.queues.values(), key=lambda queue: queue.name)
    return [_queue_row(workspace, queue) for queue in found if _is_seen(session, queue)]


def described(workspace: Workspace, target: str, spec: CommandSpec) -> dict[str, Json]:
    """Returns what a description of a command says when it is a queue."""
    queue = workspace.jobs.queues.get(target.encode())
    if queue is None or not spec.queue:
        return {}
    said = {"attempts": spec.attempts, "backoff_ms": spec.backoff_ms, "keep_ms": spec.keep_ms}
    return said | {"jobs": _queue_row(workspace, queue)}


def forget(board: Switchboard, session: Session, argument: Json) -> Json:
    """Forgets a queue that has no jobs and that nobody offers."""
    asked = _asked(argument, {"target"})
    queue = _queue(session, asked.get("target"))
    workspace = session.in_open_workspace
    if queue.total or queue.runs:
        raise Conflict(f"{queue.name} has {queue.total} jobs; purge them first: $askr.jobs.purge")
    if _offering(workspace, queue):
        raise Conflict(f"{queue.name} is offered now; stop who offers it first")
    job_queues.forget(board, workspace, queue)
    return {"target": queue.name}


# ── reading what was asked ────────────────────────────────────────────────────────────────────


def _asked(argument: Json, members: set[str]) -> dict[str, Any]:
    asked = {} if argument is None else argument
    if not isinstance(asked, dict) or not asked.keys() <= members:
        raise BadRequest(f"this takes an object with {', '.join(sorted(members))}")
    return {name: value for name, value in asked.items() if value is not None}


def _number(told: Json) -> int:
    if isinstance(told, bool) or not isinstance(told, int | str):
        raise BadRequest("a job's id is a number")
    text = str(told)
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise BadRequest(f"{shown(text)} is no job's id: those are numbers")
    return int(text)


def _job(session: Session, argument: Json) -> Job:
    asked = _asked(argument if isinstance(argument, dict) else {"id": argument}, {"id"})
    if "id" not in asked:
        raise BadRequest('this takes {"id": "17"}')
    number = _number(asked["id"])
    job = session.in_open_workspace.jobs.items.get(number)
    if job is None:
        raise NotFound(f"no job {number} is kept; list them: $askr.jobs.list")
    _check_seen(session, job.queue)
    return job


def _queue(session: Session, target: Json) -> Queue:
    if not isinstance(target, str):
        raise BadRequest('this takes {"target": "service.command"}')
    known = session.in_open_workspace.jobs.queues
    queue = known.get(target.encode())
    if queue is None:
        close = nearest(target, [name.decode() for name in known])
        hint = f" Did you mean: {', '.join(close)}?" if close else ""
        raise NotFound(f"no queue {shown(target)}.{hint}", details={"nearest": close})
    return queue


def _chosen(session: Session, asked: dict[str, Any]) -> Iterator[Job]:
    """Returns the jobs that fit ``target`` and ``state``, the newest first."""
    state = asked.get("state")
    if state is not None and state not in STATES:
        raise BadRequest(f"state is one of {', '.join(STATES)}")
    queue = _queue(session, asked["target"]) if "target" in asked else None
    return (
        job
        for job in reversed(session.in_open_workspace.jobs.items.values())
        if (queue is None or job.queue is queue)
        and (state is None or job.state == state)
        and _is_seen(session, job.queue)
    )


def _is_seen(session: Session, queue: Queue) -> bool:
    return session.is_service or not queue.definition.internal


def _check_seen(session: Session, queue: Queue) -> None:
    if not _is_seen(session, queue):
        raise Forbidden(f"{queue.name} is internal: services may ask for it, terminals may not")


# ── rows ──────────────────────────────────────────────────────────────────────────────────────


def _row(job: Job) -> dict[str, Json]:
    row: dict[str, Json] = {
        "id": str(job.id),
        "target": job.queue.name,
        "state": job.state,
        "attempts": job.attempts,
        "attempts_max": job.queue.definition.attempts,
        "caller": job.caller,
        "created": job.created_ms,
    }
    instance = job.by or (f"{job.queue.service}@{job.instance}" if job.instance else "")
    times = {"started": job.started_ms, "ended": job.ended_ms, "next": job.due_ms}
    row |= {name: value for name, value in times.items() if value}
    if instance:
        row["instance"] = instance
    if job.error is not None:
        row["error"] = job.error
    return row


def _queue_row(workspace: Workspace, queue: Queue) -> dict[str, Json]:
    said = queue.definition
    return {
        "target": queue.name,
        **queue.counts,
        "attempts": said.attempts,
        "backoff_ms": said.backoff_ms,
        "keep_ms": said.keep_ms,
        "mode": said.mode,
        "concurrency": said.concurrency,
        "instances": _offering(workspace, queue),
    }


def _offering(workspace: Workspace, queue: Queue) -> int:
    service = workspace.destinations.services.get(queue.service)
    instances = service.instances.values() if service is not None else ()
    return sum(queue.command in instance.commands for instance in instances)


COMMANDS: dict[str, Callable[[Switchboard, Session, Json], Json]] = {
    "$askr.jobs.cancel": cancel,
    "$askr.jobs.forget": forget,
    "$askr.jobs.list": listed,
    "$askr.jobs.purge": purge,
    "$askr.jobs.queues": queues,
    "$askr.jobs.retry": retry,
    "$askr.jobs.show": show,
}
"""The daemon's commands about jobs, by address."""
