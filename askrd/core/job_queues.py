"""Which commands are queues: declared by services, kept, and known while no instance is there."""

from __future__ import annotations

import msgspec

from askrd.core import job_rows, job_runs, records
from askrd.core.jobs import Definition, Queue, definition_of, read_row
from askrd.core.services import Instance
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import CommandSpec, Provision, dump
from askrd.wire.errors import BadRequest, LimitExceeded
from askrd.wire.limits import (
    JOB_ATTEMPTS,
    JOB_ATTEMPTS_MAX,
    JOB_BACKOFF_MS,
    JOB_KEEP_MS,
    QUEUES_MAX,
    TTL_MS_MAX,
)
from askrd.wire.names import shown

SHELF = "queues"


# ── declaring ─────────────────────────────────────────────────────────────────────────────────


def check_command(spec: CommandSpec) -> None:
    """Returns when a command can be the queue that it declares to be, or is none.

    Raises:
        BadRequest: it cannot; the message says what it takes.
    """
    name = shown(spec.name)
    said = spec.attempts, spec.backoff_ms, spec.keep_ms
    if not spec.queue:
        if said != (JOB_ATTEMPTS, JOB_BACKOFF_MS, JOB_KEEP_MS):
            raise BadRequest(f"{name}: attempts, backoff_ms and keep_ms go with queue=true")
        return
    if spec.reply != "value" or spec.upload:
        raise BadRequest(
            f"{name}: a queue has reply value and no upload; its caller gets the id of a job"
        )
    if not 1 <= spec.attempts <= JOB_ATTEMPTS_MAX:
        raise BadRequest(f"{name}: attempts is 1 to {JOB_ATTEMPTS_MAX}")
    if not (0 <= spec.backoff_ms <= TTL_MS_MAX and 0 <= spec.keep_ms <= TTL_MS_MAX):
        raise BadRequest(f"{name}: backoff_ms and keep_ms are 0 to {TTL_MS_MAX}")


def check(workspace: Workspace, provision: Provision) -> None:
    """Returns when a provision agrees with the queues that are known.

    Raises:
        BadRequest: jobs wait for a command that is no queue here.
        LimitExceeded: there are too many queues.
    """
    queues = workspace.jobs.queues
    more = 0
    for spec in provision.commands:
        queue = queues.get(f"{provision.service}.{spec.name}".encode())
        more += queue is None and spec.queue
        if queue is not None and queue.total and not spec.queue:
            raise BadRequest(
                f"'{queue.name}' is a queue with {queue.total} jobs; register it with queue=true, or "
                "purge them first: $askr.jobs.purge"
            )
    if more and len(queues) + more > QUEUES_MAX:
        raise LimitExceeded(
            f"a workspace has at most {QUEUES_MAX} queues; forget some: $askr.jobs.forget",
            details={"limit": "queues_max"},
        )


def declare(board: Switchboard, instance: Instance) -> None:
    """Takes in which commands of an instance are queues, and which are no longer."""
    workspace = instance.session.in_open_workspace
    for spec in instance.provision.commands:
        name = f"{instance.service.name}.{spec.name}"
        known = workspace.jobs.queues.get(name.encode())
        if spec.queue:
            _define(board, workspace, name, definition_of(instance.provision, spec))
        elif known is not None and not known.total:
            forget(board, workspace, known)


def _define(board: Switchboard, workspace: Workspace, name: str, definition: Definition) -> None:
    queue = workspace.jobs.queue(name)
    if queue.is_known and queue.definition == definition:
        return
    queue.definition, queue.is_known = definition, True
    records.keep(board, workspace, SHELF, name, dump(definition))


def forget(board: Switchboard, workspace: Workspace, queue: Queue) -> None:
    """Forgets a queue without jobs."""
    del workspace.jobs.queues[queue.name.encode()]
    records.keep(board, workspace, SHELF, queue.name, None)


# ── coming back ───────────────────────────────────────────────────────────────────────────────


def restore_queue(board: Switchboard, workspace: Workspace, key: str, value: bytes) -> None:
    """Takes in a queue that was kept; one that cannot be read is noted."""
    try:
        definition = msgspec.json.decode(value, type=Definition)
        if "." not in key:
            raise ValueError("it is no address")
    except (msgspec.MsgspecError, ValueError) as exc:
        _note(board, SHELF, key, exc)
        return
    queue = workspace.jobs.queue(key)
    queue.definition, queue.is_known = definition, True


def restore_job(board: Switchboard, workspace: Workspace, key: str, value: bytes) -> None:
    """Takes in a job that was kept; one that ran begins anew, one that cannot be read is noted."""
    jobs = workspace.jobs
    try:
        if key == job_rows.RESERVED_KEY:
            jobs.reserved = int(msgspec.json.decode(value)["reserved"])
            jobs.last = max(jobs.last, jobs.reserved)
            return
        job = read_row(jobs, key, value)
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError) as exc:
        _note(board, job_rows.SHELF, key, exc)
        return
    job.queue.is_known = True
    job.since_ms = board.now_ms
    jobs.last = max(jobs.last, job.id, job.place)
    jobs.expect(job)
    jobs.add(job)
    job_runs.await_definition(board, workspace, job)


def _note(board: Switchboard, shelf: str, key: str, exc: Exception) -> None:
    board.note("a kept row cannot be read; it is left alone", shelf=shelf, key=key, why=str(exc))
