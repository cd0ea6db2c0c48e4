"""Events that collect answers: every listener may say something, until all have or the time is over."""

from __future__ import annotations

from collections.abc import Collection as Some

from askrd.core import records
from askrd.core.admission import check_flags, check_payload
from askrd.core.instants import NEVER_US
from askrd.core.session import Session
from askrd.core.switchboard import Switchboard
from askrd.wire.bodies import Emitted
from askrd.wire.codec import Raw
from askrd.wire.errors import BadRequest, Draining, LimitExceeded, StorageUnavailable
from askrd.wire.frames import FLAG_SEALED, Coding, Frame, Kind
from askrd.wire.limits import ASKED_MAX, COLLECT_MS, COLLECT_MS_MAX


class Promise:
    """The answer to an `emit` that had an id: a deed that waits for what the store has to keep."""

    __slots__ = ("_body", "_id", "_session")

    def __init__(self, session: Session, id_: int, body: Emitted) -> None:
        self._session = session
        self._id = id_
        self._body = body

    def done(self, board: Switchboard) -> None:
        """Says how many got the event."""
        if self._session in board.sessions:
            board.tell(self._session, Kind.EMITTED, self._id, self._body)

    def undone(self, board: Switchboard, reason: str) -> None:
        """Says that the event was told, and not kept."""
        if self._session in board.sessions:
            message = f"the store cannot write ({reason}); the event was told, and not kept"
            board.fail(self._session, self._id, StorageUnavailable(message))


class Collection:
    """One event whose emitter wants answers.

    Attributes:
        deadline_us: until when they are waited for.
    """

    __slots__ = ("_answers", "_frame", "_is_open", "_pending", "_told", "deadline_us", "emitter")

    def __init__(self, emitter: Session, frame: Frame, deadline_us: int) -> None:
        self.emitter = emitter
        self.deadline_us = deadline_us
        self._frame = frame
        self._pending: dict[tuple[Session, int], None] = {}
        self._answers = 0
        self._told: Emitted | None = None
        self._is_open = True

    @property
    def waits_for(self) -> Some[tuple[Session, int]]:
        """Who may still answer, and under which id; the emitter under 0 stands for the store."""
        return self._pending

    def ask(self, session: Session) -> int:
        """Returns a new id under which ``session`` may answer; 0 when it may give no more."""
        if len(session.answering) >= ASKED_MAX:
            return 0
        session.last_id += 1
        session.answering[session.last_id] = self
        self._pending[session, session.last_id] = None
        return session.last_id

    def told(self, board: Switchboard, receivers: int, seq: int, *, is_awaited: bool) -> None:
        """Takes in that everybody was told; with ``is_awaited`` the end waits for the store, too."""
        self._told = Emitted(receivers=receivers, seq=seq)
        if is_awaited:
            self._pending[self.emitter, 0] = None
            records.in_turn(board, _Kept(self), self.emitter)
        self._judge(board)

    def answered(self, board: Switchboard, session: Session, frame: Frame) -> None:
        """Passes an answer on, unless it says nothing."""
        if frame.payload or frame.coding != Coding.NONE:
            self._answers += 1
            answer = Frame(
                kind=Kind.ANSWER,
                id=self._frame.id,
                payload=frame.payload,
                coding=frame.coding,
                flags=frame.flags & FLAG_SEALED,
                head=frame.head,
                stamp=session.origin,
            )
            board.send(self.emitter, answer)
        self.spare(board, session, frame.id)

    def spare(self, board: Switchboard, session: Session, id_: int) -> None:
        """Waits no longer for what was to come under an id."""
        self._pending.pop((session, id_), None)
        self._judge(board)

    def _judge(self, board: Switchboard) -> None:
        if self._told is not None and not self._pending and self._is_open:
            self.end(board)

    def time_over(self, board: Switchboard) -> None:
        """Takes no more answers, and ends at once or, when it waits for the store, with that."""
        store = self.emitter, 0
        if store not in self._pending:
            self.end(board)
            return
        self._forget_asked()
        self._pending[store] = None
        self.deadline_us = NEVER_US

    def end(self, board: Switchboard) -> None:
        """Says how many answered, and takes no more answers."""
        self.drop()
        if self._told is not None:
            self._told.answers = self._answers
            board.tell(self.emitter, Kind.EMITTED, self._frame.id, self._told)

    def fail(self, board: Switchboard, reason: str) -> None:
        """Says that a log could not keep the event."""
        if self._is_open:
            self.drop()
            Promise(self.emitter, self._frame.id, Emitted(receivers=0, seq=0)).undone(board, reason)

    def drop(self) -> None:
        """Takes no more answers."""
        self._is_open = False
        self._forget_asked()
        self.emitter.collections.pop(self._frame.id, None)
        self.emitter.taken.discard(self._frame.id)

    def _forget_asked(self) -> None:
        for session, id_ in self._pending:
            session.answering.pop(id_, None)
        self._pending.clear()


class _Kept:
    """What a collection waits for when a log keeps its event."""

    __slots__ = ("_collection",)

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    def done(self, board: Switchboard) -> None:
        self._collection.spare(board, self._collection.emitter, 0)

    def undone(self, board: Switchboard, reason: str) -> None:
        self._collection.fail(board, reason)


def begin(board: Switchboard, session: Session, frame: Frame) -> Collection:
    """Begins to collect answers to an event that is about to be emitted.

    Raises:
        BadRequest: it has no id, or the time cannot be.
        LimitExceeded: too much of this session is under way.
        Draining: the daemon takes nothing new.
    """
    if not frame.id:
        raise BadRequest("collect needs an id, under which the answers come")
    if frame.ttl_ms > COLLECT_MS_MAX:
        raise BadRequest(f"answers are waited for {COLLECT_MS_MAX} ms at most, not {frame.ttl_ms}")
    if board.is_draining:
        raise Draining("the daemon is shutting down and collects no answers; try again")
    in_flight_max = board.limits.commands_in_flight_max
    if len(session.asking) + len(session.collections) >= in_flight_max:
        raise LimitExceeded(
            f"{in_flight_max} commands are in flight; this event was not emitted",
            details={"limit": "commands_in_flight_max"},
        )
    deadline_us = board.now_us + (frame.ttl_ms or COLLECT_MS) * 1000
    collection = Collection(session, frame, deadline_us)
    session.collections[frame.id] = collection
    session.taken.add(frame.id)
    board.wheel.arm(session, deadline_us)
    return collection


def answer(board: Switchboard, session: Session, frame: Frame, _raw: Raw) -> None:
    """Takes in what a listener says to an event.

    Raises:
        BadRequest: it was never asked under that id.
    """
    collection = session.answering.get(frame.id)
    if collection is None:
        if not 0 < frame.id <= session.last_id:
            board.totals.forged_replies += 1
            raise BadRequest(f"no answer was wanted under id {frame.id}; it was dropped")
        board.totals.late_replies += 1
        return
    check_flags(frame)
    check_payload(board, frame)
    del session.answering[frame.id]
    collection.answered(board, session, frame)


def expire(board: Switchboard, session: Session) -> int:
    """Ends the collections of a session whose time is over; returns when the next one's is."""
    for collection in list(session.collections.values()):
        if collection.deadline_us <= board.now_us:
            collection.time_over(board)
    return min((each.deadline_us for each in session.collections.values()), default=NEVER_US)


def leave(board: Switchboard, session: Session) -> None:
    """Waits no longer for a session that has left, and drops what it collected."""
    for collection in list(session.collections.values()):
        collection.drop()
    answering, session.answering = session.answering, {}
    for id_, collection in answering.items():
        collection.spare(board, session, id_)
