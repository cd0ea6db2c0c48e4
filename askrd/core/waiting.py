"""Commands that wait in the daemon: for an instance with room, or for one to come at all.

They wait as entries and not as bytes in an outbox, so what they have left of their deadline is
right when they go.
"""

from __future__ import annotations

from typing import cast

from askrd.core import job_runs, outcomes
from askrd.core.course import NO_OPTIONS, Course
from askrd.core.dispatch import dispatch
from askrd.core.eligibility import busy
from askrd.core.letters import course_for
from askrd.core.routes import Route
from askrd.core.services import Hoping, Instance, Nowhere, Parked, Service
from askrd.core.session import Entry, Phase, Session
from askrd.core.shelf import Kept
from askrd.core.switchboard import Switchboard
from askrd.wire.bodies import CallOptions
from askrd.wire.codec import Raw
from askrd.wire.errors import AskrError, Busy, NoInstance
from askrd.wire.frames import Frame
from askrd.wire.limits import WAITING_BYTES_MAX, WAITING_COMMANDS_MAX


def park(entry: Entry, tail: int, rest: Raw) -> None:
    """Has a command wait for an instance that can take it.

    Raises:
        NoInstance: all that may get it are silent.
        Busy: too many wait already.
    """
    caller, caller_id, route = entry[0], entry[1], entry[4]
    assert caller is not None
    check_room(route, len(rest))
    caller.asking[caller_id] = entry
    # The service is decided: a bare name that others come to offer meanwhile stays with it.
    service = route.service
    service.park(Parked(entry, route.address, tail, rest, service.last_number + 1))


def check_room(route: Route, size: int) -> None:
    """Returns when one more command of ``size`` bytes may wait.

    Raises:
        NoInstance: all that may get it are silent.
        Busy: too many wait already.
    """
    service = route.service
    if all(member.session.is_unresponsive for member in route.members):
        raise NoInstance(
            f"every instance of '{service.name}' has been silent too long; nothing was sent",
            details={"service": service.name},
        )
    count = service.waits_for(route.name)
    if (
        count >= route.waiting_max
        or service.waiting_count >= WAITING_COMMANDS_MAX
        or (service.waiting_count and service.waiting_bytes + size > WAITING_BYTES_MAX)
    ):
        raise Busy(
            f"every instance of '{service.name}' that may take '{route.command}' is saturated and "
            f"{count} commands wait already; this one was not sent",
            details={"service": service.name, "waiting": count},
        )


def withdraw(entry: Entry) -> None:
    """Takes out a command that waits."""
    if give_up(entry) is None:
        entry[4].service.unpark(entry)


def delivered(course: Course | None) -> str:
    """Says whether a command that waits has been with an instance: `no`, or `unknown`."""
    return "unknown" if course is not None and course.tried else "no"


def serve(board: Switchboard, session: Session) -> None:
    """Dispatches what waited for the services of ``session``: commands, oldest first, then jobs."""
    for instance in list(session.instances.values()):
        waiting = instance.service.all_waiting()
        _serve_these(board, instance, sorted(waiting, key=lambda parked: parked.number))
        job_runs.serve_service(board, session.in_open_workspace, instance.service.name)


def serve_run(board: Switchboard, entry: Entry, run: Kept) -> None:
    """Dispatches a run that waits and has gone over to another caller, if somebody can take it.

    Its first caller may have run out of time when there was room.
    """
    if run.runner[0].phase >= Phase.CLOSING:
        return
    parked = entry[4].service.waiting.get(entry[4].name, {}).get(run.runner)
    route = _route_again(board, parked) if parked is not None else None
    if parked is not None and route is not None:
        _serve(board, parked, route)


def after_answer(board: Switchboard, session: Session, entry: Entry) -> None:
    """Dispatches what waited for room that an answer made."""
    member, route, course = entry[2], entry[4], entry[7]
    if member is None or course is None:
        return
    if member.provision.concurrency:
        if member.service.waiting or session.in_open_workspace.jobs.queues:
            serve(board, session)
    elif member.service.waiting:
        queue = member.service.waiting.get(route.name)
        _serve_these(board, member, list(queue.values()) if queue else [])
    if course.job is not None:  # also when its instance has withdrawn the service meanwhile
        job_runs.serve(board, session.in_open_workspace, course.job.queue)


def after_loss(board: Switchboard, session: Session, entries: list[Entry]) -> None:
    """Starts jobs that others can take over, and those that waited behind them."""
    for queue in {e[7].job.queue: None for e in entries if e[7] is not None and e[7].job}:
        job_runs.serve(board, session.in_open_workspace, queue)


def _serve_these(board: Switchboard, instance: Instance, waiting: list[Parked]) -> None:
    """Dispatches those of ``waiting`` for which ``instance`` made room, in their order."""
    full: set[str] = set()
    for parked in waiting:
        if not instance.session.is_ready:
            return
        command = parked.entry[4].command
        if command in full or command not in instance.commands:
            continue
        route = _route_again(board, parked)
        is_stuck = route is not None and not _serve(board, parked, route)
        if is_stuck and busy(instance, command) is not None:
            full.add(command)  # as long as there is room, those behind it may want less
            if len(full) >= len(instance.service.waiting):
                return


