"""The rules of outcomes: what an instance answers, and what the daemon says in its place."""

from __future__ import annotations

from askrd.core import ejection, events, job_runs, kept, surveys
from askrd.core.admission import too_large
from askrd.core.dispatch import forward
from askrd.core.session import Entry, Session
from askrd.core.statistics import RECENT_MASK
from askrd.core.switchboard import Failure, Switchboard, body_of
from askrd.wire.bodies import ErrorBody, Json, dump, load
from askrd.wire.codec import Raw
from askrd.wire.errors import AskrError, BadRequest, ErrorCode, PayloadTooLarge
from askrd.wire.frames import Coding, Frame, Kind
from askrd.wire.limits import HEADER_BYTES

UNEXPECTED = frozenset({ErrorCode.HANDLER_ERROR, ErrorCode.INTERNAL})
"""Failures of the instance, whatever it was asked."""
COMMAND_FAILED = "$askr.command.failed"
"""Event that tells of a command that failed after its caller had its `ack`."""


def asked(board: Switchboard, session: Session, frame: Frame) -> Entry | None:
    """Returns the entry that ``frame`` answers; None when it is over already.

    Raises:
        BadRequest: this peer was never asked under that id.
    """
    entry = session.asked.get(frame.id)
    if entry is not None:
        return entry
    if not 0 < frame.id <= session.last_id:
        board.totals.forged_replies += 1
        raise BadRequest(f"nothing was asked of you under id {frame.id}; the answer was dropped")
    board.totals.late_replies += 1
    return None


def take(board: Switchboard, session: Session, frame: Frame, raw: Raw, entry: Entry) -> None:
    """Takes in the outcome of a command that is no longer in ``asked``."""
    caller, _, member, _, route, _, _, course = entry
    assert member is not None
    if course is not None:
        course.let_go()
    release(entry)
    said = _body(frame) if frame.kind == Kind.FAIL else None
    is_accepted = course is not None and course.is_accepted
    if caller is None and not is_accepted:
        session.ended_badly += 1
    elif said is not None and _is_unexpected(said, entry):
        session.ended_badly += 1
        ejection.note_failure(board, member)
    if caller is None:
        if is_accepted and said is not None:
            _announce(board, entry, said)
        elif not is_accepted:
            board.totals.late_replies += 1
        return
    if len(frame.payload) > board.limits.payload_bytes_max:
        _refuse_large(board, session, frame, entry)
        return
    if said is None:
        _count_reply(board, entry)
    else:
        route.statistics.errors += 1
        board.totals.fails += 1
        _remember(board, entry, said.code, said.message)
    _pass(board, entry, frame, raw, is_final=said is None or not said.retryable)


def release(entry: Entry) -> None:
    """Takes in that an instance no longer works on a command that was counted."""
    member, route, course = entry[2], entry[4], entry[7]
    assert member is not None
    if course is not None and course.is_counted:
        course.is_counted = False
        member.count(route.command, -1)
        if course.job is not None:
            course.job.queue.runs -= 1


def _is_unexpected(said: ErrorBody, entry: Entry) -> bool:
    """Says whether a failure says something of the instance and not of what it was asked."""
    is_late = said.code == ErrorCode.DEADLINE_EXCEEDED and said.at == "handler"
    return said.code in UNEXPECTED or (is_late and ejection.is_telling(entry))


def _count_reply(board: Switchboard, entry: Entry) -> None:
    counted, came_us = entry[4].statistics, entry[5]
    counted.recent_us[counted.replies & RECENT_MASK] = board.now_us - came_us
    counted.replies += 1
    board.totals.replies += 1


def _pass(board: Switchboard, entry: Entry, frame: Frame, raw: Raw, *, is_final: bool) -> None:
    caller, caller_id, member, _, _, _, _, course = entry
    assert caller is not None
    assert member is not None
    if course is not None and course.job is not None:
        job_runs.answered(board, entry, frame)
        return
    tail = frame.coding | frame.flags << 8 | frame.hops << 16
    rest = raw[HEADER_BYTES:]
    if course is not None and course.mode == "ack" and frame.kind == Kind.REPLY:
        tail, rest = 0, b""
    if course is not None and course.survey is not None:
        surveys.take_row(board, entry, frame.kind, tail, rest)
        return
    del caller.asking[caller_id]
    is_bulk = course is not None and course.due_us > 0
    forward(board, caller, frame.kind, b"", caller_id, 0, tail, member.stamp, rest, is_bulk=is_bulk)
    if course is not None and course.kept is not None:
        kind: int = frame.kind
        if course.down is not None and frame.kind == Kind.REPLY:
            kind, tail, rest = Kind.FAIL, Coding.JSON, dump(body_of(_in_pieces()))
        kept.ended(board, course.kept, kind, tail, member.stamp, rest, is_final=is_final)
        course.kept = None


