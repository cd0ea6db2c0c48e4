"""Who reads a log: subscriptions that follow it, and consumers that share the work among members.

Nothing is sent to a session whose connection is full. What cannot be sent at once is sent in
portions, one a tick, so that a long log holds nobody up.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec

from askrd.core import events, log_writes
from askrd.core.consumers import Consumer, Unacked
from askrd.core.event import with_options
from askrd.core.instants import NEVER_US
from askrd.core.logs import Log, Logged, fits
from askrd.core.session import Phase, Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import EventOptions, Gap, dump
from askrd.wire.codec import decode, encode
from askrd.wire.frames import FLAG_KEPT, FLAG_SEALED, Coding, Frame, Kind

PORTION_BYTES = 256 * 1024
"""Events given to one reader, or to the members of one consumer, before others have a turn."""
PORTION_EVENTS = 1_000
"""Events looked at for one of them before others have a turn."""
AHEAD_BYTES = 1024 * 1024
"""What may be on its way to all sessions together before readers wait for it to be written."""
DEAD = "$askr.dead."


class Reader:
    """A subscription to a log.

    Attributes:
        session: whose. sub: its id there. pattern: which events of the log it wants.
        workspace, log: where.
        consumer: the place it shares; None = it has one of its own, and nothing is remembered.
        held_max: how many events it may have and not have acknowledged; 0 = it acknowledges none.
        position: without a consumer, all events up to this number were looked at.
        joined: events up to this number were there before it.
    """

    __slots__ = (
        "consumer",
        "held_max",
        "joined",
        "log",
        "pattern",
        "position",
        "session",
        "sub",
        "workspace",
    )

    def __init__(
        self,
        session: Session,
        sub: int,
        pattern: str,
        log: Log,
        consumer: Consumer | None,
        *,
        position: int = 0,
        held_max: int = 0,
    ) -> None:
        """Begins to read what comes behind ``position``, or where its consumer is."""
        self.session = session
        self.sub = sub
        self.pattern = pattern
        self.workspace: Workspace = session.in_open_workspace
        self.log = log
        self.consumer = consumer
        self.held_max = held_max
        self.position = position
        self.joined = log.last

    @property
    def manner(self) -> str:
        """How it hears, for people."""
        place = f", consumer {self.consumer.name}" if self.consumer is not None else ""
        return f"from log {self.log.name}{place}"

    @property
    def is_acking(self) -> bool:
        """Whether events are to be acknowledged."""
        return self.held_max > 0

    @property
    def is_able(self) -> bool:
        """Whether it can be given an event now."""
        session = self.session
        if session.phase is not Phase.OPEN or session.outbox.is_paused:
            return False
        if self.consumer is None or not self.is_acking:
            return True
        answers = not (session.is_finishing or session.is_unresponsive)
        return answers and self.consumer.members[self] < self.held_max

    def end(self, board: Switchboard) -> None:
        """Ends it; what it has not acknowledged goes to other members at once.

        That counts as a delivery only when the session was lost: not when it said so, nor when
        the daemon's own end cuts it short.
        """
        board.alarms.disarm(("log portion", id(self)))
        consumer = self.consumer
        if consumer is None:
            self.log.readers.pop(self, None)
            return
        is_lost = self.session.phase is Phase.CLOSED and not board.is_draining
        for event in list(consumer.unacked.values()):
            if event.reader is self:
                consumer.give_back(event, board.now_us, is_counted=is_lost)
        consumer.members.pop(self, None)
        log_writes.save_soon(board, self.workspace, self.log, consumer)
        share(board, self.workspace, self.log, consumer)


# ── turns ─────────────────────────────────────────────────────────────────────────────────────


def serve(board: Switchboard, workspace: Workspace, log: Log) -> None:
    """Gives what is new in a log to whoever reads it."""
    for reader in list(log.readers):
        assert isinstance(reader, Reader)
        if board.alarms.at_us(("log portion", id(reader))) == NEVER_US:
            follow(board, reader)
    for consumer in list(log.consumers.values()):
        if consumer.members and board.alarms.at_us(_portion(log, consumer)) == NEVER_US:
            share(board, workspace, log, consumer)


def serve_session(board: Switchboard, session: Session) -> None:
    """Gives a session what it could not take before."""
    for hearing in list(session.hearings.values()):
        if isinstance(hearing, Reader):
            serve_reader(board, hearing)


def serve_reader(board: Switchboard, reader: Reader) -> None:
    """Gives one reader, or those that share its place, what is there."""
    if reader.consumer is None:
        follow(board, reader)
    else:
        share(board, reader.workspace, reader.log, reader.consumer)


def follow(board: Switchboard, reader: Reader) -> None:
    """Gives the next portion of a log to a reader with a place of its own."""
    log, room = reader.log, PORTION_BYTES
    for _ in range(PORTION_EVENTS if board.queued_bytes < AHEAD_BYTES else 0):
        if not reader.is_able:
            return
        if reader.position < log.gone:
            missed, reader.position = log.gone - reader.position, log.gone
            _tell_gap(board, reader, missed)
        entry = log.after(reader.position)
        if entry is None:
            return
        reader.position = entry.seq
        if fits(reader.pattern, entry.subject):
            room -= _send(board, reader, entry, 0)
            if room <= 0:
                break
    board.alarms.arm(("log portion", id(reader)), board.now_us, lambda board: follow(board, reader))


def share(board: Switchboard, workspace: Workspace, log: Log, consumer: Consumer) -> None:
    """Gives the next portion of a log to the members of a consumer, in turns."""
    for event in consumer.ripen(board.now_us):
        _take_back(board, workspace, log, consumer, event)
    room, looked = PORTION_BYTES, PORTION_EVENTS if board.queued_bytes < AHEAD_BYTES else 0
    while looked and room > 0 and not board.is_draining:
        reader = _next_member(consumer)
        if reader is None:
            break
        looked -= 1
        again = consumer.next_again()
        entry = _next(log, consumer, again)
        if entry is None:
            if again is None:
                break
            continue
        if again is None and not fits(consumer.pattern, entry.subject):
            consumer.position = entry.seq
            log_writes.save_soon(board, workspace, log, consumer)
            continue
        if consumer.missed:
            _tell_gap(board, reader, consumer.missed)
            consumer.missed = 0
        room -= _give(board, reader, consumer, entry, again)
    else:
        if not board.is_draining:
            board.alarms.arm(
                _portion(log, consumer),
                board.now_us,
                lambda board: share(board, workspace, log, consumer),
            )
    _look_ahead(board, workspace, log, consumer)


def _next(log: Log, consumer: Consumer, again: Unacked | None) -> Logged | None:
    """Returns what a consumer gets next; None when there is nothing, or it is gone."""
    if again is not None:
        entry = log.get(again.seq)
        if entry is None:
            consumer.drop(again.seq)
            consumer.missed += 1
        return entry
    if consumer.is_full:
        return None
    if consumer.position < log.gone:
        consumer.missed += log.gone - consumer.position
        consumer.position = log.gone
    return log.after(consumer.position)


def _next_member(consumer: Consumer) -> Reader | None:
    """Returns the member whose turn it is and who can take an event."""
    for member in list(consumer.members):
        assert isinstance(member, Reader)
        if member.is_able:
            return member
    return None


def _look_ahead(board: Switchboard, workspace: Workspace, log: Log, consumer: Consumer) -> None:
    """Has the consumer be looked at when an event is to be delivered again."""
    key = "consumer due", log.workspace, log.name, consumer.name
    due_us = consumer.due_us
    if due_us == NEVER_US:
        board.alarms.disarm(key)
    elif not board.now_us < board.alarms.at_us(key) <= due_us:
        board.alarms.arm(key, due_us, lambda board: share(board, workspace, log, consumer))


def _portion(log: Log, consumer: Consumer) -> tuple[str, str, str, str]:
    return "consumer portion", log.workspace, log.name, consumer.name


def forget(board: Switchboard, log: Log, consumer: Consumer) -> None:
    """Has no alarm ring for a consumer that goes."""
    board.alarms.disarm(_portion(log, consumer))
    board.alarms.disarm(("consumer due", log.workspace, log.name, consumer.name))


# ── one event ─────────────────────────────────────────────────────────────────────────────────


def _give(
    board: Switchboard, reader: Reader, consumer: Consumer, entry: Logged, again: Unacked | None
) -> int:
    """Gives an event to a member, and returns how large it is."""
    due_us = board.now_us + reader.log.definition.ack_wait_ms * 1000
    if again is None:
        event = consumer.take(entry.seq, reader, due_us)
    else:
        event = again
        consumer.redelivered += 1
        consumer.hand(event, reader, due_us)
    consumer.turn(reader)
    if not reader.is_acking:
        consumer.drop(entry.seq)
        log_writes.save_soon(board, reader.workspace, reader.log, consumer)
    return _send(board, reader, entry, event.deliveries)


def _send(board: Switchboard, reader: Reader, entry: Logged, delivery: int) -> int:
    options = EventOptions(sub=reader.sub, log_seq=entry.seq, delivery=delivery)
    flags = FLAG_KEPT if delivery > 1 or entry.seq <= reader.joined else 0
    frame = with_options(entry.frame, dump(options), flags)
    board.send_event(reader.session, frame)
    board.totals.deliveries += 1
    return len(frame)


def _tell_gap(board: Switchboard, reader: Reader, missed: int) -> None:
    options = dump(EventOptions(sub=reader.sub))
    gap = Frame(
        kind=Kind.GAP, payload=dump(Gap(missed=missed)), coding=Coding.JSON, options=options
    )
    board.send_event(reader.session, encode(gap))


def _take_back(
    board: Switchboard, workspace: Workspace, log: Log, consumer: Consumer, event: Unacked
) -> None:
    """Sees to an event that nobody has now: it comes again, or has come too often."""
    if event.deliveries < log.definition.deliveries_max:
        return
    consumer.drop(event.seq)
    consumer.dead += 1
    log_writes.save_soon(board, workspace, log, consumer)
    entry = log.get(event.seq)
    if entry is None:
        consumer.missed += 1
    elif entry.subject.startswith(DEAD):
        # Told as one more event it could come round for ever.
        board.note(
            "a dead letter was not acknowledged either",
            log=log.name,
            consumer=consumer.name,
            seq=event.seq,
        )
    else:
        letter = _dead_letter(board, log, consumer, entry, event.deliveries)
        events.publish(board, workspace, f"{DEAD}{log.name}", letter)


def _dead_letter(
    board: Switchboard, log: Log, consumer: Consumer, entry: Logged, deliveries: int
) -> dict[str, Any]:
    """Returns what is told of an event that was delivered often enough."""
    frame = decode(entry.frame)
    letter: dict[str, Any] = {
        "log": log.name,
        "consumer": consumer.name,
        "seq": entry.seq,
        "event": entry.subject,
        "deliveries": deliveries,
    }
    if frame.coding == Coding.NONE:
        return letter
    if frame.coding == Coding.JSON and not frame.flags & FLAG_SEALED and _is_json(frame.payload):
        content: dict[str, Any] = {"payload": msgspec.Raw(frame.payload)}
    else:
        content = {"b": b64encode(frame.payload).decode()}
    if len(dump(letter | content)) > board.limits.payload_bytes_max:
        content = {"omitted": True}
    return letter | content


def _is_json(payload: bytes) -> bool:
    try:
        msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True
