"""The rules of commands: what a caller may want, dispatch, outcomes, cancel, expiry and loss.

A command in flight is one `Entry` in two tables: the caller's `asking` and the instance's
`asked`. Whoever takes it out of `asking` owes the caller its outcome, so there is exactly one.
"""

from __future__ import annotations

from msgspec import structs

from askrd.core import ejection, job_calls, kept, outcomes, surveys, waiting
from askrd.core.admission import check_call, check_flags, too_large
from askrd.core.course import Course
from askrd.core.destinations import read_address
from askrd.core.dispatch import dispatch, forward
from askrd.core.instants import NEVER_US
from askrd.core.letters import agree, course_for, letter, opened, read_options
from askrd.core.routes import Route
from askrd.core.session import Entry, Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import CallOptions
from askrd.wire.codec import Raw
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    CommandCancelled,
    CommandUnknown,
    DeadlineExceeded,
    Draining,
    InstanceLost,
    NoInstance,
    ServiceUnknown,
)
from askrd.wire.frames import (
    FLAG_HEAD,
    FLAG_MORE,
    FLAG_OPTIONS,
    FLAG_SEALED,
    FLAG_SILENT,
    Coding,
    Frame,
    Kind,
)
from askrd.wire.limits import ASKED_MAX, HEADER_BYTES, JOB_PROGRESS_BYTES_MAX

_NOBODY_THERE = (NoInstance, ServiceUnknown, CommandUnknown, Draining)


