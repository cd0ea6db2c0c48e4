"""The rules of reading a log: how a subscription to one begins, and how its events are acknowledged."""

from __future__ import annotations

from askrd.core import log_readers, log_writes
from askrd.core.admission import check_flags, check_id
from askrd.core.consumers import Consumer
from askrd.core.log_readers import Reader
from askrd.core.logs import Log
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.core.workspace import Workspace
from askrd.wire.bodies import Ack, SubOptions, load
from askrd.wire.codec import Raw
from askrd.wire.errors import BadRequest, Conflict, Gone, LimitExceeded, NotFound
from askrd.wire.frames import Frame, Kind
from askrd.wire.limits import ACK_WAIT_MS_MAX, CONSUMERS_MAX, LOG_AGE_MS_MAX, UNACKED_MAX
from askrd.wire.names import check_word, nearest, shown

_FIRST, _NEW = "first", "new"


def find(workspace: Workspace, name: str) -> Log:
    """Returns a log.

    Raises:
        NotFound: there is none of that name.
    """
    log = workspace.logs.get(name)
    if log is None:
        close = nearest(name, (log.name for log in workspace.logs))
        hint = f" Did you mean: {', '.join(close)}?" if close else ""
        raise NotFound(f"there is no log {shown(name)}.{hint}", details={"nearest": close})
    return log


def find_consumer(log: Log, name: str) -> Consumer:
    """Returns a consumer of a log.

    Raises:
        NotFound: there is none of that name.
    """
    consumer = log.consumers.get(name)
    if consumer is None:
        raise NotFound(f"log {shown(log.name)} has no consumer {shown(name)}")
    return consumer


# ── beginning ─────────────────────────────────────────────────────────────────────────────────


def sub(
    board: Switchboard, session: Session, frame: Frame, pattern: str, wants: SubOptions
) -> None:
    """Begins to read a log; ``pattern`` says which of its events.

    Raises:
        AskrError: it cannot; nothing was done.
    """
    _check(wants)
    workspace = session.in_open_workspace
    log = find(workspace, wants.log)
    if wants.consumer:
        consumer = _consumer(board, workspace, log, pattern, wants)
        held_max = wants.unacked_max if wants.ack is not False else 0
        reader = Reader(session, frame.id, pattern, log, consumer, held_max=held_max)
        consumer.members[reader] = 0
    else:
        position = _position(board, log, wants)
        reader = Reader(session, frame.id, pattern, log, None, position=position)
        log.readers[reader] = None
    session.hearings[frame.id] = reader
    session.taken.add(frame.id)
    board.tell(session, Kind.SUBBED, frame.id)
    log_readers.serve_reader(board, reader)


def _check(wants: SubOptions) -> None:
    """Returns when the options of a subscription that reads a log go together.

    Raises:
        BadRequest: they do not.
    """
    if wants.after is not None or wants.group or wants.policy or wants.when_full or wants.retained:
        raise BadRequest("after, group, policy, when_full and retained do not go with log")
    if wants.start not in ("", _FIRST, _NEW):
        raise BadRequest(f"start is {_FIRST} or {_NEW}, not {shown(wants.start)}")
    if bool(wants.start) + (wants.start_seq is not None) + (wants.since_ms is not None) > 1:
        raise BadRequest("start, start_seq or since, not two of them")
    if wants.start_seq is not None and wants.start_seq < 1:
        raise BadRequest("start_seq is 1 or more")
    if wants.since_ms is not None and not 0 <= wants.since_ms <= LOG_AGE_MS_MAX:
        raise BadRequest(f"since is milliseconds, 0 to {LOG_AGE_MS_MAX}")
    if wants.consumer:
        check_word(wants.consumer, "consumer")
    elif wants.ack:
        raise BadRequest("ack goes with consumer: without one nothing remembers it")
    if not 1 <= wants.unacked_max <= UNACKED_MAX:
        raise BadRequest(f"unacked_max is 1 to {UNACKED_MAX}")


