"""A node-askr service that the daemon dialled: commands go out to it, answers and events come in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from askrd.core.effects import Attachment
from askrd.core.services import ANYTHING
from askrd.core.session import Session
from askrd.doors import node_askr_words as words
from askrd.doors.door import CLOSE_WITHIN_S, Door, Relay
from askrd.doors.json_texts import JsonTexts
from askrd.doors.node_askr import KIND
from askrd.doors.node_askr_words import Answer, OneWay
from askrd.doors.pace import Pace, tune
from askrd.host.logs import Log
from askrd.wire.bodies import CommandSpec, ErrorBody, Hello, Json, Provision, dump, load
from askrd.wire.codec import Raw, decode, encode
from askrd.wire.errors import BadRequest, ErrorCode
from askrd.wire.frames import FLAG_SEALED, FLAG_SILENT, Coding, Frame, Kind
from askrd.wire.limits import (
    DEFAULT_LIMITS,
    NODE_ASKR_ANSWERS_MAX,
    NODE_ASKR_READ_BYTES_MAX,
    NODE_ASKR_TEXT_BYTES_MAX,
    SKIP_BYTES_MAX,
    SUBSCRIPTIONS_OUT_MAX,
)
from askrd.wire.names import check_subject, shown

_log = Log("askrd.doors")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command is not sent to the node."""

    code: ErrorCode
    message: str


