"""How an event reaches who hears it: framed once, numbered, remembered, delivered."""

from __future__ import annotations

from askrd.core.event import Asking, Event
from askrd.core.lanes import LargeEvent
from askrd.core.subscriptions import Audience
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire import header
from askrd.wire.bodies import Json, dump
from askrd.wire.codec import Raw
from askrd.wire.errors import BadRequest
from askrd.wire.frames import HEADER_REST_BYTES, STAMP_TIME, Coding, Kind


def text_of(name: bytes, what: str) -> str:
    """Returns a frame's name as text.

    Raises:
        BadRequest: it is not UTF-8.
    """
    try:
        return name.decode()
    except UnicodeDecodeError as exc:
        raise BadRequest(f"{what} is UTF-8") from exc


def publish(board: Switchboard, workspace: Workspace, subject: str, payload: Json) -> None:
    """Emits news of the daemon itself."""
    # Never an `audience`: a remembered subject is one that every peer may emit.
    audience = workspace.subscriptions.match(subject)
    name = subject.encode()
    rest = name + dump(payload)
    deliver(board, workspace, name, audience, board.daemon.stamp, Coding.JSON, rest)


def deliver(
    board: Switchboard,
    workspace: Workspace,
    name: bytes,
    audience: Audience,
    origin: bytes,
    tail: int,
    rest: Raw,
    *,
    key: bytes = b"",
    asking: Asking | None = None,
) -> Event:
    """Builds an event once, remembers it, and gives the same object to every plain listener.

    Args:
        board: the tables.
        workspace: where it happens.
        name: its subject.
        audience: who hears it.
        origin: the sender's stamp.
        tail: coding, flags and hops, as in a header.
        rest: name, HEAD section and payload as they were received.
        key: what the policy `hash` of a group goes by; empty = the subject.
        asking: who wants answers: then every listener gets a frame of its own.

    Returns:
        the event, with the number of receivers.
    """
    workspace.seq += 1
    stamp = STAMP_TIME.pack(board.now_us + board.wall_offset_us) + origin
    size = HEADER_REST_BYTES + len(rest)
    before = name if isinstance(rest, memoryview) else rest
    frame = header.stamped(
        size, Kind.EVENT, len(name), workspace.seq, 0, tail, stamp, before, 0, len(before)
    )
    event = Event(workspace, name, workspace.seq, frame)
    if isinstance(rest, memoryview):
        event.frame = LargeEvent(frame, rest[len(name) :])
    event.key = key or name
    event.asking = asking
    workspace.recent.add(event.frame, size)
    for listener in audience.listeners:
        board.give_event(listener, event.told(listener))
    event.receivers = len(audience.listeners)
    for other in audience.others:
        event.receivers += other.hear(board, event)
    board.totals.events += 1
    board.totals.deliveries += event.receivers
    return event