def _consumer(
    board: Switchboard, workspace: Workspace, log: Log, pattern: str, wants: SubOptions
) -> Consumer:
    """Returns the consumer that is asked for, new perhaps."""
    consumer = log.consumers.get(wants.consumer)
    if consumer is not None and consumer.pattern == pattern:
        return consumer
    board.gate.check_room()
    if consumer is None:
        if len(log.consumers) >= CONSUMERS_MAX:
            raise LimitExceeded(
                f"log {shown(log.name)} has {CONSUMERS_MAX} consumers already",
                details={"limit": "consumers_max"},
            )
        position = _position(board, log, wants)
        consumer = log.consumers[wants.consumer] = Consumer(wants.consumer, pattern, position)
    elif consumer.members:
        raise Conflict(
            f"consumer {shown(consumer.name)} reads {consumer.pattern}, and others share its "
            "work; use that pattern, or another consumer",
            details={"pattern": consumer.pattern},
        )
    consumer.pattern = pattern
    log_writes.save_consumer(board, workspace, log, consumer)
    return consumer


def _position(board: Switchboard, log: Log, wants: SubOptions) -> int:
    """Returns the number behind which a new reader begins."""
    if wants.start == _NEW:
        return log.last
    if wants.start_seq is not None:
        return min(wants.start_seq - 1, log.last)
    if wants.since_ms is not None:
        return log.before(board.now_ms - wants.since_ms)
    return log.first - 1


# ── acknowledging ─────────────────────────────────────────────────────────────────────────────


def ack(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Takes in that an event of a log was dealt with: it does not come again."""
    body, reader, consumer = _acknowledged(board, session, frame)
    if body.delay_ms:
        raise BadRequest("delay_ms goes with nak")
    consumer.drop(body.seq)
    _settle(board, session, frame, reader, consumer)


def nak(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Takes in that an event of a log is to come once more, later perhaps."""
    body, reader, consumer = _acknowledged(board, session, frame)
    if not 0 <= body.delay_ms <= ACK_WAIT_MS_MAX:
        raise BadRequest(f"delay_ms is 0 to {ACK_WAIT_MS_MAX}")
    event = consumer.unacked.get(body.seq)
    if event is None or event.reader is not reader:
        raise Gone(f"event {body.seq} is not with this subscription any more")
    consumer.give_back(event, board.now_us + body.delay_ms * 1000)
    _settle(board, session, frame, reader, consumer)


def _acknowledged(
    board: Switchboard, session: Session, frame: Frame
) -> tuple[Ack, Reader, Consumer]:
    """Returns what an `ack` or `nak` says, and about whose event.

    Raises:
        BadRequest: it was never delivered, or the frame cannot be read.
        NotFound: there is no such subscription.
    """
    if frame.id:
        check_id(session, frame.id)
    check_flags(frame, allowed=0)
    body = load(Ack, frame.payload, "ack and nak")
    reader = session.hearings.get(body.sub)
    if not isinstance(reader, Reader) or reader.consumer is None or not reader.is_acking:
        raise NotFound(f"you have no subscription {body.sub} whose events are acknowledged")
    if not 1 <= body.seq <= reader.consumer.position:
        raise BadRequest(f"event {body.seq} of log {shown(reader.log.name)} was not delivered yet")
    if frame.id:
        board.gate.check_room()
    return body, reader, reader.consumer


def _settle(
    board: Switchboard, session: Session, frame: Frame, reader: Reader, consumer: Consumer
) -> None:
    """Has the store keep it, now when an answer waits for that, and gives out what is next."""
    workspace, log = reader.workspace, reader.log
    if frame.id:
        told = log_writes.Told(session, frame.id, log, consumer)
        log_writes.save_consumer(
            board, workspace, log, consumer, deed=told, session=session, frame=frame
        )
    else:
        log_writes.save_soon(board, workspace, log, consumer)
    log_readers.share(board, workspace, log, consumer)
