"""The rules of commands: dispatch, waiting, outcomes, cancel, expiry and loss.

A command in flight is one `Entry` in two tables: the caller's `asking` and the instance's
`asked`. Whoever takes it out of `asking` owes the caller its outcome, so there is exactly one.
"""

from __future__ import annotations

from askrd.core.admission import check_call, check_flags, too_large
from askrd.core.destinations import Instance, Parked, Route, Service
from askrd.core.session import Entry, Session
from askrd.core.statistics import RECENT_MASK
from askrd.core.switchboard import Switchboard
from askrd.core.wheel import NEVER_US
from askrd.wire import header
from askrd.wire.codec import Raw
from askrd.wire.errors import (
    AskrError,
    BadRequest,
    Busy,
    CommandCancelled,
    DeadlineExceeded,
    InstanceLost,
    NoInstance,
)
from askrd.wire.frames import (
    FLAG_HEAD,
    HEADER_REST_BYTES,
    Coding,
    Frame,
    Kind,
)
from askrd.wire.limits import (
    ASKED_MAX,
    HEADER_BYTES,
    TTL_MS_MAX,
    WAITING_BYTES_MAX,
    WAITING_COMMANDS_MAX,
)


def call(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Gives a command to the instance whose turn it is, or parks it, or refuses it."""
    check_call(board, session, frame)
    destinations = session.in_open_workspace.destinations
    route = destinations.routes.get(frame.name)
    if route is None:
        route = destinations.route_for(frame.name, board.now_us)
    deadline_us = board.now_us + (frame.ttl_ms or route.timeout_ms) * 1000
    tail = frame.coding | frame.flags << 8 | frame.hops << 16
    rest = raw[HEADER_BYTES + len(frame.name) :]
    member = route.turn()
    if member is None:
        _park(board, session, frame, route, deadline_us, tail, rest)
    else:
        entry = (session, frame.id, member, 0, route, board.now_us, deadline_us)
        _dispatch(board, entry, tail, rest)
    board.wheel.arm(session, deadline_us)


def _dispatch(board: Switchboard, entry: Entry, tail: int, rest: Raw) -> None:
    """Sends a command to the instance in ``entry``, whose id there is given now."""
    caller, caller_id, member, _, route, came_us, deadline_us = entry
    assert caller is not None
    assert member is not None
    callee = member.session
    callee.last_id = rid = callee.last_id + 1
    entry = (caller, caller_id, member, rid, route, came_us, deadline_us)
    caller.asking[caller_id] = callee.asked[rid] = entry
    route.statistics.calls += 1
    ttl_ms = min(max(1, (deadline_us - board.now_us) // 1000), TTL_MS_MAX)
    _forward(board, callee, Kind.CALL, route.name, rid, ttl_ms, tail, caller.origin, rest)


def _park(
    board: Switchboard,
    session: Session,
    frame: Frame,
    route: Route,
    deadline_us: int,
    tail: int,
    rest: Raw,
) -> None:
    service = route.service
    if all(member.session.is_unresponsive for member in route.members):
        raise NoInstance(
            f"every instance of '{service.name}' has been silent too long; nothing was sent",
            details={"service": service.name},
        )
    if len(service.waiting) >= WAITING_COMMANDS_MAX or (
        service.waiting and service.waiting_bytes + len(rest) > WAITING_BYTES_MAX
    ):
        raise Busy(
            f"every instance of '{service.name}' is saturated and {len(service.waiting)} commands "
            "wait already; this one was not sent",
            details={"service": service.name, "waiting": len(service.waiting)},
        )
    entry: Entry = (session, frame.id, None, 0, route, board.now_us, deadline_us)
    session.asking[frame.id] = entry
    # The service is decided: a bare name that others come to offer meanwhile stays with it.
    address = frame.name if b"@" in frame.name else route.name
    parked = Parked(entry, address, tail, rest)
    service.waiting[session, frame.id] = parked
    service.waiting_bytes += len(rest)


def _unpark(entry: Entry) -> Parked | None:
    caller, caller_id, _, _, route, _, _ = entry
    assert caller is not None
    parked = route.service.waiting.pop((caller, caller_id), None)
    if parked is not None:
        route.service.waiting_bytes -= len(parked.rest)
    return parked


def serve_waiting(board: Switchboard, session: Session) -> None:
    """Dispatches commands that waited for the services of ``session``, oldest first."""
    for instance in session.instances.values():
        for parked in list(instance.service.waiting.values()):
            if not session.is_ready or len(session.asked) >= ASKED_MAX:
                return
            route = _route_again(board, parked)
            if route is not None:
                _serve(board, parked, route)


def _route_again(board: Switchboard, parked: Parked) -> Route | None:
    """Returns where a waiting command may go now; when nowhere, it has failed with the reason."""
    caller = parked.entry[0]
    assert caller is not None
    destinations = caller.in_open_workspace.destinations
    address = parked.address
    try:
        return destinations.routes.get(address) or destinations.route_for(address, board.now_us)
    except AskrError as error:
        error.details.setdefault("delivered", "no")
        _unpark(parked.entry)
        _end(board, parked.entry, error)
        return None


def _serve(board: Switchboard, parked: Parked, route: Route) -> None:
    caller, caller_id, _, _, _, came_us, deadline_us = parked.entry
    member = route.turn()
    if member is None or deadline_us <= board.now_us:
        return
    _unpark(parked.entry)
    fresh = (caller, caller_id, member, 0, route, came_us, deadline_us)
    _dispatch(board, fresh, parked.tail, parked.rest)


def review_waiting(board: Switchboard, service: Service) -> None:
    """Fails what waits for a service and that no instance of it can take any more."""
    if not service.instances:
        _abandon_waiting(board, service)
    for parked in list(service.waiting.values()):
        _route_again(board, parked)


def _abandon_waiting(board: Switchboard, service: Service) -> None:
    for parked in list(service.waiting.values()):
        _unpark(parked.entry)
        error = NoInstance(
            f"the last instance of '{service.name}' left while the command waited; it was not sent",
            details={"service": service.name, "delivered": "no"},
        )
        _end(board, parked.entry, error)


def _end(board: Switchboard, entry: Entry, error: AskrError) -> None:
    """Gives the caller of ``entry`` its failure; the entry leaves `asking`."""
    caller, caller_id = entry[0], entry[1]
    assert caller is not None
    del caller.asking[caller_id]
    entry[4].statistics.errors += 1
    board.fail(caller, caller_id, error)


def reply(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Relays an outcome, reply or fail, from the instance that was asked to the caller."""
    if frame.kind == Kind.REPLY:
        check_flags(frame)
    elif frame.coding != Coding.JSON or frame.flags & ~FLAG_HEAD:
        raise BadRequest("a fail carries a JSON body and no flags")
    if frame.name:
        raise BadRequest("an answer carries no name")
    entry = _asked(board, session, frame)
    if entry is None:
        return
    del session.asked[frame.id]
    _settle(board, session, frame, raw, entry)
    if len(session.asked) == ASKED_MAX - 1:
        serve_waiting(board, session)


def _settle(board: Switchboard, session: Session, frame: Frame, raw: Raw, entry: Entry) -> None:
    caller, caller_id, member, _, route, came_us, _ = entry
    if caller is None or member is None:
        board.totals.late_replies += 1
        return
    if len(frame.payload) > board.limits.payload_bytes_max:
        error = too_large(board, frame)
        error.at = "response"
        _end(board, entry, error)
        board.refuse(session, frame.id, error)
        return
    del caller.asking[caller_id]
    if frame.kind == Kind.REPLY:
        counted = route.statistics
        counted.recent_us[counted.replies & RECENT_MASK] = board.now_us - came_us
        counted.replies += 1
        board.totals.replies += 1
    else:
        route.statistics.errors += 1
        board.totals.fails += 1
    _pass(board, caller, caller_id, member, frame, raw)


def _pass(
    board: Switchboard, caller: Session, id_: int, member: Instance, frame: Frame, raw: Raw
) -> None:
    tail = frame.coding | frame.flags << 8 | frame.hops << 16
    _forward(board, caller, frame.kind, b"", id_, 0, tail, member.stamp, raw[HEADER_BYTES:])


def _forward(
    board: Switchboard,
    session: Session,
    kind: int,
    name: bytes,
    id_: int,
    ttl_ms: int,
    tail: int,
    stamp: bytes,
    rest: Raw,
) -> None:
    """Sends ``rest``, what follows the name, under a new header; a view of it is not copied."""
    size = HEADER_REST_BYTES + len(name) + len(rest)
    before = name if isinstance(rest, memoryview) else name + rest
    frame = header.stamped(size, kind, len(name), id_, ttl_ms, tail, stamp, before, 0, len(before))
    if isinstance(rest, memoryview):
        board.put_large(session, frame, rest)
    else:
        board.put(session, frame)


def _asked(board: Switchboard, session: Session, frame: Frame) -> Entry | None:
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


def progress(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Relays news of a running command to its caller."""
    check_flags(frame)
    if frame.name:
        raise BadRequest("progress carries no name")
    if len(frame.payload) > board.limits.payload_bytes_max:
        raise too_large(board, frame)
    entry = _asked(board, session, frame)
    if entry is None:
        return
    caller, caller_id, member = entry[0], entry[1], entry[2]
    if caller is not None and member is not None:
        _pass(board, caller, caller_id, member, frame, raw)


def cancel(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Ends a command for its caller and tells the instance to stop."""
    entry = session.asking.get(frame.id)
    if entry is None:
        return
    delivered = _stop(board, entry, "caller")
    error = CommandCancelled("the command was cancelled", details={"delivered": delivered})
    _end(board, entry, error)


def _stop(board: Switchboard, entry: Entry, reason: str) -> str:
    """Has the instance of ``entry`` cancel it; the entry stays there without caller.

    Returns:
        Whether the instance had it: `no` or `unknown`.
    """
    _, _, member, rid, route, came_us, deadline_us = entry
    if member is None:
        _unpark(entry)
        return "no"
    member.session.asked[rid] = (None, 0, member, rid, route, came_us, deadline_us)
    board.tell(member.session, Kind.CANCEL, rid, {"reason": reason})
    return "unknown"


def expire(board: Switchboard, session: Session) -> int:
    """Fails the commands of ``session`` whose deadline has passed; returns the next deadline."""
    next_us = NEVER_US
    for entry in list(session.asking.values()):
        deadline_us = entry[6]
        if deadline_us > board.now_us:
            next_us = min(next_us, deadline_us)
            continue
        allowed_ms = (deadline_us - entry[5]) // 1000
        delivered = _stop(board, entry, "deadline")
        what = "it was never sent" if delivered == "no" else "the handler is told to stop"
        error = DeadlineExceeded(
            f"no outcome of '{entry[4].name.decode()}' within {allowed_ms} ms; {what}",
            details={"delivered": delivered},
        )
        _end(board, entry, error)
    return next_us


def lose_caller(board: Switchboard, session: Session) -> None:
    """Cancels what a session that left had asked."""
    for entry in list(session.asking.values()):
        _stop(board, entry, "caller_lost")
        entry[4].statistics.errors += 1
    session.asking.clear()


def lose_instance(board: Switchboard, session: Session) -> None:
    """Fails what a session that left was executing."""
    for entry in list(session.asked.values()):
        caller, member = entry[0], entry[2]
        if caller is None or member is None:
            continue
        error = InstanceLost(
            f"{member.stamp.decode()} went away while it had the command; "
            "whether it ran is unknown",
            details={"delivered": "unknown", "instance": member.stamp.decode()},
        )
        _end(board, entry, error)
    session.asked.clear()
