"""One request and its answer: the task that works on it, and the bytes that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from http import HTTPStatus
from typing import Protocol

from askrd.core.session import Session
from askrd.doors.guest import Guest
from askrd.doors.http.answer import Answer, Pieces, Refused, error_answer, head_of, refusal
from askrd.doors.http.intake import Head
from askrd.doors.http.origins import check_origin, cors_headers
from askrd.doors.http.places import answer_for
from askrd.doors.http.request import Body, Request
from askrd.doors.http.surroundings import Surroundings
from askrd.host.logs import Log
from askrd.wire.errors import AskrError
from askrd.wire.limits import KIB

STALLED_S = 60.0
"""How long a client may take nothing of an answer."""
SLICE_BYTES = 256 * KIB
"""A large answer is written so many bytes at a time."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_log = Log("askrd.doors.http")


class Link(Protocol):
    """The connection, as a turn sees it.

    Attributes:
        transport: takes bytes. room: set while it takes more.
        is_closing: whether this answer is the last one.
        session: of the connection; its `via` says whether a certificate was shown.
    """

    session: Session
    transport: asyncio.Transport
    room: asyncio.Event
    is_closing: bool

    def guest(self, workspace: str) -> Guest:
        """Returns who asks the core for this connection."""

    def hold_back(self) -> None:
        """Looks anew whether the connection is to be read."""


class Turn:
    """One request under way.

    Attributes:
        body: of the request.
        is_cut: whether the answer could not be finished, so that the connection has to end.
        closes: whether the connection ends with the answer.
    """

    def __init__(
        self, head: Head, body: Body, link: Link, around: Surroundings, ended: Callable[[], None]
    ) -> None:
        """Prepares.

        Args:
            head: of the request.
            body: as it comes.
            link: the connection.
            around: the daemon.
            ended: called when nothing more is to be done.
        """
        self.body = body
        self.is_cut = False
        self.closes = False
        self._head = head
        self._link = link
        self._around = around
        self._ended = ended
        self._waits_for_word = head.expects_word
        self._is_head_sent = False
        self._task: asyncio.Task[None] | None = None
        self._beside: list[asyncio.Task[None]] = []
        body.waits = self._say_go_on

    def start(self) -> None:
        """Begins to work on it."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(self._done)

    def cancel(self) -> None:
        """Ends it without an answer."""
        if self._task is not None:
            self._task.cancel()

    def _attend(self, work: Coroutine[object, object, None]) -> None:
        """Runs something beside the request, at most as long as it."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._say_failed)
        self._beside.append(task)

    def _say_failed(self, task: asyncio.Task[None]) -> None:
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            _log.error("request failed", cause=fault, target=self._head.target[:200])
            self.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        for each in self._beside:
            each.cancel()
        fault = None if task.cancelled() else task.exception()
        self.is_cut = self.is_cut or task.cancelled() or fault is not None
        if fault is not None:
            self._say_failed(task)
            if not self._is_head_sent:
                self.closes = True
                self._link.transport.write(
                    whole(refusal(500, "internal", "see the daemon's log"), self._head)
                )
        self._ended()

    # ── the answer ────────────────────────────────────────────────────────────────────────

    async def _run(self) -> None:
        origin_headers: dict[str, str] = {}
        try:
            is_proved = self._link.session.via == "https"
            check_origin(self._head.headers, self._around.allow_origins, is_proved=is_proved)
            origin_headers = cors_headers(self._head.headers)
            request = Request(self._head, self.body, self._around, self._link.guest, self._attend)
            answer = await answer_for(request)
        except Refused as refused:
            answer = refused.answer
            if answer.closes or answer.status == HTTPStatus.FORBIDDEN:
                address = self._link.session.address
                _log.warning("request refused", address=address, reason=answer.reason)
        except AskrError as error:
            answer = error_answer(error)
        await self._write(answer, origin_headers)

    async def _write(self, answer: Answer, headers: dict[str, str]) -> None:
        self.closes = (
            self.closes or answer.closes or self._link.is_closing or not self._head.keeps_alive
        )
        if isinstance(answer.body, bytes):
            self.closes = self.closes or not self.body.is_whole
            data = whole(answer, self._head, headers, closes=self.closes)
            for at in range(0, len(data), SLICE_BYTES):
                self._send(data[at : at + SLICE_BYTES])
                await self._has_room()
        else:
            await self._stream(answer, answer.body, headers)

    async def _stream(self, answer: Answer, pieces: Pieces, headers: dict[str, str]) -> None:
        """Writes an answer whose length is not known: in chunks, or to the end of the connection."""
        in_chunks = self._head.version != "1.0"
        self.closes = self.closes or not in_chunks
        framing = {"transfer-encoding": "chunked"} if in_chunks else {}
        self._send(head_of(answer, headers | framing | _connection(self._head, self.closes)))
        if self._head.method == "HEAD":
            return
        try:
            async with aclosing(pieces) as flow:
                async for piece in flow:
                    if piece:
                        self._send(b"%x\r\n%b\r\n" % (len(piece), piece) if in_chunks else piece)
                        await self._has_room()
        except (AskrError, Refused):
            self.is_cut = True  # The missing end tells the client that the answer is not whole.
            return
        if in_chunks:
            self._send(b"0\r\n\r\n")
        self.closes = self.closes or not self.body.is_whole

    def _send(self, data: bytes) -> None:
        self._is_head_sent = True
        self._link.transport.write(data)

    async def _has_room(self) -> None:
        """Returns when the client takes more; cuts the connection when it takes nothing for long."""
        if self._link.room.is_set():
            return
        try:
            await asyncio.wait_for(self._link.room.wait(), STALLED_S)
        except TimeoutError:
            self.is_cut = True
            self._link.transport.abort()

    def _say_go_on(self) -> None:
        if self._waits_for_word and not self._is_head_sent:
            self._waits_for_word = False
            self._link.transport.write(CONTINUE)


def whole(
    answer: Answer, head: Head | None, headers: dict[str, str] | None = None, *, closes: bool = True
) -> bytes:
    """Returns a whole response to the request ``head``, or to one that could not be read."""
    assert isinstance(answer.body, bytes)
    own = dict(headers or {})
    if answer.has_body:
        own["content-length"] = str(len(answer.body))
    own |= {"connection": "close"} if head is None else _connection(head, closes)
    is_head = head is not None and head.method == "HEAD"
    return head_of(answer, own) + (answer.body if answer.has_body and not is_head else b"")


def _connection(head: Head, closes: bool) -> dict[str, str]:  # noqa: FBT001
    if closes:
        return {"connection": "close"}
    return {"connection": "keep-alive"} if head.version == "1.0" else {}
