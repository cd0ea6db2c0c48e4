"""A job as programs see it, and how its daemon is asked about it."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import msgspec

from askrd.wire.bodies import ErrorBody
from askrd.wire.errors import AskrError, BadRequest, Conflict, DeadlineExceeded, error_from

ENDED = "$askr.job.ended"
"""The event about the end of every job."""
JobId = str | int | Mapping[str, Any]
"""An id, or what `send` to a queue has returned."""
_ENDS = frozenset({"done", "failed", "dead", "cancelled"})


class Job(msgspec.Struct, frozen=True):
    """One command that waits in a queue, is carried out, or has been.

    Attributes:
        id: digits, increasing within a workspace.
        target: the command.
        state: `queued`, `running`, `done`, `failed` (the handler said no), `dead` (its attempts
            are used up) or `cancelled`.
        attempts: how many times it was begun.
        attempts_max: how many times it may be.
        created_ms: Unix milliseconds; so are the next ones.
        started_ms: when it was begun last; 0 = not yet.
        ended_ms: when it ended; 0 = not yet.
        next_ms: when it is tried again; 0 = as soon as it is its turn.
        instance: who has, or had it last; empty = nobody yet.
        value: what the handler returned, of a job that is shown; None before that.
        error: why the last attempt failed; None when none has.
        row: all that the daemon says.
    """

    id: str
    target: str
    state: str
    attempts: int = 0
    attempts_max: int = 0
    created_ms: int = 0
    started_ms: int = 0
    ended_ms: int = 0
    next_ms: int = 0
    instance: str = ""
    value: Any = None
    error: AskrError | None = None
    row: dict[str, Any] = {}

    @property
    def is_ended(self) -> bool:
        """Whether it has its outcome."""
        return self.state in _ENDS

    def result(self) -> Any:
        """Returns what the handler returned.

        Raises:
            AskrError: why there is no such value.
        """
        if self.state == "done":
            return self.value
        if self.error is not None and self.is_ended:
            raise self.error
        raise Conflict(f"job {self.id} is {self.state}; it has no result", at="client")


class _Row(msgspec.Struct):
    id: str
    target: str = ""
    state: str = ""
    attempts: int = 0
    attempts_max: int = 0
    created: int | None = None
    started: int | None = None
    ended: int | None = None
    next: int | None = None
    instance: str | None = None
    value: Any = None
    b: str | None = None
    error: ErrorBody | None = None


def job_in(row: object) -> Job:
    """Reads a row of the daemon.

    Raises:
        BadRequest: the daemon said something else.
    """
    try:
        read = msgspec.convert(row, _Row)
        value = read.value if read.b is None else b64decode(read.b, validate=True)
    except (msgspec.ValidationError, ValueError) as exc:
        raise BadRequest(f"the daemon's row of a job: {exc}") from exc
    said = read.error
    error = None
    if said is not None:
        error = error_from(
            said.code, said.message, details=said.details, retryable=said.retryable, at=said.at
        )
    return Job(
        id=read.id,
        target=read.target,
        state=read.state,
        attempts=read.attempts,
        attempts_max=read.attempts_max,
        created_ms=read.created or 0,
        started_ms=read.started or 0,
        ended_ms=read.ended or 0,
        next_ms=read.next or 0,
        instance=read.instance or "",
        value=value,
        error=error,
        row=dict(row) if isinstance(row, Mapping) else {},
    )


def jobs_in(rows: object) -> list[Job]:
    """Reads several rows of the daemon."""
    return [job_in(row) for row in rows] if isinstance(rows, list) else []


def job_id(job: "JobId | Job") -> str:
    """Returns the id of a job.

    Raises:
        BadRequest: it is none.
    """
    given = job.id if isinstance(job, Job) else job
    if isinstance(given, Mapping):
        given = given.get("job", "")
    text = str(given)
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise BadRequest(
            f"{text!r} is no job: give its id, or what send() to one queue has returned"
        )
    return text


def selection(
    target: str | None, state: str | None, limit: int | None = None, before: str | None = None
) -> dict[str, Any]:
    """Returns which jobs are meant."""
    wanted = {"target": target, "state": state, "limit": limit, "before": before}
    return {name: value for name, value in wanted.items() if value is not None}


def end_in(told: object, id_: str) -> Job | None:
    """Returns the job that the payload of an event says has ended; None when it is another one."""
    is_its = isinstance(told, Mapping) and told.get("id") == id_
    return job_in(told) if is_its else None


def too_late(id_: str, timeout: float | None, state: str) -> DeadlineExceeded:
    """Returns the error of who has waited long enough for a job."""
    return DeadlineExceeded(
        f"job {id_} is still {state} after {timeout or 0:g} s; it goes on", at="client"
    )
