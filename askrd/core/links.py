"""The rules of coming back: a session goes on over another connection, and nothing is lost between.

A session is **away** from the loss of its last connection until its peer is back or its window is
over. What the peer asked, subscribed and watches stays; what it provided and was executing is lost
to others at once, and what it provides is there again when it is back. Further connections stand
by: while one of them lives the session is not away.
"""

from __future__ import annotations

from askrd.core import commands, job_queues, registry, roster
from askrd.core.effects import Rebind, Say
from askrd.core.instants import NEVER_US
from askrd.core.resumption import Resumption
from askrd.core.session import Phase, Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import Welcome, dump
from askrd.wire.codec import Raw, encode
from askrd.wire.errors import BadRequest, Forbidden, Gone, LimitExceeded
from askrd.wire.frames import HEADER, SIZE_BYTES, Coding, Frame, Kind
from askrd.wire.handshake import Opening
from askrd.wire.limits import CONFIRM_BYTES, HEADER_BYTES, LINKS_MAX
from askrd.wire.tail import Tail

# ── opening ───────────────────────────────────────────────────────────────────────────────────


def greet(board: Switchboard, session: Session, opening: Opening, hello_bytes: int) -> None:
    """Welcomes a new peer; its session keeps from now on what the peer may come back to."""
    limits = board.limits
    is_service = opening.kind == "service"
    window_ms = limits.resume_service_ms if is_service else limits.resume_terminal_ms
    if opening.resumable and window_ms > 0 and not session.via.endswith("+json"):
        session.resumption = Resumption(window_ms, hello_bytes)
        session.confirm_at = CONFIRM_BYTES
    frame = welcome(board, session, opening.version)
    if session.resumption is not None:
        session.resumption.tail = Tail(-len(frame))  # WELCOME is not counted
    board.put(session, frame)


def welcome(board: Switchboard, session: Session, version: int, *, is_back: bool = False) -> bytes:
    """Returns the frame that welcomes a peer, new or back."""
    limits = board.limits
    resumption = session.resumption
    workspace = session.in_open_workspace.name
    body = Welcome(
        v=version,
        id=session.peer_id,
        instance=session.suffix,
        workspace=workspace,
        daemon=board.daemon.id,
        epoch=board.daemon.epoch,
        resume=session.secret,
        version=board.daemon.version,
        limits={
            "payload_bytes_max": limits.payload_bytes_max,
            "frame_bytes_max": limits.frame_bytes_max,
            "commands_in_flight_max": limits.commands_in_flight_max,
            "subscriptions_max": limits.subscriptions_max,
            "heartbeat_after_ms": limits.heartbeat_after_ms,
            "stream_idle_ms": limits.stream_idle_ms,
        },
        resumed=is_back,
        received=resumption.received(session) if resumption is not None and is_back else 0,
        window_ms=resumption.window_ms if resumption is not None else 0,
        channels=board.channels if workspace == board.daemon.workspace else [],
    )
    return encode(Frame(kind=Kind.WELCOME, payload=dump(body), coding=Coding.JSON))


def take_up(board: Switchboard, session: Session, opening: Opening, workspace: Workspace) -> bool:
    """Has an earlier session go on over a new connection, or adds that one to it.

    Returns:
        whether it did; if not, the new connection gets a session of its own.

    Raises:
        Gone: a further connection was to be added to a session that is not there.
        LimitExceeded: that session has as many as it may.
    """
    if opening.link:
        _stand_by(board, session, opening, workspace)
        return True
    main = _main(opening, workspace)
    if main is None or not opening.resumable or not _can_go_on(main, opening.received):
        return False
    assert main.resumption is not None
    missed = _without_calls(main.resumption.tail.since(opening.received))
    if missed is None:
        return False
    if not main.is_away:
        detach(board, main, "came back before it was missed")
    _let_go_of_part(main)
    first = welcome(board, main, opening.version, is_back=True)
    _rebind(board, session, main, (first, missed), opening.received)
    _come_back(board, main)
    return True


