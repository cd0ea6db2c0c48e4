"""Instances that fail everything they get rest for a while, so that the others can do the work."""

from __future__ import annotations

from askrd.core import roster
from askrd.core.instants import NEVER_US
from askrd.core.services import Instance, Service
from askrd.core.session import Entry, Session
from askrd.core.switchboard import Switchboard
from askrd.wire.limits import EJECTION_MS, EJECTIONS_MAX, FAILURES_MAX, TELLING_DEADLINE_MS


def is_telling(entry: Entry) -> bool:
    """Says whether a deadline that passed counts against the instance: callers choose them freely."""
    return entry[6] - entry[5] >= TELLING_DEADLINE_MS * 1000


def note_failure(board: Switchboard, member: Instance) -> None:
    """Takes note that an instance failed a command unexpectedly.

    Good answers are not counted on the hot path. How many there were shows in the ids: what was
    asked, less what is unanswered, less what ended badly.
    """
    session = member.session
    if session.instances.get(member.service.name) is not member:
        return  # it has left meanwhile
    good = session.last_id - len(session.asked) - session.ended_badly
    if good != member.failed_at:
        member.failures = member.ejections = 0
    member.failed_at = good
    member.failures += 1
    if member.failures >= FAILURES_MAX and not member.is_ejected and _may_rest(member):
        _eject(board, member)


def _may_rest(member: Instance) -> bool:
    """Says whether others would do the work: the last one is never sent to rest."""
    return any(
        other is not member and _is_in_rotation(other) and not other.session.is_unresponsive
        for other in member.service.instances.values()
    )


def _is_in_rotation(member: Instance) -> bool:
    return member.state == "active" and not member.is_ejected


def _eject(board: Switchboard, member: Instance) -> None:
    member.ejections = min(member.ejections + 1, EJECTIONS_MAX)
    rest_us = EJECTION_MS * 1000 * member.ejections
    member.ejected_until_us = board.now_us + rest_us
    member.session.in_open_workspace.destinations.forget_routes()
    board.wheel.arm(member.session, member.ejected_until_us)
    roster.announce_instance(board, member, "changed")
    board.note("instance rests", instance=member.stamp.decode(), failures=member.failures)


def readmit(board: Switchboard, session: Session) -> int:
    """Puts back instances of ``session`` that have rested; returns when to look again."""
    next_us = NEVER_US
    for member in session.instances.values():
        if not member.is_ejected:
            continue
        if member.ejected_until_us > board.now_us:
            next_us = min(next_us, member.ejected_until_us)
            continue
        _put_back(board, member)
    return next_us


def keep_one(board: Switchboard, service: Service) -> list[Instance]:
    """Puts back those who rest when nobody else of ``service`` is left; returns them."""
    members = list(service.instances.values())
    if any(_is_in_rotation(member) for member in members):
        return []
    rested = [member for member in members if member.is_ejected and member.state == "active"]
    for member in rested:
        _put_back(board, member)
    return rested


def _put_back(board: Switchboard, member: Instance) -> None:
    member.ejected_until_us = 0
    # One more failure sends it back; a good answer forgets the row.
    member.failures = FAILURES_MAX - 1
    member.session.in_open_workspace.destinations.forget_routes()
    roster.announce_instance(board, member, "changed")
