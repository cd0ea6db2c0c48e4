"""What every rule of the core works on: the tables, the time of this read, and the ways out.

One per router. The rules (`opening`, `commands`, `events`, `entries`, `registry`, `directory`)
are functions over it; it decides nothing itself.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from askrd.core.alarms import Alarms
from askrd.core.effects import Attachment, Close, Effect, Note
from askrd.core.expiry import Expiry
from askrd.core.gate import Gate
from askrd.core.lanes import LargeEvent
from askrd.core.session import Entry, Phase, Session
from askrd.core.statistics import Totals
from askrd.core.wheel import Wheel
from askrd.core.workspace import Workspace
from askrd.wire.bodies import Channel, ErrorBody, Json, dump
from askrd.wire.codec import Raw, encode
from askrd.wire.errors import AskrError, SlowConsumer
from askrd.wire.frames import Coding, Frame, Kind
from askrd.wire.limits import RECENT_COMMANDS_MAX, Limits


@dataclass(frozen=True, slots=True)
class Daemon:
    """Who this daemon is.

    Attributes:
        id: its name on the wire, stable while it runs.
        epoch: random per start; `(epoch, seq)` names an event.
        version: of askrd. build: how the hot path runs, for people.
        workspace: where peers go that name none.
    """

    id: str
    epoch: str
    version: str
    build: str
    workspace: str

    @property
    def stamp(self) -> bytes:
        """What receivers of the daemon's own answers see as sender."""
        return f"$askr@{self.id}".encode()


class Failure(NamedTuple):
    """A command that failed, for `$askr.why`.

    Attributes:
        caller: the caller's instance id. stamp: its name as others see it. id: the command's id there.
        target: its address. code, message: the error. came_us: when it came. workspace: where.
    """

    caller: str
    stamp: str
    id: int
    target: str
    code: str
    message: str
    came_us: int
    workspace: str


class Past(NamedTuple):
    """What stays of a command in `Switchboard.recent` once a session of it has left.

    Attributes:
        caller: the caller's instance id. stamp: its name as others see it. id: the command's id there.
        instance: who got it. target: its canonical address. mode: its reply mode. came_us: when it came.
        workspace: where.
    """

    caller: str
    stamp: str
    id: int
    instance: str
    target: str
    mode: str
    came_us: int
    workspace: str


def past_of(entry: Entry) -> Past:
    """Returns what is worth remembering of a command that was given to an instance."""
    caller, id_, member, _, route, came_us, _, course = entry
    assert caller is not None
    assert member is not None
    return Past(
        caller=caller.suffix,
        stamp=caller.origin.decode(),
        id=id_,
        instance=member.stamp.decode(),
        target=route.name.decode(),
        mode="value" if course is None else course.mode,
        came_us=came_us,
        workspace=caller.in_open_workspace.name,
    )