def call(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Gives a command to the instance whose turn it is, or has it wait, or refuses it."""
    check_call(board, session, frame)
    options = read_options(frame)
    try:
        _call(board, session, frame, raw, options)
    except _NOBODY_THERE as error:
        if not options.wait_ms:
            raise
        waiting.hope(board, session, frame, options, raw, error)


def look_for(board: Switchboard, workspace: Workspace) -> None:
    """Tries commands again that wait for somebody to offer them."""
    hoping = workspace.destinations.hoping
    for (session, id_), hope in list(hoping.items()):
        options = read_options(hope.frame)
        remaining_ms = max(1, (hope.entry[6] - board.now_us) // 1000)
        del hoping[session, id_], session.asking[id_]
        try:
            frame = structs.replace(hope.frame, ttl_ms=remaining_ms)
            _call(board, session, frame, hope.raw, options, hope.entry[7])
        except _NOBODY_THERE:
            hoping[session, id_] = hope
            session.asking[id_] = hope.entry
        except AskrError as error:
            session.asking[id_] = hope.entry
            outcomes.end(board, hope.entry, error)


def _call(
    board: Switchboard,
    session: Session,
    frame: Frame,
    raw: Raw,
    options: CallOptions,
    before: Course | None = None,
) -> None:
    queue = job_calls.meant(session.in_open_workspace, frame.name)
    if queue is not None:
        job_calls.call(board, session, frame, options, queue)
        return
    destinations = session.in_open_workspace.destinations
    route = destinations.routes.get(frame.name)
    if route is None and not options.all:
        address = read_address(frame.name)
        if not address.is_survey:
            route = destinations.route_for(frame.name, board.now_us)
    if route is None or options.all or (route.spec.mode == "broadcast" and b"@" not in frame.name):
        surveys.call(board, session, frame, options)
        return
    settle(board, session, frame, raw, options, route, before)


def settle(
    board: Switchboard,
    session: Session,
    frame: Frame,
    raw: Raw,
    options: CallOptions,
    route: Route,
    before: Course | None = None,
) -> None:
    """Finds out how a command is to go on, and has it begin or wait.

    ``before`` is how it went on while it waited for somebody to come.
    """
    deadline_us = board.now_us + (frame.ttl_ms or route.timeout_ms) * 1000
    tail = frame.coding | frame.flags << 8 | frame.hops << 16
    rest = raw[HEADER_BYTES + len(frame.name) :]
    course = None
    if not route.is_plain or frame.flags & (FLAG_OPTIONS | FLAG_SILENT):
        spec = route.spec
        course = course_for(agree(spec, frame, options), options)
        if before is not None:
            course.up, course.held = before.up, before.held
        told = {} if course.mode == spec.reply else {"reply": course.mode}
        if options.upload:
            told["upload"] = options.upload
        if told or frame.flags & FLAG_OPTIONS:
            tail, rest = letter(frame, told)
        if spec.idempotent and not options.upload and course.mode != "none":
            course.again = (tail, rest)
        if options.idempotency_key and kept.joined(
            board, session, frame.id, route, course, deadline_us
        ):
            return
    try:
        member = route.choose(session, options)
        entry = (session, frame.id, member, 0, route, board.now_us, deadline_us, course)
        if member is None:
            waiting.park(entry, tail, rest)
        else:
            dispatch(board, entry, tail, rest)
    except AskrError:
        if course is not None and course.kept is not None:
            kept.drop(course.kept)
        raise
    board.wheel.arm(session, deadline_us)


# ── outcomes ──────────────────────────────────────────────────────────────────────────────────


def reply(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Relays an outcome, reply or fail, from the instance that was asked to the caller."""
    if frame.kind == Kind.REPLY:
        check_flags(frame, allowed=FLAG_HEAD | FLAG_SEALED | FLAG_MORE)
    elif frame.coding != Coding.JSON or frame.flags & ~FLAG_HEAD:
        raise BadRequest("a fail carries a JSON body and no flags")
    if frame.name:
        raise BadRequest("an answer carries no name")
    entry = outcomes.asked(board, session, frame)
    if entry is None:
        return
    if frame.flags & FLAG_MORE:
        outcomes.accept(board, session, frame, entry)
        return
    del session.asked[frame.id]
    session.again.pop(frame.id, None)
    outcomes.take(board, session, frame, raw, entry)
    waiting.after_answer(board, session, entry)
    if len(session.asked) == ASKED_MAX - 1:
        waiting.serve(board, session)


def progress(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Relays news of a running command to its caller."""
    check_flags(frame)
    if frame.name:
        raise BadRequest("progress carries no name")
    if len(frame.payload) > board.limits.payload_bytes_max:
        raise too_large(board, frame)
    entry = outcomes.asked(board, session, frame)
    if entry is None:
        return
    caller, caller_id, member = entry[0], entry[1], entry[2]
    if caller is None or member is None:
        return
    course = with_course(entry)
    course.has_spoken = True
    if course.job is not None:  # Nobody waits for it; who asks is shown the last of it.
        if len(frame.payload) <= JOB_PROGRESS_BYTES_MAX:
            course.job.progress = bytes(frame.payload), frame.coding, frame.flags & FLAG_SEALED
            caller.in_open_workspace.jobs.weigh(course.job)
        return
    if course.due_us:
        course.renew(board.now_us, board.limits.stream_idle_ms, entry[6])
    tail = frame.coding | frame.flags << 8 | frame.hops << 16
    forward(board, caller, frame.kind, b"", caller_id, 0, tail, member.stamp, raw[HEADER_BYTES:])


def with_course(entry: Entry) -> Course:
    """Returns how a command goes on; one that was plain until now is so no more."""
    caller, caller_id, member, rid, route, came_us, deadline_us, course = entry
    assert caller is not None
    assert member is not None
    if course is None:
        course = Course("value")
        fresh = (caller, caller_id, member, rid, route, came_us, deadline_us, course)
        caller.asking[caller_id] = member.session.asked[rid] = fresh
    return course


# ── ends that the daemon makes ────────────────────────────────────────────────────────────────


def cancel(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Ends a command for its caller and tells the instance to stop."""
    entry = session.asking.get(frame.id)
    if entry is None:
        return
    delivered = stop(board, entry, "caller")
    error = CommandCancelled("the command was cancelled", details={"delivered": delivered})
    outcomes.end(board, entry, error)


def stop(board: Switchboard, entry: Entry, reason: str) -> str:
    """Has whoever works on ``entry`` stop; it stays with its instance, without caller.

    Returns:
        Whether the instance had it: `no`, `unknown` or `yes`.
    """
    _, _, member, rid, route, came_us, deadline_us, course = entry
    if course is not None and course.survey is not None:
        surveys.stop(board, course.survey, reason)
        return "unknown"
    if course is not None and course.kept is not None and kept.leave(entry):
        waiting.serve_run(board, entry, course.kept)
        return "unknown"
    if member is None:
        waiting.withdraw(entry)
        return waiting.delivered(course)
    member.session.asked[rid] = (None, 0, member, rid, route, came_us, deadline_us, course)
    board.tell(member.session, Kind.CANCEL, rid, {"reason": reason})
    return "yes" if course is not None and course.has_spoken else "unknown"


def expire(board: Switchboard, session: Session) -> int:
    """Fails the commands of ``session`` whose deadline has passed; returns when to look again.

    Its instances that have rested long enough are put back too.
    """
    next_us = _readmit(board, session)
    for id_ in list(session.asking):
        entry = session.asking.get(id_)
        if entry is None:
            continue
        course = entry[7]
        deadline_us = entry[6] if course is None or not course.due_us else course.due_us
        if deadline_us > board.now_us:
            next_us = min(next_us, deadline_us)
        else:
            _expire(board, entry)
    return next_us


def _readmit(board: Switchboard, session: Session) -> int:
    was_resting = any(member.is_ejected for member in session.instances.values())
    next_us = ejection.readmit(board, session) if was_resting else NEVER_US
    if was_resting:
        look_for(board, session.in_open_workspace)
        waiting.serve(board, session)
    return next_us


def _expire(board: Switchboard, entry: Entry) -> None:
    course, member = entry[7], entry[2]
    if course is not None and course.survey is not None:
        if ejection.is_telling(entry):
            for silent in list(course.survey.pending):
                ejection.note_failure(board, silent)
        surveys.expire(board, course.survey)
        return
    hoped = waiting.give_up(entry)
    if hoped is not None:
        outcomes.end(board, entry, hoped)
        return
    delivered = stop(board, entry, "deadline")
    what = "it was never sent" if delivered == "no" else "the handler is told to stop"
    name = entry[4].name.decode()
    if course is not None and course.due_us and course.due_us != entry[6]:
        told = f"the stream of '{name}' was silent for {board.limits.stream_idle_ms} ms; {what}"
    else:
        told = f"no outcome of '{name}' within {(entry[6] - entry[5]) // 1000} ms; {what}"
    outcomes.end(board, entry, DeadlineExceeded(told, details={"delivered": delivered}))
    if member is not None and (course is None or not course.due_us) and ejection.is_telling(entry):
        ejection.note_failure(board, member)


def lose_caller(board: Switchboard, session: Session) -> None:
    """Cancels what a session that left had asked."""
    error = CommandCancelled("the caller whose command this one had joined went away")
    # Who joined leaves first: no run goes on for the session that left.
    for id_ in sorted(session.asking, key=lambda id_: not kept.has_joined(session.asking[id_])):
        entry = session.asking.get(id_)
        if entry is None:
            continue  # it ended with another one
        stop(board, entry, "caller_lost")
        del session.asking[id_]
        entry[4].statistics.errors += 1
        outcomes.end_joined(board, entry, error)


def lose_instance(board: Switchboard, session: Session) -> None:
    """Fails what a session that left was executing, or gives it to another instance."""
    unwritten = session.outbox.recall()
    entries, again = list(session.asked.items()), session.again
    session.asked.clear()
    session.again = {}
    for rid, entry in entries:
        kept_letter = again.get(rid)
        _lose(board, entry, unwritten.get(rid), opened(kept_letter) if kept_letter else None)
    waiting.after_loss(board, session, [entry for _, entry in entries])


def _lose(
    board: Switchboard,
    entry: Entry,
    letter: tuple[int, bytes] | None,
    kept_letter: tuple[int, Raw] | None,
) -> None:
    """Ends or repeats one command; ``letter`` is there when its instance never got it."""
    caller, member, course = entry[0], entry[2], entry[7]
    assert member is not None
    outcomes.release(entry)
    name = member.stamp.decode()
    error: AskrError
    if letter is not None:
        delivered, told = "no", f"{name} went away before it got the command; it did not run"
    elif course is not None and (course.has_spoken or course.is_accepted):
        delivered, told = "yes", f"{name} went away while it carried the command out"
    else:
        told = f"{name} went away while it had the command; whether it ran is unknown"
        delivered = "unknown"
    error = InstanceLost(
        told, details={"delivered": delivered, "instance": name}, retryable=delivered == "no"
    )
    if caller is None:
        if course is not None and course.is_accepted:
            outcomes.announce_failure(board, entry, error)
    elif course is not None and course.survey is not None:
        surveys.fail_row(board, entry, error)
    elif (course is not None and course.job is not None) or not waiting.dispatch_again(
        board, entry, letter or kept_letter
    ):
        outcomes.end(board, entry, error)