def _route_again(board: Switchboard, parked: Parked) -> Route | None:
    """Returns where a waiting command may go now; when nowhere, it has failed with the reason."""
    caller = parked.entry[0]
    assert caller is not None
    destinations = caller.in_open_workspace.destinations
    try:
        return destinations.route_for(parked.address, board.now_us)
    except AskrError as error:
        _fail(board, parked, error)
        return None


def _fail(board: Switchboard, parked: Parked, error: AskrError) -> None:
    error.details.setdefault("delivered", delivered(parked.entry[7]))
    withdraw(parked.entry)
    outcomes.end(board, parked.entry, error)


def _serve(board: Switchboard, parked: Parked, route: Route) -> bool:
    """Dispatches a waiting command when somebody can take it; says whether it waits no more."""
    caller, caller_id, _, _, _, came_us, deadline_us, course = parked.entry
    assert caller is not None
    if deadline_us <= board.now_us:
        return True
    try:
        member = route.choose(caller, NO_OPTIONS if course is None else course.options)
    except AskrError as error:
        _fail(board, parked, error)
        return True
    if member is None:
        return False
    route.service.unpark(parked.entry)
    fresh = (caller, caller_id, member, 0, route, came_us, deadline_us, course)
    dispatch(board, fresh, parked.tail, parked.rest)
    return True


def review(board: Switchboard, service: Service) -> None:
    """Fails what waits for a service and that no instance of it can take any more."""
    if not service.instances:
        for parked in service.all_waiting():
            error = NoInstance(
                f"the last instance of '{service.name}' left while the command waited; "
                "it was not sent",
                details={"service": service.name},
            )
            _fail(board, parked, error)
    for parked in service.all_waiting():
        route = _route_again(board, parked)
        if route is not None:
            _review_rules(board, parked, route)


def _review_rules(board: Switchboard, parked: Parked, route: Route) -> None:
    """Fails what waits and that no instance may take any more."""
    caller, course = parked.entry[0], parked.entry[7]
    assert caller is not None
    try:
        route.allowed(caller, NO_OPTIONS if course is None else course.options)
    except AskrError as error:
        _fail(board, parked, error)


def dispatch_again(board: Switchboard, entry: Entry, letter: tuple[int, Raw] | None) -> bool:
    """Gives a command whose instance was lost to another one; says whether that was possible.

    Args:
        board: the tables.
        entry: the command; its instance is no longer in the registry.
        letter: tail and rest of its frame, when the instance never got it.
    """
    caller, caller_id, member, _, route, came_us, deadline_us, course = entry
    assert caller is not None
    assert member is not None
    if course is None and letter is not None:
        course = Course("value")
    if course is None or course.tried or (course.has_spoken and course.down is not None):
        return False
    if course.options.upload and course.due_us:
        return False  # a part of the upload is gone with the instance
    letter = letter or course.again
    if letter is None or deadline_us <= board.now_us or caller.phase >= Phase.CLOSING:
        return False
    course.tried = (member,)
    destinations = caller.in_open_workspace.destinations
    try:
        route = destinations.route_for(route.address, board.now_us)
        other = route.choose(caller, course.options, course.tried)
        fresh = (caller, caller_id, other, 0, route, came_us, deadline_us, course)
        if other is None:
            park(fresh, *letter)
        else:
            dispatch(board, fresh, *letter)
    except AskrError:
        return False
    return True


# ── for somebody to come ──────────────────────────────────────────────────────────────────────


def hope(
    board: Switchboard,
    session: Session,
    frame: Frame,
    options: CallOptions,
    raw: Raw,
    error: AskrError,
) -> None:
    """Has a command wait until somebody offers it, as long as its caller said.

    Raises:
        Busy: too many wait already.
    """
    destinations = session.in_open_workspace.destinations
    if len(destinations.hoping) >= WAITING_COMMANDS_MAX:
        raise Busy(f"{WAITING_COMMANDS_MAX} commands wait for somebody to come; nothing was sent")
    ttl_ms = frame.ttl_ms or board.limits.command_timeout_ms
    deadline_us = board.now_us + ttl_ms * 1000
    course = course_for("value", options)
    course.due_us = min(deadline_us, board.now_us + options.wait_ms * 1000)
    nowhere = cast("Route", Nowhere(frame.name))
    entry: Entry = (session, frame.id, None, 0, nowhere, board.now_us, deadline_us, course)
    session.asking[frame.id] = entry
    destinations.hoping[session, frame.id] = Hoping(entry, frame, raw, error)
    board.wheel.arm(session, course.due_us)


def give_up(entry: Entry) -> AskrError | None:
    """Ends the wait for somebody to come; returns what the caller is told, None = it did not hope."""
    caller = entry[0]
    assert caller is not None
    hoped = caller.in_open_workspace.destinations.hoping.pop((caller, entry[1]), None)
    return None if hoped is None else hoped.error
