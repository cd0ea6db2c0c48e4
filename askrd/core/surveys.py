"""The rules of surveys: one command to every instance that fits, one row each, one outcome."""

from __future__ import annotations

from askrd.core.course import Course, Survey
from askrd.core.destinations import read_address
from askrd.core.dispatch import dispatch, forward
from askrd.core.eligibility import barred, saturated
from askrd.core.letters import agree, letter_for
from askrd.core.routes import Route
from askrd.core.services import Instance
from askrd.core.session import Entry, Session
from askrd.core.switchboard import Switchboard, body_of
from askrd.wire.bodies import CallOptions, Summary, dump
from askrd.wire.codec import Raw
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    Busy,
    DeadlineExceeded,
    ErrorCode,
    Forbidden,
    LimitExceeded,
    NoInstance,
)
from askrd.wire.frames import FLAG_MORE, Coding, Frame, Kind
from askrd.wire.limits import SURVEY_MEMBERS_MAX


def call(board: Switchboard, session: Session, frame: Frame, options: CallOptions) -> None:
    """Asks every instance that an address means.

    Raises:
        AskrError: nobody can be meant, or a survey cannot have what the caller wants.
    """
    if options.upload or options.idempotency_key or options.reply == "stream":
        raise BadRequest("a survey takes no streams, no large payload and no idempotency key")
    members = members_for(board, session, frame.name, options)
    command = read_address(frame.name).command
    if any(member.commands[command].queue for member in members):
        raise BadRequest(
            f"'{command}' is a queue; ask for it as service.command, and whoever is free gets the job"
        )
    modes = [agree(member.commands[command], frame, options) for member in members]
    routes = [_route(board, session, member, command) for member in members]
    timeout_ms = frame.ttl_ms or max(route.timeout_ms for route in routes)
    deadline_us = board.now_us + timeout_ms * 1000
    course = Course(modes[0], options)
    entry = (session, frame.id, None, 0, routes[0], board.now_us, deadline_us, course)
    survey = course.survey = Survey(entry, 1 if options.first else options.quorum)
    session.asking[frame.id] = entry
    board.wheel.arm(session, deadline_us)
    survey.pending = {
        member: _row(survey, member, route, mode)
        for member, route, mode in zip(members, routes, modes, strict=True)
    }
    for member, row in list(survey.pending.items()):
        if member in survey.pending:  # enough rows may have come while it was being asked
            _ask(board, survey, row, frame)
    _finish_if_done(board, survey)


def members_for(
    board: Switchboard, session: Session, name: bytes, options: CallOptions
) -> list[Instance]:
    """Returns everyone a survey of ``session`` asks, those included that have no room now.

    Raises:
        AskrError: nobody can be meant, or too many are.
    """
    address = read_address(name)
    found = session.in_open_workspace.destinations.members(address, board.now_us)
    verdicts = [barred(member, address.command, session, options) for member in found]
    members = [m for m, verdict in zip(found, verdicts, strict=True) if verdict is None]
    if len(members) > SURVEY_MEMBERS_MAX:
        raise LimitExceeded(
            f"{len(members)} instances fit; one survey asks at most {SURVEY_MEMBERS_MAX}",
            details={"limit": "survey_members_max"},
        )
    if members:
        return members
    whys = {verdict[0]: verdict[1] for verdict in verdicts if verdict}
    if "forbidden" in whys:
        raise Forbidden(f"nobody was asked: {whys['forbidden']}")
    raise NoInstance(f"nobody is left to be asked: {'; '.join(whys.values())}")


def _route(board: Switchboard, session: Session, member: Instance, command: str) -> Route:
    canonical = f"{member.service.name}.{command}".encode()
    return session.in_open_workspace.destinations.route_for(canonical, board.now_us)


def _row(survey: Survey, member: Instance, route: Route, mode: str) -> Entry:
    caller, id_, _, _, _, came_us, deadline_us, common = survey.entry
    assert common is not None
    course = Course(mode, common.options)
    course.survey = survey
    return caller, id_, member, 0, route, came_us, deadline_us, course


