"""WebSocket: the library does handshake, control and fragmented frames; plain data is ours.

Binary messages are a pipe of bytes: payloads are unmasked and handed on as they come; only a
large message of which a good part came at once is received whole before it is unmasked. Text
messages are one text frame each.
"""

from __future__ import annotations

import asyncio
from typing import cast

from websockets.frames import Frame as Message, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN, SEND_EOF
from websockets.typing import Origin

from askrd.core.session import Phase, Session
from askrd.doors.door import APART_BYTES, LARGE_READ_BYTES, Door, Relay, in_runs
from askrd.doors.messages import (
    FIN_BINARY,
    FIN_TEXT,
    LARGE_HEAD_BYTES,
    MASKED,
    REASON_BYTES_MAX,
    apply_mask,
    head,
    take_plain,
)
from askrd.doors.own_origin import is_own_origin
from askrd.doors.reception import Reception, is_worth
from askrd.doors.transcript import EventTexts, Transcript
from askrd.doors.web_library import COMPRESSED, new_library
from askrd.host.logs import Log
from askrd.wire.codec import Raw
from askrd.wire.errors import AskrError
from askrd.wire.frames import SIZE_BYTES, SUBPROTOCOL_TEXT
from askrd.wire.limits import HANDSHAKE_BYTES_MAX, HTTP_HANDSHAKE_BYTES_MAX, KIB, SKIP_BYTES_MAX

PIECES_MAX = 1_024
"""Pieces of one text message that are kept apart; crumbs take far more memory than they hold."""
PONG_BYTES_MAX = 64 * KIB
"""Bytes of answers to pings that may wait for a peer that does not read."""
_OPCODES = frozenset(map(int, Opcode))
_log = Log("askrd.doors")


