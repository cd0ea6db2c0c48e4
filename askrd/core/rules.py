"""One frame off the fast path: what it may be, which rule takes it, and how a no is said."""

from __future__ import annotations

from collections.abc import Callable

from askrd.core import (
    collecting,
    commands,
    directory,
    emitting,
    entries,
    links,
    listening,
    log_rules,
    membership,
    outcomes,
    registry,
    streams,
    watches,
)
from askrd.core.gate import Gated
from askrd.core.session import Phase, Session
from askrd.core.switchboard import Switchboard
from askrd.wire.bodies import dump
from askrd.wire.codec import Malformed, Oversize, Raw, decode, encode
from askrd.wire.errors import AskrError, BadRequest, PayloadTooLarge, UnknownKind
from askrd.wire.frames import FLAG_UP, HEADER, Coding, Frame, Kind
from askrd.wire.limits import HEADER_BYTES, ID_MAX
from askrd.wire.parts import Parts

Rule = Callable[[Switchboard, Session, Frame, Raw], None]


def _ping(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    board.tell(session, Kind.PONG, frame.id)


def _pong(board: Switchboard, session: Session, _frame: Frame, _raw: Raw) -> None:
    """Its arrival was what mattered; in a drain it says that the peer has read of it."""
    session.knows_drain = board.is_draining


RULES: dict[int, Rule] = {
    Kind.PING: _ping,
    Kind.PONG: _pong,
    Kind.BYE: membership.bye,
    Kind.RESUME: links.confirmed,
    Kind.CALL: directory.call,
    Kind.PROGRESS: commands.progress,
    Kind.REPLY: commands.reply,
    Kind.FAIL: commands.reply,
    Kind.CANCEL: commands.cancel,
    Kind.ITEM: streams.item,
    Kind.CREDIT: streams.credit,
    Kind.END: streams.end,
    Kind.RESET: streams.end,
    Kind.SUB: listening.sub,
    Kind.UNSUB: listening.unsub,
    Kind.EMIT: emitting.emit,
    Kind.ACK: log_rules.ack,
    Kind.NAK: log_rules.nak,
    Kind.ANSWER: collecting.answer,
    Kind.GET: entries.get,
    Kind.PUT: entries.put,
    Kind.DEL: entries.delete,
    Kind.WATCH: watches.watch,
    Kind.UNWATCH: watches.unwatch,
    Kind.PROVIDE: registry.provide,
    Kind.UPDATE: registry.update,
    Kind.WITHDRAW: registry.withdraw,
}
"""What a peer may say once it is welcome, and the rule for it."""

REQUESTS = frozenset(
    {
        Kind.CALL,
        Kind.SUB,
        Kind.EMIT,
        Kind.ACK,
        Kind.NAK,
        Kind.GET,
        Kind.PUT,
        Kind.DEL,
        Kind.WATCH,
        Kind.PROVIDE,
        Kind.UPDATE,
        Kind.WITHDRAW,
    }
)
"""Kinds whose failure is answered by `fail`; others by `error`."""


RELAYED = frozenset({Kind.CALL, Kind.PROGRESS, Kind.REPLY, Kind.ITEM, Kind.EMIT, Kind.ANSWER})
"""Kinds whose payload is passed on unread, so that a view of it is enough."""


def take_large(board: Switchboard, session: Session, whole: memoryview) -> None:
    """Handles one large frame; its payload is passed on without being copied."""
    _, kind, _, _, _, _, _ = HEADER.unpack_from(whole)
    is_read = kind not in RELAYED or whole[HEADER_BYTES] == ord("$")
    take(board, session, bytes(whole) if is_read else whole)


def take(board: Switchboard, session: Session, raw: Raw) -> None:
    """Handles one whole frame by the rules."""
    limit = session.assembly.frame_bytes_max
    if len(raw) > limit:
        _, kind, _, _, id_, _, tail = HEADER.unpack_from(raw)
        _oversize(board, session, Oversize(kind, id_, len(raw), limit, tail >> 8 & 0xFF))
        return
    try:
        frame = decode(raw)
    except BadRequest as error:
        _answer(board, session, raw[4], HEADER.unpack_from(raw)[4], error)
        return
    handle(board, session, frame, raw)


def handle(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Has the rule for ``frame`` act, and says no where it refuses."""
    try:
        if frame.stamp:
            raise BadRequest("a peer writes no stamp; the daemon says who sent a frame")
        if session.phase is Phase.OPENING:
            _open(board, session, frame, len(raw))
            return
        rule = RULES.get(frame.kind)
        if rule is not None:
            rule(board, session, frame, raw)
        elif frame.kind == Kind.PART:
            _part(board, session, frame)
        else:
            raise UnknownKind(f"kind {frame.kind:#04x} is not for peers to send here")
    except AskrError as error:
        _answer(board, session, frame.kind, frame.id, error, frame.name)


def read_now(board: Switchboard, item: Gated) -> None:
    """Answers a read that waited for its session's writes."""
    session, frame = item.session, item.frame
    if session is not None and session in board.sessions:
        try:
            entries.read(board, session, frame)
        except AskrError as error:
            _answer(board, session, frame.kind, frame.id, error)


def ask_again(board: Switchboard, item: Gated) -> None:
    """Takes a request as if it came now: what was before it has not happened."""
    if item.session is not None and item.session in board.sessions:
        handle(board, item.session, item.frame, b"")


def _answer(
    board: Switchboard,
    session: Session,
    kind: int,
    id_: int,
    error: AskrError,
    name: bytes = b"",
) -> None:
    """Says what is wrong with a frame: `fail` when that ends a request, else `error`."""
    if session.phase is Phase.OPENING:
        membership.turn_away(board, session, error)
    elif not 0 < id_ <= ID_MAX or kind not in REQUESTS or session.is_in_use(id_):
        board.refuse(session, id_ if id_ <= ID_MAX else 0, error)
    else:
        if kind == Kind.CALL:
            said = str(error.code), error.message
            outcomes.remember_failure(board, session, id_, name, said, board.now_us)
        board.fail(session, id_, error)


def _open(board: Switchboard, session: Session, frame: Frame, size: int) -> None:
    if session.main is not None:
        links.on_stand_by(board, session, session.main, frame)
        return
    if frame.kind != Kind.HELLO:
        raise BadRequest('the first frame is a hello, for instance {"k":"hello","v":1}')
    membership.hello(board, session, frame, size)


def _part(board: Switchboard, session: Session, frame: Frame) -> None:
    if session.parts is None:
        session.parts = Parts(board.limits.frame_bytes_max)
    try:
        whole = session.parts.add(frame)
    except Malformed as error:
        malformed(board, session, error.message)
        return
    if whole is not None:
        handle(board, session, decode(whole), whole)


def hold(board: Switchboard, session: Session, rest: bytes) -> None:
    """Keeps the beginning of a frame, or refuses what it announces."""
    try:
        session.assembly.hold(rest)
    except Oversize as error:
        _oversize(board, session, error)
    except Malformed as error:
        malformed(board, session, error.message)


def _oversize(board: Switchboard, session: Session, error: Oversize) -> None:
    said = PayloadTooLarge(error.message, details=error.details)
    if session.phase is Phase.OPEN and error.kind in (Kind.REPLY, Kind.FAIL):
        body = {"code": "payload_too_large", "message": error.message, "at": "response"}
        frame = Frame(kind=Kind.FAIL, id=error.id, payload=dump(body), coding=Coding.JSON)
        handle(board, session, frame, encode(frame))
        board.refuse(session, error.id, said)
    elif session.phase is Phase.OPEN and error.kind == Kind.ITEM:
        streams.break_off(board, session, error.id, said, is_up=bool(error.flags & FLAG_UP))
        board.refuse(session, error.id, said)
    else:
        _answer(board, session, error.kind, error.id, said)
    if error.fatal:
        board.close(session, 1009, "a frame far above the limit")


def malformed(board: Switchboard, session: Session, message: str) -> None:
    """Closes a session whose bytes are no frames: the next one cannot be found."""
    board.refuse(session, 0, BadRequest(f"{message}; the connection is closed"))
    board.close(session, 4500, "malformed frames")
