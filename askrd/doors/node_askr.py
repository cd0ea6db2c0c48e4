"""A node-askr client, unmodified: plain TCP, one JSON object per chunk, no hello and no framing."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import msgspec
from msgspec import structs

from askrd.core.session import Session
from askrd.doors import node_askr_words as words
from askrd.doors.door import CLOSE_WITHIN_S, Door, Relay
from askrd.doors.exchange import failure_in
from askrd.doors.json_texts import Garbage, JsonTexts, TooLong
from askrd.doors.node_askr_state import StateRequest, state_request
from askrd.doors.node_askr_words import Command, OneWay, Subscription
from askrd.doors.pace import Pace, tune
from askrd.host.logs import Log
from askrd.wire.bodies import ErrorBody, Hello, Json, dump, load
from askrd.wire.codec import Raw, decode, encode
from askrd.wire.errors import BadRequest, ErrorCode
from askrd.wire.frames import FLAG_MORE, Coding, Frame, Kind
from askrd.wire.limits import (
    DEFAULT_LIMITS,
    NODE_ASKR_ANSWERS_MAX,
    NODE_ASKR_READ_BYTES_MAX,
    NODE_ASKR_TEXT_BYTES_MAX,
    SKIP_BYTES_MAX,
)
from askrd.wire.names import check_pattern, check_subject, parse_address, shown
from askrd.wire.state import EntryOptions

KIND = "legacy"
_UNKNOWN = frozenset({ErrorCode.COMMAND_UNKNOWN, ErrorCode.SERVICE_UNKNOWN})
_NOT_HERE = (
    "askrd serves node-askr peers on its own machine only, because they prove no identity; "
    "nothing was done"
)
_NOT_UNDERSTOOD = (
    "not understood: an object without k is taken for node-askr's, which has a command or a type; "
    'a line of askr begins {"k":"hello","v":1}'
)

_log = Log("askrd.doors")


@dataclass(slots=True)
class Asked:
    """A command of the peer that has no answer yet.

    Attributes:
        mid: what the peer calls it, as JSON.
        name: the command.
        state: what it asks of the connected state; None = it is for a service.
        rows: what a survey's members have answered so far.
    """

    mid: bytes
    name: str
    state: StateRequest | None = None
    rows: list[Json] = field(default_factory=list)


class NodeAskrDoor(Door):
    """One node-askr peer that dialled in.

    Its next message may be taken for the answer to what it asked. So while it waits for an answer
    nothing else is written, and never two messages at once.
    """

    word = "+node-askr"

    def __init__(self, relay: Relay, session: Session, transport: asyncio.Transport) -> None:
        """Takes over a connection whose first JSON object has no ``k``."""
        session.via = session.via.removesuffix("+json")
        super().__init__(relay, session, transport)
        session.is_held_to_pings = False
        self._loop = asyncio.get_running_loop()
        self._is_local = tune(transport)
        self._texts = JsonTexts(NODE_ASKR_READ_BYTES_MAX)
        self._pace = Pace(transport, self._take_breath)
        self._asked: dict[int, Asked] = {}
        self._later: deque[Command] = deque()
        self._heard: set[str] = set()
        self._last_id = 0
        self._dropped_texts = 0
        self._is_ending = False
        self._is_known = False
        self._is_reading = True
        hello = dump(Hello(v=1, name="node-askr", kind=KIND))
        self._frames = [encode(Frame(kind=Kind.HELLO, payload=hello, coding=Coding.JSON))]

    # ── from the peer ─────────────────────────────────────────────────────────────────────

    def take(self, data: bytes) -> None:
        """Does what the whole messages say, and keeps the rest."""
        for text in self._texts.feed(data):
            if self._is_ending:
                return
            if isinstance(text, bytes):
                self._read(text)
            else:
                self._drop(text)
        if self._texts.size > SKIP_BYTES_MAX:
            self.transport.abort()
        self._tell()
        self._take_breath()

    def _read(self, text: bytes) -> None:
        try:
            said = words.read(text)
        except BadRequest as error:
            self._refuse(text[:1_024], error.message)
            return
        self._is_known = True
        if not self._is_local:
            self._turn_away(said.mid if isinstance(said, Command) else b"")
        elif isinstance(said, Command):
            self._later.append(said)
            self._ask_more()
        elif isinstance(said, Subscription):
            self._listen(said.event)
        elif isinstance(said, OneWay):
            self._emit(said)
        elif isinstance(said, words.Nothing) and said.is_foreign:
            self._drop_quietly("neither a command nor a type")
            self._pace.put(b'{"error":%b}' % words.quoted(_NOT_UNDERSTOOD))
        else:
            self._drop_quietly("a command needs workspace, mid, command and data")

    def _drop(self, text: TooLong | Garbage) -> None:
        if isinstance(text, Garbage):
            self._drop_quietly(f"no JSON object: {shown(text.data.decode('utf-8', 'replace'))}")
            if not self._is_known:  # It only began like one of node-askr.
                self._pace.put(b'{"error":%b}' % words.quoted(_NOT_UNDERSTOOD))
                self._end()
        else:
            limit = NODE_ASKR_READ_BYTES_MAX
            message = (
                f"a message of {text.size} bytes is above the limit of {limit}; nothing was done"
            )
            self._refuse(text.beginning, message)

    def _refuse(self, beginning: bytes, message: str) -> None:
        """Says why a message was not taken, if it can be told what it called itself."""
        self._drop_quietly(message)
        mid = words.mid_in(beginning)
        if mid:
            self._pace.put(words.error(mid, message))

    def _drop_quietly(self, reason: str) -> None:
        self._dropped_texts += 1
        if self._dropped_texts == 1:
            peer = self.session.address
            _log.warning("node-askr message dropped", peer=peer, reason=reason, hint="counted on")

    def _turn_away(self, mid: bytes) -> None:
        _log.warning("node-askr refused", peer=self.session.address, reason="not on this machine")
        if mid:
            self._pace.put(words.error(mid, _NOT_HERE))
        self._end()

    # ── what it wants, as frames ──────────────────────────────────────────────────────────

    def _ask_more(self) -> None:
        """Asks what came first, while few answers are missing; the rest is one read at most."""
        while self._later and len(self._asked) <= NODE_ASKR_ANSWERS_MAX:
            self._ask(self._later.popleft())

    def _ask(self, command: Command) -> None:
        asked = Asked(command.mid, command.name)
        try:
            request = state_request(command)
            if request is None:
                frame = _call(command)
            elif request.frame is None:
                self._pace.put(words.answer(command.mid, b""))
                return
            else:
                asked.state = request
                frame = request.frame
        except BadRequest as error:
            self._pace.put(words.error(command.mid, error.message))
            return
        if frame is None:
            message = words.UNKNOWN_COMMAND.format(command.name)
            self._pace.put(words.error(command.mid, message))
            return
        self._asked[self._say(frame)] = asked
        self._pace.hold_events()

    def _listen(self, event: str) -> None:
        try:
            pattern = check_pattern(event)
        except BadRequest as error:
            self._drop_quietly(error.message)
            return
        if pattern not in self._heard and len(self._heard) < DEFAULT_LIMITS.subscriptions_max:
            self._heard.add(pattern)
            self._say(Frame(kind=Kind.SUB, name=pattern.encode()))

    def _emit(self, said: OneWay) -> None:
        if said.type == words.HANDSHAKE:
            _log.info("node-askr handshake", peer=self.session.address)
            return
        try:
            name = check_subject(said.type).encode()
        except BadRequest as error:
            self._drop_quietly(error.message)
            return
        coding = Coding.JSON if said.payload else Coding.NONE
        frame = Frame(kind=Kind.EMIT, name=name, payload=said.payload, coding=coding)
        self._frames.append(encode(frame))

    def _say(self, frame: Frame) -> int:
        """Has the relay hear a request under a new id, which it returns."""
        self._last_id += 1
        self._frames.append(encode(structs.replace(frame, id=self._last_id)))
        return self._last_id

    def _tell(self) -> None:
        """Hands the relay what was said."""
        frames, self._frames = self._frames, []
        if frames and self._is_local:
            self.relay.received(self.session, b"".join(frames))

    def _take_breath(self) -> None:
        """Stops reading while many answers are missing, and goes on when few are."""
        waiting, size = self._pace.urgent_waiting
        if size > DEFAULT_LIMITS.outbox_bytes_max:
            _log.warning("node-askr peer does not read", peer=self.session.peer_id, bytes=size)
            self.transport.abort()
        missing = len(self._asked) + len(self._later) + waiting
        if self._is_reading and missing > NODE_ASKR_ANSWERS_MAX:
            self._is_reading = False
            self.transport.pause_reading()
        elif not self._is_reading and missing <= NODE_ASKR_ANSWERS_MAX // 2:
            self._is_reading = True
            self.transport.resume_reading()

    # ── from the daemon ───────────────────────────────────────────────────────────────────

    def write(self, pieces: list[Raw]) -> None:
        """Says what frames mean to the peer, if anything."""
        data = b"".join(pieces)
        at = 0
        while at < len(data):
            end = at + 4 + int.from_bytes(data[at : at + 4], "little")
            self._hear(decode(data[at:end]))
            at = end
        if self._frames:
            self._loop.call_soon(self._tell)
        self._take_breath()

    def _hear(self, frame: Frame) -> None:
        if frame.kind == Kind.EVENT:
            self._hear_event(frame)
        elif frame.kind in {Kind.REPLY, Kind.FAIL} and frame.flags & FLAG_MORE:
            self._keep_row(frame)
        elif frame.kind in {Kind.REPLY, Kind.FAIL, Kind.OK}:
            self._answer(frame)
        elif frame.kind == Kind.CHANGE:
            self._keep_entry(frame)
        elif frame.kind == Kind.PING:
            self._frames.append(encode(Frame(kind=Kind.PONG, id=frame.id)))
        elif frame.kind == Kind.ERROR:
            self._drop_quietly(load(ErrorBody, frame.payload, "an error").message)

    def _hear_event(self, frame: Frame) -> None:
        message = words.event(frame.name.decode(), words.value_of(frame))
        dropped = 1
        if len(message) <= NODE_ASKR_TEXT_BYTES_MAX:
            dropped = self._pace.put_event(message)
        if dropped:
            self.session.outbox.count_dropped(dropped)

    def _keep_row(self, frame: Frame) -> None:
        asked = self._asked.get(frame.id)
        if asked is not None:
            asked.rows.append(_row(frame))

    def _keep_entry(self, frame: Frame) -> None:
        asked = self._asked.get(load(EntryOptions, frame.options, "options").watch)
        if asked is not None and asked.state is not None:
            asked.state.take(frame)

    def _answer(self, frame: Frame) -> None:
        asked = self._asked.pop(frame.id, None)
        if asked is None:
            return
        if frame.kind == Kind.FAIL:
            message = self._answer_of_fail(asked, failure_in(frame), frame)
        elif asked.state is not None:
            message = words.answer(asked.mid, asked.state.value)
        elif asked.rows:
            message = words.answer(asked.mid, dump(asked.rows))
        else:
            message = words.answer(asked.mid, words.value_of(frame))
        if len(message) > NODE_ASKR_TEXT_BYTES_MAX:
            message = _too_long(asked, len(message))
        self._pace.put(message)
        self._ask_more()
        if not self._asked:
            self._pace.let_events_go()
        if self._is_ending:
            self._end()

    def _answer_of_fail(self, asked: Asked, body: ErrorBody, frame: Frame) -> bytes:
        if asked.state is not None and asked.state.is_done_by(body.code):
            return words.answer(asked.mid, asked.state.value)
        is_unknown = body.code in _UNKNOWN and body.at == "daemon" and not frame.stamp
        if is_unknown:
            return words.error(asked.mid, words.UNKNOWN_COMMAND.format(asked.name))
        return words.error(asked.mid, body.message or body.code)

    # ── the end ───────────────────────────────────────────────────────────────────────────

    def eof_received(self) -> bool | None:
        """Lets a peer that sends nothing more read the answers it waits for."""
        self._is_ending = True
        self._end()
        return True

    def _end(self) -> None:
        self._is_ending = True
        if not self._asked or not self._is_local:
            self._pace.end()

    def close(self, close_code: int, reason: str) -> None:
        """Says what is still to be said, and closes; cuts the connection if that takes long."""
        for asked in self._asked.values():
            self._pace.put(
                words.error(asked.mid, f"{reason}; what became of the command is unknown")
            )
        self._asked.clear()
        self._later.clear()
        self._pace.end()
        self._loop.call_later(CLOSE_WITHIN_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Takes in that the connection is gone."""
        self._pace.stop()
        if self._dropped_texts or self._pace.dropped:
            counts = {"messages": self._dropped_texts, "events": self._pace.dropped}
            _log.info("node-askr losses", peer=self.session.address, **counts)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Takes in that the last message is still being written."""
        self._pace.pause()

    def resume_writing(self) -> None:
        """Takes in that it has been written."""
        self._pace.resume()
        self._take_breath()


def _call(command: Command) -> Frame | None:
    """Returns the call that a command is; None when there can be no command of that name."""
    try:
        parse_address(command.name)
    except BadRequest:
        return None
    name = command.name.encode()
    return Frame(kind=Kind.CALL, name=name, payload=command.data, coding=Coding.JSON)


def _row(frame: Frame) -> Json:
    """Returns what one member of a survey answered."""
    service, _, instance = frame.stamp.decode().partition("@")
    row: dict[str, Json] = {"from": {"service": service, "instance": instance}}
    if frame.kind == Kind.FAIL:
        body = failure_in(frame)
        return row | {"ok": False, "error": {"code": body.code, "message": body.message}}
    return row | {"ok": True, "value": msgspec.Raw(words.value_of(frame) or b"null")}


def _too_long(asked: Asked, size: int) -> bytes:
    """Returns what a peer is told in place of an answer that it could not read in one piece."""
    message = (
        f"the answer of {shown(asked.name)} takes {size} bytes, more than the "
        f"{NODE_ASKR_TEXT_BYTES_MAX} that a node-askr client reads at once; ask for less, or ask "
        "with askr's own protocol"
    )
    return words.error(asked.mid, message)
