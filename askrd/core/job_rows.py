"""How a job is written down and shown: its row, its number, its value, and how it is forgotten."""

from __future__ import annotations

import msgspec

from askrd.core import records
from askrd.core.jobs import Job, row_of
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import ErrorBody, Json, dump, load
from askrd.wire.errors import BadRequest, ErrorCode, PayloadTooLarge
from askrd.wire.frames import FLAG_SEALED, Coding, Frame
from askrd.wire.limits import JOB_PROGRESS_BYTES_MAX, JOB_SHOWN_BYTES_MAX

SHELF = "jobs"
RESERVED_KEY = "reserved"
"""The row that says which numbers are not to be given again."""
_RESERVED = 1_000
_WORD_CHARS, _MESSAGE_CHARS = 64, 900
_DESCRIBED_BYTES = 2_048
"""What a description of a job takes beside its result, at most."""


def next_number(board: Switchboard, workspace: Workspace) -> int:
    """Returns a number that no job of the workspace has had, whatever was forgotten since."""
    jobs = workspace.jobs
    number = jobs.number()
    if number > jobs.reserved:
        jobs.reserved = number + _RESERVED
        row = dump({"reserved": jobs.reserved})
        records.keep(board, workspace, SHELF, RESERVED_KEY, row)
    return number


def keep(board: Switchboard, workspace: Workspace, job: Job) -> None:
    """Has the store know how a job stands; nobody waits for that."""
    records.keep(board, workspace, SHELF, job.row_key, row_of(job))


def remove(board: Switchboard, workspace: Workspace, job: Job) -> None:
    """Forgets a job that does not run."""
    disarm(board, workspace, job)
    workspace.jobs.remove(job)
    records.keep(board, workspace, SHELF, job.row_key, None)


def forget_oldest(
    board: Switchboard, workspace: Workspace, count_max: int, bytes_max: int, spared: int = 0
) -> None:
    """Forgets the jobs that ended first, as far as needed, but for the last ``spared`` of them."""
    jobs = workspace.jobs
    while (jobs.count > count_max or jobs.bytes > bytes_max) and len(jobs.ended) > spared:
        remove(board, workspace, next(iter(jobs.ended.values())))


def disarm(board: Switchboard, workspace: Workspace, job: Job) -> None:
    """Has nothing be due for a job."""
    board.alarms.disarm((SHELF, workspace.name, job.id))


def news_of(job: Job) -> dict[str, Json]:
    """Returns what is told of a job that has ended."""
    news: dict[str, Json] = {
        "id": str(job.id),
        "target": job.queue.name,
        "state": job.state,
        "attempts": job.attempts,
    }
    if job.error is not None:
        news["error"] = job.error
    elif len(job.result) <= JOB_SHOWN_BYTES_MAX:
        news |= shown(job.result, job.result_coding, job.result_flags)
    return news


def check_result(board: Switchboard, payload: bytes, coding: int, flags: int) -> None:
    """Returns when the result of a job fits into a description of the job: else nobody could read it.

    Raises:
        PayloadTooLarge: it does not.
    """
    room = board.limits.payload_bytes_max - _DESCRIBED_BYTES
    if 2 * len(payload) > room and len(dump(shown(payload, coding, flags))) > room:
        raise PayloadTooLarge(
            f"the job was carried out, and its result of {len(payload)} bytes is too large to be "
            "kept; put it elsewhere, and answer where it is",
            details={"bytes": len(payload)},
            at="response",
        )


def failure_in(frame: Frame) -> ErrorBody:
    """Returns what is remembered of a failure: of a large one the beginning."""
    try:
        said = load(ErrorBody, frame.payload, "fail")
    except BadRequest:
        return ErrorBody(code=ErrorCode.HANDLER_ERROR)
    if len(frame.payload) > JOB_PROGRESS_BYTES_MAX:
        said.code, said.at = said.code[:_WORD_CHARS], said.at[:_WORD_CHARS]
        said.message, said.details = said.message[:_MESSAGE_CHARS], {"omitted": True}
    return said


def shown(payload: bytes, coding: int, flags: int, name: str = "value") -> dict[str, Json]:
    """Returns a payload as members of a JSON object: ``name``, or ``b`` when it is no JSON."""
    if coding != Coding.BYTES and not payload:
        return {name: None}
    if coding == Coding.JSON and not flags & FLAG_SEALED:
        try:
            msgspec.json.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
        else:
            return {name: msgspec.Raw(payload)}  # to the letter, as it was written
    told: dict[str, Json] = {"b" if name == "value" else f"{name}_b": payload}
    return told | {"c": "sealed"} if flags & FLAG_SEALED else told
