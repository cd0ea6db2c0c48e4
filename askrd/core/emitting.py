"""The rules of emitting: what an `emit` may ask for beside being heard, and how it is answered."""

from __future__ import annotations

from askrd.core import collecting, events, records, retained
from askrd.core.admission import check_flags, check_id, check_payload
from askrd.core.collecting import Promise
from askrd.core.event import Event
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import EmitOptions, Emitted, load
from askrd.wire.codec import Raw, decode
from askrd.wire.errors import BadRequest
from askrd.wire.frames import FLAG_HEAD, FLAG_OPTIONS, FLAG_SEALED, SECTION, Coding, Frame
from askrd.wire.limits import HEADER_BYTES
from askrd.wire.names import check_subject

_PLAIN = EmitOptions()


def emit(board: Switchboard, session: Session, frame: Frame, raw: Raw) -> None:
    """Tells every listener, and the sender how many there were when it gave an id."""
    if frame.id:
        check_id(session, frame.id)
    check_flags(frame, allowed=FLAG_HEAD | FLAG_SEALED | FLAG_OPTIONS)
    check_payload(board, frame)
    workspace = session.in_open_workspace
    if frame.name not in workspace.subscriptions.subjects:
        check_subject(events.text_of(frame.name, "an event's name"))
    wants = load(EmitOptions, frame.options, "the options of emit") if frame.options else _PLAIN
    audience = workspace.subscriptions.audience(frame.name)
    if wants.retain:
        _check_retain(workspace, frame, wants)
    if wants.retain or any(other.is_durable for other in audience.others):
        board.gate.check_room()
    collection = collecting.begin(board, session, frame) if wants.collect else None
    audience.count += 1
    flags, rest = _without_options(frame, raw)
    event = events.deliver(
        board,
        workspace,
        frame.name,
        audience,
        session.origin,
        frame.coding | flags << 8 | frame.hops << 16,
        rest,
        key=wants.key.encode(),
        asking=collection,
    )
    if wants.retain:
        _retain(board, session, frame, event)
    elif collection is not None:
        collection.told(board, event.receivers, event.seq, is_awaited=event.is_awaited)
    elif frame.id:
        _answer(board, session, frame, event)


def _without_options(frame: Frame, raw: Raw) -> tuple[int, Raw]:
    """Returns the flags of an event, and what follows its stamp: options are the daemon's to read."""
    if not frame.flags & FLAG_OPTIONS:
        return frame.flags, raw[HEADER_BYTES:]
    head = SECTION.pack(len(frame.head)) + frame.head if frame.flags & FLAG_HEAD else b""
    return frame.flags & ~FLAG_OPTIONS, b"".join((frame.name, head, frame.payload))


def _answer(board: Switchboard, session: Session, frame: Frame, event: Event) -> None:
    body = Emitted(receivers=event.receivers, seq=event.seq)
    promise = Promise(session, frame.id, body)
    if event.is_awaited:
        records.in_turn(board, promise, session, frame)
    else:
        promise.done(board)


# ── retained events ───────────────────────────────────────────────────────────────────────────


def _is_empty(frame: Frame) -> bool:
    return frame.coding == Coding.NONE and not frame.payload


def _check_retain(workspace: Workspace, frame: Frame, wants: EmitOptions) -> None:
    if wants.collect:
        raise BadRequest("an event is retained or collects answers, not both")
    if not _is_empty(frame):
        size = len(frame.name) + len(frame.head) + len(frame.payload)
        workspace.retained.check_room(frame.name, size)


def _retain(board: Switchboard, session: Session, frame: Frame, event: Event) -> None:
    """Has the event stay as the last one of its subject, or none when it is empty."""
    workspace = event.workspace
    kept = None if _is_empty(frame) else Event(workspace, event.subject, event.seq, event.whole)
    keeping = workspace.retained.put(frame.name, kept)
    value = None if kept is None else kept.whole
    key = frame.name.decode()
    if frame.id:
        records.keep(board, workspace, retained.SHELF, key, value, deed=keeping)
        event.is_awaited = True
        _answer(board, session, frame, event)
    else:
        records.keep(board, workspace, retained.SHELF, key, value)
        keeping.done(board)


def restore(board: Switchboard, workspace: Workspace, subject: str, value: bytes) -> None:
    """Takes back a retained event that a store kept; no later event is numbered below it."""
    seq = decode(value).id
    name = subject.encode()
    workspace.retained.put(name, Event(workspace, name, seq, value)).done(board)
    workspace.seq = max(workspace.seq, seq)
    workspace.recent.begin(workspace.seq)
