"""One HTTP connection: requests in a row, each answered before the next one begins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from askrd.core.session import Session
from askrd.doors.door import CLOSE_WITHIN_S, Door, Relay
from askrd.doors.guest import Guest
from askrd.doors.http.answer import Refused, refusal
from askrd.doors.http.intake import (
    Intake,
    Unreadable,
    check_head,
    end_of_head,
    is_websocket,
)
from askrd.doors.http.readers import new_intake
from askrd.doors.http.request import Body
from askrd.doors.http.surroundings import Surroundings
from askrd.doors.http.turn import Turn, whole
from askrd.host.logs import Log
from askrd.wire.codec import Raw
from askrd.wire.errors import ConnectionLost
from askrd.wire.limits import KIB

KEEP_ALIVE_S = 30.0
"""How long a connection may wait for its next request."""
LINGER_S = 1.0
"""How long what a client still sends is read away after an answer that ends the connection."""
LINGER_BYTES = 1024 * KIB
"""How many bytes of it; beyond that the connection is cut."""
SHUT_WITHIN_S = 10.0
"""How long the last bytes of a connection that ends may take."""
AHEAD_BYTES_MAX = 64 * KIB
"""Bytes of further requests that are kept while one is answered."""
_NOT_FIRST = "a WebSocket begins with the first request of a connection: open another one"

_log = Log("askrd.doors.http")


class HttpDoor(Door):
    """One connection that speaks HTTP/1.1 or 1.0.

    Attributes:
        room: set while the connection takes bytes.
        is_closing: whether it ends with the answer under way.
    """

    tells_log = True

    def __init__(
        self,
        relay: Relay,
        session: Session,
        transport: asyncio.Transport,
        around: Surroundings,
        upgrade: Callable[[bytes], None],
    ) -> None:
        """Takes over a connection that began with the name of a method.

        Args:
            relay: who carries frames to the core.
            session: the connection's.
            transport: its bytes.
            around: the daemon.
            upgrade: gives the connection to the WebSocket door, with what came so far.
        """
        session.via = "https" if session.via == "tls" else "http"
        super().__init__(relay, session, transport)
        self.room = asyncio.Event()
        self.room.set()
        self.is_closing = False
        self._around = around
        self._upgrade: Callable[[bytes], None] | None = upgrade
        self._guest: Guest | None = None
        self._workspace = ""
        self._ahead = bytearray()
        self._intake: Intake | None = None
        self._turn: Turn | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._awaits_head = False
        self._is_lingering = False
        self._linger_left = LINGER_BYTES
        self._is_read = True

    # ── requests ──────────────────────────────────────────────────────────────────────────

    def take(self, data: bytes) -> None:
        """Reads what arrived: a head, a body, or what is kept for later."""
        if self._is_lingering:
            self._linger_left -= len(data)
            if self._linger_left < 0:
                self.transport.abort()
            return
        self._ahead += data
        try:
            if self._turn is None:
                self._look_for_head()
            if self._turn is not None and self._intake is not None:
                self._read_body(self._turn.body, self._intake)
        except Unreadable as fault:
            self._refuse(fault)
        self.hold_back()

    def _look_for_head(self) -> None:
        """Begins a turn when a head is whole."""
        while self._ahead.startswith(b"\r\n"):
            del self._ahead[:2]
        if not self._ahead or self.is_closing:
            return
        end = end_of_head(self._ahead)
        if end < 0:
            if not self._awaits_head:
                self._awaits_head = True
                self._set_timer(self._around.limits.handshake_timeout_ms / 1000, "a whole head")
            return
        self._awaits_head = False
        self._stop_timer()
        check_head(bytes(self._ahead[:end]))
        upgrade, self._upgrade = self._upgrade, None
        if is_websocket(self._ahead):
            if upgrade is None:
                raise Unreadable(400, _NOT_FIRST)
            data = bytes(self._ahead)
            self._ahead.clear()
            upgrade(data)
            return
        raw = bytes(self._ahead[:end])
        del self._ahead[:end]
        intake = new_intake()
        head = intake.read_head(raw)
        body = Body(self.hold_back)
        self._turn = Turn(head, body, self, self._around, self._turn_ended)
        self._intake = intake
        self._turn.start()

    def _read_body(self, body: Body, intake: Intake) -> None:
        if intake.is_whole and not body.is_whole:
            body.end()
        if body.is_whole or not self._ahead:
            return
        data = bytes(self._ahead)
        self._ahead.clear()
        body.add(intake.read_body(data))
        if intake.is_whole:
            self._ahead += intake.rest
            body.end()

    def hold_back(self) -> None:
        """Reads from the connection only while there is room for what comes."""
        if self.transport.is_closing():
            return
        is_full = len(self._ahead) > AHEAD_BYTES_MAX
        if self._turn is not None and not self._turn.body.is_whole:
            is_full = self._turn.body.is_heavy
        if is_full is self._is_read:
            self._is_read = not is_full
            if is_full:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _turn_ended(self) -> None:
        turn, self._turn, self._intake = self._turn, None, None
        if turn is None or self.transport.is_closing():
            return
        if turn.is_cut:
            _log.info("answer cut", peer=self.session.peer_id)
            self._shut()
        elif turn.closes or self.is_closing:
            self._end(lingers=not turn.body.is_whole)
        else:
            self._set_timer(KEEP_ALIVE_S, "")
            self.take(b"")

    def _refuse(self, fault: Unreadable) -> None:
        """Answers bytes that are no request; where the next one would begin is unknown."""
        _log.warning("request refused", address=self.session.address, reason=fault.sentence)
        if self._turn is None:
            answer = refusal(fault.status, "bad_request", fault.sentence)
            self.transport.write(whole(answer, None))
            self._end(lingers=True)
        else:
            answer = refusal(fault.status, "bad_request", fault.sentence, closes=True)
            self._turn.body.spoil(Refused(answer))

    # ── ends ──────────────────────────────────────────────────────────────────────────────

    def _end(self, *, lingers: bool) -> None:
        """Closes; lets the client read the answer first when it is still sending."""
        self._stop_timer()
        self._ahead.clear()
        if not lingers or self.transport.is_closing():
            self._shut()
            return
        self._is_lingering = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._set_timer(LINGER_S, "")

    def _shut(self) -> None:
        """Closes; cuts the connection if its last bytes take long."""
        if not self.transport.is_closing():
            self.transport.close()
            asyncio.get_running_loop().call_later(SHUT_WITHIN_S, self.transport.abort)

    def _set_timer(self, delay_s: float, awaited: str) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._give_up_waiting, awaited)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up_waiting(self, awaited: str) -> None:
        self._timer = None
        if awaited and not self.transport.is_closing():
            sentence = f"{awaited} did not come in time"
            _log.warning("request refused", address=self.session.address, reason=sentence)
            self.transport.write(whole(refusal(408, "bad_request", sentence), None))
        self._shut()

    def connection_lost(self, exc: Exception | None) -> None:
        """Takes in that the client is gone: what it waits for is taken back."""
        self._stop_timer()
        super().connection_lost(exc)
        if self._guest is not None:
            self._guest.end(ConnectionLost("the client is gone", at="daemon"))
        self.room.set()
        if self._turn is not None:
            self._turn.cancel()

    # ── the core ──────────────────────────────────────────────────────────────────────────

    def guest(self, workspace: str) -> Guest:
        """Returns who asks the core for this connection; the first request says hello.

        Raises:
            Refused: the connection belongs to another workspace.
        """
        if self._guest is None:
            self._workspace = workspace
            self._guest = Guest(
                self.relay,
                self.session,
                kind="http",
                workspace=workspace,
                on_heavy=self._guest_is_heavy,
            )
            self._guest.open()
        elif workspace != self._workspace:
            raise Refused(
                refusal(
                    421,
                    "bad_request",
                    "the requests of one connection have one askr-workspace; open another one",
                    closes=True,
                )
            )
        return self._guest

    def _guest_is_heavy(self, is_heavy: bool) -> None:  # noqa: FBT001
        self.is_full = is_heavy
        if is_heavy:
            self.relay.paused(self.session)
        else:
            asyncio.get_running_loop().call_soon(self.relay.resumed, self.session)

    def write(self, pieces: list[Raw]) -> None:
        """Hands what the core says to the guest."""
        if self._guest is not None:
            self._guest.take(pieces)

    def pause_writing(self) -> None:
        """Takes in that the client reads slowly: answers wait."""
        self.room.clear()

    def resume_writing(self) -> None:
        """Takes in that the client reads again."""
        self.room.set()

    def close(self, close_code: int, reason: str) -> None:
        """Ends the answer under way and then the connection."""
        self.is_closing = True
        if self._guest is not None:
            self._guest.end(ConnectionLost(f"the daemon closes: {reason}", at="daemon"))
        if self._turn is not None:
            asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, self.transport.abort)
        elif self._ahead and not self._is_lingering:
            self._give_up_waiting("a whole head")
        else:
            self._shut()