def _main(opening: Opening, workspace: Workspace) -> Session | None:
    """Returns the session that a HELLO may go on with."""
    found = workspace.sessions.get(opening.instance)
    if found is None or found.resumption is None or found.secret != opening.resume:
        return None
    return found


def _can_go_on(session: Session, received: int) -> bool:
    resumption = session.resumption
    return (
        resumption is not None
        and session.phase is Phase.OPEN
        and not session.assembly.is_skipping
        and resumption.tail.holds(received)
    )


def _let_go_of_part(session: Session) -> None:
    """Forgets the beginning of a frame: the peer sends it again from its first byte."""
    session.bytes_in -= session.assembly.held_bytes
    session.assembly.release()


def _rebind(
    board: Switchboard, link: Session, session: Session, first: tuple[Raw, ...], received: int
) -> None:
    """Has the connection of ``link`` carry ``session``; the peer has ``received`` bytes of it."""
    resumption = session.resumption
    assert resumption is not None
    resumption.tail.confirm(received)
    resumption.is_cut = False
    session.outbox.pause()
    session.judge_ready()
    session.via, session.address = link.via, link.address
    session.heard_us = board.now_us
    session.is_held_to_pings = link.is_held_to_pings
    link.phase = Phase.CLOSED
    board.sessions.pop(link, None)
    board.effects.append(Rebind(link, session, first))


def _without_calls(pieces: list[Raw]) -> bytes | None:
    """Returns frames with every command that was lost with the connection made a `pong`.

    Its caller has its outcome, so it must not run; its bytes are counted already. What was told
    (id 0) has no outcome, and still comes. None when these are no whole frames.
    """
    data = bytearray(b"".join(pieces))
    at = 0
    while at + HEADER_BYTES <= len(data):
        size, kind, _, _, id_, _, _ = HEADER.unpack_from(data, at)
        if kind == Kind.CALL and id_:
            data[at + SIZE_BYTES] = Kind.PONG
        at += SIZE_BYTES + size
    return bytes(data) if at == len(data) else None


# ── going away, and coming back ───────────────────────────────────────────────────────────────


def keeps(board: Switchboard, session: Session, cause: str) -> bool:
    """Has a session that lost its connection wait for its peer; says whether it does."""
    resumption = session.resumption
    if (
        resumption is None
        or session.phase is not Phase.OPEN
        or session.assembly.is_skipping
        or board.is_draining
    ):
        return False
    resumption.is_cut = True
    _let_go_of_part(session)
    if not resumption.links:
        detach(board, session, cause)
        return True
    session.outbox.pause()
    session.judge_ready()
    # The peer may not have noticed yet: it is told where it can go on.
    board.tell(resumption.links[0], Kind.RESUME)
    return True


def detach(board: Switchboard, session: Session, cause: str) -> None:
    """Has a session be away: nothing is asked of its peer, and nobody sees it."""
    resumption = session.resumption
    assert resumption is not None
    resumption.is_cut = True
    resumption.back_by_us = board.now_us + resumption.window_ms * 1000
    resumption.absent = [(each.provision, each.state) for each in session.instances.values()]
    session.outbox.pause()
    session.judge_ready()
    lose_services(board, session)
    roster.announce_peer(board, session, "left")
    board.wheel.arm(session, resumption.back_by_us)
    workspace = session.in_open_workspace.name
    board.note("session away", peer=session.peer_id, cause=cause, workspace=workspace)


def lose_services(board: Switchboard, session: Session) -> None:
    """Ends what a session provides and fails what it was executing."""
    for instance in list(session.instances.values()):
        registry.remove(board, instance)
    commands.lose_instance(board, session)


def _come_back(board: Switchboard, session: Session) -> None:
    resumption = session.resumption
    assert resumption is not None
    resumption.back_by_us = 0
    absent, resumption.absent = resumption.absent, []
    session.is_unresponsive = False
    for provision, state in absent:
        instance = session.in_open_workspace.destinations.join(session, provision)
        instance.state = state
        session.instances[provision.service] = instance
        job_queues.declare(board, instance)
        roster.announce_instance(board, instance, "joined")
    roster.announce_peer(board, session, "joined")
    commands.look_for(board, session.in_open_workspace)
    board.wheel.arm(session, board.now_us + board.limits.heartbeat_after_ms * 1000)
    workspace = session.in_open_workspace.name
    board.note("session back", peer=session.peer_id, via=session.via, workspace=workspace)


