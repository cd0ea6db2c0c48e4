"""How a command gets to its instance, and how frames are passed on under a new header."""

from __future__ import annotations

from askrd.core.course import Course
from askrd.core.session import Entry, Session
from askrd.core.switchboard import Switchboard
from askrd.wire import header
from askrd.wire.bodies import Credit, dump
from askrd.wire.codec import Raw
from askrd.wire.frames import FLAG_SILENT, HEADER, HEADER_REST_BYTES, Coding, Frame, Kind
from askrd.wire.limits import TTL_MS_MAX


def dispatch(board: Switchboard, entry: Entry, tail: int, rest: Raw) -> None:
    """Sends a command to the instance in ``entry``, whose id there is given now."""
    caller, caller_id, member, _, route, came_us, deadline_us, course = entry
    assert caller is not None
    assert member is not None
    route.statistics.calls += 1
    if course is not None and course.mode == "none":
        _tell(board, entry, tail, rest)
        return
    callee = member.session
    callee.last_id = rid = callee.last_id + 1
    entry = (caller, caller_id, member, rid, route, came_us, deadline_us, course)
    callee.asked[rid] = entry
    board.recent.append(entry)
    if course is None or course.survey is None:
        caller.asking[caller_id] = entry
    if course is not None:
        course.is_counted = True
        course.caller = (caller.origin, caller_id)
        member.count(route.command, 1)
    ttl_ms = _remaining_ms(board, deadline_us)
    stamp = caller.origin
    if course is not None and course.job is not None:
        stamp = course.job.caller.encode()
    forward(board, callee, Kind.CALL, route.name, rid, ttl_ms, tail, stamp, rest)
    if course is not None:
        _catch_up(board, entry, course)
    elif route.is_idempotent:
        callee.again[rid] = tail, rest


def _catch_up(board: Switchboard, entry: Entry, course: Course) -> None:
    """Sends an instance what its caller said while the command waited for it."""
    caller, _, member, rid, _, _, _, _ = entry
    assert caller is not None
    assert member is not None
    if course.down is not None and course.down.granted != (0, 0):
        items, size = course.down.granted
        more = dump(Credit(items=items, bytes=size))
        credit = Frame(kind=Kind.CREDIT, id=rid, payload=more, coding=Coding.JSON)
        board.send(member.session, credit)
    if course.held:
        held, course.held = course.held, []
        for piece in held:
            forward_item(board, member.session, rid, piece)
        course.renew(board.now_us, board.limits.stream_idle_ms, entry[6])
        board.wheel.arm(caller, course.due_us)


def _tell(board: Switchboard, entry: Entry, tail: int, rest: Raw) -> None:
    """Sends a command that nobody answers, and says to its caller that it is on its way."""
    caller, caller_id, member, _, route, _, deadline_us, course = entry
    assert caller is not None
    assert member is not None
    assert course is not None
    board.recent.append(entry)
    tail |= FLAG_SILENT << 8
    ttl_ms = _remaining_ms(board, deadline_us)
    forward(board, member.session, Kind.CALL, route.name, 0, ttl_ms, tail, caller.origin, rest)
    if course.survey is None:
        caller.asking.pop(caller_id, None)
        route.statistics.replies += 1
        board.totals.replies += 1
        board.send(caller, Frame(kind=Kind.REPLY, id=caller_id, stamp=member.stamp))


def _remaining_ms(board: Switchboard, deadline_us: int) -> int:
    return min(max(1, (deadline_us - board.now_us) // 1000), TTL_MS_MAX)


def forward(
    board: Switchboard,
    session: Session,
    kind: int,
    name: bytes,
    id_: int,
    ttl_ms: int,
    tail: int,
    stamp: bytes,
    rest: Raw,
    *,
    is_bulk: bool = False,
) -> None:
    """Sends ``rest``, what follows the name, under a new header; a view of it is not copied."""
    size = HEADER_REST_BYTES + len(name) + len(rest)
    before = name if isinstance(rest, memoryview) else name + rest
    frame = header.stamped(size, kind, len(name), id_, ttl_ms, tail, stamp, before, 0, len(before))
    if is_bulk:
        board.put_bulk(session, (frame, rest) if isinstance(rest, memoryview) else (frame,))
    elif isinstance(rest, memoryview):
        board.put_large(session, frame, rest)
    else:
        board.put(session, frame)


def forward_item(board: Switchboard, session: Session, id_: int, raw: Raw) -> None:
    """Passes a frame of a stream on under another id."""
    _, kind, _, _, _, _, tail = HEADER.unpack_from(raw)
    forward(board, session, kind, b"", id_, 0, tail, b"", raw[HEADER.size :], is_bulk=True)
