"""The rules of events: subscribing, emitting, and the daemon's own news."""

from __future__ import annotations

from askrd.core.admission import check_flags, check_id, check_payload
from askrd.core.outbox import LargeEvent
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire import header
from askrd.wire.bodies import Emitted, Json, dump
from askrd.wire.codec import Raw
from askrd.wire.errors import BadRequest, LimitExceeded, NotFound
from askrd.wire.frames import HEADER_REST_BYTES, STAMP_TIME, Coding, Frame, Kind
from askrd.wire.limits import HEADER_BYTES
from askrd.wire.names import check_pattern, check_subject


def text_of(name: bytes, what: str) -> str:
    """Returns a frame's name as text.

    Raises:
        BadRequest: it is not UTF-8.
    """
    try:
        return name.decode()
    except UnicodeDecodeError as exc:
        raise BadRequest(f"{what} is UTF-8") from exc


def sub(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Begins a subscription."""
    check_id(session, frame.id)
    check_flags(frame, allowed=0)
    pattern = check_pattern(text_of(frame.name, "a pattern"))
    if len(session.subscriptions) >= board.limits.subscriptions_max:
        raise LimitExceeded(
            f"this session has {board.limits.subscriptions_max} subscriptions already",
            details={"limit": "subscriptions_max"},
        )
    session.subscriptions[frame.id] = pattern
    session.taken.add(frame.id)
    workspace = session.in_open_workspace
    workspace.subscriptions.add(pattern, session)
    board.tell(session, Kind.SUBBED, frame.id)
    for follower in workspace.followers:
        _pass_on(board, follower, pattern)


def follow(board: Switchboard, session: Session) -> None:
    """Tells a session from now on which events somebody listens to, and which now.

    It stands before a peer that says an event only to those who named it.
    """
    workspace = session.in_open_workspace
    workspace.followers[session] = None
    for each in list(workspace.sessions.values()):
        for pattern in each.subscriptions.values():
            _pass_on(board, session, pattern)


def _pass_on(board: Switchboard, follower: Session, pattern: str) -> None:
    """Passes on the wish to hear an event; a wildcard names none, and `$` the daemon's own."""
    if "*" not in pattern and not pattern.startswith("$"):
        board.send(follower, Frame(kind=Kind.SUB, name=pattern.encode()))


def unsub(_board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Ends a subscription."""
    pattern = session.subscriptions.pop(frame.id, None)
    if pattern is None:
        raise NotFound(f"you have no subscription {frame.id}")
    session.taken.discard(frame.id)
    session.in_open_workspace.subscriptions.remove(pattern, session)


def emit(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Tells every listener, and the sender how many there were when it gave an id."""
    if frame.id:
        check_id(session, frame.id)
    check_flags(frame)
    check_payload(board, frame)
    workspace = session.in_open_workspace
    if frame.name not in workspace.subscriptions.subjects:
        check_subject(text_of(frame.name, "an event's name"))
    tail = frame.coding | frame.flags << 8 | frame.hops << 16
    rest = raw[HEADER_BYTES:]
    audience = workspace.subscriptions.audience(frame.name)
    audience.count += 1
    _deliver(board, workspace, frame.name, audience.listeners, session.origin, tail, rest)
    if frame.id:
        receivers = len(audience.listeners)
        board.tell(session, Kind.EMITTED, frame.id, Emitted(receivers=receivers, seq=workspace.seq))


def publish(board: Switchboard, workspace: Workspace, subject: str, payload: Json) -> None:
    """Emits news of the daemon itself."""
    # Never an `audience`: a remembered subject is one that every peer may emit.
    listeners = workspace.subscriptions.match(subject)
    name = subject.encode()
    rest = name + dump(payload)
    _deliver(board, workspace, name, listeners, board.daemon.stamp, Coding.JSON, rest)


def _deliver(
    board: Switchboard,
    workspace: Workspace,
    name: bytes,
    listeners: list[Session],
    origin: bytes,
    tail: int,
    rest: Raw,
) -> None:
    """Builds the event once and gives the same object to every listener."""
    workspace.seq += 1
    stamp = STAMP_TIME.pack(board.now_us + board.wall_offset_us) + origin
    size = HEADER_REST_BYTES + len(rest)
    before = name if isinstance(rest, memoryview) else rest
    frame = header.stamped(
        size, Kind.EVENT, len(name), workspace.seq, 0, tail, stamp, before, 0, len(before)
    )
    if isinstance(rest, memoryview):
        event = LargeEvent(frame, rest[len(name) :])
        for listener in listeners:
            board.send_large_event(listener, event)
    else:
        for listener in listeners:
            board.send_event(listener, frame)
    board.totals.events += 1
    board.totals.deliveries += len(listeners)