class Switchboard:
    """The shared tables and outlets of one router.

    Attributes:
        now_us: monotonic time of the current input. wall_offset_us: add it for Unix time.
        dirty: sessions whose outbox got something since the last flush.
        effects: what is to be done outside, in order.
        queued_bytes: roughly what was put into outboxes since the last flush.
        expiry: when entries of the state go by themselves. alarms: what else is to be done at a time.
        attachments: the services the daemon dials, by workspace and name.
        unreached: why some of them are not connected.
        channels: which events go best another way, as a welcome tells peers of the own workspace.
        grace_ms: how long a drain may take, or 0 while not draining.
        recent: the last commands that were given to an instance. failures: the last that failed.
    """

    __slots__ = (
        "_floor",
        "alarms",
        "attachments",
        "channels",
        "daemon",
        "dirty",
        "effects",
        "expiry",
        "failures",
        "gate",
        "grace_ms",
        "limits",
        "now_us",
        "queued_bytes",
        "recent",
        "sessions",
        "started_us",
        "totals",
        "unreached",
        "wall_offset_us",
        "wheel",
        "workspaces",
    )

    def __init__(self, daemon: Daemon, limits: Limits) -> None:
        self.daemon = daemon
        self.limits = limits
        self.now_us = 0
        self.started_us = 0
        self.wall_offset_us = 0
        self.sessions: dict[Session, None] = {}
        self.workspaces: dict[str, Workspace] = {}
        self.channels: list[Channel] = []
        self.wheel = Wheel()
        self.expiry = Expiry(self.wheel)
        self.alarms = Alarms(self.wheel)
        self.gate = Gate()
        self.totals = Totals()
        self.dirty: list[Session] = []
        self.effects: list[Effect] = []
        self.queued_bytes = 0
        self.recent: deque[Entry | Past] = deque(maxlen=RECENT_COMMANDS_MAX)
        self.failures: deque[Failure] = deque(maxlen=RECENT_COMMANDS_MAX)
        self.attachments: dict[tuple[str, str], Attachment] = {}
        self.unreached: dict[Attachment, str] = {}
        self._floor = 0
        self.grace_ms = 0

    @property
    def now_ms(self) -> int:
        """Unix milliseconds."""
        return (self.now_us + self.wall_offset_us) // 1000

    @property
    def is_draining(self) -> bool:
        """Whether the daemon is going away."""
        return self.grace_ms > 0

    def workspace(self, name: str) -> Workspace:
        """Returns the workspace of that name, made on first use."""
        found = self.workspaces.get(name)
        if found is None:
            found = Workspace(name, self.limits.command_timeout_ms, self._floor)
            self.workspaces[name] = found
        return found

    def forget_workspace(self, workspace: Workspace) -> None:
        """Drops an empty workspace; numbers it gave out are never given again."""
        self._floor = max(self._floor, workspace.seq, workspace.state.head_rev)
        del self.workspaces[workspace.name]

    def retire(self, session: Session) -> None:
        """Lets go of a session that left: what is remembered of its commands needs no session."""
        recent = self.recent
        for at, entry in enumerate(recent):
            if isinstance(entry, Past):
                continue
            caller, member = entry[0], entry[2]
            if caller is session or (member is not None and member.session is session):
                recent[at] = past_of(entry)

    def send(self, session: Session, frame: Frame) -> None:
        """Puts an urgent frame into ``session``'s outbox."""
        self.put(session, encode(frame))

    def put(self, session: Session, data: bytes) -> None:
        """Puts an encoded urgent frame into ``session``'s outbox."""
        lane = session.outbox.urgent
        if not lane:
            self.dirty.append(session)
        lane.append(data)
        self.queued_bytes += len(data)

    def put_large(self, session: Session, head: bytes, payload: memoryview) -> None:
        """Puts an urgent frame into ``session``'s outbox without copying its payload."""
        lane = session.outbox.urgent
        if not lane:
            self.dirty.append(session)
        lane += (head, payload)
        self.queued_bytes += len(head) + len(payload)

    def put_bulk(self, session: Session, pieces: tuple[Raw, ...]) -> None:
        """Puts a frame of a stream into ``session``'s outbox, behind what is urgent."""
        lane = session.outbox.bulk
        if not lane:
            self.dirty.append(session)
        lane.extend(pieces)
        self.queued_bytes += sum(map(len, pieces))

    def send_large_event(self, session: Session, event: LargeEvent) -> None:
        """Puts an event into ``session``'s outbox without copying its payload."""
        lane = session.outbox.events
        if not lane:
            self.dirty.append(session)
        if isinstance(lane, list):
            lane += (event.head, event.payload)
        else:
            lane.append_event(event)
        self.queued_bytes += len(event)

    def send_event(self, session: Session, data: bytes) -> None:
        """Puts an encoded event or change into ``session``'s outbox."""
        lane = session.outbox.events
        if not lane:
            self.dirty.append(session)
        lane.append(data)
        self.queued_bytes += len(data)

    def give_event(self, session: Session, told: bytes | LargeEvent) -> None:
        """Puts an event of either size into ``session``'s outbox."""
        if isinstance(told, bytes):
            self.send_event(session, told)
        else:
            self.send_large_event(session, told)

    def send_newest(
        self, session: Session, slot: tuple[int, bytes], told: bytes | LargeEvent
    ) -> None:
        """Puts an event into ``session``'s outbox, in the place of an unread one of its slot."""
        lane = session.outbox.events
        if isinstance(lane, list):
            self.give_event(session, told)
            return
        data = told if isinstance(told, bytes) else told.head + bytes(told.payload)
        if not lane:
            self.dirty.append(session)
        lane.keep_newest(slot, data)
        self.queued_bytes += len(data)

    def tell(self, session: Session, kind: Kind, id_: int = 0, body: Json = None) -> None:
        """Sends a frame whose payload is a JSON body, or nothing."""
        if body is None:
            self.send(session, Frame(kind=kind, id=id_))
        else:
            self.send(session, Frame(kind=kind, id=id_, payload=dump(body), coding=Coding.JSON))

    def fail(self, session: Session, id_: int, error: AskrError) -> None:
        """Answers a request with its failure; its outcome."""
        self.totals.fails += 1
        self.tell(session, Kind.FAIL, id_, body_of(error))

    def refuse(self, session: Session, id_: int, error: AskrError) -> None:
        """Says what is wrong with a frame without ending any request."""
        self.tell(session, Kind.ERROR, id_, body_of(error))

    def close(self, session: Session, close_code: int, reason: str) -> None:
        """Has the connection closed after what waits is written; nothing more is read."""
        if session.phase < Phase.CLOSING:
            session.phase = Phase.CLOSING
            session.is_ready = False
            self.effects.append(Close(session, close_code, reason))

    def overfull(self, session: Session) -> None:
        """Closes a session whose answers and calls pile up because it does not read."""
        if session.phase >= Phase.CLOSING:
            return
        reason = "what it is told piled up unread"
        self.refuse(session, 0, SlowConsumer(f"{reason}; the connection is closed", at="daemon"))
        self.close(session, 4001, reason)

    def note(self, event: str, **fields: str | int) -> None:
        """Leaves a line for the log."""
        self.effects.append(Note(event, fields))


def body_of(error: AskrError) -> ErrorBody:
    """Returns the body of a fail that says ``error``."""
    return ErrorBody(
        code=str(error.code),
        message=error.message,
        details=error.details,
        retryable=error.retryable,
        at=error.at or "daemon",
    )