class WebSocketDoor(Door):
    """One WebSocket connection.

    Attributes:
        is_text: whether text frames are spoken; None until the first message says so.
    """

    word = ""

    def __init__(
        self,
        relay: Relay,
        session: Session,
        transport: asyncio.Transport,
        *,
        events: EventTexts,
        message_bytes_max: int,
        allow_origins: tuple[str, ...] = (),
        may_compress: bool = True,
    ) -> None:
        """Takes over a connection whose request asks for a WebSocket."""
        session.via = "wss" if session.via in {"tls", "https"} else "ws"
        super().__init__(relay, session, transport)
        self._message_bytes_max = message_bytes_max
        self._library = new_library(
            allow_origins=allow_origins,
            message_bytes_max=message_bytes_max,
            may_compress=may_compress,
        )
        self._events = events
        self._transcript = Transcript(session, events)
        self.is_text: bool | None = None
        self._is_upgraded = False
        self._is_plain = False
        self._is_over = False
        self._is_deaf = False
        self._request_bytes = 0
        self._head = b""
        self._opcode = 0
        self._mask = b""
        self._left = 0
        self._library_left = 0
        self._fragments_of = 0
        self._text: list[bytes] = []
        self._text_bytes = 0
        self._pong_bytes = 0

    # ── handshake ─────────────────────────────────────────────────────────────────────────

    def take(self, data: bytes) -> None:
        """Reads the request first, messages after it."""
        if not data:  # A `Reception` took in a part of a message.
            self.relay.received(self.session, b"")
        elif self._is_plain:
            piped: list[bytes] = []
            at = take_plain(data, 0, piped)
            if at < len(data):
                self._take_rest(data, at, piped)
            else:
                self._pipe(piped)
        elif self._is_upgraded:
            self._take_messages(data, 0, [])
        else:
            self._take_request(data)

    def _take_request(self, data: bytes) -> None:
        self._request_bytes += len(data)
        end = (self._head + data).find(b"\r\n\r\n")
        head, rest = data, b""
        if end >= 0:
            cut = end + 4 - len(self._head)
            head, rest = data[:cut], data[cut:]
        self._head = (self._head + data)[-3:] if end < 0 else b""
        self._library.receive_data(head)
        for event in self._library.events_received():
            self._answer(cast(Request, event))
        if self._library.writes == [SEND_EOF]:
            self._refuse(self._library.handshake_exc)
        self._send_library()
        if not self._is_upgraded:
            if self._request_bytes > HTTP_HANDSHAKE_BYTES_MAX:
                self.transport.abort()
        else:
            self._take_messages(rest, 0, [])

    def _answer(self, request: Request) -> None:
        pages, hosts = request.headers.get_all("Origin"), request.headers.get_all("Host")
        if len(pages) == 1 and len(hosts) == 1 and is_own_origin(pages[0], hosts[0]):
            self._library.origins = [Origin(pages[0])]
        response = self._library.accept(request)
        self._library.send_response(response)
        self._is_upgraded = self._library.state is OPEN
        if not self._is_upgraded:
            self._tell_log(response.status_code, str(self._library.handshake_exc))
        chosen = self._library.subprotocol
        if chosen is not None:
            self._speak(text=chosen == SUBPROTOCOL_TEXT)
            if chosen in COMPRESSED:
                self.compress(COMPRESSED[chosen])

    def _refuse(self, fault: Exception | None) -> None:
        """Answers a request that cannot be read; the library would only hang up."""
        from askrd.doors.http.answer import refusal
        from askrd.doors.http.turn import whole

        sentence = f"this asks for a WebSocket, and cannot be read: {fault and fault.__cause__}"
        self._tell_log(400, sentence)
        self.transport.write(whole(refusal(400, "bad_request", sentence), None))

    def _speak(self, *, text: bool) -> None:
        self.is_text = text
        if text:
            self.session.via += "+json"

    # ── messages ──────────────────────────────────────────────────────────────────────────

    def _take_rest(self, data: bytes, at: int, piped: list[bytes]) -> None:
        """Has the rest of a large message received in its place, or goes the general way."""
        have = len(data) - at
        if have >= LARGE_READ_BYTES and data[at] == FIN_BINARY and data[at + 1] == 0xFF:
            self._pipe(piped)
            size = LARGE_HEAD_BYTES + int.from_bytes(data[at + 2 : at + 10], "big")
            is_allowed = size <= self._message_bytes_max and self.session.phase is Phase.OPEN
            if is_allowed and is_worth(have, size) and not self.transport.is_closing():
                Reception(self, data[at:], size).start()
                self.relay.received(self.session, b"")
                return
        self._take_messages(data, at, piped)

    def take_whole(self, whole: memoryview) -> None:
        """Reads one large binary message that was received in its place."""
        mask = bytes(whole[LARGE_HEAD_BYTES - 4 : LARGE_HEAD_BYTES])
        data = apply_mask(whole[LARGE_HEAD_BYTES:], mask)
        is_one_frame = SIZE_BYTES + int.from_bytes(data[:SIZE_BYTES], "little") == len(data)
        if is_one_frame and self.session.assembly.is_empty:
            self.relay.received_large(self.session, memoryview(data))
        else:
            self.relay.received(self.session, data)

    def _take_messages(self, data: bytes, at: int, piped: list[bytes]) -> None:
        """Splits what arrived into data for the relay and unusual frames for the library."""
        if self._head:
            data = self._head + data
            self._head = b""
        while at < len(data) and self.session.phase < Phase.CLOSING and not self._is_deaf:
            if self._library_left:
                at = self._to_library(data, at, piped)
            elif self._left:
                at = self._unmask(data, at, piped)
            elif self._may_be_plain and (end := take_plain(data, at, piped)) > at:
                at = end
            else:
                payload_at = self._begin(data, at)
                if payload_at < 0:
                    self._head = data[at:]
                    break
                at = payload_at
        self._pipe(piped)
        within = self._left or self._library_left or self._head or self._is_deaf
        self._is_plain = self._may_be_plain and not within
        if within or self._fragments_of:  # Who sends a part of a message is not silent.
            self.relay.received(self.session, b"")

    @property
    def _may_be_plain(self) -> bool:
        """Whether a message that begins now may be a plain binary one."""
        return self.is_text is False and not self._fragments_of

    def _begin(self, data: bytes, at: int) -> int:
        """Reads a frame's head.

        Returns:
            Where to go on: at the payload of a usual frame, still at the head of one that is the
            library's, or -1 when the head is not whole.
        """
        if len(data) - at < 2:
            return -1
        first, second = data[at], data[at + 1]
        if not second & MASKED or first & 0x0F not in _OPCODES:
            self._library_left = len(data) - at  # It needs no more to refuse this.
            return at
        length, start = second & 0x7F, at + 2
        if length > 125:
            start += 2 if length == 126 else 8
            if len(data) < start:
                return -1
            length = int.from_bytes(data[at + 2 : start], "big")
        payload_at = start + 4
        is_usual = first in (FIN_TEXT, FIN_BINARY) and not self._fragments_of
        if not is_usual or length > self._bytes_max(first):
            self._note_fragment(first)
            self._library_left = payload_at - at + length
            return at
        if len(data) < payload_at:
            return -1
        self._opcode = first & 0x0F
        self._mask = data[start:payload_at]
        self._left = length
        if not length:
            self._message_ends()
        return payload_at

    def _bytes_max(self, first: int) -> int:
        """Returns how long a message may be: a binary one is a pipe, whose frames are bounded."""
        return self._message_bytes_max if first == FIN_TEXT else SKIP_BYTES_MAX

    def _note_fragment(self, first: int) -> None:
        opcode, is_last = first & 0x0F, first & 0x80
        if opcode < 8:
            self._fragments_of = 0 if is_last else self._fragments_of or opcode

    def _to_library(self, data: bytes, at: int, piped: list[bytes]) -> int:
        end = min(len(data), at + self._library_left)
        self._library.receive_data(data[at:end])
        self._library_left -= end - at
        self._library_done(piped)
        return end

    def _library_done(self, piped: list[bytes]) -> None:
        for event in self._library.events_received():
            message = cast(Message, event)
            if message.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                if message.opcode is not Opcode.CONT:
                    self._opcode = int(message.opcode)
                self._data(bytes(message.data), piped)
                if message.fin:
                    self._pipe(piped)
                    self._message_ends()
        if self._library.state is OPEN:
            self._send_library()
        else:  # The peer said goodbye: what its last frames caused is written first.
            self._is_deaf = True
            sent = self._library.close_sent
            if self._library.parser_exc is not None and sent is not None:
                self._tell_log(sent.code, sent.reason)
            asyncio.get_running_loop().call_soon(self._send_library)

    def _unmask(self, data: bytes, at: int, piped: list[bytes]) -> int:
        end = min(len(data), at + self._left)
        part = apply_mask(data[at:end], self._mask)
        count = end - at
        self._left -= count
        if self._left and (turn := count & 3):
            self._mask = self._mask[turn:] + self._mask[:turn]
        self._data(part, piped)
        if not self._left:
            self._message_ends()
        return end

    def _data(self, part: bytes, piped: list[bytes]) -> None:
        text = self._opcode == Opcode.TEXT
        if self.is_text is None:
            self._speak(text=text)
        if text is not self.is_text:
            self._fail(1003, "text and binary messages do not mix on one connection")
        elif not text:
            piped.append(part)
        elif part:
            self._text.append(part)
            self._text_bytes += len(part)
            if len(self._text) > PIECES_MAX:
                self._text = [b"".join(self._text)]
            is_opening = self.session.phase is Phase.OPENING
            if self._text_bytes > (HANDSHAKE_BYTES_MAX if is_opening else self._message_bytes_max):
                self._fail(1009, "the message is too large")

    def _pipe(self, piped: list[bytes]) -> None:
        if len(piped) > 1 and len(piped[0]) < APART_BYTES:
            self.relay.received(self.session, b"".join(piped))
        else:
            for payload in piped:
                self.relay.received(self.session, payload)
        piped.clear()

    def _message_ends(self) -> None:
        if not self._text or self.session.phase >= Phase.CLOSING:
            return
        text, self._text, self._text_bytes = b"".join(self._text), [], 0
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError:
                self._fail(1007, "a text message is UTF-8")
                return
        try:
            frame = self._transcript.read(text)
        except AskrError as error:
            self.relay.refuse(self.session, error)
        else:
            self.relay.received(self.session, frame)

    # ── to the peer ───────────────────────────────────────────────────────────────────────

    def write(self, pieces: list[Raw]) -> None:
        """Writes frames: one binary message, or one text message each, in one go."""
        if not self._is_upgraded or self._is_over:
            return
        if self.is_text:
            texts = self._transcript.texts(pieces)
            messages = [part for text in texts for part in (head(FIN_TEXT, len(text)), text)]
            self.transport.write(b"".join(messages))
            return
        if self.packer is not None:
            pieces = [self.packer.pack(b"".join(pieces))]
        data = pieces[0]
        if len(pieces) > 1:
            runs = in_runs(pieces)
            data = runs[0]
            if len(runs) > 1:
                self.transport.writelines([head(FIN_BINARY, sum(map(len, runs))), *runs])
                return
        if len(data) < APART_BYTES:
            self.transport.write(self._events.message(data))
        else:
            self.transport.writelines([head(FIN_BINARY, len(data)), data])

    def _send_library(self) -> None:
        for data in self._library.data_to_send():
            if data:
                self.transport.write(data)
                self._pong_bytes += len(data) if self.is_full else 0
            else:
                self._is_over = True
                self.transport.close()
        if self._pong_bytes > PONG_BYTES_MAX and not self._is_deaf:
            self._is_deaf = True
            self._tell_log(1008, "it pings and does not read the answers")
            self.transport.abort()

    def resume_writing(self) -> None:
        """Takes in that the transport has room again."""
        self._pong_bytes = 0
        super().resume_writing()

    def _fail(self, code: int, reason: str) -> None:
        self.session.phase = max(self.session.phase, Phase.CLOSING)
        self._tell_log(code, reason)
        self.close(code, reason)

    def _tell_log(self, code: int, reason: str) -> None:
        session = self.session
        event = "connection refused" if session.workspace is None else "connection closed"
        _log.warning(event, address=session.address, via=session.via, code=code, reason=reason)

    def say_goodbye(self, close_code: int, reason: str) -> None:
        """Sends the close frame that says why."""
        self._is_over = True
        if self._library.state is OPEN:
            said = reason.encode()[:REASON_BYTES_MAX].decode("utf-8", "ignore")
            self._library.fail(close_code, said)
            for data in self._library.data_to_send():
                if data:
                    self.transport.write(data)
