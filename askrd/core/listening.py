"""The rules of listening: how a subscription begins, what comes before its first event, how it ends."""

from __future__ import annotations

from askrd.core import followers, groups, log_rules
from askrd.core.admission import check_flags, check_id
from askrd.core.choice import POLICIES
from askrd.core.event import marked
from askrd.core.events import text_of
from askrd.core.newest import Newest
from askrd.core.recent import Told, seq_of
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import EventOptions, Gap, Subbed, SubOptions, dump, load
from askrd.wire.codec import Raw, encode
from askrd.wire.errors import BadRequest, Gone, LimitExceeded, NotFound
from askrd.wire.frames import FLAG_KEPT, FLAG_OPTIONS, Coding, Frame, Kind
from askrd.wire.limits import HEADER_BYTES, RECENT_MS, TTL_MS_MAX, UNACKED_MAX
from askrd.wire.names import check_pattern, check_word, pattern_matches, shown

_PLAIN = SubOptions()
WHEN_FULL = ("drop_oldest", "disconnect", "conflate")
"""What may become of events that a subscriber does not read."""


def sub(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Begins a subscription: what is kept comes first, then every event from now on."""
    check_id(session, frame.id)
    check_flags(frame, allowed=FLAG_OPTIONS)
    pattern = check_pattern(text_of(frame.name, "a pattern"))
    if len(session.subscriptions) + len(session.hearings) >= board.limits.subscriptions_max:
        raise LimitExceeded(
            f"this session has {board.limits.subscriptions_max} subscriptions already",
            details={"limit": "subscriptions_max"},
        )
    wants = load(SubOptions, frame.options, "the options of sub") if frame.options else _PLAIN
    if wants.log:
        log_rules.sub(board, session, frame, pattern, wants)
        return
    _check(wants)
    workspace = session.in_open_workspace
    behind = _behind(board, workspace, wants)
    if wants.group:
        group, policy, weight = wants.group, wants.policy, wants.weight
        session.hearings[frame.id] = groups.join(session, frame.id, pattern, group, policy, weight)
    elif wants.when_full == "conflate":
        newest = Newest(session, frame.id, pattern)
        workspace.subscriptions.add(pattern, newest)
        session.hearings[frame.id] = newest
    else:
        session.subscriptions[frame.id] = pattern
        workspace.subscriptions.add(pattern, session)
    if wants.when_full == "disconnect":
        session.outbox.undroppable.add(frame.id, pattern)
    session.taken.add(frame.id)
    board.tell(session, Kind.SUBBED, frame.id, Subbed(seq=workspace.seq))
    if workspace.followers:
        followers.pass_on(board, workspace, pattern)
    is_plain = wants.retained is not False and not wants.group
    if behind is not None or (is_plain and len(workspace.retained)):
        _catch_up(board, session, frame.id, pattern, behind, wants)


def unsub(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Ends a subscription."""
    pattern = session.subscriptions.pop(frame.id, None)
    hearing = session.hearings.pop(frame.id, None)
    if pattern is not None:
        session.in_open_workspace.subscriptions.remove(pattern, session)
    elif hearing is not None:
        hearing.end(board)
    else:
        raise NotFound(f"you have no subscription {frame.id}")
    session.outbox.undroppable.discard(frame.id)
    session.taken.discard(frame.id)


def _check(wants: SubOptions) -> None:
    """Returns when the options of a subscription that reads no log go together.

    Raises:
        BadRequest: they do not.
    """
    read = wants.consumer, wants.ack, wants.start, wants.start_seq, wants.unacked_max
    if read != ("", None, "", None, UNACKED_MAX):
        raise BadRequest("consumer, ack, start, start_seq and unacked_max go with log")
    if wants.since_ms is not None and not 0 <= wants.since_ms <= TTL_MS_MAX:
        raise BadRequest(f"since is milliseconds, 0 to {TTL_MS_MAX}")
    if wants.since_ms is not None and wants.after is not None:
        raise BadRequest("since or after, not both")
    if wants.when_full not in ("", *WHEN_FULL):
        raise BadRequest(
            f"when_full is one of {', '.join(WHEN_FULL)}, not {shown(wants.when_full)}"
        )
    if wants.group:
        _check_group(wants)
    elif wants.policy or wants.weight != 1:
        raise BadRequest("policy and weight go with group")


def _check_group(wants: SubOptions) -> None:
    check_word(wants.group, "group")
    if wants.policy and wants.policy not in POLICIES:
        raise BadRequest(f"policy is one of {', '.join(POLICIES)}, not {shown(wants.policy)}")
    if not 1 <= wants.weight <= 1_000_000:
        raise BadRequest("weight is 1 to 1 000 000")
    if wants.since_ms is not None or wants.after is not None or wants.retained:
        raise BadRequest("a group hears what comes from now on; for what was, use a log")
    if wants.when_full == "conflate":
        raise BadRequest("a group conflates nothing: each event is for one member")


# ── what was before ───────────────────────────────────────────────────────────────────────────


def _behind(board: Switchboard, workspace: Workspace, wants: SubOptions) -> int | None:
    """Returns the number behind which events are wanted; None when none are.

    Raises:
        Gone: that place is not of this daemon's life, or still to come.
    """
    if wants.after is not None:
        if wants.after.epoch != board.daemon.epoch or not 0 <= wants.after.seq <= workspace.seq:
            raise Gone(
                "no event has that epoch and seq; use since_ms, or leave it out",
                details={"epoch": board.daemon.epoch, "seq": workspace.seq},
            )
        return max(wants.after.seq, workspace.recent.began)
    if wants.since_ms is None:
        return None
    wall_us = board.now_us + board.wall_offset_us
    workspace.recent.expire(wall_us - RECENT_MS * 1000)
    return workspace.recent.seq_before(wall_us - wants.since_ms * 1000)


def _catch_up(
    board: Switchboard,
    session: Session,
    id_: int,
    pattern: str,
    behind: int | None,
    wants: SubOptions,
) -> None:
    """Tells what is retained and remembered, and before it how much of that is missing.

    Of what is remembered no more is told than the session may have waiting: the newest.
    """
    workspace = session.in_open_workspace
    frames, size = _room(board, session)
    recent = [] if behind is None else workspace.recent.after(behind)
    fits: dict[str, bool] = {}
    matching = [told for told in recent if _fits(pattern, _subject_of(told), fits)]
    live = _newest_that_fit(matching, frames, size)
    left_out = len(matching) - len(live)
    if behind is not None and workspace.seq - behind > len(recent) - left_out:
        known = set(map(seq_of, recent)) - set(map(seq_of, matching[:left_out]))
        _tell_gap(board, session, id_, behind, workspace.seq, known)
    retained: list[Told] = []
    if wants.retained is not False:
        again = set(map(seq_of, live))
        found = workspace.retained.matching(pattern)
        retained = [event.frame for event in found if event.seq not in again]
    if retained and not (frames > 0 and size > 0):
        span = seq_of(retained[0]), seq_of(retained[-1])
        _send_gap(board, session, id_, Gap(missed=len(retained), from_=span[0], to=span[1]))
        retained = []
    options = dump(EventOptions(sub=id_, retained=True))
    for number, told in enumerate((*retained, *live)):
        if number == len(retained):
            options = dump(EventOptions(sub=id_))
        row = marked(told, options, FLAG_KEPT)
        if wants.when_full == "conflate":
            slot = id_, _subject_of(told).encode()
            board.send_newest(session, slot, row)
        else:
            board.give_event(session, row)


def _fits(pattern: str, subject: str, known: dict[str, bool]) -> bool:
    """Says whether a subject fits; ``known`` remembers it, because few subjects have many events."""
    found = known.get(subject)
    if found is None:
        found = known[subject] = pattern_matches(pattern, subject)
    return found


def _room(board: Switchboard, session: Session) -> tuple[int, int]:
    """Returns how many frames and bytes more may wait for a session."""
    box, limits = session.outbox, board.limits
    if box.is_paused:
        frames, size = box.waiting
    else:
        frames, size = len(box.urgent), sum(map(len, box.urgent))
    return limits.outbox_frames_max - frames, limits.outbox_bytes_max - size


def _subject_of(told: Told) -> str:
    head = told if isinstance(told, bytes) else told.head
    at = HEADER_BYTES + head[5]
    return head[at : at + int.from_bytes(head[6:8], "little")].decode()


def _newest_that_fit(events: list[Told], frames: int, size: int) -> list[Told]:
    """Returns the newest of them that are together within so many frames and bytes."""
    first = len(events)
    while first and frames > 0 and size >= len(events[first - 1]):
        first -= 1
        frames -= 1
        size -= len(events[first])
    return events[first:]


def _tell_gap(
    board: Switchboard, session: Session, id_: int, behind: int, last: int, known: set[int]
) -> None:
    """Says how many events behind a number may be missing: all that are not ``known``."""
    missed = last - behind - len(known)
    lowest = behind + 1
    while lowest in known:
        lowest += 1
    highest = last
    while highest in known:
        highest -= 1
    _send_gap(board, session, id_, Gap(missed=missed, from_=lowest, to=highest))


def _send_gap(board: Switchboard, session: Session, id_: int, gap: Gap) -> None:
    options = dump(EventOptions(sub=id_))
    frame = Frame(kind=Kind.GAP, payload=dump(gap), coding=Coding.JSON, options=options)
    board.send_event(session, encode(frame))
