"""The rules of streams: items, credit and ends pass from one side of a command to the other.

The daemon keeps nothing of a stream but two numbers per direction: what the receiver still takes.
A sender that goes beyond them ends its command, so nobody's slowness can fill the daemon.
"""

from __future__ import annotations

from askrd.core import outcomes, surveys
from askrd.core.admission import check_flags, too_large
from askrd.core.commands import stop, with_course
from askrd.core.dispatch import forward, forward_item
from askrd.core.flow import Flow
from askrd.core.session import Entry, Session
from askrd.core.switchboard import Switchboard
from askrd.wire.bodies import Credit, load
from askrd.wire.codec import Raw
from askrd.wire.errors import AskrError, BadRequest, LimitExceeded, PayloadTooLarge
from askrd.wire.frames import FLAG_HEAD, FLAG_MORE, FLAG_SEALED, FLAG_UP, Coding, Frame, Kind
from askrd.wire.limits import HEADER_BYTES


def item(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Passes an item on to the other side."""
    _check(frame, FLAG_HEAD | FLAG_SEALED | FLAG_UP | FLAG_MORE)
    if len(frame.payload) > board.limits.payload_bytes_max:
        _refuse_large(board, session, frame)
    elif frame.flags & FLAG_UP:
        _item_up(board, session, frame, raw)
    else:
        _item_down(board, session, frame, raw)


def _refuse_large(board: Switchboard, session: Session, frame: Frame) -> None:
    """Ends the command of an item above the limit: without it the stream would have a hole.

    Raises:
        PayloadTooLarge: always.
    """
    error = too_large(board, frame)
    is_up = bool(frame.flags & FLAG_UP)
    entry = session.asking.get(frame.id) if is_up else outcomes.asked(board, session, frame)
    if entry is not None and entry[0] is not None and entry[7] is not None:
        flow = entry[7].up if is_up else entry[7].down
        if flow is not None:
            _break_off(board, entry, error)
    raise error


def _item_up(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    entry = session.asking.get(frame.id)
    if entry is None or entry[7] is None or entry[7].up is None:
        return  # the command has its outcome, or takes no more
    course = entry[7]
    assert course.up is not None
    if not course.up.spend(len(frame.payload)):
        _overrun(board, entry)
        return
    _pass_up(board, session, entry, raw)


def _pass_up(board: Switchboard, session: Session, entry: Entry, raw: Raw) -> None:
    member, rid, course = entry[2], entry[3], entry[7]
    assert course is not None
    if member is None:
        course.held.append(bytes(raw))
    else:
        _touch(board, session, entry)
        forward_item(board, member.session, rid, raw)


def _item_down(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    entry = outcomes.asked(board, session, frame)
    if entry is None or (caller := entry[0]) is None:
        return
    caller_id, member, course = entry[1], entry[2], entry[7]
    assert member is not None
    if course is None or course.down is None:
        if not frame.flags & FLAG_MORE or (course is not None and course.mode == "ack"):
            raise BadRequest("nobody asked for a stream; answer with one reply")
        if not caller.takes_streams or (course is not None and course.survey is not None):
            _refuse_pieces(board, session, entry, frame)
            return
        course = with_course(entry)
        course.down = Flow()
        entry = session.asked[frame.id]
    if not course.down.spend(len(frame.payload)):
        _overrun(board, entry)
        return
    course.has_spoken = True
    _touch(board, caller, entry)
    tail = frame.coding | frame.flags << 8 | frame.hops << 16
    rest = raw[HEADER_BYTES:]
    forward(board, caller, Kind.ITEM, b"", caller_id, 0, tail, member.stamp, rest, is_bulk=True)


def _refuse_pieces(board: Switchboard, session: Session, entry: Entry, frame: Frame) -> None:
    """Fails a command whose answer is too large for a survey, or a caller without streams."""
    error = PayloadTooLarge(
        f"the answer is larger than one frame may be ({board.limits.payload_bytes_max} bytes), "
        "and the caller takes no streams here",
        details={"bytes_max": board.limits.payload_bytes_max},
        at="response",
    )
    if entry[7] is not None:
        entry[7].down = Flow()  # a piece of the answer is lost: nobody else can have the rest
    _break_off(board, entry, error)
    board.refuse(session, frame.id, error)


def credit(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Passes on what the receiver of a stream takes besides."""
    _check(frame, FLAG_UP)
    more = load(Credit, frame.payload, "credit")
    if more.items < 0 or more.bytes < 0:
        raise BadRequest("credit is 0 or more items and bytes")
    is_up = bool(frame.flags & FLAG_UP)
    entry = outcomes.asked(board, session, frame) if is_up else session.asking.get(frame.id)
    if entry is None or entry[7] is None:
        return
    flow = entry[7].up if is_up else entry[7].down
    if flow is None:
        return
    if not flow.grant(more.items, more.bytes):
        raise BadRequest("that is more credit than a stream can have")
    caller, caller_id, member, rid = entry[0], entry[1], entry[2], entry[3]
    to, id_ = (caller, caller_id) if is_up else (member.session if member else None, rid)
    if to is not None:
        tail = frame.coding | frame.flags << 8
        forward(board, to, Kind.CREDIT, b"", id_, 0, tail, b"", raw[HEADER_BYTES:])


def end(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Passes on that one side has no more items, or that they ended with an error."""
    _check(frame, FLAG_UP)
    if frame.kind == Kind.RESET and frame.coding != Coding.JSON:
        raise BadRequest("a reset carries a JSON body")
    if frame.flags & FLAG_UP:
        entry = session.asking.get(frame.id)
        if entry is not None and entry[7] is not None and entry[7].up is not None:
            entry[7].up = None
            _pass_up(board, session, entry, raw)
        return
    entry = outcomes.asked(board, session, frame)
    if entry is None or entry[0] is None or entry[7] is None or entry[7].down is None:
        return
    caller, member = entry[0], entry[2]
    assert member is not None
    tail = frame.coding | frame.flags << 8
    rest = raw[HEADER_BYTES:]
    forward(board, caller, frame.kind, b"", entry[1], 0, tail, member.stamp, rest, is_bulk=True)


def _check(frame: Frame, allowed: int) -> None:
    check_flags(frame, allowed=allowed)
    if frame.name:
        raise BadRequest("frames of a stream carry no name")


def _touch(board: Switchboard, caller: Session, entry: Entry) -> None:
    """Takes note that a stream has begun or goes on: from now on its silence counts."""
    course = entry[7]
    assert course is not None
    is_first = not course.due_us
    course.renew(board.now_us, board.limits.stream_idle_ms, entry[6])
    if is_first:
        board.wheel.arm(caller, course.due_us)


def _overrun(board: Switchboard, entry: Entry) -> None:
    """Ends a command of which one side sends more than the other takes."""
    error = LimitExceeded(
        "more items came than the receiver takes; the command is ended",
        details={"limit": "stream_items"},
        retryable=False,
    )
    _break_off(board, entry, error)


def break_off(
    board: Switchboard, session: Session, id_: int, error: AskrError, *, is_up: bool
) -> None:
    """Ends a command of whose stream one item is missing: what came after it would be wrong."""
    entry = session.asking.get(id_) if is_up else session.asked.get(id_)
    if entry is not None and entry[0] is not None:
        _break_off(board, entry, error)


def _break_off(board: Switchboard, entry: Entry, error: AskrError) -> None:
    """Ends a command whose stream cannot go on, on both sides."""
    course = entry[7]
    if course is not None and course.survey is not None:
        surveys.give_up(board, entry, error, "stream")
        return
    stop(board, entry, "stream")
    outcomes.end(board, entry, error)
