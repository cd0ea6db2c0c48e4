"""Commands with an idempotency key: one run, whose outcome every caller of that key gets.

While it runs, further callers join it; when it has ended well or its handler refused, the outcome is
returned again for a while. What the daemon itself made fail is forgotten, so that it can be tried again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from askrd.core.dispatch import forward
from askrd.core.shelf import Kept
from askrd.wire.codec import Raw
from askrd.wire.errors import BadRequest, Conflict
from askrd.wire.frames import FLAG_KEPT
from askrd.wire.limits import KEPT_MS

if TYPE_CHECKING:
    from askrd.core.course import Course
    from askrd.core.routes import Route
    from askrd.core.session import Entry, Session
    from askrd.core.switchboard import Switchboard


def joined(
    board: Switchboard,
    session: Session,
    id_: int,
    route: Route,
    course: Course,
    deadline_us: int,
) -> bool:
    """Gives a caller the outcome of its key, or has it wait for it; False when it is the first.

    Raises:
        BadRequest: the mode can have no key.
        Conflict: the key belongs to a command of another mode.
        AskrError: no member may ever get a command of this caller.
    """
    if course.mode not in {"value", "ack"} or course.options.upload:
        raise BadRequest("an idempotency key goes with value and ack, not with streams and tells")
    route.allowed(session, course.options)
    shelf = session.in_open_workspace.kept
    key = (route.name, course.options.idempotency_key)
    kept = shelf.items.get(key)
    if kept is not None and kept.outcome is not None and kept.until_us <= board.now_us:
        shelf.forget(kept)
        kept = None
    if kept is None:
        course.kept = shelf.items[key] = Kept(key, course.mode, (session, id_), shelf)
        return False
    if kept.mode != course.mode:
        raise Conflict(
            f"this idempotency key belongs to a command that is answered with {kept.mode}, not "
            f"{course.mode}; take another key"
        )
    if kept.outcome is not None:
        kind, tail, stamp, rest = kept.outcome
        tail |= FLAG_KEPT << 8
        forward(board, session, kind, b"", id_, 0, tail, stamp, rest)
        return True
    course.kept = kept
    entry = (session, id_, None, 0, route, board.now_us, deadline_us, course)
    kept.joined[session, id_] = session.asking[id_] = entry
    board.wheel.arm(session, deadline_us)
    return True


def ended(
    board: Switchboard,
    kept: Kept,
    kind: int,
    tail: int,
    stamp: bytes,
    rest: Raw,
    *,
    is_final: bool = True,
) -> None:
    """Gives an outcome to everyone who joined, and remembers it when ``is_final``."""
    outcome = (kind, tail, stamp, bytes(rest))
    shelf = kept.shelf
    shelf.forget(kept)
    if is_final:
        kept.outcome = outcome
        kept.until_us = board.now_us + KEPT_MS * 1000
        shelf.items[kept.key] = kept
        shelf.bytes += len(outcome[3])
    for caller, id_ in drop_joined(kept):
        forward(board, caller, kind, b"", id_, 0, tail | FLAG_KEPT << 8, stamp, outcome[3])
    shelf.expire(board.now_us)


def drop_joined(kept: Kept) -> list[tuple[Session, int]]:
    """Takes everyone who joined out of their tables, and returns them."""
    waiting = list(kept.joined)
    kept.joined.clear()
    for caller, id_ in waiting:
        del caller.asking[id_]
    return waiting


def drop(kept: Kept) -> list[Entry]:
    """Forgets a key whose run came to nothing; returns the entries of those who joined it."""
    kept.shelf.forget(kept)
    entries = list(kept.joined.values())
    kept.joined.clear()
    return entries


def has_joined(entry: Entry) -> bool:
    """Says whether ``entry`` waits for the outcome of another caller's command."""
    caller, caller_id, _, _, _, _, _, course = entry
    run = None if course is None else course.kept
    return run is not None and (caller, caller_id) in run.joined


def leave(entry: Entry) -> bool:
    """Takes in that a caller no longer waits; False when the run itself has to stop.

    When the caller that began the run leaves and another one has joined, it goes on for that one,
    unless a part of the outcome has gone out already.
    """
    caller, caller_id, member, rid, route, _, _, course = entry
    assert caller is not None
    assert course is not None
    kept = course.kept
    assert kept is not None
    if kept.joined.pop((caller, caller_id), None) is not None:
        return True
    if not kept.joined or course.down is not None:
        kept.shelf.forget(kept)
        return False
    (heir, heir_id), theirs = next(iter(kept.joined.items()))
    del kept.joined[heir, heir_id]
    kept.runner = heir, heir_id
    course.caller = heir.origin, heir_id
    fresh = (heir, heir_id, member, rid, route, theirs[5], theirs[6], course)
    heir.asking[heir_id] = fresh
    if member is not None:
        member.session.asked[rid] = fresh
    elif (parked := route.service.unpark(entry)) is not None:
        route.service.park(replace(parked, entry=fresh))
    return True