def _ask(board: Switchboard, survey: Survey, row: Entry, frame: Frame) -> None:
    member, route, course = row[2], row[4], row[7]
    assert member is not None
    assert course is not None
    full = saturated(member, route.command)
    if full is not None:
        fail_row(board, row, Busy(f"{member.stamp.decode()} is {full[1]}; it was not asked"))
        return
    tail, rest = letter_for(frame, course.mode, member.commands[route.command])
    dispatch(board, row, tail, rest)
    if course.mode == "none":
        del survey.pending[member]
        survey.ok += 1


def take_row(board: Switchboard, entry: Entry, kind: int, tail: int, rest: Raw) -> None:
    """Gives the caller what one member answered."""
    caller, id_, member, _, _, _, _, course = entry
    assert course is not None
    survey = course.survey
    assert survey is not None
    assert member is not None
    assert caller is not None
    if survey.pending.pop(member, None) is None:
        return
    if kind == Kind.REPLY:
        survey.ok += 1
    else:
        survey.failed += 1
    forward(board, caller, kind, b"", id_, 0, tail | FLAG_MORE << 8, member.stamp, rest)
    _finish_if_done(board, survey)


def fail_row(board: Switchboard, entry: Entry, error: AskrError) -> None:
    """Tells the caller what became of one member that did not answer."""
    caller, id_, member, _, route, _, _, course = entry
    assert course is not None
    survey = course.survey
    assert survey is not None
    assert member is not None
    assert caller is not None
    if survey.pending.pop(member, None) is None:
        return
    if error.code == ErrorCode.INSTANCE_LOST:
        survey.lost += 1
    else:
        survey.failed += 1
    route.statistics.errors += 1
    row = Frame(
        kind=Kind.FAIL,
        id=id_,
        payload=dump(body_of(error)),
        coding=Coding.JSON,
        flags=FLAG_MORE,
        stamp=member.stamp,
    )
    if course.mode != "none":
        board.send(caller, row)
    _finish_if_done(board, survey)


def _finish_if_done(board: Switchboard, survey: Survey) -> None:
    caller, id_ = survey.entry[0], survey.entry[1]
    assert caller is not None
    is_enough = survey.enough and survey.ok >= survey.enough
    if caller.asking.get(id_) is not survey.entry or (survey.pending and not is_enough):
        return
    stop(board, survey, "caller")
    del caller.asking[id_]
    board.totals.replies += 1
    outcome = Frame(
        kind=Kind.REPLY,
        id=id_,
        payload=dump(Summary(ok=survey.ok, failed=survey.failed, lost=survey.lost)),
        coding=Coding.JSON,
        stamp=board.daemon.stamp,
    )
    board.send(caller, outcome)


def stop(board: Switchboard, survey: Survey, reason: str) -> None:
    """Has every member stop that has not answered; it stays with them, without caller."""
    pending, survey.pending = survey.pending, {}
    for member in pending:
        _cancel(board, survey, member, reason)


def _cancel(board: Switchboard, survey: Survey, member: Instance, reason: str) -> None:
    asked = member.session.asked
    for rid, entry in asked.items():
        course = entry[7]
        if entry[2] is member and course is not None and course.survey is survey:
            asked[rid] = (None, 0, *entry[2:])
            board.tell(member.session, Kind.CANCEL, rid, {"reason": reason})
            return


def expire(board: Switchboard, survey: Survey) -> None:
    """Ends a survey whose deadline has passed: whoever has not answered is a failed row."""
    allowed_ms = (survey.entry[6] - survey.entry[5]) // 1000
    for row in list(survey.pending.values()):
        told = f"no answer within {allowed_ms} ms; the handler is told to stop"
        error = DeadlineExceeded(told, details={"delivered": "unknown"})
        give_up(board, row, error, "deadline")


def give_up(board: Switchboard, row: Entry, error: AskrError, reason: str) -> None:
    """Waits no more for one member: it is told to stop, and its row says ``error``."""
    member, course = row[2], row[7]
    assert member is not None
    assert course is not None
    assert course.survey is not None
    _cancel(board, course.survey, member, reason)
    fail_row(board, row, error)