def _in_pieces() -> PayloadTooLarge:
    """Returns what others with the same idempotency key get in place of an outcome in pieces."""
    return PayloadTooLarge(
        "the command was carried out, and its answer is too large to be given again", at="response"
    )


def _refuse_large(board: Switchboard, session: Session, frame: Frame, entry: Entry) -> None:
    error = too_large(board, frame)
    error.at = "response"
    course = entry[7]
    if course is not None and course.survey is not None:
        surveys.fail_row(board, entry, error)
    else:
        end(board, entry, error)
    board.refuse(session, frame.id, error)


def accept(board: Switchboard, session: Session, frame: Frame, entry: Entry) -> None:
    """Takes in that an instance has begun a command whose caller wants no more than that.

    Raises:
        BadRequest: the command is none of those.
    """
    caller, caller_id, member, rid, route, came_us, deadline_us, course = entry
    assert member is not None
    if course is None or course.mode != "ack" or frame.payload:
        raise BadRequest("MORE on a reply means that a command of mode ack began, without payload")
    if course.is_accepted or caller is None:
        return
    course.is_accepted = course.has_spoken = True
    session.asked[rid] = (None, 0, member, rid, route, came_us, deadline_us, course)
    if course.survey is not None:
        surveys.take_row(board, entry, Kind.REPLY, 0, b"")
        return
    del caller.asking[caller_id]
    _count_reply(board, entry)
    forward(board, caller, Kind.REPLY, b"", caller_id, 0, 0, member.stamp, b"")
    if course.kept is not None:
        kept.ended(board, course.kept, Kind.REPLY, 0, member.stamp, b"")
        course.kept = None


def end(board: Switchboard, entry: Entry, error: AskrError) -> None:
    """Gives the caller of ``entry`` its failure; the entry leaves `asking`.

    Who joined its run fails with it, unless the run goes on for one of them.
    """
    caller, caller_id, _, _, route, _, _, course = entry
    assert caller is not None
    del caller.asking[caller_id]
    route.statistics.errors += 1
    _remember(board, entry, error.code, error.message)
    if course is not None and course.job is not None:
        job_runs.failed(board, entry, error)
        return
    board.fail(caller, caller_id, error)
    end_joined(board, entry, error)


def end_joined(board: Switchboard, entry: Entry, error: AskrError) -> None:
    """Fails everyone who joined the run of ``entry``, unless it goes on for one of them."""
    caller, caller_id, _, _, _, _, _, course = entry
    run = None if course is None else course.kept
    if run is not None and run.runner == (caller, caller_id):
        for joined in kept.drop(run):
            end(board, joined, error)


def announce_failure(board: Switchboard, entry: Entry, error: AskrError) -> None:
    """Tells whoever listens that an accepted command failed."""
    _announce(board, entry, body_of(error))


def _announce(board: Switchboard, entry: Entry, error: ErrorBody) -> None:
    member, route, course = entry[2], entry[4], entry[7]
    assert member is not None
    assert course is not None
    workspace = member.session.workspace
    route.statistics.errors += 1
    if workspace is None:
        return
    stamp, id_ = course.caller
    news: Json = {
        "service": member.service.name,
        "instance": member.session.suffix,
        "command": route.command,
        "id": id_,
        "caller": stamp.decode(),
        "error": {
            "code": error.code,
            "message": error.message,
            "details": error.details,
            "retryable": error.retryable,
            "at": error.at or "handler",
        },
    }
    events.publish(board, workspace, COMMAND_FAILED, news)


def _remember(board: Switchboard, entry: Entry, code: str, message: str) -> None:
    caller, caller_id, _, _, route, came_us, _, _ = entry
    assert caller is not None
    remember_failure(board, caller, caller_id, route.name, (code, message), came_us)


def remember_failure(
    board: Switchboard,
    caller: Session,
    id_: int,
    name: bytes,
    said: tuple[str, str],
    came_us: int,
) -> None:
    """Keeps a command that failed, for `$askr.why`; ``said`` is the error's code and message."""
    if caller.workspace is not None:
        target, stamp = name.decode("utf-8", "replace"), caller.origin.decode()
        space = caller.workspace.name
        board.failures.append(Failure(caller.suffix, stamp, id_, target, *said, came_us, space))


def _body(frame: Frame) -> ErrorBody:
    """Reads what a fail says; an unreadable one is taken for an unexpected failure."""
    try:
        return load(ErrorBody, frame.payload, "fail")
    except BadRequest:
        return ErrorBody(code=ErrorCode.HANDLER_ERROR)
