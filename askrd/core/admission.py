"""What a frame must satisfy before any rule acts on it."""

from __future__ import annotations

from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.wire.errors import BadRequest, Draining, LimitExceeded, PayloadTooLarge
from askrd.wire.frames import FLAG_HEAD, FLAG_OPTIONS, FLAG_SEALED, FLAG_SILENT, Coding, Frame
from askrd.wire.limits import HOPS_MAX

_CODING_MAX = int(Coding.BYTES) + 1


def check_flags(frame: Frame, allowed: int = FLAG_HEAD | FLAG_SEALED) -> None:
    """Returns when ``frame`` carries no flag that its kind does not take.

    Raises:
        BadRequest: it does, or its coding is unknown.
    """
    if frame.flags & ~allowed:
        raise BadRequest(f"flags {frame.flags & ~allowed:#04x} do not belong on this frame")
    if frame.coding > _CODING_MAX:
        raise BadRequest(f"coding {frame.coding} is unknown")


def check_id(session: Session, id_: int) -> None:
    """Returns when ``id_`` can name a new request of ``session``.

    Raises:
        BadRequest: it is 0, or an unfinished request has it.
    """
    if not id_:
        raise BadRequest("this frame needs an id, 1 to 2^53-1")
    if session.is_in_use(id_):
        raise BadRequest(f"id {id_} is in use by an unfinished request, which goes on")


def check_call(board: Switchboard, session: Session, frame: Frame) -> None:
    """Returns when ``frame`` may be a new command of ``session``.

    Raises:
        AskrError: it may not; nothing was done.
    """
    check_id(session, frame.id)
    check_flags(frame, allowed=FLAG_HEAD | FLAG_SEALED | FLAG_OPTIONS | FLAG_SILENT)
    # What a service asks while it carries a command out belongs to what is finished first.
    if board.is_draining and not (frame.hops and session.asked):
        raise Draining("the daemon is shutting down and takes no new commands; try again")
    in_flight_max = board.limits.commands_in_flight_max
    if len(session.asking) >= in_flight_max:
        raise LimitExceeded(
            f"{in_flight_max} commands are in flight; this one was not sent",
            details={"limit": "commands_in_flight_max"},
        )
    check_payload(board, frame)


def check_payload(board: Switchboard, frame: Frame) -> None:
    """Returns when a call's or an event's depth and payload are within their limits.

    Raises:
        BadRequest: it is nested too deep.
        PayloadTooLarge: its payload is above the limit.
    """
    if frame.hops > HOPS_MAX:
        raise BadRequest(f"nested deeper than {HOPS_MAX} commands; do services call in a circle?")
    if len(frame.payload) > board.limits.payload_bytes_max:
        raise too_large(board, frame)


def too_large(board: Switchboard, frame: Frame) -> PayloadTooLarge:
    """Returns the error for a payload above the limit."""
    limit = board.limits.payload_bytes_max
    return PayloadTooLarge(
        f"a payload of {len(frame.payload)} bytes is above the limit of {limit}; "
        "it was not relayed",
        details={"bytes": len(frame.payload), "bytes_max": limit},
    )