class NodeAskrLink(Door):
    """One connection to a node-askr service; the daemon is its client.

    The node says neither what it offers nor that it is alive: its commands are those the operator
    named, or any, and its events those somebody listens to.
    """

    def __init__(
        self,
        relay: Relay,
        session: Session,
        transport: asyncio.Transport,
        attachment: Attachment,
        *,
        instance: str,
    ) -> None:
        """Takes over a fresh connection; ``instance`` is the id it had before, or empty."""
        super().__init__(relay, session, transport)
        session.is_held_to_pings = False
        tune(transport, gone_after_ms=DEFAULT_LIMITS.gone_after_ms)
        self._loop = asyncio.get_running_loop()
        self._attachment = attachment
        self._instance = instance
        self._texts = JsonTexts(NODE_ASKR_READ_BYTES_MAX)
        self._pace = Pace(transport, self._judge)
        self._is_stuck = False
        self._waiting: dict[int, str] = {}
        self._heard: set[str] = set()
        self._frames: list[bytes] = []
        self._dropped = 0
        self.gone: asyncio.Future[None] = self._loop.create_future()

    def greet(self) -> None:
        """Joins the workspace in the node's name, and asks the node for its events."""
        one = self._attachment
        hello = Hello(
            v=1, name=one.service, kind=KIND, workspace=one.workspace, instance=self._instance
        )
        offers = Provision(
            service=one.service,
            doc=f"a node-askr service at {one.address}",
            commands=[CommandSpec(name=name) for name in one.commands or (ANYTHING,)],
            emits=list(one.events or (ANYTHING,)),
            concurrency=NODE_ASKR_ANSWERS_MAX,
        )
        self._put(Kind.HELLO, 0, hello)
        self._put(Kind.PROVIDE, 1, offers)
        self._tell()
        for event in one.events:
            self._subscribe(event)

    def _put(self, kind: Kind, id_: int, body: Json) -> None:
        frame = Frame(kind=kind, id=id_, payload=dump(body), coding=Coding.JSON)
        self._frames.append(encode(frame))

    def _tell(self) -> None:
        frames, self._frames = self._frames, []
        if frames and not self.gone.done():
            self.relay.received(self.session, b"".join(frames))

    def _tell_soon(self) -> None:
        if self._frames:
            self._loop.call_soon(self._tell)

    # ── from the node ─────────────────────────────────────────────────────────────────────

    def take(self, data: bytes) -> None:
        """Passes on answers and events; drops what is neither."""
        for text in self._texts.feed(data):
            try:
                said = words.read(text) if isinstance(text, bytes) else None
                if isinstance(said, Answer):
                    self._answered(said)
                elif isinstance(said, OneWay):
                    self._emitted(said)
                else:
                    self._drop("neither an answer nor an event")
            except BadRequest as error:
                self._drop(error.message)
        if self._texts.size > SKIP_BYTES_MAX:
            self.transport.abort()
        self._tell()

    def _answered(self, said: Answer) -> None:
        mid = words.text_of(said.mid)
        id_ = int(mid) if mid.isascii() and mid.isdigit() and len(mid) < 17 else 0
        command = self._waiting.pop(id_, None)
        if command is None:
            self._drop("an answer to nothing that was asked")
        elif said.error:
            self._put(Kind.FAIL, id_, _body_of(said.error, command))
        else:
            coding = Coding.JSON if said.value else Coding.NONE
            frame = Frame(kind=Kind.REPLY, id=id_, payload=said.value, coding=coding)
            self._frames.append(encode(frame))

    def _emitted(self, said: OneWay) -> None:
        if said.type != words.HANDSHAKE:
            name = check_subject(said.type).encode()
            coding = Coding.JSON if said.payload else Coding.NONE
            frame = Frame(kind=Kind.EMIT, name=name, payload=said.payload, coding=coding)
            self._frames.append(encode(frame))

    def _drop(self, reason: str) -> None:
        self._dropped += 1
        if self._dropped == 1:
            address = self._attachment.address
            _log.warning(
                "node-askr message dropped", peer=address, reason=reason, hint="counted on"
            )

    # ── from the daemon ───────────────────────────────────────────────────────────────────

    def write(self, pieces: list[Raw]) -> None:
        """Says what frames mean to the node, if anything."""
        data = b"".join(pieces)
        at = 0
        while at < len(data):
            end = at + 4 + int.from_bytes(data[at : at + 4], "little")
            self._hear(decode(data[at:end]))
            at = end
        self._tell_soon()

    def _hear(self, frame: Frame) -> None:
        if frame.kind == Kind.CALL:
            self._ask(frame)
        elif frame.kind == Kind.CANCEL:
            self._let_go(frame)
        elif frame.kind == Kind.SUB:
            self._subscribe(frame.name.decode())
        elif frame.kind == Kind.PING:
            self._frames.append(encode(Frame(kind=Kind.PONG, id=frame.id)))
        elif frame.kind in {Kind.FAIL, Kind.ERROR}:
            body = load(ErrorBody, frame.payload, "an error")
            _log.warning(
                "attached service refused", service=self._attachment.service, reason=body.message
            )
            if frame.kind == Kind.FAIL:  # It was not let in under this name: tried again later.
                self.transport.abort()

    def _ask(self, frame: Frame) -> None:
        name = frame.name.decode().partition(".")[2]
        message = words.command(str(frame.id), name, _data_of(frame))
        refusal = _refusal(frame, name, message)
        is_told = bool(frame.flags & FLAG_SILENT)
        if refusal is not None:
            if not is_told:
                error = ErrorBody(code=refusal.code, message=refusal.message, at="daemon")
                self._put(Kind.FAIL, frame.id, error)
            return
        if not is_told:
            self._waiting[frame.id] = name
        self._pace.put(message)
        self._judge()

    def _let_go(self, frame: Frame) -> None:
        """Lets go of a command that nobody waits for: node-askr cannot be told, and goes on."""
        if self._waiting.pop(frame.id, None) is not None:
            self._put(Kind.FAIL, frame.id, ErrorBody(code=ErrorCode.CANCELLED, message="cancelled"))

    def _subscribe(self, event: str) -> None:
        is_named = event in self._attachment.events or not self._attachment.events
        if is_named and event not in self._heard and len(self._heard) < SUBSCRIPTIONS_OUT_MAX:
            self._heard.add(event)
            self._pace.put(words.subscription(event))

    # ── the end ───────────────────────────────────────────────────────────────────────────

    def close(self, close_code: int, reason: str) -> None:
        """Closes once everything is said; cuts the connection if that takes long."""
        self._pace.end()
        self._loop.call_later(CLOSE_WITHIN_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Takes in that the connection is gone."""
        self._pace.stop()
        if not self.gone.done():
            self.gone.set_result(None)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Takes in that the node does not read: it gets no new commands."""
        self._is_stuck = True
        self._pace.pause()
        self._judge()

    def resume_writing(self) -> None:
        """Takes in that it has read."""
        self._is_stuck = False
        self._pace.resume()
        self._judge()

    def _judge(self) -> None:
        """Has the node get no new commands while it does not read, or many wait to be written."""
        waiting, _ = self._pace.urgent_waiting
        most = NODE_ASKR_ANSWERS_MAX // 2 if self.is_full else NODE_ASKR_ANSWERS_MAX
        is_busy = self._is_stuck or waiting > most
        if is_busy and not self.is_full:
            super().pause_writing()
        elif self.is_full and not is_busy:
            super().resume_writing()


def _data_of(frame: Frame) -> bytes:
    """Returns the data of a command; node-askr takes none without."""
    value = words.value_of(frame)
    return b"{}" if value in {b"", b"null"} else value


def _refusal(frame: Frame, name: str, message: bytes) -> Refusal | None:
    if frame.coding == Coding.BYTES or frame.flags & FLAG_SEALED:
        return Refusal(
            ErrorCode.BAD_REQUEST,
            f"{shown(name)} is offered by a node-askr service, which takes JSON; nothing was sent",
        )
    if not words.is_truthy(_data_of(frame)):
        return Refusal(
            ErrorCode.BAD_REQUEST,
            f'{shown(name)} is offered by a node-askr service, to which 0, false and "" are no '
            "data: it would not answer. Nothing was sent; send an object",
        )
    if len(message) > NODE_ASKR_TEXT_BYTES_MAX:
        return Refusal(
            ErrorCode.PAYLOAD_TOO_LARGE,
            f"{shown(name)} is offered by a node-askr service, which reads at most "
            f"{NODE_ASKR_TEXT_BYTES_MAX} bytes at once, and this takes {len(message)}; nothing was sent",
        )
    return None


def _body_of(error: bytes, command: str) -> ErrorBody:
    """Returns what a node's error is to the caller."""
    message = words.text_of(error) or error.decode("utf-8", "replace")
    if message == words.UNKNOWN_COMMAND.format(command):
        return ErrorBody(code=ErrorCode.COMMAND_UNKNOWN, message=message, at="daemon")
    return ErrorBody(code=ErrorCode.HANDLER_ERROR, message=message)