# ── further connections ───────────────────────────────────────────────────────────────────────


def _stand_by(board: Switchboard, link: Session, opening: Opening, workspace: Workspace) -> None:
    main = _main(opening, workspace)
    if main is None or main.phase is not Phase.OPEN or main.is_away:
        raise Gone("there is no session to add this connection to; connect without link")
    if link.via.endswith("+json"):
        raise BadRequest("a further connection speaks binary frames")
    resumption = main.resumption
    assert resumption is not None
    if len(resumption.links) + 1 >= LINKS_MAX:
        raise LimitExceeded(
            f"one session has at most {LINKS_MAX} connections", details={"limit": "links_max"}
        )
    link.main = main
    link.name, link.kind = main.name, main.kind
    resumption.links.append(link)
    board.wheel.arm(link, board.now_us + board.limits.heartbeat_after_ms * 1000)
    board.put(link, welcome(board, main, opening.version, is_back=True))


def on_stand_by(board: Switchboard, link: Session, main: Session, frame: Frame) -> None:
    """Takes what a peer says on a connection that stands by.

    Raises:
        BadRequest: it may not be said there.
        Gone: the session cannot go on from where the peer is.
    """
    if frame.kind == Kind.PING:
        board.tell(link, Kind.PONG, frame.id)
    elif frame.kind == Kind.BYE:
        board.close(link, 1000, "bye")
    elif frame.kind == Kind.RESUME:
        if not _can_go_on(main, frame.id):
            raise Gone("the session cannot go on from there; connect anew")
        _let_go_of_part(main)
        _forget_link(main, link)
        assert main.resumption is not None
        missed = main.resumption.tail.since(frame.id)
        _rebind(board, link, main, (_resumed_frame(main), *missed), frame.id)
    elif frame.kind != Kind.PONG:
        raise BadRequest("a connection that stands by carries ping, pong, resume and bye only")


def unlink(link: Session, main: Session) -> bool:
    """Forgets a further connection that is gone; says whether its session has none left."""
    resumption = main.resumption
    if resumption is None or link not in resumption.links:
        return False
    _forget_link(main, link)
    return resumption.is_cut and not resumption.links and not main.is_away


def _forget_link(main: Session, link: Session) -> None:
    assert main.resumption is not None
    main.resumption.links.remove(link)


def let_go(board: Switchboard, session: Session) -> None:
    """Closes the further connections of a session that ends."""
    if session.resumption is not None:
        for link in session.resumption.links:
            board.close(link, 4000, "the session has ended")


# ── confirming ────────────────────────────────────────────────────────────────────────────────


def confirmed(_board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Takes in how much of what was sent has arrived.

    Raises:
        Forbidden: this session cannot be resumed.
        BadRequest: so much was never sent.
    """
    resumption = session.resumption
    if resumption is None:
        raise Forbidden("this session did not say that it is resumable")
    resumption.uncounted_bytes += len(raw)
    if not resumption.tail.confirm(frame.id):
        raise BadRequest(f"{frame.id} bytes were never sent to you")


def confirm(board: Switchboard, session: Session) -> None:
    """Tells the peer how much has arrived, unless it knows."""
    resumption = session.resumption
    if resumption is None or session.phase is not Phase.OPEN:
        session.confirm_at = NEVER_US
        return
    session.confirm_at = session.bytes_in + CONFIRM_BYTES
    received = resumption.received(session)
    if received > resumption.confirmed:
        resumption.confirmed = received
        board.effects.append(Say(session, _resumed_frame(session)))


def _resumed_frame(session: Session) -> bytes:
    assert session.resumption is not None
    return encode(Frame(kind=Kind.RESUMED, id=session.resumption.received(session)))
