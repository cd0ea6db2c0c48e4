"""One HTTP request as the places of the door see it: its words, its body, and a guest to ask."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from urllib.parse import parse_qsl, unquote_to_bytes

from askrd.config.layers import duration_s
from askrd.doors.guest import Guest
from askrd.doors.http.answer import Answer, Refused, refusal
from askrd.doors.http.intake import Head
from askrd.doors.http.surroundings import Surroundings
from askrd.wire.errors import BadRequest, PayloadTooLarge
from askrd.wire.limits import KIB, TTL_MS_MAX

BODY_HIGH_BYTES = 256 * KIB
"""Unread bytes of a body beyond which the connection is not read."""
BODY_SILENCE_S = 10.0
"""How long a body may pause."""
BODY_WHOLE_S = 60.0
"""How long a body may take that is needed as a whole."""
QUERY_FIELDS_MAX = 1_000


class Body:
    """The body of a request, as it comes.

    Attributes:
        is_whole: whether all of it has come.
        waits: called when somebody begins to read it.
    """

    def __init__(self, eased: Callable[[], None]) -> None:
        """Begins empty; ``eased`` is called when there is room again."""
        self.is_whole = False
        self.waits: Callable[[], None] = lambda: None
        self._eased = eased
        self._pieces: deque[bytes] = deque()
        self._have = 0
        self._news = asyncio.Event()
        self._fault: Refused | None = None

    @property
    def is_heavy(self) -> bool:
        """Whether enough waits to be read."""
        return self._have > BODY_HIGH_BYTES

    def add(self, piece: bytes) -> None:
        """Takes in a piece that came."""
        if piece:
            self._pieces.append(piece)
            self._have += len(piece)
            self._news.set()

    def end(self) -> None:
        """Takes in that it is whole."""
        self.is_whole = True
        self._news.set()

    def spoil(self, fault: Refused) -> None:
        """Takes in that the rest of it cannot be read."""
        self._fault = fault
        self._news.set()

    async def piece(self) -> bytes:
        """Returns what came next; empty at the end.

        Raises:
            Refused: it cannot be read, or nothing came for too long.
        """
        self.waits()
        while not self._pieces:
            if self._fault is not None:
                raise self._fault
            if self.is_whole:
                return b""
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), BODY_SILENCE_S)
            except TimeoutError as exc:
                raise Refused(slow_body()) from exc
        piece = self._pieces.popleft()
        was_heavy = self.is_heavy
        self._have -= len(piece)
        if was_heavy and not self.is_heavy:
            self._eased()
        return piece

    async def whole(self, bytes_max: int) -> bytes:
        """Returns all of it.

        Raises:
            PayloadTooLarge: it is larger than ``bytes_max``.
            Refused: it came too slowly.
        """
        data, has_more = await self.beginning(bytes_max)
        if has_more:
            raise PayloadTooLarge(
                f"the body is above the limit of {bytes_max} bytes; nothing was done. Bytes of "
                "another type than JSON may be larger",
                details={"bytes_max": bytes_max},
                at="daemon",
            )
        return data

    async def beginning(self, bytes_max: int) -> tuple[bytes, bool]:
        """Returns at most ``bytes_max`` of it, and whether there is more.

        Raises:
            Refused: it came too slowly.
        """
        pieces: list[bytes] = []
        have = 0
        try:
            async with asyncio.timeout(BODY_WHOLE_S):
                while piece := await self.piece():
                    have += len(piece)
                    if have > bytes_max:
                        cut = len(piece) - (have - bytes_max)
                        self._pieces.appendleft(piece[cut:])
                        self._have += len(piece) - cut
                        return b"".join((*pieces, piece[:cut])), True
                    pieces.append(piece)
        except TimeoutError as exc:
            raise Refused(slow_body()) from exc
        return b"".join(pieces), False


def slow_body() -> Answer:
    """Returns the answer to a body that does not come."""
    return refusal(408, "bad_request", "the body came too slowly; nothing was done", closes=True)


class Request:
    """One request.

    Attributes:
        head: as it was sent. body: as it comes.
        surroundings: the daemon.
        segments: the path in its parts, decoded; `/call/a%2Fb` is `call`, `a/b`.
        path: the path behind the prefix, as it was sent, without the query.
        prefix: under which a proxy shows the daemon; empty or `/askr`.
        query: names and values, decoded, in order.
    """

    def __init__(
        self,
        head: Head,
        body: Body,
        surroundings: Surroundings,
        guest: Callable[[str], Guest],
        attend: Callable[[Coroutine[object, object, None]], None],
    ) -> None:
        """Reads the target.

        Args:
            head: what was sent.
            body: what is being sent.
            surroundings: the daemon.
            guest: returns the connection's guest in the workspace of that name.
            attend: runs something beside the request, at most as long as it.

        Raises:
            BadRequest: path or query are none.
        """
        self.head = head
        self.body = body
        self.surroundings = surroundings
        self.attend = attend
        self._guest = guest
        path, _, query = _origin_form(head.target).partition("?")
        self.prefix = head.headers.get("x-forwarded-prefix", "").rstrip("/")
        if self.prefix and f"{path}/".startswith(f"{self.prefix}/"):
            path = path[len(self.prefix) :] or "/"
        self.path = path
        self.segments = [_decoded(part) for part in path.removeprefix("/").split("/")]
        self.query = _fields(query)

    @property
    def method(self) -> str:
        """The method; HEAD is served as GET."""
        return "GET" if self.head.method == "HEAD" else self.head.method

    @property
    def is_head(self) -> bool:
        """Whether only the head of the answer is wanted."""
        return self.head.method == "HEAD"

    @property
    def rest(self) -> str:
        """The path behind its first part, decoded."""
        return "/".join(self.segments[1:])

    @property
    def guest(self) -> Guest:
        """Whoever asks the core in the request's name."""
        return self._guest(self.header("askr-workspace"))

    def say_hello(self) -> None:
        """Opens the connection's session, so that a slow body is not taken for a silent peer.

        Raises:
            Refused: the connection belongs to another workspace.
        """
        self._guest(self.header("askr-workspace"))

    def header(self, name: str) -> str:
        """Returns a header, empty when it was not sent."""
        return self.head.headers.get(name, "")

    def duration_ms(self, name: str) -> int:
        """Returns a header such as `500ms` or `5s` in milliseconds; 0 without it.

        Raises:
            BadRequest: it is no duration, or one no frame can carry.
        """
        text = self.header(name)
        return read_duration_ms(name, text) if text else 0

    def accepts(self, kind: str) -> bool:
        """Says whether the client asks for a content type by name."""
        wanted = self.header("accept").lower()
        return kind in (part.partition(";")[0].strip() for part in wanted.split(","))

    @property
    def content_type(self) -> str:
        """The body's type without its parameters, in small letters."""
        return self.header("content-type").partition(";")[0].strip().lower()


def read_duration_ms(name: str, text: str) -> int:
    """Returns a duration in milliseconds; ``name`` is what the error calls it.

    Raises:
        BadRequest: it is none, or one that no frame can carry.
    """
    try:
        found = round(duration_s(text) * 1000)
    except BadRequest as exc:
        raise BadRequest(f"{name}: {exc.message}", at="daemon") from exc
    if not 1 <= found <= TTL_MS_MAX:
        raise BadRequest(f"{name} is 1ms to {TTL_MS_MAX}ms", at="daemon")
    return found


def _origin_form(target: str) -> str:
    """Returns path and query of a target; a proxy's absolute form is taken, too."""
    if target.startswith("/"):
        return target
    scheme, _, rest = target.partition("://")
    if scheme.lower() in {"http", "https"} and rest:
        _, slash, path = rest.partition("/")
        return slash + path or "/"
    return target


def _decoded(part: str) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError as exc:
        raise BadRequest("a path is UTF-8, percent-encoded", at="daemon") from exc


def _fields(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=QUERY_FIELDS_MAX
        )
    except ValueError as exc:
        raise BadRequest(f"the query cannot be read: {exc}", at="daemon") from exc
